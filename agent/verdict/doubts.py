"""What undermines a drill: each doubt says why, and which verdicts it makes inconclusive.

A doubt without an alert undermines them all. A fault that did not show in the traffic excuses only a silent alert:
one that fired has seen it. A skipped evaluation excuses only a late one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, RuleRecord
from alertdrill.agent.verdict import traffic
from alertdrill.agent.verdict.evaluations import skipped
from alertdrill.agent.verdict.verdict import Outcome, Verdict

_LONGEST_CLOCK_DIFFERENCE_SECONDS = 1.0
_SMALLEST_CLOCK_DIFFERENCE_SECONDS = 0.05


@dataclass(frozen=True)
class Doubt:
    """Why a verdict may be wrong; `alert` and `outcome` narrow down which verdicts."""

    text: str
    alert: str | None = None
    outcome: Outcome | None = None

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
    found += [Doubt(problem) for problem in traffic.load_problems(recording)]
    found += [Doubt(problem) for problem in traffic.baseline_problems(recording)]
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
        found += [Doubt(problem, outcome=Outcome.MISSED) for problem in traffic.effect_problems(recording)]
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
        yield Doubt(text, rule.alert, Outcome.LATE)
