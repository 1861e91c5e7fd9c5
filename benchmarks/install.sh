#!/bin/sh
# Installs what the benchmarks need beside `make setup`: benchmarks/install.sh [BIN_DIR]
# nginx always; into BIN_DIR, when that is given, the peers, if Go is there. Both are kept between runs.
# A peer that cannot be built is not an error: the benchmark says that it is missing.
set -eu

policy=/usr/sbin/policy-rc.d
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"

install_nginx() ( # a shell of its own, so that the policy goes as soon as the install has ended
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "nginx is missing, and there is no apt-get to install nginx-light" >&2
        exit 1
    fi
    echo "installing with apt-get: nginx-light"
    log=$(mktemp)
    # Debian would start it as a service at once: this policy, which goes again, forbids that.
    # One that is there already is somebody's decision, and stays.
    if [ ! -e "$policy" ]; then
        trap '$as_root rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
    fi
    if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q nginx-light; } >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
    rm -f "$log"
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

k6_versions() { # the newest ones first: they may ask for a newer Go than there is
    go list -m -versions go.k6.io/k6 2>/dev/null | tr ' ' '\n' | grep -E '^v1\.[0-9]+\.[0-9]+$' | sort -rV | head -n 5 || true
}

PATH="$PATH:/usr/sbin" command -v nginx >/dev/null 2>&1 || install_nginx
[ -n "${1:-}" ] || exit 0
mkdir -p "$1"
bin=$(cd "$1" && pwd)
if ! command -v go >/dev/null 2>&1; then
    echo "there is no Go to build peers with; the benchmark names those that are missing" >&2
    exit 0
fi
build hey github.com/rakyll/hey v0.1.5
build vegeta github.com/tsenart/vegeta/v12 v12.13.0
[ -x "$bin/k6" ] || build k6 go.k6.io/k6 $(k6_versions)
