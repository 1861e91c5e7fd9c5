"""Memory taken on purpose: real pages, for a drill of what happens when they run short."""

from __future__ import annotations

import asyncio
import mmap

from alertdrill.lab.engine.process import resident_bytes

_PIECE_BYTES = 4 * 2**20
_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE


class Hoard:
    """Memory that the engine holds and does not need."""

    def __init__(self, allowed_bytes: int) -> None:
        self._allowed_bytes = allowed_bytes
        self._pieces: list[mmap.mmap] = []

    @property
    def held_bytes(self) -> int:
        """Tell how much is held."""
        return len(self._pieces) * _PIECE_BYTES

    async def take(self, size_bytes: int) -> None:
        """Hold this much instead of what was held, in pieces of 4 MiB, with answers to clients in between.

        Raises ValueError when the engine would go beyond what it is allowed.
        """
        self.give_back()
        free = self._allowed_bytes - resident_bytes()
        if size_bytes > free:
            msg = f"the engine may take {free // 2**20} MiB more"
            raise ValueError(msg)
        while self.held_bytes < size_bytes:
            self._pieces.append(mmap.mmap(-1, _PIECE_BYTES, flags=_FLAGS))
            await asyncio.sleep(0)

    def give_back(self) -> None:
        """Hold nothing any more; the kernel has the pages back at once."""
        for piece in self._pieces:
            piece.close()
        self._pieces.clear()
