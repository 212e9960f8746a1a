#!/usr/bin/env bash
# A PostgreSQL server for tests, on this machine only, with a port and a data directory of its own.
#   scripts/postgres_here.sh install              installs Debian's package; needs root
#   scripts/postgres_here.sh start [DIRECTORY]    creates the directory and the server in it, prints the URL with its password
#   scripts/postgres_here.sh stop [DIRECTORY]     ends the server and removes the directory
set -euo pipefail

command=${1:-} directory=${2:-${TMPDIR:-/tmp}/agegender-postgres}
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)

fail() { echo "error: $*" >&2; exit 1; }

as_owner() {  # the server refuses to run as root
    if [ "$(id -u)" = 0 ]; then (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@"); else "$@"; fi
}

case $command in
install)
    [ -n "$programs" ] && exit 0
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null
    ;;
start)
    [ -n "$programs" ] || fail "PostgreSQL is not installed (scripts/postgres_here.sh install)"
    [ ! -e "$directory" ] || fail "$directory exists already"
    mkdir -m 700 "$directory"
    trap 'cat "$directory/log" >&2 2>/dev/null; rm -rf "$directory"' ERR
    password=$(head -c 18 /dev/urandom | base64 | tr -d '+/=')
    (umask 077 && echo "$password" >"$directory/password")
    [ "$(id -u)" != 0 ] || chown -R postgres: "$directory"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    as_owner "$programs/initdb" -D "$directory/data" -U agegender -E UTF8 --locale=C -A scram-sha-256 \
        --pwfile="$directory/password" >/dev/null
    rm "$directory/password"
    as_owner "$programs/pg_ctl" -D "$directory/data" -l "$directory/log" -w -t 60 start >/dev/null \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$directory -c fsync=off"
    echo "postgresql://agegender:$password@127.0.0.1:$port/postgres"
    ;;
stop)
    [ -d "$directory/data" ] || fail "$directory has no server"
    as_owner "$programs/pg_ctl" -D "$directory/data" -m immediate -w stop >/dev/null
    rm -rf "$directory"
    ;;
*)
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
