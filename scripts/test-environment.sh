#!/bin/bash
# What the tests and checks need: system packages (as root, where they are missing) and
# .venv-dev. Says what can't be had, and which tests will skip for it.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { echo "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

builds_mysqlclient() {
    have gcc && have pkg-config && { pkg-config --exists mysqlclient || pkg-config --exists mariadb; } \
        && "$python" -c 'import pathlib, sysconfig, sys
sys.exit(not pathlib.Path(sysconfig.get_paths()["include"], "Python.h").exists())'
}

python=${PYTHON:-$(command -v python3.11 || command -v python3)}
missing=()
have mariadbd || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server)
have redis-server || missing+=(redis-server)
have chromium || missing+=(chromium)
have xgettext || missing+=(gettext)
[ -d /usr/share/zoneinfo/Europe ] || missing+=(tzdata)
builds_mysqlclient || missing+=(gcc python3-dev default-libmysqlclient-dev pkg-config)

if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && have apt-get; then
        say "Installing ${missing[*]}"
        # Installed only: the tests start servers of their own, on free ports.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            printf '#!/bin/sh\nexit 101\n' > $policy
            chmod +x $policy
            trap 'rm -f $policy' EXIT
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >&2
        apt-get install --yes -qq --no-install-recommends "${missing[@]}" >/dev/null 2>"${TMPDIR:-/tmp}/apt-errors" \
            || { cat "${TMPDIR:-/tmp}/apt-errors" >&2; say "Not everything could be installed."; }
    else
        say "Missing: ${missing[*]}.  With them:  sudo apt-get install ${missing[*]}"
    fi
fi

lock=requirements/test.txt
if ! builds_mysqlclient; then
    say "SKIPPED: the suite on MariaDB (mysqlclient can't be built here)."
    mkdir -p var
    lock=var/test-without-mysqlclient.txt
    awk '/^[^ ]/ { skip = /^mysqlclient==/ } !skip' requirements/test.txt > $lock
fi
have redis-server || say "SKIPPED: tests with a Redis server (redis-server is missing)."
have mariadbd || [ -x /usr/sbin/mariadbd ] || say "SKIPPED: tests with MariaDB (mariadb-server is missing)."
have chromium || say "SKIPPED: tests in a browser (chromium is missing)."
scripts/venv.sh .venv-dev "$lock"
