#!/bin/sh
# Installs the programs of the lab that are missing, on Debian or Ubuntu.
# The distribution starts some of them as services; the lab neither uses nor touches those.
set -eu

missing=""
need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need prometheus prometheus
need prometheus-alertmanager prometheus-alertmanager
need redis-server redis-server
need prometheus-postgres-exporter prometheus-postgres-exporter
need prometheus-redis-exporter prometheus-redis-exporter
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && id postgres >/dev/null 2>&1 || missing="$missing postgresql"
"${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "These Debian packages are missing, and there is no apt-get to install them:$missing" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
log=$(mktemp)
echo "installing with apt-get:$missing"
if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
rm -f "$log"
