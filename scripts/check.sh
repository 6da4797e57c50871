#!/bin/bash
# `make check`: everything that can be said without running the program's tests. Every step
# runs; the ones that failed are named at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv-dev/bin:$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VAR_DIR=$work/var PYTHONDONTWRITEBYTECODE=1
mkdir "$VAR_DIR"
failed=()

step() {
    local name=$1
    shift
    echo "== $name"
    "$@" || failed+=("$name")
}

deployment() {
    printf '%040d:1\r\n%s:2\r\n' 0 FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF >"$work/breached.txt"
    env DJANGO_SETTINGS_MODULE=pneumoniapp.settings.production \
        SECRET_KEY=aB3-dE6_gH9-jK2_mN5-pQ8_sT1-vW4_yZ7-bC0_eF3-hJ6_kM9 ALLOWED_HOSTS=pneumonia.example.org \
        DATABASE_URL="sqlite:///$work/db.sqlite3" CELERY_BROKER_URL=rediss://redis.example.org/0 \
        CACHE_URL=rediss://redis.example.org/1 EMAIL_URL=smtp+tls://user:password@mail.example.org:587 \
        TRUSTED_PROXIES=10.0.0.0/8 METRICS_TOKEN=Zx8-cV5_bN2-mK9 \
        BACKUP_KEYS=aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6kM9nP2s \
        FILE_KEYS=kL3mN6pQ9rS2tU5vW8xY1zA4bC7dE0fG3hJ6kM9nP2s \
        BREACHED_PASSWORDS_FILE="$work/breached.txt" \
        AUDIT_KEYS=qS8-tU1_vX4-yZ7_bC0-eF3_hJ6-kM9_nP2-rT5_wY8 \
        python manage.py check --deploy --fail-level WARNING
}

step "style (ruff)" ruff check .
step "format (ruff)" ruff format --check .
step "who imports whom (import-linter)" lint-imports --no-logo --no-cache
step "templates (djlint)" djlint templates --lint --quiet
step "migrations match the models" env DJANGO_SETTINGS_MODULE=pneumoniapp.settings.test \
    python manage.py makemigrations --check --dry-run
step "deployment (check --deploy)" deployment
step "translations" python scripts/translations.py --check
step "entity diagram" python scripts/entity_diagram.py --check
step "lock files" python scripts/locks.py
step "licences" python scripts/licences.py --check
step "files of others" python scripts/vendored.py
step "secrets (detect-secrets)" python scripts/secrets_scan.py
step "known vulnerabilities (pip-audit)" python scripts/audit.py

if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
echo "All checks passed."
