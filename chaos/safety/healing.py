"""Undoing faults: with patience for a target that is away, and many at once, so that none waits for another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from alertdrill.chaos.errors import FaultNotHealed
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.ledger import Contents, Ledger

# What a dead owner sent last may still be on its way to a server: an undo looks again after the one, until the other.
_SETTLE_SECONDS = 1.0
_SETTLED_AFTER_SECONDS = 10.0
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Healed:
    """What became of one fault; `problem` is empty when it is undone."""

    entry_id: str
    entry: Entry
    problem: str = ""


async def undo(injection: Injection, *, patience_seconds: float = 0.0, settle: bool = False) -> None:
    """Undo a fault, and try again for a while when that fails.

    With `settle` it is undone once more a little later: a request to inject it whose sender died can arrive after
    the one that undid it. Raises FaultNotHealed.
    """
    await _undo_patiently(injection, patience_seconds)
    if settle:
        await asyncio.sleep(_SETTLE_SECONDS)
        await _undo_patiently(injection, patience_seconds)


async def _undo_patiently(injection: Injection, patience_seconds: float) -> None:
    clock = asyncio.get_running_loop().time
    until = clock() + patience_seconds
    longest_seconds = injection.longest_undo.total_seconds()
    while True:
        try:
            async with asyncio.timeout(longest_seconds):
                return await injection.undo()
        except TimeoutError as error:
            raise FaultNotHealed(f"undoing it did not end within {longest_seconds:g} s") from error
        except FaultNotHealed:
            if clock() >= until:
                raise
        except Exception as error:
            # Whatever it is that nobody thought of: the fault stays in the ledger, and the others are undone.
            if clock() >= until:
                raise FaultNotHealed(f"undoing it failed: {type(error).__name__}: {error}") from error
        await asyncio.sleep(_PAUSE_SECONDS)


async def heal(ledger: Ledger, entry_id: str, entry: Entry, *, is_handed_over: bool = False) -> None:
    """Undo a fault that its owner does not undo, and strike it out if nobody can inject it any more.

    That is so when the owner is dead or has handed it over. Otherwise the entry stays, as lapsed: an owner that was
    stopped in the middle may inject the fault yet, and undoes it again then. Raises FaultNotHealed.
    """
    if entry.owner.is_alive and not is_handed_over:
        ledger.lapse(entry_id)
        await undo(entry.injection)
        return
    await undo(entry.injection, settle=time.time() - entry.written_at < _SETTLED_AFTER_SECONDS)
    ledger.strike_out(entry_id)


def abandoned(contents: Contents, *, force: bool = False) -> dict[str, Entry]:
    """Choose what may be healed: the faults of dead owners and expired ones, or all of them."""
    return {
        entry_id: entry
        for entry_id, entry in contents.entries.items()
        if force or not entry.owner.is_alive or (entry.is_expired and entry_id not in contents.lapsed)
    }


async def heal_all(ledger: Ledger, chosen: dict[str, Entry]) -> AsyncGenerator[Healed, None]:
    """Undo faults all at once, and tell what became of each as soon as it is known."""
    tasks = [asyncio.ensure_future(_told(ledger, entry_id, entry)) for entry_id, entry in chosen.items()]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _told(ledger: Ledger, entry_id: str, entry: Entry) -> Healed:
    try:
        await heal(ledger, entry_id, entry)
    except (FaultNotHealed, OSError) as error:
        return Healed(entry_id, entry, str(error))
    return Healed(entry_id, entry)
