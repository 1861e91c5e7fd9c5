"""A fault in force for the length of a block, and undone whatever ends the block.

The order is what makes it safe: ledger first, then the fault; undo first, then the ledger.
Whatever happens in between, the ledger names what may still be broken.
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

# A server that is just restarting is back by then.
_PATIENCE_SECONDS = 2.0


@asynccontextmanager
async def applied(
    fault: Fault,
    endpoints: Endpoints,
    ledger: Ledger,
    begins: Callable[[], None] = lambda: None,
    forbids: Callable[[str], str] = lambda _: "",
) -> AsyncIterator[Injection]:
    """Keep a fault in force for the length of the block, and undo it whatever ends the block.

    `begins` is called at the instant before which nothing was broken: what is killed is gone before that is confirmed.
    `forbids` says why the target that was found may not be touched, which need not be the one of an earlier look.
    Raises FaultNotApplied when it could not be injected (nothing is broken then), FaultNotHealed when the undo
    could not be confirmed (its ledger entry stays), and FaultTakenBack when somebody else undid it meanwhile.
    """
    entry_id = ledger.new_id()
    injection = await fault.resolve(endpoints, entry_id)
    if problem := forbids(injection.target):
        raise FaultNotApplied(problem)
    ledger.write(entry_id, Entry.of(fault, injection, ledger.drill))
    injected = False
    try:
        # A failed injection is undone too: it may have been carried out although its answer was lost.
        begins()
        await injection.inject()
        injected = True
        # Stopped in the middle, we may have injected what somebody had undone already.
        _require_kept(ledger, entry_id, injection)
        yield injection
        _require_kept(ledger, entry_id, injection)
    finally:
        await to_the_end(_end(ledger, entry_id, injection, settle=not injected))


def _require_kept(ledger: Ledger, entry_id: str, injection: Injection) -> None:
    if not ledger.is_kept(entry_id):
        raise FaultTakenBack(f"the fault on {injection.target} was undone by somebody else: this process hung too long")


async def _end(ledger: Ledger, entry_id: str, injection: Injection, *, settle: bool) -> None:
    await undo(injection, patience_seconds=_PATIENCE_SECONDS, settle=settle)
    ledger.strike_out(entry_id)
