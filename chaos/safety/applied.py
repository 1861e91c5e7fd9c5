"""A fault in force for the length of a block, and undone however the block ends.

The order makes it safe: write the ledger, then inject; undo, then remove the ledger entry. Whatever happens in between,
the ledger lists every fault that may be in force.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from alertdrill.chaos.errors import FaultNotApplied, FaultTakenBack
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.healing import undo
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.units.shielding import to_the_end

# Long enough for a server that is restarting.
_PATIENCE_SECONDS = 2.0


@asynccontextmanager
async def applied(
    fault: Fault,
    endpoints: Endpoints,
    ledger: Ledger,
    begins: Callable[[], None] = lambda: None,
    forbids: Callable[[str], str] = lambda _: "",
) -> AsyncIterator[Injection]:
    """Keep a fault in force for the length of the block, and undo it however the block ends.

    `begins` is called just before the injection, because the fault takes effect before it is confirmed. `forbids` returns
    why a target may not be touched; the target may differ from that of an earlier look. Raises FaultNotApplied when the
    fault could not be injected (nothing is broken then), FaultNotHealed when the undo could not be confirmed (its ledger
    entry stays), and FaultTakenBack when another process undid it meanwhile.
    """
    entry_id = ledger.new_id()
    injection = await fault.resolve(endpoints, entry_id)
    if problem := forbids(injection.target):
        raise FaultNotApplied(problem)
    ledger.write(entry_id, Entry.of(fault, injection, ledger.drill))
    injected = False
    try:
        # A failed injection is undone too: it may have taken effect although its answer was lost.
        begins()
        await injection.inject()
        injected = True
        # If this process was stopped here, the watchdog may have undone the fault before it was injected.
        _require_kept(ledger, entry_id, injection)
        yield injection
        _require_kept(ledger, entry_id, injection)
    finally:
        await to_the_end(_end(ledger, entry_id, injection, settle=not injected))


def _require_kept(ledger: Ledger, entry_id: str, injection: Injection) -> None:
    if not ledger.is_kept(entry_id):
        raise FaultTakenBack(f"the fault on {injection.target} was undone by another process: this one hung too long")


async def _end(ledger: Ledger, entry_id: str, injection: Injection, *, settle: bool) -> None:
    await undo(injection, patience_seconds=_PATIENCE_SECONDS, settle=settle)
    ledger.remove(entry_id)
