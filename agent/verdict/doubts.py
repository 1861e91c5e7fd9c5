"""What undermines a drill: each doubt says why, and which verdicts it makes inconclusive.

A doubt without an alert undermines them all. A fault that did not show in the traffic excuses only a silent alert:
one that fired has seen it. A skipped evaluation excuses only a late one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, LoadRecord, RuleRecord, SecondRecord
from alertdrill.agent.rules.expression import anatomy
from alertdrill.agent.rules.labels import listed, templates
from alertdrill.agent.verdict.evaluations import skipped, watched
from alertdrill.agent.verdict.verdict import Verdict, VerdictOutcome
from alertdrill.probes.figures.honesty import Sending, honesty

_LONGEST_CLOCK_DIFFERENCE_SECONDS = 1.0
_SMALLEST_CLOCK_DIFFERENCE_SECONDS = 0.05


@dataclass(frozen=True)
class Doubt:
    """Why a verdict may be wrong; `alert` and `outcome` narrow down which verdicts."""

    text: str
    alert: str | None = None
    outcome: VerdictOutcome | None = None

    @property
    def undermines_all(self) -> bool:
        """Tell whether no verdict at all can be upheld."""
        return self.alert is None and self.outcome is None

    def undermines(self, verdict: Verdict) -> bool:
        """Tell whether a verdict cannot be upheld."""
        return self.alert in {None, verdict.alert} and self.outcome in {None, verdict.outcome}


def doubts(recording: Recording, fault_at: float) -> list[Doubt]:
    """List every doubt, the gravest first."""
    found = [Doubt(f"the drill was broken off: {recording.aborted}")] if recording.aborted else []
    found += _outages(recording, fault_at)
    found += [Doubt(problem) for problem in load_problems(recording)]
    found += [Doubt(problem) for problem in baseline_problems(recording)]
    found += _noise(recording, fault_at)
    found += _restarts(recording, fault_at)
    found += _reloads(recording)
    found += _clocks(recording)
    for rule in _expected_rules(recording):
        found += _changes(recording, rule)
        found += _evaluations(recording, rule, fault_at)
    # A load that is not as asked for, or a server that cannot be asked, says nothing about the fault; and what made an
    # alert under test pending had an effect, whatever the traffic says.
    if not any(doubt.alert is None for doubt in found) and not _stirred(recording, fault_at):
        found += [Doubt(problem, outcome=VerdictOutcome.MISSED) for problem in effect_problems(recording)]
    return found


def _stirred(recording: Recording, fault_at: float) -> bool:
    watched = {expectation.alert for expectation in recording.drill.expect}
    after = [one for one in recording.alerts if any(instant >= fault_at for instant in one.instants)]
    return bool(_names(after) & watched)


def _outages(recording: Recording, fault_at: float) -> list[Doubt]:
    return [
        Doubt(
            f"{outage.server} could not be asked for {outage.last_at - outage.first_at:.1f} s"
            f" from {outage.first_at - fault_at:+.1f} s on: {outage.reason}"
        )
        for outage in recording.outages
    ]


def _noise(recording: Recording, fault_at: float) -> list[Doubt]:
    """Name the alerts under test that were active before anything was broken, and others that fired.

    One that fired and may not says that the service was sick already, and nothing that came later is certain.
    """
    watched = {expectation.alert for expectation in recording.drill.expect}
    active = sorted(_names(before := _before(recording, fault_at)) & watched)
    found = [Doubt(f"the baseline was not quiet: {alert} was active before the fault", alert) for alert in active]
    others = sorted(_names(one for one in before if one.state == "firing") - watched - set(recording.drill.allow))
    return found + [Doubt(f"the baseline was not quiet: {alert} fired before the fault") for alert in others]


def _before(recording: Recording, fault_at: float) -> list[AlertSamples]:
    return [
        series
        for series in recording.alerts
        if any(recording.started_at <= instant < fault_at for instant in series.instants)
    ]


def _names(alerts: Iterable[AlertSamples]) -> set[str]:
    return {one.labels["alertname"] for one in alerts}


def _restarts(recording: Recording, fault_at: float) -> Iterator[Doubt]:
    servers = {"Prometheus": recording.prometheus.started_at, "Alertmanager": recording.alertmanager.started_at}
    for server, starts in servers.items():
        for start in starts:
            if start > recording.started_at:
                yield Doubt(
                    f"{server} was restarted {start - fault_at:+.1f} s from the fault{_lost(recording, server)}"
                )


def _lost(recording: Recording, server: str) -> str:
    grace = recording.prometheus.for_grace_seconds
    if server != "Prometheus" or grace is None:
        return ""
    begin_again = sorted(rule.alert for rule in _expected_rules(recording) if 0 < rule.for_seconds < grace)
    if not begin_again:
        return ""
    return f": {', '.join(begin_again)} began again from 0, as any `for` below the grace period of {grace:g} s does"


def _reloads(recording: Recording) -> list[Doubt]:
    server = recording.alertmanager
    if server.config_at_end in {None, server.config}:
        return []
    return [Doubt("Alertmanager's configuration was changed during the drill, and with it who is told, and when")]


def _clocks(recording: Recording) -> list[Doubt]:
    server = recording.prometheus
    if server.clock_ahead_seconds is None:
        return []
    apart = abs(server.clock_ahead_seconds) - server.clock_unsure_seconds
    shortest = min((rule.interval_seconds for rule in _expected_rules(recording)), default=1.0)
    limit = min(max(shortest / 10, _SMALLEST_CLOCK_DIFFERENCE_SECONDS), _LONGEST_CLOCK_DIFFERENCE_SECONDS)
    if apart <= limit:
        return []
    where = "ahead of" if server.clock_ahead_seconds > 0 else "behind"
    return [Doubt(f"the clocks are apart: Prometheus is {abs(server.clock_ahead_seconds):.3f} s {where} this machine")]


def _expected_rules(recording: Recording) -> list[RuleRecord]:
    watched = {expectation.alert for expectation in recording.drill.expect}
    return [rule for rule in recording.rules if rule.alert in watched]


def _changes(recording: Recording, rule: RuleRecord) -> list[Doubt]:
    if recording.rules_at_end is None:
        return []
    what_counts = ("expr", "for_seconds", "interval_seconds", "keep_firing_for_seconds", "labels")
    key = (rule.alert, rule.group, rule.file)
    of_name = [r for r in recording.rules_at_end if (r.alert, r.group, r.file) == key]
    if not of_name:
        return [Doubt(f"the rule {rule.alert} was gone at the end of the drill", rule.alert)]
    # A group may have several rules of one name: the one most like it is what became of it.
    changed = min(([name for name in what_counts if getattr(r, name) != getattr(rule, name)] for r in of_name), key=len)
    return (
        [Doubt(f"the rule {rule.alert} was changed during the drill: {', '.join(changed)}", rule.alert)]
        if changed
        else []
    )


def _evaluations(recording: Recording, rule: RuleRecord, fault_at: float) -> Iterator[Doubt]:
    group = next((g for g in recording.groups if (g.group, g.file) == (rule.group, rule.file)), None)
    if group is None:
        return
    missed = [at for at in skipped(group) if at >= fault_at]
    if missed:
        first = f"the first {missed[0] - fault_at:+.1f} s from the fault"
        text = f"Prometheus skipped {len(missed)} evaluation(s) of the group {rule.group}, {first}"
        yield Doubt(text, rule.alert, VerdictOutcome.LATE)


def notes(recording: Recording, rules: Iterable[RuleRecord]) -> tuple[str, ...]:
    """Say of each rule what of it could not be taken apart, evaluated again or kept."""
    return tuple(dict.fromkeys(note for rule in rules for note in _notes(recording, rule)))


def _notes(recording: Recording, rule: RuleRecord) -> Iterable[str]:
    if anatomy(rule.expr) is None:
        yield (
            f"the expression of {rule.alert} is beyond this version's parser:"
            " its windows follow from what Prometheus reported of it as a whole, and not from its parts"
        )
    for name in templates(rule):
        texts = {one.labels.get(name, "") for one in recording.alerts if one.labels["alertname"] == rule.alert}
        if len(texts) > 1:
            shown = listed(sorted(map(repr, texts)), most=3)
            yield f"the label {name} of {rule.alert} is a template and was {shown}: each makes an alert of its own"
    record = watched(recording, rule)
    if record is None or not record.parts:
        yield f"{rule.alert} was not evaluated again: when its condition held is known from its alerts alone"
    elif record.parts[0].error:
        yield (
            f"{rule.alert} could not be evaluated again ({record.parts[0].error}):"
            " when its condition held is known from its alerts alone"
        )
    elif record.parts[0].total > len(record.parts[0].series):
        kept, total = len(record.parts[0].series), record.parts[0].total
        yield f"of {total} series that {rule.alert} found, {kept} were kept: the others are known from their alerts alone"


_LARGEST_BASELINE_FAILED_SHARE = 0.01


def load_problems(recording: Recording) -> list[str]:
    """Say why the load, or a surge of it, was not what the drill asked for; nothing when it was."""
    loads = {"the load": recording.load} | {
        f"the surge of {one.target}": one.load for one in recording.faults if one.load
    }
    return [f"{name} {reason}" for name, load in loads.items() for reason in honesty(_sending(load)).reasons]


def _sending(load: LoadRecord) -> Sending:
    # A load too short for one whole second has no rate.
    sent = sum(second.due - second.dropped for second in load.seconds)
    return Sending(
        target_rate=load.target_rate if load.seconds else 0.0,
        achieved_rate=sent / len(load.seconds) if load.seconds else 0.0,
        due=load.due,
        dropped=load.dropped,
        lost=0,  # a drill's load has no workers
        lateness_p99_seconds=load.lateness_p99_seconds,
    )


def baseline_problems(recording: Recording) -> list[str]:
    """Say why transactions before the fault do not count as healthy; nothing when they do."""
    seconds = _during(recording, "baseline")
    succeeded = sum(second.succeeded for second in seconds)
    failed = sum(second.failed for second in seconds)
    if succeeded + failed == 0:
        return ["no transaction ended during the baseline"]
    if failed > _LARGEST_BASELINE_FAILED_SHARE * (succeeded + failed):
        why = ", ".join(f"{reason}: {detail}" for reason, detail in recording.load.details.items())
        return [f"{failed} of {succeeded + failed} transactions failed before any fault ({why})"]
    return []


def effect_problems(recording: Recording) -> list[str]:
    """Say that the faults did not show in the traffic; nothing when they did, or when there were none.

    They show when the median p95 grows by half and 10 ms, when failures grow by one in a hundred, or
    when a tenth fewer transactions end. A surge is traffic itself.
    """
    if not recording.faults or any(fault.load for fault in recording.faults):
        return []
    before, during = _during(recording, "baseline"), _during(recording, "fault")
    slower = _p95(during) > 1.5 * _p95(before) + 0.010
    failing = _failed_share(during) > _failed_share(before) + 0.01
    fewer = _ended(during) < 0.9 * _ended(before)
    if slower or failing or fewer:
        return []
    seen = f"p95 {_p95(before):.3f} s before, {_p95(during):.3f} s during, as many transactions, as few failures"
    escaped = [f"; of {fault.target}: {fault.outcome}" for fault in recording.faults if fault.outcome]
    return [f"the fault had no effect on the traffic ({seen}{''.join(escaped)})"]


def _during(recording: Recording, phase: str) -> list[SecondRecord]:
    return [
        second
        for record in recording.phases
        if record.phase == phase
        for second in recording.load.seconds
        if record.started_at <= second.at and second.at + 1 <= record.ended_at
    ]


def _p95(seconds: list[SecondRecord]) -> float:
    values = [second.p95_seconds for second in seconds if second.p95_seconds is not None]
    return median(values) if values else 0.0


def _failed_share(seconds: list[SecondRecord]) -> float:
    ended = sum(second.succeeded + second.failed for second in seconds)
    return sum(second.failed for second in seconds) / ended if ended else 0.0


def _ended(seconds: list[SecondRecord]) -> float:
    return sum(second.succeeded + second.failed for second in seconds) / len(seconds) if seconds else 0.0
