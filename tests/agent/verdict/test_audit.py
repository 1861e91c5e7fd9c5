"""A failed audit fails the drill, whatever its alerts did; so does an audit that could not be made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AuditRecord, FoundRecord
from alertdrill.agent.report.drill.wording import audit_words
from alertdrill.agent.verdict.audit import audit_problems
from alertdrill.agent.verdict.judge import judge

BEFORE = Decimal("100000000000.00")
ALL_WELL = AuditRecord(acknowledged=3213, found=3213, balance_before=BEFORE, balance_after=BEFORE)


def _record(**changes: Any) -> AuditRecord:
    return ALL_WELL.model_copy(update=changes)


def _found(count: int, *examples: str) -> FoundRecord:
    return FoundRecord(count=count, examples=list(examples))


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (
            _record(found=3212, missing=_found(1, "4f1c")),
            "1 of 3,213 acknowledged transactions not in the payments table: 4f1c",
        ),
        (
            _record(found=0, missing=_found(3213, "a", "b")),
            "3,213 of 3,213 acknowledged transactions not in the payments table: a, b, …",
        ),
        (
            _record(found=3212, doubled=_found(1, "4f1c")),
            "1 of 3,213 acknowledged transactions in the payments table more than once: 4f1c",
        ),
        (_record(orphaned=_found(2, "a", "b")), "2 entries name an account that does not exist: a, b"),
        (
            _record(balance_after=BEFORE + Decimal("0.01")),
            "0.01 of money made: all balances add up to 100,000,000,000.01, before the load to 100,000,000,000.00",
        ),
        (
            _record(balance_after=BEFORE - 100),
            "100.00 of money lost: all balances add up to 99,999,999,900.00, before the load to 100,000,000,000.00",
        ),
        (_record(found=0, problem="the payments cannot be audited: away"), "the payments cannot be audited: away"),
    ],
)
def test_each_audit_problem_is_named_and_fails_a_drill_that_passed(
    passed: Recording, record: AuditRecord, says: str
) -> None:
    assert judge(passed).exit_code == 0
    judgement = judge(passed.model_copy(update={"audit": record}))
    assert judgement.audit_problems == (says,)
    assert judgement.exit_code == 1
    assert audit_words(record) == f"failed: {says}"


def test_a_failed_audit_weighs_more_than_an_inconclusive_drill(inconclusive: Recording) -> None:
    wrong = _record(missing=_found(1, "4f1c"))
    assert judge(inconclusive).exit_code == 3
    assert judge(inconclusive.model_copy(update={"audit": wrong})).exit_code == 1


def test_a_clean_audit_changes_no_verdict(passed: Recording, missed: Recording) -> None:
    assert judge(passed.model_copy(update={"audit": ALL_WELL})) == judge(passed)
    assert judge(missed.model_copy(update={"audit": ALL_WELL})) == judge(missed)
    assert (
        audit_words(ALL_WELL)
        == "3,213 acknowledged transactions, all in the payments table exactly once; money conserved"
    )


def test_an_audit_without_acknowledged_transactions_claims_nothing() -> None:
    nothing = _record(acknowledged=0, found=0)
    assert audit_problems(nothing) == ()
    assert audit_words(nothing) == "no transaction was acknowledged by an id; money conserved"
