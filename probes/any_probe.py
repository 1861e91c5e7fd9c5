"""Opening the client of a probe, whatever its kind."""

from __future__ import annotations

from alertdrill.probes.client import Opened
from alertdrill.probes.registry import AnyProbe as AnyProbe


def open_client(probe: AnyProbe, shard: int = 0, shards: int = 1) -> Opened:
    """Open a client of a probe for the length of a block; of several workers each is a shard, with its own data."""
    return probe.opened(shard, shards)
