"""Turns that several processes take: a pipe holds each number once, and whoever reads one has it alone.

It is nobody's file, so that nothing is left of a run that was killed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_BYTES = 2


@contextmanager
def dealt(count: int) -> Iterator[int]:
    """Yield the file descriptor of a pipe with the numbers from 0 on, for processes to inherit."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(b"".join(number.to_bytes(_BYTES) for number in range(count)))
        yield reading
    finally:
        os.close(reading)


def taken(descriptor: int) -> Iterator[int]:
    """Take one number after another, each by the time that it is asked for, until none is left."""
    while number := os.read(descriptor, _BYTES):
        yield int.from_bytes(number)
