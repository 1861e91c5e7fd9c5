"""Doubts about the drill itself, which make verdicts inconclusive, and notes on what could not be checked.

A doubt without an alert or outcome undermines every verdict. A skipped evaluation excuses only an alert that came late.
Scrapes that were lost on a busy machine excuse what they explain (`alertdrill.agent.verdict.lost_scrapes`).

A fault that did not show in the traffic excuses only an alert that stayed silent, and only if nothing else shows the
fault: no series of its rule moved, no other alert began with it, and its broken link does not stand without any fault.
A drill may say that its traffic does not show the fault (`shows: nothing`).

The load must be as requested and the baseline quiet; the servers must answer, run on and keep their rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import TOO_MANY_CALLS, AlertSamples, LoadRecord, RuleRecord, SecondRecord
from alertdrill.agent.rules.expression import anatomy
from alertdrill.agent.rules.labels import listed, templates
from alertdrill.agent.verdict.delivery import is_led
from alertdrill.agent.verdict.evaluations import skipped, watched
from alertdrill.agent.verdict.lost_scrapes import shortage_doubts
from alertdrill.agent.verdict.moved import has_moved
from alertdrill.agent.verdict.shortage import was_held_up, was_short, why_slow
from alertdrill.agent.verdict.verdict import Doubt, Verdict, VerdictOutcome
from alertdrill.agent.verdict.window import DELIVERY_SECONDS
from alertdrill.probes.figures.honesty import Sending, honesty

_LONGEST_CLOCK_DIFFERENCE_SECONDS = 1.0
_SMALLEST_CLOCK_DIFFERENCE_SECONDS = 0.05
_LARGEST_BASELINE_FAILED_SHARE = 0.01
# A request that got no answer began up to so long before its outage was noted.
_OUTAGE_SECONDS = 10.0


def doubts(recording: Recording, fault_at: float, healed_at: float | None = None) -> list[Doubt]:
    """List every doubt, the gravest first; without `healed_at` the fault lasts until the end of the drill."""
    is_busy_at_all = was_short(recording, recording.started_at, recording.ended_at)
    is_busy_before = was_short(recording, recording.started_at, fault_at)
    before = _alerts_before(recording, fault_at, of_machine=is_busy_before)
    is_excused = _is_excused(recording, is_busy_at_all, before if is_busy_before else [])
    found = (
        [Doubt(f"the drill was broken off: {recording.aborted}", of_machine=is_excused)] if recording.aborted else []
    )
    found += [Doubt("it is a recorded stretch of time without a drill")] if recording.is_stretch else []
    found += _outages(recording, fault_at)
    is_late = is_busy_at_all or was_held_up(recording)
    found += [Doubt(problem, of_machine=is_late) for problem in load_problems(recording)]
    found += [Doubt(problem, of_machine=is_busy_before) for problem in _baseline_problems(recording)]
    found += before
    found += _restarts(recording, fault_at)
    found += _reloads(recording)
    found += _clocks(recording)
    found += _calls(recording)
    for rule in _expected_rules(recording):
        found += _changes(recording, rule)
        found += _skipped_evaluations(recording, rule, fault_at)
    found += shortage_doubts(recording, fault_at, recording.ended_at if healed_at is None else healed_at)
    # The traffic says nothing about the fault if the load was wrong or a server did not answer. And a fault that made
    # an alert under test pending, or another one fire, had an effect, whatever the traffic says.
    if not any(doubt.alert is None for doubt in found) and not _has_alert_after(recording, fault_at):
        found += _unfelt(recording, fault_at)
    return found


def late_notifications(recording: Recording, verdicts: Iterable[Verdict]) -> Iterator[Doubt]:
    """Yield a doubt for each notification that came too late while this machine was short of processor time.

    It is sent and received by programs that had to wait for their turn.
    """
    for one in verdicts:
        late, firing = one.outside, next((of.at for of in one.milestones if of.name == "firing"), None)
        if one.outcome is not VerdictOutcome.LATE or late is None or late.name != "notified" or firing is None:
            continue
        assert late.at is not None  # noqa: S101 - it came, outside of its window
        assert late.window is not None  # noqa: S101 - as above
        too_late = late.at - late.window.latest
        if told := why_slow(recording, firing, late.at, too_late + DELIVERY_SECONDS):
            text = f"the notification of {one.alert} came {too_late:.2f} s too late, and this machine's processors were busy: {told}"
            yield Doubt(text, one.alert, VerdictOutcome.LATE, of_machine=True)


def _unfelt(recording: Recording, fault_at: float) -> Iterator[Doubt]:
    """Yield that the fault did not show in the traffic, for each alert whose own series did not move either."""
    problems = _effect_problems(recording)
    if not problems:
        return
    moved = {rule.alert for rule in _expected_rules(recording) if has_moved(recording, rule, fault_at)}
    for alert in sorted(_expected_alerts(recording) - moved):
        yield from (Doubt(one, alert, VerdictOutcome.MISSED, needs_effect=True) for one in problems)


def _is_excused(recording: Recording, is_busy: bool, alerts: list[Doubt]) -> bool:  # noqa: FBT001 - as found
    """Return whether a busy machine, and nothing else, may have broken the drill off."""
    if recording.aborted_by == "unready":
        return bool(alerts)
    return recording.aborted_by in {"timeout", "watchdog"} and is_busy


def _expected_alerts(recording: Recording) -> set[str]:
    return {expectation.alert for expectation in recording.drill.expect}


def _expected_rules(recording: Recording) -> list[RuleRecord]:
    return [rule for rule in recording.rules if rule.alert in _expected_alerts(recording)]


def _outages(recording: Recording, fault_at: float) -> list[Doubt]:
    return [
        Doubt(
            f"{outage.server} could not be asked for {outage.last_at - outage.first_at:.1f} s"
            f" from {outage.first_at - fault_at:+.1f} s on: {outage.reason}",
            of_machine=was_short(recording, outage.first_at - _OUTAGE_SECONDS, outage.last_at),
        )
        for outage in recording.outages
    ]


def load_problems(recording: Recording) -> list[str]:
    """Return how the load, or a surge of it, differed from what the drill requested; empty if it did not."""
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


def _baseline_problems(recording: Recording) -> list[str]:
    """Return why the transactions before the fault do not count as healthy; empty if they do."""
    seconds = _during(recording, "baseline")
    succeeded = sum(second.succeeded for second in seconds)
    failed = sum(second.failed for second in seconds)
    if succeeded + failed == 0:
        return ["no transaction ended during the baseline"]
    if failed > _LARGEST_BASELINE_FAILED_SHARE * (succeeded + failed):
        why = ", ".join(f"{reason}: {detail}" for reason, detail in recording.load.details.items())
        return [f"{failed} of {succeeded + failed} transactions failed before any fault ({why})"]
    return []


def _effect_problems(recording: Recording) -> list[str]:
    """Return that the faults did not show in the traffic; empty if they did, or if there were none.

    They show when the median p95 grows by half and 10 ms, when failures grow by one in a hundred, or when a tenth
    fewer transactions end. A surge is traffic itself, and a drill may say that its traffic does not show the fault.
    """
    if not recording.faults or any(fault.load for fault in recording.faults) or recording.drill.shows == "nothing":
        return []
    before, during = _during(recording, "baseline"), _during(recording, "fault")
    slower = _p95(during) > 1.5 * _p95(before) + 0.010
    failing = _failed_share(during) > _failed_share(before) + 0.01
    fewer = _ended_per_second(during) < 0.9 * _ended_per_second(before)
    if slower or failing or fewer:
        return []
    seen = f"p95 {_p95(before):.3f} s before, {_p95(during):.3f} s during, as many transactions, as few failures"
    escaped = [f"; of {fault.target}: {fault.outcome}" for fault in recording.faults if fault.outcome]
    return [f"the fault had no effect on the traffic ({seen}{''.join(escaped)})"]


def _during(recording: Recording, phase: str) -> list[SecondRecord]:
    """Return the whole seconds of a phase."""
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


def _ended_per_second(seconds: list[SecondRecord]) -> float:
    return sum(second.succeeded + second.failed for second in seconds) / len(seconds) if seconds else 0.0


def _alerts_before(recording: Recording, fault_at: float, *, of_machine: bool) -> list[Doubt]:
    """Return a doubt for each alert under test that was active before the fault, and for each other that fired.

    An alert that fired without being allowed shows that the service had a problem already: this undermines all verdicts.
    """
    watched_alerts = _expected_alerts(recording)
    before = _active_between(recording, recording.started_at, fault_at)
    active = sorted(_names(before) & watched_alerts)
    found = [
        Doubt(f"the baseline was not quiet: {alert} was active before the fault", alert, of_machine=of_machine)
        for alert in active
    ]
    firing = _names(one for one in before if one.state == "firing")
    others = sorted(firing - watched_alerts - recording.allowed)
    return found + [
        Doubt(f"the baseline was not quiet: {alert} fired before the fault", of_machine=of_machine) for alert in others
    ]


def _has_alert_after(recording: Recording, fault_at: float) -> bool:
    """Return whether an alert under test was active after the fault began, or another one began to fire with it."""
    after = _active_between(recording, fault_at, float("inf"))
    active_before = _names(_active_between(recording, recording.started_at, fault_at))
    fired = _names(one for one in after if one.state == "firing") - active_before
    return bool(_names(after) & _expected_alerts(recording) or fired)


def _active_between(recording: Recording, start: float, end: float) -> list[AlertSamples]:
    return [series for series in recording.alerts if any(start <= instant < end for instant in series.instants)]


def _names(alerts: Iterable[AlertSamples]) -> set[str]:
    return {one.labels["alertname"] for one in alerts}


def _restarts(recording: Recording, fault_at: float) -> Iterator[Doubt]:
    servers = {"Prometheus": recording.prometheus.started_at, "Alertmanager": recording.alertmanager.started_at}
    for server, starts in servers.items():
        for start in starts:
            if start > recording.started_at:
                lost = _lost_pending(recording) if server == "Prometheus" else ""
                yield Doubt(f"{server} was restarted {start - fault_at:+.1f} s from the fault{lost}")


def _lost_pending(recording: Recording) -> str:
    """Return which rules lost their pending time at a restart of Prometheus."""
    grace = recording.prometheus.for_grace_seconds
    if grace is None:
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


def _calls(recording: Recording) -> Iterator[Doubt]:
    """Yield that others called the webhook, or that Alertmanager was told to come again."""
    calls = recording.calls
    if calls is None:
        return
    if turned_away := sum(one.count for one in calls.refused if one.reason == TOO_MANY_CALLS):
        yield Doubt(f"{turned_away} calls of the webhook were too many and refused, so a notification may be late")
    received = len({(one.received_at, one.receiver) for one in recording.notifications if is_led(recording, one)})
    if calls.sent_by_alertmanager is not None and received > calls.sent_by_alertmanager:
        yield Doubt(
            f"the webhook was called {received} times, and Alertmanager counts {calls.sent_by_alertmanager} calls:"
            " others call it too"
        )


def _changes(recording: Recording, rule: RuleRecord) -> list[Doubt]:
    if recording.rules_at_end is None:
        return []
    fields = ("expr", "for_seconds", "interval_seconds", "keep_firing_for_seconds", "labels")
    key = (rule.alert, rule.group, rule.file)
    of_name = [one for one in recording.rules_at_end if (one.alert, one.group, one.file) == key]
    if not of_name:
        return [Doubt(f"the rule {rule.alert} was gone at the end of the drill", rule.alert)]
    # A group may have several rules of one name: compare with the one that differs least.
    differences = [[name for name in fields if getattr(one, name) != getattr(rule, name)] for one in of_name]
    changed = min(differences, key=len)
    if not changed:
        return []
    return [Doubt(f"the rule {rule.alert} was changed during the drill: {', '.join(changed)}", rule.alert)]


def _skipped_evaluations(recording: Recording, rule: RuleRecord, fault_at: float) -> Iterator[Doubt]:
    group = next((one for one in recording.groups if (one.group, one.file) == (rule.group, rule.file)), None)
    missed = [at for at in skipped(group) if at >= fault_at] if group is not None else []
    if missed:
        first = f"the first {missed[0] - fault_at:+.1f} s from the fault"
        text = f"Prometheus skipped {len(missed)} evaluation(s) of the group {rule.group}, {first}"
        is_busy = was_short(recording, missed[0] - 2 * rule.interval_seconds, missed[-1])
        yield Doubt(text, rule.alert, VerdictOutcome.LATE, of_machine=is_busy)


def notes(recording: Recording, rules: Iterable[RuleRecord]) -> tuple[str, ...]:
    """Return notes on what could not be checked: expressions that were not parsed, evaluated again or kept."""
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
    yield from _notes_on_calls(recording, rule)
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


def _notes_on_calls(recording: Recording, rule: RuleRecord) -> Iterator[str]:
    """Yield which calls were not counted or refused."""
    if recording.calls is None:
        return
    for one in recording.notifications:
        if one.labels.get("alertname") == rule.alert and not is_led(recording, one):
            yield (
                f"a notification of {rule.alert} for {one.receiver} was received, but Alertmanager's routes do not lead"
                " there: it is not counted"
            )
    for refused in recording.calls.refused:
        yield f"calls of the webhook that were refused: {refused.count}, because {refused.reason}"
