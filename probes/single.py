"""The kinds of probe that stand alone: the kind in a file, and its class."""

from __future__ import annotations

from alertdrill.probes.dns import Dns
from alertdrill.probes.http.settings import Http
from alertdrill.probes.postgres import Postgres
from alertdrill.probes.redis import Redis
from alertdrill.probes.tcp import Tcp
from alertdrill.probes.tls import Tls

SINGLE_PROBES = {
    "dns": Dns,
    "http": Http,
    "postgres": Postgres,
    "redis": Redis,
    "tcp": Tcp,
    "tls": Tls,
}

SingleProbe = Dns | Http | Postgres | Redis | Tcp | Tls
