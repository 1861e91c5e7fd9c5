"""Where the lab's programs are, and how to install those that are not there."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from lab.errors import LabError

_POSTGRES = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]

# name: (file name, how to install it)
_PROGRAMS = {
    "postgres": ("postgres", "apt-get install postgresql"),
    "initdb": ("initdb", "apt-get install postgresql"),
    "redis": ("redis-server", "apt-get install redis-server"),
    "toxiproxy": ("toxiproxy-server", "make setup"),
    "prometheus": ("prometheus", "apt-get install prometheus"),
    "alertmanager": ("prometheus-alertmanager", "apt-get install prometheus-alertmanager"),
    "postgres-exporter": ("prometheus-postgres-exporter", "apt-get install prometheus-postgres-exporter"),
    "redis-exporter": ("prometheus-redis-exporter", "apt-get install prometheus-redis-exporter"),
    "setpriv": ("setpriv", "apt-get install util-linux"),
}


def find_programs() -> dict[str, Path]:
    """Find every program of the lab; raises LabError with a line for each that is missing."""
    # The virtual environment's own folder comes first: set-up puts Toxiproxy there.
    folders = [str(Path(sys.executable).parent), *_POSTGRES]
    found, missing = {}, []
    for name, (file, remedy) in _PROGRAMS.items():
        path = shutil.which(file, path=":".join(folders)) or shutil.which(file)
        if path is None:
            missing.append(f"{file} is missing, install it: {remedy}")
        else:
            found[name] = Path(path)
    if missing:
        raise LabError("\n".join(missing))
    return found
