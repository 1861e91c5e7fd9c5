"""Slicer: data arrives in small pieces, with pauses between them."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from alertdrill.chaos.toxiproxy.toxic import Count, Delay, Toxic


class Slicer(Toxic):
    """The `slicer` toxic: pieces of `average_size_bytes`, more or less by the variation, `delay` after one another."""

    kind: Literal["slicer"] = "slicer"
    average_size_bytes: Count = Field(gt=0)
    size_variation_bytes: Count = 0
    delay: Delay = timedelta(0)

    @model_validator(mode="after")
    def _has_pieces_of_some_size(self) -> Self:
        # The server halves what it slices, give or take the variation, until it is small enough: were the variation
        # as large as the piece, it would never end, and take all the memory there is.
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
