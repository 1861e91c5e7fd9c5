"""Streams of random numbers that can be repeated: one for each name in `data:` and each shard."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

Values = Callable[[], object]
"""Gives the next value at each call."""


def stream_seed(seed: int, name: str) -> int:
    """Make the seed of one name out of a run's seed."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")


def random_stream(seed: int, shard: int) -> random.Random:
    """Open the stream of one shard."""
    # A text seeds by a hash of all its characters; whole numbers would lose their sign.
    return random.Random(f"{seed}/{shard}")  # noqa: S311 - it must be repeatable, not secret
