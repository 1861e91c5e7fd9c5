#!/bin/sh
# Installs Debian packages: lab/apt.sh PACKAGE…
set -eu

if ! command -v apt-get >/dev/null 2>&1; then
    echo "These Debian packages are missing, and there is no apt-get to install them: $*" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing with apt-get: $*"
if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@"; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
