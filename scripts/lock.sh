#!/bin/bash
# `make lock`: resolve requirements/*.in again. Versions stay as they are unless a .in file
# asks for others; UPGRADE=1 takes the newest ones. Each file keeps to the one below it.
set -euo pipefail
cd "$(dirname "$0")/../requirements"
uv=$(command -v ../.venv-dev/bin/uv || command -v uv)
for name in base production training test uv; do
    below=()
    case $name in
        production) below=(-c base.txt) ;;
        training) below=(-c base.txt) ;;
        test) below=(-c production.txt -c training.txt) ;;
    esac
    $uv pip compile "$name.in" --quiet --generate-hashes --no-annotate --no-header \
        --python-version 3.11 ${UPGRADE:+--upgrade} "${below[@]}" -o "$name.txt"
done
