#!/bin/bash
# `make test`: the whole suite on SQLite, then on MariaDB all that doesn't bring its own
# servers. Ends with pytest's closing line of each part and their sum.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv-dev/bin:$PATH:/usr/sbin"
work=$(mktemp -d /tmp/pneumoniapp-test-XXXXXX)
server=
closing=()
status=0

cleanup() {
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
export VAR_DIR=$work/var

part() {
    local name=$1 log
    shift
    log=$work/$name.log
    echo "== $name"
    python -m pytest -p no:cacheprovider -q "$@" 2>&1 | tee "$log"
    local code=${PIPESTATUS[0]}
    [ "$code" = 0 ] || status=1
    closing+=("$(printf '%-22s %s' "$name" "$(tail -n 1 "$log")")")
}

start_mariadb() {
    local data=$work/mariadb
    mkdir "$data"
    mariadb-install-db --no-defaults --datadir="$data/data" --auth-root-authentication-method=normal \
        --skip-test-db ${root:+--user=root} >"$data/install.log" 2>&1 || { cat "$data/install.log"; return 1; }
    # A socket alone: no port, nothing that another machine could reach.
    mariadbd --no-defaults --datadir="$data/data" --socket="$data/sock" --skip-networking \
        --pid-file="$data/pid" --character-set-server=utf8mb4 --collation-server=utf8mb4_unicode_ci \
        --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --skip-log-bin \
        ${root:+--user=root} >"$data/server.log" 2>&1 &
    server=$!
    for _ in $(seq 300); do
        mariadb-admin --no-defaults -uroot -S "$data/sock" ping >/dev/null 2>&1 && break
        kill -0 "$server" 2>/dev/null || { cat "$data/server.log"; return 1; }
        sleep 0.1
    done
    # Without time zones, truncating a date to a day would fail.
    mariadb-tzinfo-to-sql /usr/share/zoneinfo 2>/dev/null \
        | mariadb --no-defaults -uroot -S "$data/sock" mysql || return 1
    export DATABASE_URL="mysql://root@localhost/pneumoniapp?unix_socket=$data/sock"
}

root=
[ "$(id -u)" = 0 ] && root=yes

part sqlite -n 2 -m "not services and not e2e"
part services-and-browser -n 0 -m "services or e2e"
if command -v mariadbd >/dev/null && python -c 'import MySQLdb' 2>/dev/null; then
    if start_mariadb; then
        part mariadb -n 2 --database-only -m "not services and not e2e and not training and not real_data"
    else
        echo "MariaDB didn't start."
        status=1
    fi
else
    echo "SKIPPED: the suite on MariaDB (mariadb-server or mysqlclient is missing)."
fi

echo
printf '%s\n' "${closing[@]}"
printf '%s\n' "${closing[@]}" | python scripts/sum_closing_lines.py
exit "$status"
