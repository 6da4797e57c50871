#!/bin/bash
# Bring a virtual environment up to date with a lock file:
#   scripts/venv.sh .venv requirements/base.txt
# Nothing is done when the lock is the one that was installed last.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
lock=$2

say() { echo "$*" >&2; }

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3.11 python3 python3.12 python3.13; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi
[ -n "$python" ] || { say "PneumoniApp needs Python 3.11: apt-get install python3"; exit 1; }

wanted=$(cat "$lock" requirements/uv.txt | sha256sum | cut -d' ' -f1)
stamp=$venv/installed-lock
# A folder that was moved has scripts that point to where it was.
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted $PWD" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    command="apt-get install --yes python$version-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing python$version-venv"
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -qq && $command -qq; } >/dev/null || { say "That failed: $command"; exit 1; }
    else
        say "Python's venv module is missing. Install it and try again:  sudo $command"
        exit 1
    fi
fi

say "Installing $lock into $venv"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --only-binary :all: -r requirements/uv.txt
VIRTUAL_ENV=$PWD/$venv "$venv/bin/uv" pip install --quiet --require-hashes -r "$lock"
echo "$wanted $PWD" > "$stamp"
