"""Which probes there are: the kind in a file, and its class."""

from __future__ import annotations

from probes.http import Http

PROBES = {
    "http": Http,
}

AnyProbe = Http
