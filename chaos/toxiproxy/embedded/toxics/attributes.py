"""What every kind of toxic has: its settings, which are the wire format, and what it does to a stream.

The settings are not frozen: as in the real server, an update reaches a toxic that is at work at its next look.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Protocol

from alertdrill.chaos.toxiproxy.embedded.channel import Chunk
from alertdrill.chaos.toxiproxy.embedded.go_json import Struct

_NANOSECONDS = 1_000_000_000


class Interrupted(Exception):
    """The toxic has to let go of the stream."""


class Stream(Protocol):
    """What a toxic works on: see `stage.Stage`."""

    passed_bytes: int

    async def receive(self, within: float = math.inf) -> Chunk | None:
        """Wait for the next chunk; None is the end."""

    async def wait(self, seconds: float) -> None:
        """Let time pass."""

    async def send(self, chunk: Chunk) -> None:
        """Pass a chunk on."""

    def close(self) -> None:
        """End the stream here."""


@dataclass
class Attributes(ABC):
    """The settings of one toxic, integers all; a subclass's fields are the keys of the wire format."""

    # The Go type, which error messages name.
    go_name: ClassVar[str]
    go_integer: ClassVar[str] = "int64"
    # How many chunks may wait before it.
    buffer: ClassVar[int] = 0
    # Whether connections that are opened while it is there end with a reset.
    resets: ClassVar[bool] = False
    # Whether the connections under it are closed when it is removed.
    closes_when_removed: ClassVar[bool] = False

    @abstractmethod
    async def pipe(self, stream: Stream) -> None:
        """Pass the stream on until its end; raises Interrupted, and loses no byte by it."""

    def crash(self) -> str | None:
        """Tell why these settings would crash the real server, or None."""
        return None

    def as_json(self) -> dict[str, int]:
        """Give the wire format, in its order."""
        return asdict(self)

    def update(self, values: Mapping[str, Any]) -> None:
        """Take new values for some settings."""
        for name, value in values.items():
            setattr(self, name, value)

    @classmethod
    def shape(cls) -> Struct:
        """Describe the wire format to the decoder."""
        return Struct(f"toxics.{cls.go_name}", cls.go_name, {field.name: cls.go_integer for field in fields(cls)})


def go_seconds(count: int, per_second: int) -> float:
    """Convert to seconds as a Go time.Duration does, which overflows after 292 years."""
    nanoseconds = count * (_NANOSECONDS // per_second)
    return ((nanoseconds + 2**63) % 2**64 - 2**63) / _NANOSECONDS


def milliseconds(count: int) -> float:
    """Convert to seconds."""
    return go_seconds(count, 1000)
