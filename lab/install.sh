#!/bin/sh
# Installs the programs of the lab that are missing, on Debian or Ubuntu.
# Debian starts some of them as services; the lab does not use or change those services.
set -eu

missing=""
need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need prometheus prometheus
need prometheus-alertmanager prometheus-alertmanager
need redis-server redis-server
need openssl openssl
need prometheus-postgres-exporter prometheus-postgres-exporter
need prometheus-redis-exporter prometheus-redis-exporter
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && id postgres >/dev/null 2>&1 || missing="$missing postgresql"
"${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"

[ -z "$missing" ] || sh "$(dirname "$0")/apt.sh" $missing
