"""A queue of numbers in a pipe, for several processes: each number is taken by one of them, and once.

The queue is not a file, so a run that was killed leaves nothing behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

_BYTES = 2


@dataclass(frozen=True)
class WorkQueue:
    """The numbers that are left; `descriptor` is the pipe, which the processes inherit."""

    descriptor: int

    @classmethod
    @contextmanager
    def of(cls, count: int) -> Iterator[Self]:
        """Make a queue of the numbers from 0 to `count` - 1, which lasts for the block."""
        reading, writing = os.pipe()
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(b"".join(number.to_bytes(_BYTES) for number in range(count)))
            yield cls(reading)
        finally:
            os.close(reading)

    def taken(self) -> Iterator[int]:
        """Take one number after another until none is left; each is taken only when it is requested."""
        while number := os.read(self.descriptor, _BYTES):
            yield int.from_bytes(number)
