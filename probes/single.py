"""The kinds of probe that stand alone: the kind in a file, and its class."""

from __future__ import annotations

from probes.http import Http
from probes.tcp import Tcp
from probes.tls import Tls

SINGLE_PROBES = {
    "http": Http,
    "tcp": Tcp,
    "tls": Tls,
}

SingleProbe = Http | Tcp | Tls
