"""The kinds of probe that stand alone: the kind in a file, and its class."""

from __future__ import annotations

from probes.dns import Dns
from probes.http import Http
from probes.postgres import Postgres
from probes.redis import Redis
from probes.tcp import Tcp
from probes.tls import Tls

SINGLE_PROBES = {
    "dns": Dns,
    "http": Http,
    "postgres": Postgres,
    "redis": Redis,
    "tcp": Tcp,
    "tls": Tls,
}

SingleProbe = Dns | Http | Postgres | Redis | Tcp | Tls
