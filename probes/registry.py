"""Which probes there are: the kind in a file, and its class."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from alertdrill.probes.mix import SINGLE_PROBES, Mix, SingleProbe

PROBES = {
    **SINGLE_PROBES,
    "mix": Mix,
}

AnyProbe = Annotated[SingleProbe | Mix, Field(discriminator="kind")]
