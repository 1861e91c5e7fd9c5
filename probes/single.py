"""The kinds of probe that stand alone: the kind in a file, and its class."""

from __future__ import annotations

from probes.http import Http
from probes.tcp import Tcp

SINGLE_PROBES = {
    "http": Http,
    "tcp": Tcp,
}

SingleProbe = Http | Tcp
