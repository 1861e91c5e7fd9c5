"""Slicer: data arrives in small pieces, with pauses between them."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from alertdrill.chaos.toxiproxy.toxic import Count, Delay, ToxicFault


class Slicer(ToxicFault):
    """The `slicer` toxic: pieces of `average_size_bytes`, give or take the variation, with `delay` between them."""

    kind: Literal["slicer"] = "slicer"
    average_size_bytes: Count = Field(gt=0)
    size_variation_bytes: Count = 0
    delay: Delay = timedelta(0)

    @model_validator(mode="after")
    def _slicing_ends(self) -> Self:
        # The server halves data, give or take the variation, until the pieces are small enough. With a variation as
        # large as the piece it would never end, and use up all memory.
        if self.size_variation_bytes >= self.average_size_bytes:
            msg = (
                f"size_variation_bytes {self.size_variation_bytes} would hang the server,"
                f" expected less than average_size_bytes {self.average_size_bytes}"
            )
            raise ValueError(msg)
        return self

    @property
    def attributes(self) -> dict[str, int]:
        """Bytes and microseconds."""
        return {
            "average_size": self.average_size_bytes,
            "size_variation": self.size_variation_bytes,
            "delay": round(self.delay / timedelta(microseconds=1)),
        }
