"""A fault in force for the length of a block, and undone however the block ends.

The order makes it safe: write the ledger, then inject; undo, then remove the ledger entry. Whatever happens in between,
the ledger lists every fault that may be in force.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed, FaultTakenBack
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.healing import PATIENCE_SECONDS, undo
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.units.shielding import to_the_end


@asynccontextmanager
async def applied(
    fault: Fault,
    endpoints: Endpoints,
    ledger: Ledger,
    begins: Callable[[], None] = lambda: None,
    forbids: Callable[[str, str], str] = lambda _written, _found: "",
) -> AsyncIterator[Injection]:
    """Keep a fault in force for the length of the block, and undo it however the block ends.

    `begins` is called just before the injection, because the fault takes effect before it is confirmed. `forbids` returns
    why a target may not be touched, given as it is written and as it was found; what is found may differ from an earlier
    look. Raises FaultNotApplied when the fault could not be injected (what was injected in part is undone then),
    FaultNotHealed when the undo could not be confirmed (its ledger entry stays), and FaultTakenBack when another process
    undid it meanwhile.
    """
    entry_id = ledger.new_id()
    injection = await fault.resolve(endpoints, entry_id)
    if problem := forbids(fault.target, injection.full_target):
        raise FaultNotApplied(problem)
    entry = Entry.of(fault, injection, ledger.drill, fault.servers(endpoints))
    ledger.write(entry_id, entry)
    injection.recorded_by(lambda: ledger.rewrite(entry_id, entry))
    await _inject(ledger, entry_id, injection, begins)
    try:
        # If this process was stopped here, the watchdog may have undone the fault before it was injected.
        _require_kept(ledger, entry_id, injection)
        yield injection
        _require_kept(ledger, entry_id, injection)
    finally:
        await to_the_end(_end(ledger, entry_id, injection, settle=False))


async def _inject(ledger: Ledger, entry_id: str, injection: Injection, begins: Callable[[], None]) -> None:
    try:
        begins()
        await injection.inject()
    except BaseException as error:
        # A failed injection is undone too: it may have taken effect although its answer was lost.
        await to_the_end(_end(ledger, entry_id, injection, settle=True))
        if isinstance(error, FaultNotApplied) and error.in_part:
            raise FaultNotApplied(f"{error}; {injection.outcome or 'undone'}", in_part=True) from error
        raise


def _require_kept(ledger: Ledger, entry_id: str, injection: Injection) -> None:
    if not ledger.is_kept(entry_id):
        raise FaultTakenBack(f"the fault on {injection.target} was undone by another process: this one hung too long")


async def _end(ledger: Ledger, entry_id: str, injection: Injection, *, settle: bool) -> None:
    try:
        await undo(injection, patience_seconds=PATIENCE_SECONDS, settle=settle)
        ledger.remove(entry_id)
    except FaultNotHealed as error:
        error.entry_id = entry_id
        raise
