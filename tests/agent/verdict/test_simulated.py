"""Verdicts compared with an independent simulator of everything from the service to the receiver.

ALERTDRILL_CASES is the number of cases; `make verdicts` draws ten thousand.
"""

from __future__ import annotations

import os

import pytest

from alertdrill.agent.verdict.evaluations import RuleEvaluations
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import Verdict, VerdictOutcome
from simulator import MUTANTS, Case, Life
from simulator.drawn import cases, draw_many
from tests.support.simulated_recording import Simulated, recorded

_BATCH = 100
_BATCHES = max(int(os.environ.get("ALERTDRILL_CASES", "200")) // _BATCH, 1)
# A right engine gets these verdicts; the truth decides which of them.
# The wait can be checked only for a group that Alertmanager certainly did not have yet.
_WAITS = {"before-group-wait", "twice-the-wait"}
_WRITTEN_WITHIN_MS = 500
_DELIVERY_MS = 1000
_BLAMELESS = {
    VerdictOutcome.PASSED,
    VerdictOutcome.MISSED,
    VerdictOutcome.NOT_NOTIFIED,
    VerdictOutcome.NOT_RESOLVED,
    VerdictOutcome.INCONCLUSIVE,
}


def _verdict(simulated: Simulated) -> Verdict:
    return judge(simulated.recording).verdicts[0]


def _told(simulated: Simulated) -> bool:
    return any(told.status == "firing" for call in simulated.truth.notifications for told in call.alerts)


def _fired(simulated: Simulated) -> list[Life]:
    """List the alerts that fired within the recording, where an alert has the instant of the data, not of the evaluation."""
    begins = simulated.case.begins + simulated.case.group.query_offset
    return [life for life in simulated.truth.fired() if (life.fired_at or 0) >= begins]


def _is_open(simulated: Simulated, life: Life) -> bool:
    """Return whether an alert was active at the end, as far as a recording that ends there can show."""
    return life.gone_at is None or life.gone_at > simulated.case.ends - _WRITTEN_WITHIN_MS


def _fits(simulated: Simulated, verdict: Verdict) -> bool:
    """Return whether a verdict on a right engine agrees with the truth."""
    fired = _fired(simulated)
    match verdict.outcome:
        case VerdictOutcome.MISSED:
            return not fired
        case VerdictOutcome.PASSED:
            return bool(fired) and _told(simulated)
        case VerdictOutcome.NOT_NOTIFIED:
            return bool(fired)
        case VerdictOutcome.NOT_RESOLVED:
            return any(_is_open(simulated, life) for life in fired)
    return verdict.outcome is VerdictOutcome.INCONCLUSIVE


@pytest.mark.parametrize("batch", range(_BATCHES))
def test_no_right_engine_is_blamed_and_no_wrong_one_passes(batch: int) -> None:
    """Each wrong engine is tried on every fourth case, if it behaves differently from the right one there."""
    drawn = draw_many(cases(), _BATCH, batch)
    assert len(drawn) == _BATCH
    caught: set[str] = set()
    for number, case in enumerate(drawn):
        right = recorded(case)
        verdict = _verdict(right)
        if case.routing.mutes and "notified" in verdict.reason:
            continue  # notified late because of a silence, which is not recorded here
        assert verdict.outcome in _BLAMELESS, (number, verdict.reason)
        assert _fits(right, verdict), (number, verdict.outcome, verdict.reason)
        for offset, name in enumerate(MUTANTS):
            if (number + offset) % 4 == 0 and _is_caught(case, name, right):
                caught.add(name)
    assert len(caught) >= len(MUTANTS) // 2


def _is_excused(name: str, right: Simulated, wrong: Simulated) -> bool:
    """Return whether the recording cannot show the mistake: the results of the evaluations there are unknown."""
    if name in _WAITS:
        return not _group_is_new(wrong) or wrong.case.routing.group_wait <= _DELIVERY_MS
    differing = sorted(_active_at(right) ^ _active_at(wrong))
    if not differing:
        return False
    (record,) = right.recording.watched
    # An unknown result still matters for as long as `for` or `keep_firing_for`.
    rule = right.case.rule
    margin = 1.5 * record.interval_seconds + max(rule.hold, rule.keep) / 1000
    seen = RuleEvaluations(right.recording, record)
    open_at = [t.at for series in record.parts[0].series for t in seen.of_series(series) if t.holds is None]
    return any(differing[0] / 1000 - margin <= at <= differing[-1] / 1000 + margin for at in open_at)


def _active_at(simulated: Simulated) -> set[int]:
    return {sample.at for samples in simulated.truth.alerts.values() for sample in samples if sample.value is not None}


def _group_is_new(simulated: Simulated) -> bool:
    """Return whether the first alert to fire within the recording is the first of all."""
    fired = [life.fired_at for life in simulated.truth.lives if life.fired_at is not None]
    return min(fired, default=0) >= simulated.case.begins + simulated.case.group.query_offset


def _is_caught(case: Case, name: str, right: Simulated) -> bool:
    """Judge a wrong engine; return whether it made a mistake, which then was found."""
    truth = case.run(MUTANTS[name])
    if (truth.alerts, truth.notifications) == (right.truth.alerts, right.truth.notifications):
        return False
    wrong = recorded(case, truth, like=right)
    verdict = _verdict(wrong)
    assert verdict.outcome is not VerdictOutcome.PASSED or _is_excused(name, right, wrong), (name, verdict.reason)
    return verdict.outcome not in {VerdictOutcome.PASSED, VerdictOutcome.INCONCLUSIVE}
