#!/bin/sh
# Installs Debian's Chromium for the test of the report in a browser, where that is possible: as root, with apt-get.
# Elsewhere it says why not, and the test is skipped.
set -eu
if command -v chromium >/dev/null; then
    echo "chromium is here: $(command -v chromium)"
elif ! command -v apt-get >/dev/null; then
    echo "chromium is not installed: there is no apt-get"
elif [ "$(id -u)" != 0 ]; then
    echo "chromium is not installed: apt-get needs root"
else
    if (apt-get update && apt-get install --yes --no-install-recommends chromium fonts-dejavu-core) >/tmp/install_chromium.log 2>&1
    then echo "chromium was installed: $(command -v chromium)"
    else echo "chromium could not be installed: $(tail -n 1 /tmp/install_chromium.log)"
    fi
fi
