"""The shape of a fault: settings that are the YAML, and an undo that is written down before it is needed.

The order is what makes it safe: ledger first, then the fault; undo first, then the ledger.
Whatever happens in between, the ledger names what may still be broken.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from chaos.ledger import Ledger, Undo
from units.duration import Duration
from units.settings import Settings


@dataclass(frozen=True)
class Endpoints:
    """Where the servers that faults work through are."""

    toxiproxy_url: str


class Fault(Settings):
    """What every fault has: when it begins after the baseline, and how long it lasts."""

    at: Duration = timedelta(0)
    lasts: Duration | Literal["until-fired"] = "until-fired"

    @property
    @abstractmethod
    def target(self) -> str:
        """What it breaks, in words."""

    @abstractmethod
    async def require_target(self, endpoints: Endpoints) -> None:
        """Make sure that there is something to break; raises FaultNotApplied."""

    @abstractmethod
    def undo(self, endpoints: Endpoints, entry_id: str) -> Undo:
        """Say, in data, how to undo it."""

    @abstractmethod
    async def inject(self, undo: Undo) -> None:
        """Break it, so that `undo` is what mends it; raises FaultNotApplied."""


@asynccontextmanager
async def applied(fault: Fault, endpoints: Endpoints, ledger: Ledger) -> AsyncIterator[None]:
    """Keep a fault in force for the length of the block, and undo it whatever ends the block.

    Raises FaultNotApplied when it could not be injected (nothing is broken then), and FaultNotHealed
    when the undo could not be confirmed (its ledger entry stays).
    """
    entry_id = ledger.new_id()
    undo = fault.undo(endpoints, entry_id)
    ledger.write(entry_id, undo)
    try:
        # A failed injection is undone too: it may have been carried out although its answer was lost.
        await fault.inject(undo)
        yield
    finally:
        await to_the_end(ledger.heal(entry_id, undo))


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work that cancellation must not break off; a cancellation waits until it is done."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001 - told by task.result() below
            break
    task.result()
    if cancelled is not None:
        raise cancelled
