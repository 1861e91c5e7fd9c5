"""The table of the kinds of probe: one row for each."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from alertdrill.probes.dns.settings import DnsProbe
from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.postgres import PostgresProbe
from alertdrill.probes.probe import Probe
from alertdrill.probes.redis import RedisProbe
from alertdrill.probes.tcp import TcpProbe
from alertdrill.probes.tls import TlsProbe


@dataclass(frozen=True)
class ProbeKind:
    """A kind of probe: the class of its settings, and the module whose `opened(probe, shard, shards)` makes a client.

    The module is given as a text, and imported when a client is opened: its library may be slow to load, or not be
    installed. An attribute of the settings may choose between several modules: `{probe.client}`.
    """

    settings: type[Probe]
    client: str


PROBES = {
    "dns": ProbeKind(DnsProbe, "alertdrill.probes.dns.{probe.client}_client"),
    "http": ProbeKind(HttpProbe, "alertdrill.probes.http.{probe.client}_client"),
    "postgres": ProbeKind(PostgresProbe, "alertdrill.probes.postgres_client"),
    "redis": ProbeKind(RedisProbe, "alertdrill.probes.redis_client"),
    "tcp": ProbeKind(TcpProbe, "alertdrill.probes.tcp"),
    "tls": ProbeKind(TlsProbe, "alertdrill.probes.tls"),
}

if TYPE_CHECKING:
    RegisteredProbe = Probe
else:
    # pydantic needs a union of the classes. It is made from the table, so that a kind stands in one row only.
    RegisteredProbe = reduce(operator.or_, (kind.settings for kind in PROBES.values()))
