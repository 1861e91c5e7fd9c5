#!/bin/sh
# Installs what the benchmarks need besides `make setup`: benchmarks/install.sh [BIN_DIR]
# nginx always; the peers into BIN_DIR, if BIN_DIR is given and Go is installed. Both are kept between runs.
# A peer that cannot be built is not an error: the benchmark reports it as missing.
set -eu

policy=/usr/sbin/policy-rc.d
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"

install_nginx() ( # a subshell, so that its trap removes the policy as soon as nginx is installed
    # Debian would start nginx as a service: this policy forbids it during the installation.
    # A policy that exists already is the administrator's, and stays.
    if [ ! -e "$policy" ]; then
        trap '$as_root rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
    fi
    sh "$(dirname "$0")/../lab/apt.sh" nginx-light
)

build() { # build PROGRAM MODULE VERSION…: the first version that builds
    program=$1 module=$2
    shift 2
    [ ! -x "$bin/$program" ] || return 0
    for version in "$@"; do
        echo "building $program $version"
        # nice: building k6 keeps every core busy for minutes.
        ! GOBIN="$bin" nice go install "$module@$version" || return 0
    done
    echo "$program could not be built; the benchmark goes on without it" >&2
}

k6_versions() { # the newest first: a version may need a newer Go than the one installed
    go list -m -versions go.k6.io/k6 2>/dev/null | tr ' ' '\n' | grep -E '^v1\.[0-9]+\.[0-9]+$' | sort -rV | head -n 5 || true
}

PATH="$PATH:/usr/sbin" command -v nginx >/dev/null 2>&1 || install_nginx
[ -n "${1:-}" ] || exit 0
mkdir -p "$1"
bin=$(cd "$1" && pwd)
if ! command -v go >/dev/null 2>&1; then
    echo "Go is not installed, so no peers are built; the benchmark reports them as missing" >&2
    exit 0
fi
build hey github.com/rakyll/hey v0.1.5
build vegeta github.com/tsenart/vegeta/v12 v12.13.0
[ -x "$bin/k6" ] || build k6 go.k6.io/k6 $(k6_versions)
