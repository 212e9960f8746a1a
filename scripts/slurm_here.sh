#!/usr/bin/env bash
# A SLURM cluster of two nodes on this machine, to try and to test hydra/launcher=slurm. Needs root, and Debian or Ubuntu.
#   scripts/slurm_here.sh install      installs slurm-wlm and munge
#   scripts/slurm_here.sh start DIR    starts the cluster; prints the export of SLURM_CONF that sinfo, squeue and the launcher need
#   scripts/slurm_here.sh stop DIR     ends its jobs and its daemons
# Nodes: n1 and n2, with 4 CPUs and 32 GB each, whatever this machine has, and no GPU. Partitions: main; grace, the same with a grace time
# for preempted jobs; urgent, whose jobs preempt those of the others, which SLURM then requeues.
# Everything is written to DIR. Several clusters may run at the same time.
set -eu

fail() { echo "error: $*" >&2; exit 1; }

install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends slurm-wlm munge > /dev/null
}

# A TCP port that nothing uses.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# cred_expire is also the time that a requeued job waits; its default is two minutes.
configure() {
  cat > slurm.conf <<END
ClusterName=here
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$PWD/munge/socket,cred_expire=10
StateSaveLocation=$PWD/state
SlurmdSpoolDir=$PWD/spool-%n
SlurmctldPidFile=$PWD/slurmctld.pid
SlurmdPidFile=$PWD/slurmd-%n.pid
SlurmctldLogFile=$PWD/slurmctld.log
SlurmdLogFile=$PWD/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=1,sched_min_interval=200000,sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$(free_port) CPUs=4 RealMemory=32000
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$(free_port) CPUs=4 RealMemory=32000
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 MaxTime=UNLIMITED
PartitionName=grace Nodes=ALL PriorityTier=1 GraceTime=60 MaxTime=UNLIMITED
PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF MaxTime=UNLIMITED
END
}

idle() { [ "$(sinfo --noheader --partition=main --states=idle --format=%D 2> /dev/null)" = 2 ]; }

# Repeats a command until it succeeds, for some seconds.
wait_for() {
  for _ in $(seq 150); do
    "$@" && return
    sleep 0.1
  done
  return 1
}

start() {
  [ "$(id -u)" = 0 ] || fail "starting SLURM needs root"
  for daemon in munged slurmctld slurmd; do
    command -v "$daemon" > /dev/null || fail "$daemon is not installed: run scripts/slurm_here.sh install"
  done
  mkdir -p "$1" && cd "$1" && mkdir -p state munge
  configure
  export SLURM_CONF=$PWD/slurm.conf
  head -c 1024 /dev/urandom > munge/key
  chown -R munge munge && chmod 711 munge && chmod 600 munge/key
  runuser -u munge -- munged --force --socket="$PWD/munge/socket" --key-file="$PWD/munge/key" --pid-file="$PWD/munge/pid" \
    --seed-file="$PWD/munge/seed" --log-file="$PWD/munge/log"
  slurmctld && slurmd -N n1 && slurmd -N n2
  wait_for idle || fail "the nodes do not become idle: see $PWD/*.log"
  echo "export SLURM_CONF=$SLURM_CONF"
}

no_jobs() { [ -z "$(squeue --noheader)" ]; }
ended() { ! [ -e "/proc/$1/exe" ]; }  # of a process that has ended and waits for its parent, too

stop() {
  cd "$1"
  export SLURM_CONF=$PWD/slurm.conf
  scancel --user=root && wait_for no_jobs || true
  daemons=$(cat munge/pid ./*.pid)
  kill $daemons
  for daemon in $daemons; do
    wait_for ended "$daemon" || kill -9 "$daemon"
  done
}

case "${1:-} $#" in
  "install 1" | "start 2" | "stop 2") "$@" ;;
  *) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;;
esac
