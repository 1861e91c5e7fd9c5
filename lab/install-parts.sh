#!/bin/sh
# Installs what the lab's optional parts and the tests of the pages need, if it is missing: Apache Kafka, Java, HAProxy,
# Chromium.
# Kafka goes to ~/.cache/alertdrill/kafka-VERSION, where the lab looks. Maven downloads the jars (56 MB)
# and verifies their checksums. Java, Maven, HAProxy and Chromium are installed from Debian if they are missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's|.*<version>\([0-9.]*\)</version>.*|\1|p' "$here/kafka/pom.xml" | sed -n 2p)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/alertdrill/kafka-$version

missing=""
command -v java >/dev/null 2>&1 || missing="default-jre-headless"
[ -x /usr/sbin/haproxy ] || command -v haproxy >/dev/null 2>&1 || missing="$missing haproxy"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
[ -d "$folder" ] || command -v mvn >/dev/null 2>&1 || missing="$missing maven"
if [ -n "$missing" ]; then
    sh "$here/apt.sh" $missing
fi
[ ! -d "$folder" ] || exit 0

echo "fetching Apache Kafka $version"
mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$(dirname "$folder")/.kafka-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
if ! mvn --batch-mode --quiet --strict-checksums --file "$here/kafka/pom.xml" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$work/jars" >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
fi
# Moved when complete, so that a lab started meanwhile never finds a part of the jars.
mv "$work/jars" "$folder"
