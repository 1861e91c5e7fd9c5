"""`kind: range` in the `data:` of a probe: numbers between two others."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

from pydantic import Field, model_validator

from alertdrill.units.settings import Settings

# A random float has 53 bits: beyond that some numbers would never come.
_WIDEST = 2**53
# Up to here the distance between two ends is a float as well.
_FARTHEST = 1e300


class Range(Settings):
    """A number between two others, both included and all alike.

    Whole numbers when both ends are; multiples of 10^-digits with `digits`; else any float between.
    """

    kind: Literal["range"] = "range"
    from_: int | float = Field(alias="from")
    to: int | float
    digits: int | None = Field(default=None, ge=0, le=15)

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.from_ > self.to:
            msg = f"from {self.from_} is above to {self.to}, expected it below"
            raise ValueError(msg)
        if max(abs(self.from_), abs(self.to)) > _FARTHEST:
            msg = f"goes beyond {_FARTHEST:g}, expected both ends nearer to 0"
            raise ValueError(msg)
        if not self._is_continuous:
            self._require_a_grid()
        return self

    def _require_a_grid(self) -> None:
        lowest, highest, _ = self._grid
        if lowest > highest:
            msg = f"has no number of {self.digits} digits between {self.from_} and {self.to}"
            raise ValueError(msg)
        if max(-lowest, highest, highest - lowest) >= _WIDEST:
            msg = f"from {self.from_} to {self.to} has numbers of more than 53 bits, expected fewer digits"
            raise ValueError(msg)

    @property
    def _is_continuous(self) -> bool:
        return self.digits is None and not (isinstance(self.from_, int) and isinstance(self.to, int))

    @property
    def _grid(self) -> tuple[int, int, int]:
        """The lowest and the highest number in units of 10^-digits, and how many of these are 1."""
        scale = 10 ** (self.digits or 0)
        lowest = (Decimal(str(self.from_)) * scale).to_integral_value(ROUND_CEILING)
        highest = (Decimal(str(self.to)) * scale).to_integral_value(ROUND_FLOOR)
        return int(lowest), int(highest), scale

    def values(self, seed: int, shard: int, shards: int) -> Values:
        """Give the generator of one shard."""
        del shards
        uniform = random_stream(seed, shard).random
        if self._is_continuous:
            low, width, high = float(self.from_), float(self.to) - float(self.from_), float(self.to)
            # Rounding may take the sum past the end.
            return lambda: min(low + uniform() * width, high)
        lowest, highest, scale = self._grid
        size = highest - lowest + 1
        if not self.digits:
            return lambda: lowest + int(uniform() * size)
        # The quotient of two whole numbers is the float nearest to the decimal one, so it prints short.
        return lambda: (lowest + int(uniform() * size)) / scale


Values = Callable[[], object]
"""Gives the next value at each call."""


def stream_seed(seed: int, name: str) -> int:
    """Make the seed of one name out of a run's seed."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")


def random_stream(seed: int, shard: int) -> random.Random:
    """Open the stream of one shard."""
    # A text seeds by a hash of all its characters; whole numbers would lose their sign.
    return random.Random(f"{seed}/{shard}")  # noqa: S311 - it must be repeatable, not secret
