#!/bin/sh
# Installs Debian packages: lab/apt.sh PACKAGE…
# Waits up to ten minutes while another process holds one of apt's locks. apt-get itself waits for dpkg's lock only:
# when the package lists or the downloads are locked it fails at once, so it is tried again.
set -eu

patience_seconds=600
dpkg_lock_seconds=5
is_locked='^E: \(Could not get lock\|Unable to acquire .*, is another process using it\)'

if ! command -v apt-get >/dev/null 2>&1; then
    echo "These Debian packages are missing, and there is no apt-get to install them: $*" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt() { # apt ARGUMENT…: run apt-get, and try again while a lock is held
    deadline=$(($(date +%s) + patience_seconds))
    shown=""
    # LC_ALL: the message about a lock is searched for in English.
    until $as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        apt-get -q -o "DPkg::Lock::Timeout=$dpkg_lock_seconds" "$@" >"$log" 2>&1; do
        if ! grep -q "$is_locked" "$log" || [ "$(date +%s)" -ge "$deadline" ]; then
            cat "$log" >&2
            exit 1
        fi
        holder=$(sed -n 's/.*\(Could not get lock .*\)/\1/p' "$log" | tail -n 1)
        [ -n "$shown" ] || echo "waiting at most $patience_seconds s for another package manager: $holder"
        shown=yes
        sleep 1
    done
}

echo "installing with apt-get: $*"
apt update
apt install -y "$@"
