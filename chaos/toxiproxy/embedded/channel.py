"""The channel from one stage to the next: chunks, in order, and then the end of the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Chunk:
    """Some bytes, and when they arrived, in seconds of the monotonic clock."""

    data: bytes | memoryview
    received: float


class Output(Protocol):
    """The destination of a stage: the next channel, or the end of the link."""

    on_room: Callable[[], None] | None

    @property
    def full(self) -> bool:
        """Whether the writer has to wait for `on_room`."""

    def offer(self, chunk: Chunk) -> None:
        """Accept a chunk, even if the channel is full."""

    def close(self) -> None:
        """Mark the end of the stream."""


class Channel:
    """A queue with one writer and one reader; with a capacity of 0 the writer waits until its chunk is taken."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._chunks: deque[Chunk] = deque()
        self._abandoned = False
        self.closed = False
        self.on_input: Callable[[], None] | None = None
        self.on_room: Callable[[], None] | None = None

    @property
    def full(self) -> bool:
        """Whether the writer has to wait."""
        return len(self._chunks) > self._capacity

    def offer(self, chunk: Chunk) -> None:
        """Accept a chunk, even if the channel is full."""
        if self._abandoned:
            return
        self._chunks.append(chunk)
        self._call(self.on_input)

    def take(self) -> Chunk | None:
        """Take the next chunk, or None if there is none now."""
        if not self._chunks:
            return None
        chunk = self._chunks.popleft()
        if not self.full:
            self._call(self.on_room)
        return chunk

    def close(self) -> None:
        """Mark the end of the stream: the reader sees it after the last chunk."""
        self.closed = True
        self._call(self.on_input)

    def abandon(self) -> None:
        """Drop all present and later chunks: the reader is gone, and the writer must not wait for it."""
        self._abandoned = True
        self._chunks.clear()
        self._call(self.on_room)

    @staticmethod
    def _call(hook: Callable[[], None] | None) -> None:
        if hook is not None:
            hook()
