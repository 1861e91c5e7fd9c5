"""Where the programs of a control plane are: lab/install-kubernetes.sh builds them into a cache, once a machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from alertdrill.lab.errors import LabError

VERSION = "1.36.3"
_BUILT = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
_REMEDIES = {"openssl": "apt-get install openssl", "setpriv": "apt-get install util-linux"}


def cache() -> Path:
    """Tell where the programs are built."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "alertdrill" / "kubernetes" / VERSION


def find_programs() -> dict[str, Path]:
    """Find every program of a control plane; raises LabError with a line for each that is missing."""
    folder = cache()
    found = {name: folder / name for name in _BUILT if os.access(folder / name, os.X_OK)}
    missing = [f"{name} is not in {folder}, build it: make kubernetes" for name in _BUILT if name not in found]
    for name, remedy in _REMEDIES.items():
        path = shutil.which(name)
        if path is None:
            missing.append(f"{name} is missing, install it: {remedy}")
        else:
            found[name] = Path(path)
    if missing:
        raise LabError("\n".join(missing))
    return found


def stages() -> list[Path]:
    """List what makes kwok's nodes and pods pass from stage to stage."""
    return sorted((cache() / "stages").glob("*.yaml"))
