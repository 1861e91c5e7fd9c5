"""The part of the watchdog that undoes faults, on a loop of its own so that the watching goes on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 1.0
LOG = "watchdog.log"


class Undoing:
    """Undoes entries of a ledger, each as often as it takes; what it does stands in `watchdog.log` beside them.

    `is_handed_over` tells that the owner will not inject anything more.
    """

    def __init__(self, directory: Path) -> None:
        self.is_handed_over = False
        self._ledger = Ledger(directory)
        self._under_way: dict[str, Future[None]] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is being undone."""
        return all(undone.done() for undone in self._under_way.values())

    def take(self, entry_id: str) -> None:
        """Undo an entry, unless that is under way."""
        before = self._under_way.get(entry_id)
        if before is None or before.done():
            self._under_way[entry_id] = asyncio.run_coroutine_threadsafe(self._undo(entry_id), self._loop)

    async def _undo(self, entry_id: str) -> None:
        pause, told = _FIRST_PAUSE_SECONDS, ""
        while (entry := self._ledger.find(entry_id)) is not None:
            try:
                await heal(self._ledger, entry_id, entry, is_handed_over=self.is_handed_over)
            except Exception as error:  # noqa: BLE001 - whatever it is, the fault is still there
                if str(error) != told:
                    told = str(error)
                    self._note(f"{entry_id} is not healed yet: {told}")
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                self._note(f"healed: {entry_id}: {entry.fault} on {entry.target}, of process {entry.owner.pid}")
                return

    def _note(self, line: str) -> None:
        # A disk that is full must not keep a fault in force.
        with contextlib.suppress(OSError), (self._ledger.directory / LOG).open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")
