"""Which probes there are: the kind in a file, and its class."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from probes.single import SINGLE_PROBES, SingleProbe

PROBES = {
    **SINGLE_PROBES,
}

AnyProbe = Annotated[SingleProbe, Field(discriminator="kind")]
