"""The base of all kinds of toxic: settings, which are the wire format, and the work on a stream.

The settings are not frozen. As in the real server, a working toxic takes an update the next time it reads them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Protocol, Self

from alertdrill.chaos.toxiproxy.embedded.bodies import Malformed, int64, keys_of
from alertdrill.chaos.toxiproxy.embedded.channel import Chunk

_NANOSECONDS = 1_000_000_000


class Interrupted(Exception):
    """The toxic must stop its work on the stream."""


class Stream(Protocol):
    """The stream that a toxic works on: see `stage.Stage`."""

    passed_bytes: int

    async def receive(self, within: float = math.inf) -> Chunk | None:
        """Wait for the next chunk; None is the end."""

    async def wait(self, seconds: float) -> None:
        """Wait."""

    async def send(self, chunk: Chunk) -> None:
        """Pass a chunk on."""

    def close(self) -> None:
        """End the stream here."""


@dataclass
class Attributes(ABC):
    """The settings of one toxic, all of them integers; a subclass's fields are the keys of the wire format."""

    # How many chunks may wait before it.
    buffer: ClassVar[int] = 0
    # Whether connections that are opened while it is there end with a reset.
    resets: ClassVar[bool] = False
    # Whether the connections under it are closed when it is removed.
    closes_when_removed: ClassVar[bool] = False

    @abstractmethod
    async def pipe(self, stream: Stream) -> None:
        """Pass the stream on until its end; raises Interrupted, and loses no byte by it."""

    def problem(self) -> str:
        """Return what is wrong with settings with which the real server would crash, or an empty text."""
        return ""

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Read the settings of a new toxic; raises Malformed."""
        made = cls(**keys_of(values, {one.name: int64 for one in fields(cls)}))
        if problem := made.problem():
            raise Malformed(problem)
        return made

    def update(self, values: Mapping[str, Any]) -> None:
        """Take new values for some settings; raises Malformed, and then takes none."""
        given = keys_of(values, {one.name: int64 for one in fields(self)})
        vars(self).update(vars(self.read({**self.as_json(), **given})))

    def as_json(self) -> dict[str, int]:
        """Return what the API shows."""
        return asdict(self)


def seconds(count: int, per_second: int) -> float:
    """Convert a count to seconds; like the real server's 64 bits of nanoseconds, it overflows after 292 years."""
    nanoseconds = count * (_NANOSECONDS // per_second)
    return ((nanoseconds + 2**63) % 2**64 - 2**63) / _NANOSECONDS


def milliseconds(count: int) -> float:
    """Convert milliseconds to seconds."""
    return seconds(count, 1000)
