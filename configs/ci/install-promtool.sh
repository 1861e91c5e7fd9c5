#!/bin/sh
# Installs promtool of a release of Prometheus, after checking its digest: install-promtool.sh VERSION [FOLDER]
# The default folder is ~/.cache/alertdrill/bin, where alertdrill looks. $PROMETHEUS_RELEASES names a mirror.
set -eu

version=${1:?the version of Prometheus, such as 3.5.0}
folder=${2:-$HOME/.cache/alertdrill/bin}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
releases=${PROMETHEUS_RELEASES:-https://github.com/prometheus/prometheus/releases/download}

if [ -x "$folder/promtool" ] && "$folder/promtool" --version 2>&1 | grep -q "version $version "; then
    exit 0
fi
case $(uname -m) in
    x86_64) machine=amd64 ;;
    aarch64) machine=arm64 ;;
    *) echo "install-promtool.sh: there is no release for $(uname -m)" >&2; exit 2 ;;
esac
name=prometheus-$version.linux-$machine
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for file in "$name.tar.gz" sha256sums.txt; do
    curl --fail --silent --show-error --location --retry 3 --output "$work/$file" "$releases/v$version/$file"
done
cd "$work"
grep "  $name.tar.gz\$" sha256sums.txt | sha256sum --check --quiet --strict -
tar --extract --gzip --file "$name.tar.gz" --strip-components 1 "$name/promtool"
mv promtool "$folder/promtool"
