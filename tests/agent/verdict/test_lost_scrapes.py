"""What a machine that is short of time excuses, by tables: recordings of real drills with lost scrapes written into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.recording.recording import Recording, read_recording
from alertdrill.agent.recording.records import (
    AlertSamples,
    MachineRecord,
    PartRecord,
    RuleRecord,
    SecondRecord,
    SeriesRecord,
    StrainRecord,
    TargetRecord,
    WatchedRecord,
)
from alertdrill.agent.report.drill import html, junit
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import Judgement, VerdictOutcome
from alertdrill.chaos.registry import FAULTS

FOLDER = Path(__file__).parents[2] / "recordings"
UNEXPECTED, INCONCLUSIVE = VerdictOutcome.UNEXPECTED, VerdictOutcome.INCONCLUSIVE
MISSED, LATE = VerdictOutcome.MISSED, VerdictOutcome.LATE
UP = 'up{job="payment-engine"}'


@cache
def _real(name: str) -> Recording:
    return read_recording(FOLDER / f"{name}.recording.json.gz")


@dataclass
class Story:
    """What happened around a real drill; instants are seconds from its fault.

    Scrapes are lost between the two instants of `lost`: `timed out`, `refused`, or `not made`. The machine has `strain`
    in the slices between those of `busy`, of half a second each, and Prometheus runs on it if it is `here`.
    """

    name: str = "passed"
    lost: tuple[float, float] = (1.0, 2.4)
    how: str = "timed out"
    strain: dict[str, float] = field(default_factory=lambda: {"loop_lag_seconds": 0.8})
    busy: tuple[float, float] = (1.0, 3.0)
    here: bool = True
    is_probed: bool = True
    unanswered: float = 0.0
    answered: float = 1.0
    kind: str = "latency"
    alert: str = "SystemDown"
    expr: str = ""
    last_error: str = ""

    def recording(self) -> Recording:
        real = _real(self.name)
        (target,) = real.targets
        slices = [self._slice(real, 0.5 * number) for number in range(2 * int(real.ended_at - real.started_at))]
        return real.model_copy(
            update={
                "machine": MachineRecord(has_prometheus=self.here, slices=slices),
                "probed": [target.instance] if self.is_probed else [],
                "targets": [self._scraped(real, target)],
                "load": real.load.model_copy(
                    update={"seconds": [self._second(real, one) for one in real.load.seconds]}
                ),
                "faults": [one.model_copy(update={"kind": self.kind}) for one in real.faults],
            }
        )

    def fired(self) -> Recording:
        """Let the alert fire as well, as it does when three evaluations find its target down."""
        recording = self.recording()
        (rule,) = (one for one in recording.rules if one.alert == self.alert)
        rule = rule.model_copy(update={"expr": self.expr or rule.expr})
        at = [_fault_at(recording) + self.lost[0] + 0.1 + 0.5 * number for number in range(4)]
        labels = {"alertname": self.alert, "instance": recording.targets[0].instance, "job": "payment-engine"}
        alerts = [
            AlertSamples(labels=labels, state="pending", instants=at[:2]),
            AlertSamples(labels=labels, state="firing", instants=at[2:]),
        ]
        watched = [*recording.watched, _watched(recording, rule)]
        rules = [rule if one.alert == self.alert else one for one in recording.rules]
        update = {"alerts": [*recording.alerts, *alerts], "watched": watched, "rules": rules}
        return recording.model_copy(update=update)

    def _slice(self, real: Recording, at: float) -> StrainRecord:
        is_busy = self.busy[0] <= real.started_at + at - _fault_at(real) < self.busy[1]
        quiet = {"loop_lag_seconds": 0.004, "busy": 0.3, "stolen": 0.0, "contended": 0.1, "queued": 0.01}
        return StrainRecord(at=real.started_at + at, seconds=0.5, **quiet | (self.strain if is_busy else {}))

    def _scraped(self, real: Recording, target: TargetRecord) -> TargetRecord:
        start, end = (_fault_at(real) + one for one in self.lost)
        gone = [start <= at < end for at in target.instants]
        took = {"timed out": target.timeout_seconds, "refused": 0.002, "not made": 0.0}[self.how]
        kept = [n for n, is_gone in enumerate(gone) if not (is_gone and self.how == "not made")]
        update = {
            "address": target.instance,
            "last_error": self.last_error,
            "instants": [target.instants[n] for n in kept],
            "up": [int(not gone[n]) for n in kept],
            "durations_seconds": [took if gone[n] else target.durations_seconds[n] for n in kept],
        }
        return target.model_copy(update=update)

    def _second(self, real: Recording, second: SecondRecord) -> SecondRecord:
        """Answer fewer transactions in the seconds of the losses, as quickly as before the fault."""
        start, end = (_fault_at(real) + one for one in self.lost)
        if second.at >= end or second.at + 1 <= start:
            return second.model_copy(update={"unanswered": 0})
        failed = round(self.unanswered * second.due)
        succeeded = round(self.answered * second.due) - failed
        return second.model_copy(
            update={"succeeded": succeeded, "failed": failed, "unanswered": failed, "p50_seconds": 0.003}
        )


def _fault_at(recording: Recording) -> float:
    return recording.faults[0].injected_at


def _watched(recording: Recording, rule: RuleRecord) -> WatchedRecord:
    """Evaluate the rule again: its selector has the series of the target."""
    target = recording.targets[0]
    series = SeriesRecord(labels={"instance": target.instance, "job": target.job}, first=0, values=[1.0])
    selector = next((one for one in (UP, "up") if one in rule.expr), "payment_engine_transactions_processed_total")
    return WatchedRecord(
        alert=rule.alert,
        group=rule.group,
        file=rule.file,
        first_at=recording.watched[0].first_at,
        interval_seconds=rule.interval_seconds,
        count=recording.watched[0].count,
        parts=[PartRecord(expr=expr, series=[series], total=1) for expr in (rule.expr, selector)],
    )


def _outcome(judgement: Judgement, alert: str) -> tuple[VerdictOutcome, str]:
    (verdict,) = (one for one in judgement.verdicts if one.alert == alert)
    return verdict.outcome, verdict.reason


@pytest.mark.parametrize(
    ("strain", "figures"),
    [
        ({"loop_lag_seconds": 0.8}, "loop lag 0.8 s"),
        ({"stolen": 0.45}, "45% of their time taken by the host"),
        ({"throttled": 0.6}, "held back by the control group for 60% of the time"),
        ({"queued": 0.7}, "alertdrill itself waited for one for 70% of the time"),
        (
            {"busy": 0.99, "contended": 0.95},
            "99% of their time used, and programs waited for them for 95% of the time",
        ),
    ],
)
def test_scrapes_that_timed_out_on_a_busy_machine_excuse_an_alert_on_them(
    strain: dict[str, float], figures: str
) -> None:
    judgement = judge(Story(strain=strain).fired())
    outcome, reason = _outcome(judgement, "SystemDown")
    assert outcome is INCONCLUSIVE
    assert reason == (
        "Prometheus lost 6 of 6 scrapes of payment-engine from +1.2 s to +2.2 s (6 timed out after 0.167 s),"
        f" and this machine's processors were busy: {figures}"
    )
    assert judgement.exit_code == 3
    assert judgement.undermined_by == (reason,)


@pytest.mark.parametrize(
    "expr",
    [
        "up == 0",
        f"absent({UP})",
        "avg_over_time(up[3s]) < 0.9",
        "count(payment_engine_transactions_processed_total) < 1",
        "absent_over_time(payment_engine_transactions_processed_total[2s])",
    ],
)
def test_every_rule_that_reads_scrapes_is_excused(expr: str) -> None:
    assert _outcome(judge(Story(expr=expr).fired()), "SystemDown")[0] is INCONCLUSIVE


def test_a_load_too_small_to_show_the_service_says_nothing_of_it() -> None:
    recording = Story().fired()
    none_due = {"due": 0, "succeeded": 0, "failed": 0, "p50_seconds": None}
    seconds = [one.model_copy(update=none_due) for one in recording.load.seconds]
    recording = recording.model_copy(update={"load": recording.load.model_copy(update={"seconds": seconds})})
    assert judge(recording).undermined_by[-1].startswith("Prometheus lost 6 of 6 scrapes")


def test_the_alert_under_test_keeps_its_verdict() -> None:
    assert _outcome(judge(Story().fired()), "HighResponseTime")[0] is VerdictOutcome.PASSED


def test_scrapes_that_did_not_take_place_excuse_as_well() -> None:
    outcome, reason = _outcome(judge(Story(how="not made").fired()), "SystemDown")
    assert outcome is INCONCLUSIVE
    assert "(6 did not take place), and this machine's processors were busy: loop lag 0.8 s" in reason


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("context deadline exceeded", ' with "context deadline exceeded")'),
        ("net/http: timeout awaiting response headers", ' with "net/http: timeout awaiting response headers")'),
        ("dial tcp 127.0.0.1:80: connect: connection refused", ")"),
    ],
)
def test_the_error_that_prometheus_gave_is_told_if_it_is_a_timeout(error: str, told: str) -> None:
    _, reason = _outcome(judge(Story(last_error=error).fired()), "SystemDown")
    assert f"timed out after 0.167 s{told}" in reason


@pytest.mark.parametrize(
    ("story", "why"),
    [
        (Story(strain={}), "the machine was quiet"),
        (Story(busy=(8.0, 12.0)), "the machine was busy at another time"),
        (Story(strain={"loop_lag_seconds": 0.05}), "so small a lag delays no scrape"),
        (Story(strain={"busy": 1.0, "contended": 0.3}), "nothing had to wait long for a processor"),
        (Story(unanswered=1.0), "the transactions had no answer either"),
        (Story(answered=0.0, lost=(1.0, 7.0), busy=(1.0, 7.0)), "no transaction ended for seconds"),
        (Story(how="refused"), "the scrapes were refused"),
        (Story(kind="process", answered=0.6), "a process was stopped, and fewer transactions were answered"),
        (Story(kind="process", is_probed=False), "a process was stopped that the load does not speak to"),
        (Story(kind="cpu"), "the fault itself took the processors"),
        (Story(lost=(1.0, 20.0), busy=(0.0, 20.0), is_probed=False), "the fault took the target away throughout"),
        (Story(alert="HighTPS"), "the alert is not about scrapes"),
        (Story(expr="rate(payment_engine_transactions_processed_total[5m]) > 1"), "neither is this one"),
        (Story(here=False, is_probed=False), "nothing is known of the other machine or of the service"),
        (Story(here=False, unanswered=1.0), "on another machine, and the transactions had no answer"),
    ],
    ids=lambda one: one.replace(" ", "-") if isinstance(one, str) else "",
)
def test_what_else_fired_is_not_excused(story: Story, why: str) -> None:
    judgement = judge(story.fired())
    assert _outcome(judgement, story.alert)[0] is UNEXPECTED, why
    assert judgement.exit_code == 1


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_that_may_stop_a_target_which_the_load_does_not_reach_excuses_nothing(kind: str) -> None:
    package = FAULTS[kind].split(".")[2]
    expected = UNEXPECTED if package in {"kubernetes", "machine", "http"} else INCONCLUSIVE
    assert _outcome(judge(Story(kind=kind, is_probed=False).fired()), "SystemDown")[0] is expected


def test_a_service_that_answers_late_and_all_at_once_is_well() -> None:
    """As on a machine with many more busy programs than processors: 4, 16, 1 and then 58 of 40 a second were answered."""
    recording = Story(answered=0.1).fired()
    later = _fault_at(recording) + 2.4
    seconds = [
        one.model_copy(update={"succeeded": 2 * one.due - one.failed}) if later <= one.at < later + 3 else one
        for one in recording.load.seconds
    ]
    recording = recording.model_copy(update={"load": recording.load.model_copy(update={"seconds": seconds})})
    assert _outcome(judge(recording), "SystemDown")[0] is INCONCLUSIVE


def test_a_stopped_process_does_not_excuse_the_alert_of_a_service_that_answered_throughout() -> None:
    assert _outcome(judge(Story(kind="process").fired()), "SystemDown")[0] is INCONCLUSIVE


def test_prometheus_on_another_machine_is_excused_while_the_service_answered() -> None:
    outcome, reason = _outcome(judge(Story(here=False, strain={}).fired()), "SystemDown")
    assert outcome is INCONCLUSIVE
    assert reason.endswith(
        "while the service answered the transactions: whether the machine of Prometheus was busy is unknown"
    )


def test_an_alert_that_also_fired_for_a_real_outage_is_not_excused() -> None:
    recording = Story().fired()
    more = [one.model_copy(update={"instants": [at + 8 for at in one.instants]}) for one in recording.alerts[-2:]]
    assert _outcome(judge(recording.model_copy(update={"alerts": [*recording.alerts, *more]})), "SystemDown")[0] is (
        UNEXPECTED
    )


def test_a_recording_that_knows_nothing_of_the_machine_is_judged_as_before() -> None:
    recording = Story().fired().model_copy(update={"machine": None})
    assert _outcome(judge(recording), "SystemDown")[0] is UNEXPECTED


Change = Callable[[Recording], dict[str, Any]]


def test_an_alert_is_not_missed_if_no_scrape_came_while_the_fault_was_in_force() -> None:
    story = Story("missed", lost=(0.0, 24.0), how="not made", busy=(0.0, 24.0))
    judgement = judge(story.recording())
    outcome, reason = _outcome(judgement, "HighResponseTime")
    assert (outcome, judgement.exit_code) == (INCONCLUSIVE, 3)
    assert reason.startswith("Prometheus lost 144 of 144 scrapes of payment-engine from +0.0 s to +24.1 s")
    assert reason.endswith("and this machine's processors were busy: loop lag 0.8 s")


@pytest.mark.parametrize(
    "story",
    [
        Story("missed", lost=(0.0, 24.0), how="not made", busy=(0.0, 24.0), strain={}),
        Story("missed", lost=(1.0, 3.0), busy=(1.0, 3.5)),
        Story("missed", lost=(0.0, 24.0), busy=(0.0, 24.0), unanswered=1.0),
    ],
    ids=["a quiet machine", "a few scrapes of many", "a real outage"],
)
def test_an_alert_is_missed_all_the_same(story: Story) -> None:
    assert _outcome(judge(story.recording()), "HighResponseTime")[0] is MISSED


def test_a_lost_scrape_that_ended_a_pending_alert_makes_it_inconclusive() -> None:
    recording = Story("missed", lost=(5.0, 5.3), busy=(4.0, 6.0)).recording()
    first, fault_at = recording.watched[0].first_at, _fault_at(recording)
    instants = [first + 0.5 * number for number in range(60) if 3.5 <= first + 0.5 * number - fault_at < 5.1]
    labels = {"alertname": "HighResponseTime", "severity": "warning"}
    pending = AlertSamples(labels=labels, state="pending", instants=instants)
    judgement = judge(recording.model_copy(update={"alerts": [pending]}))
    assert _outcome(judgement, "HighResponseTime")[0] is INCONCLUSIVE
    earlier = pending.model_copy(update={"instants": [at - 2 for at in instants]})
    judgement = judge(recording.model_copy(update={"alerts": [earlier]}))
    assert _outcome(judgement, "HighResponseTime")[0] is MISSED


def test_an_interval_that_no_real_target_has_does_not_hold_up_the_judge() -> None:
    recording = Story("missed", how="not made").recording()
    targets = [one.model_copy(update={"interval_seconds": 5e-324}) for one in recording.targets]
    assert judge(recording.model_copy(update={"targets": targets})).exit_code == 1


@pytest.mark.parametrize(("every", "outcome"), [(2, INCONCLUSIVE), (12, MISSED)])
def test_evaluations_that_were_skipped_excuse_a_silent_alert_if_they_were_many(
    every: int, outcome: VerdictOutcome
) -> None:
    """Every second one of them is many, and every twelfth is not."""
    recording = Story("missed", strain={}).recording()
    (group,) = recording.groups
    kept = [one for number, one in enumerate(group.evaluations) if number % every]
    skipped = group.model_copy(update={"evaluations": kept})
    found = _outcome(judge(recording.model_copy(update={"groups": [skipped]})), "HighResponseTime")
    assert found[0] is outcome
    if outcome is INCONCLUSIVE:
        assert found[1].startswith("Prometheus skipped 24 of 48 evaluations of the group warning while the fault was")


@pytest.mark.parametrize(("lost_until", "outcome"), [(7.0, INCONCLUSIVE), (2.0, LATE)])
def test_losses_excuse_a_late_alert_if_they_took_as_long_as_it_came_too_late(
    lost_until: float, outcome: VerdictOutcome
) -> None:
    """It fired 13.3 s after the fault, and the drill allows 8 s."""
    story = Story("late", lost=(0.5, lost_until), busy=(0.0, lost_until + 0.5))
    assert _outcome(judge(story.recording()), "HighResponseTime")[0] is outcome


def test_the_reports_show_the_figures_of_a_doubt() -> None:
    recording = Story().fired()
    judgement = judge(recording)
    for report in (html.render(recording, judgement), junit.render(recording, judgement)):
        assert "processors were busy: loop lag 0.8 s" in report
