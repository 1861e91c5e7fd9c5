"""What a payment audit found wrong: acknowledged payments that are missing or doubled, or money made or lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alertdrill.agent.recording.records import AuditRecord, FoundRecord


def audit_problems(audit: AuditRecord | None) -> tuple[str, ...]:
    """List the problems that the payment audit found; empty without problems or without an audit."""
    if audit is None:
        return ()
    return (audit.problem,) if audit.problem else tuple(_problems(audit))


def _problems(audit: AuditRecord) -> Iterator[str]:
    of_all = f"of {audit.acknowledged:,} acknowledged transactions"
    if audit.missing.count:
        yield f"{audit.missing.count:,} {of_all} not in the payments table: {_examples(audit.missing)}"
    if audit.doubled.count:
        yield f"{audit.doubled.count:,} {of_all} in the payments table more than once: {_examples(audit.doubled)}"
    if audit.orphaned.count:
        yield f"{audit.orphaned.count:,} entries name an account that does not exist: {_examples(audit.orphaned)}"
    gain = audit.balance_after - audit.balance_before
    if gain:
        sums = f"all balances add up to {audit.balance_after:,}, before the load to {audit.balance_before:,}"
        yield f"{abs(gain):,} of money {'made' if gain > 0 else 'lost'}: {sums}"


def _examples(found: FoundRecord) -> str:
    return ", ".join(found.examples) + (", …" if found.count > len(found.examples) else "")
