"""Finds the lab's programs; the error for a missing program says how to install it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from alertdrill.lab.errors import LabError

_POSTGRES = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]

# name: (file name, how to install it)
_PROGRAMS = {
    "postgres": ("postgres", "apt-get install postgresql"),
    "initdb": ("initdb", "apt-get install postgresql"),
    "redis": ("redis-server", "apt-get install redis-server"),
    "prometheus": ("prometheus", "apt-get install prometheus"),
    "alertmanager": ("prometheus-alertmanager", "apt-get install prometheus-alertmanager"),
    "postgres-exporter": ("prometheus-postgres-exporter", "apt-get install prometheus-postgres-exporter"),
    "redis-exporter": ("prometheus-redis-exporter", "apt-get install prometheus-redis-exporter"),
    "setpriv": ("setpriv", "apt-get install util-linux"),
}

# Without this one the lab uses the embedded Toxiproxy.
_OPTIONAL = {"toxiproxy": "toxiproxy-server"}

KUBERNETES_VERSION = "1.36.3"
_KUBERNETES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
_KUBERNETES_REMEDIES = {"openssl": "apt-get install openssl", "setpriv": "apt-get install util-linux"}


def find_programs() -> dict[str, Path]:
    """Find every program of the lab; raises LabError with a line for each missing one. "toxiproxy" may be missing."""
    # The virtual environment's folder comes first: set-up puts Toxiproxy there.
    folders = [str(Path(sys.executable).parent), *_POSTGRES]
    found, missing = {}, []
    for name, (file, remedy) in _PROGRAMS.items():
        path = _find(file, folders)
        if path is None:
            missing.append(f"{file} is missing, install it: {remedy}")
        else:
            found[name] = path
    if missing:
        raise LabError("\n".join(missing))
    optional = {name: _find(file, folders) for name, file in _OPTIONAL.items()}
    return found | {name: path for name, path in optional.items() if path is not None}


def _find(file: str, folders: list[str]) -> Path | None:
    path = shutil.which(file, path=":".join(folders)) or shutil.which(file)
    return None if path is None else Path(path)


def find_kubernetes() -> dict[str, Path]:
    """Find every program of a Kubernetes control plane; raises LabError with a line for each missing one."""
    folder = _kubernetes_folder()
    found = {name: folder / name for name in _KUBERNETES if os.access(folder / name, os.X_OK)}
    missing = [f"{name} is not in {folder}, build it: make kubernetes" for name in _KUBERNETES if name not in found]
    for name, remedy in _KUBERNETES_REMEDIES.items():
        path = shutil.which(name)
        if path is None:
            missing.append(f"{name} is missing, install it: {remedy}")
        else:
            found[name] = Path(path)
    if missing:
        raise LabError("\n".join(missing))
    return found


def kwok_stages() -> list[Path]:
    """List the files that describe the stages of kwok's nodes and pods."""
    return sorted((_kubernetes_folder() / "stages").glob("*.yaml"))


def _kubernetes_folder() -> Path:
    """Return the folder into which lab/install-kubernetes.sh builds the programs, once for each machine."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "alertdrill" / "kubernetes" / KUBERNETES_VERSION


def ends_with_this_process(setpriv: Path, signal: str, *options: str) -> list[str]:
    """Return what to put before a command: the kernel sends it the signal when this process ends.

    `options` are others of setpriv. The command is not run if this process was killed before setpriv asked for the signal:
    then none will come.
    """
    only_if_alive = ["sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid())]
    return [str(setpriv), "--pdeathsig", signal, *options, "--", *only_if_alive]
