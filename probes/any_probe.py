"""Any probe that a file may hold: one of the registry's kinds, or a mix of several."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, cast

from pydantic import Field

from alertdrill.probes import mix
from alertdrill.probes.client import Opened
from alertdrill.probes.mix import MixProbe
from alertdrill.probes.registry import PROBES, RegisteredProbe

AnyProbe = Annotated[RegisteredProbe | MixProbe, Field(discriminator="kind")]
"""A pydantic field type: the settings of a probe, told apart by `kind`."""


def open_client(probe: AnyProbe, shard: int = 0, shards: int = 1) -> Opened:
    """Open a client of a probe for the length of a block; each of several workers is a shard, with data of its own."""
    if isinstance(probe, MixProbe):
        return mix.opened(probe, shard, shards, open_client)
    module = import_module(PROBES[probe.kind].client.format(probe=probe))
    return cast("Opened", module.opened(probe, shard, shards))
