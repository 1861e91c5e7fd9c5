"""A fault in force for the length of a block, and undone whatever ends the block.

The order is what makes it safe: ledger first, then the fault; undo first, then the ledger.
Whatever happens in between, the ledger names what may still be broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from chaos.fault import Endpoints, Fault
from chaos.injection import Injection
from chaos.ledger import Ledger


@asynccontextmanager
async def applied(fault: Fault, endpoints: Endpoints, ledger: Ledger) -> AsyncIterator[Injection]:
    """Keep a fault in force for the length of the block, and undo it whatever ends the block.

    Raises FaultNotApplied when it could not be injected (nothing is broken then), and FaultNotHealed
    when the undo could not be confirmed (its ledger entry stays).
    """
    entry_id = ledger.new_id()
    injection = await fault.resolve(endpoints, entry_id)
    ledger.write(entry_id, injection)
    try:
        # A failed injection is undone too: it may have been carried out although its answer was lost.
        await injection.inject()
        yield injection
    finally:
        await to_the_end(ledger.heal(entry_id, injection))


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
