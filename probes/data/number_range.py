"""`kind: range` in the `data:` of a probe, and the random streams that all kinds of data use."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

from pydantic import Field, model_validator

from alertdrill.units.settings import Settings

# A random float has 53 bits: in a wider range some numbers would never be drawn.
_WIDEST = 2**53
# Up to here the difference of the two ends is a finite float as well.
_FARTHEST = 1e300


class Range(Settings):
    """A random number between two others, both included; all numbers are equally likely.

    The numbers are whole when both ends are whole; with `digits` they are multiples of 10^-digits; otherwise they
    are any floats in between.
    """

    kind: Literal["range"] = "range"
    from_: int | float = Field(alias="from")
    to: int | float
    digits: int | None = Field(default=None, ge=0, le=15)

    @model_validator(mode="after")
    def _is_consistent(self) -> Range:
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
        """The lowest and the highest number in units of 10^-digits, and the number of units in 1."""
        scale = 10 ** (self.digits or 0)
        lowest = (Decimal(str(self.from_)) * scale).to_integral_value(ROUND_CEILING)
        highest = (Decimal(str(self.to)) * scale).to_integral_value(ROUND_FLOOR)
        return int(lowest), int(highest), scale

    def values(self, seed: int, shard: int, shards: int) -> Values:
        """Return the function that gives the values of one shard."""
        del shards
        uniform = random_stream(seed, shard).random
        if self._is_continuous:
            low, width, high = float(self.from_), float(self.to) - float(self.from_), float(self.to)
            # Rounding may make the sum larger than the end.
            return lambda: min(low + uniform() * width, high)
        lowest, highest, scale = self._grid
        size = highest - lowest + 1
        if not self.digits:
            return lambda: lowest + int(uniform() * size)
        # The quotient of two integers is the float nearest to the decimal number, so it prints with few digits.
        return lambda: (lowest + int(uniform() * size)) / scale


Values = Callable[[], object]
"""Returns the next value at each call."""


def stream_seed(seed: int, name: str) -> int:
    """Return the seed for one name, computed from the seed of the run."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")


def random_stream(seed: int, shard: int) -> random.Random:
    """Return the random stream of one shard."""
    # Seeded with a text: with an integer, a seed and its negative would give the same stream.
    return random.Random(f"{seed}/{shard}")  # noqa: S311 - it must be repeatable, not secret
