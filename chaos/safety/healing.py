"""Undoing faults: with retries while a target is away, and many at once, so that none waits for another."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from alertdrill.chaos.errors import FaultNotHealed, LedgerRefused
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.ledger import Contents, Ledger
from alertdrill.units.extras import LibraryMissing

# The dead owner's last request may still arrive: repeat the undo after 1 s if the entry is younger than 10 s.
_SETTLE_SECONDS = 1.0
_SETTLED_AFTER_SECONDS = 10.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 1.0
PATIENCE_SECONDS = 5.0
"""Long enough for a server that is restarting, or for a network that is away for three seconds."""


@dataclass(frozen=True)
class HealResult:
    """The result for one fault; `problem` is empty when it is undone."""

    entry_id: str
    entry: Entry
    problem: str = ""


async def undo(injection: Injection, *, patience_seconds: float = 0.0, settle: bool = False) -> None:
    """Undo a fault, and try again for a while when that fails.

    With `settle` it is undone once more a little later: the injection of a dead process can arrive after the first
    undo. Raises FaultNotHealed.
    """
    await _undo_patiently(injection, patience_seconds)
    if settle:
        await asyncio.sleep(_SETTLE_SECONDS)
        await _undo_patiently(injection, patience_seconds)


async def _undo_patiently(injection: Injection, patience_seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    until = clock() + patience_seconds
    longest_seconds, pause = injection.longest_undo.total_seconds(), _FIRST_PAUSE_SECONDS
    while True:
        try:
            async with asyncio.timeout(longest_seconds):
                return await injection.undo()
        except TimeoutError as error:
            raise FaultNotHealed(f"undoing it did not end within {longest_seconds:g} s") from error
        except LibraryMissing as error:
            raise FaultNotHealed(str(error)) from error
        except FaultNotHealed:
            if clock() >= until:
                raise
        except Exception as error:
            # An unexpected error: the fault stays in the ledger, and the other faults are undone.
            if clock() >= until:
                raise FaultNotHealed(f"undoing it failed: {type(error).__name__}: {error}") from error
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def heal(
    ledger: Ledger, entry_id: str, entry: Entry, *, is_handed_over: bool = False, patience_seconds: float = 0.0
) -> None:
    """Undo a fault in place of its owner, and remove its entry if the owner cannot inject it any more.

    The owner cannot when it is dead or has handed the fault over. Otherwise the entry stays, as lapsed: an owner that was
    stopped may still inject the fault, and then undoes it again. Raises FaultNotHealed.
    """
    if entry.owner.is_alive and not is_handed_over:
        ledger.lapse(entry_id)
        await undo(entry.injection, patience_seconds=patience_seconds)
        return
    settle = time.time() - entry.written_at < _SETTLED_AFTER_SECONDS
    await undo(entry.injection, patience_seconds=patience_seconds, settle=settle)
    ledger.remove(entry_id)


def abandoned(contents: Contents, *, force: bool = False) -> dict[str, Entry]:
    """Choose the faults to heal: those of dead owners and expired ones, or all of them."""
    return {
        entry_id: entry
        for entry_id, entry in contents.entries.items()
        if force or not entry.owner.is_alive or (entry.is_expired and entry_id not in contents.lapsed)
    }


async def heal_all(
    ledger: Ledger, chosen: dict[str, Entry], patience_seconds: float = 0.0
) -> AsyncGenerator[HealResult, None]:
    """Undo faults all at once, and yield the result of each as soon as it is known."""
    tasks = [
        asyncio.ensure_future(_healed(ledger, entry_id, entry, patience_seconds)) for entry_id, entry in chosen.items()
    ]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _healed(ledger: Ledger, entry_id: str, entry: Entry, patience_seconds: float) -> HealResult:
    try:
        await heal(ledger, entry_id, entry, patience_seconds=patience_seconds)
    except (FaultNotHealed, OSError) as error:
        return HealResult(entry_id, entry, str(error))
    return HealResult(entry_id, entry)


_FIRST_PAUSE_OF_THE_WATCHDOG_SECONDS = 0.1
LOG = "watchdog.log"


class Undoing:
    """Undoes entries of a ledger, with retries until it succeeds; it logs to `watchdog.log` in the ledger's folder.

    `is_handed_over` means that the owner will not inject anything more.
    """

    def __init__(self, directory: Path) -> None:
        self.is_handed_over = False
        self._ledger = Ledger(directory)
        self._under_way: dict[str, Future[None]] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    @property
    def is_idle(self) -> bool:
        """Whether no undo is running."""
        return all(undone.done() for undone in self._under_way.values())

    def take(self, entry_id: str) -> None:
        """Start to undo an entry, unless that is running already."""
        before = self._under_way.get(entry_id)
        if before is None or before.done():
            self._under_way[entry_id] = asyncio.run_coroutine_threadsafe(self._undo(entry_id), self._loop)

    async def _undo(self, entry_id: str) -> None:
        pause, logged = _FIRST_PAUSE_OF_THE_WATCHDOG_SECONDS, ""
        while (entry := self._ledger.find(entry_id)) is not None:
            try:
                await heal(self._ledger, entry_id, entry, is_handed_over=self.is_handed_over)
            except Exception as error:  # noqa: BLE001 - the fault is still in force after any error
                if str(error) != logged:
                    logged = str(error)
                    self._log(f"{entry_id} is not healed yet: {logged}")
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                found = f"; {entry.injection.outcome}" if entry.injection.outcome else ""
                self._log(f"healed: {entry_id}: {entry.fault} on {entry.target}, of process {entry.owner.pid}{found}")
                return

    def _log(self, line: str) -> None:
        # A full disk must not keep a fault in force.
        with contextlib.suppress(OSError, LedgerRefused):
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            ledger_files.append(self._ledger.directory, LOG, f"{moment} {line}\n")
