"""Where the lab's programs are, and how to install those that are not there."""

from __future__ import annotations

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

# For this one there is a stand-in of our own.
_OPTIONAL = {"toxiproxy": "toxiproxy-server"}


def find_programs() -> dict[str, Path]:
    """Find every program of the lab; raises LabError with a line for each that is missing, but for "toxiproxy"."""
    # The virtual environment's own folder comes first: set-up puts Toxiproxy there.
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
