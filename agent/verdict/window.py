"""The lawful window of each milestone of an alert that fired, computed from its rule as Prometheus serves it.

| milestone | window |
| --- | --- |
| condition | expected only: from the first scrape that showed the fault and the part of the range that must be bad |
| pending | the first evaluation that saw the condition hold |
| firing | ceil(for / interval) evaluations after pending |
| notified | after `group_wait` for a new group of alerts, else within max(`group_wait`, `group_interval`) |
| resolved | the first evaluation that saw the condition over, plus `keep_firing_for` in whole evaluations |

The drill's own budget decides whether the condition came soon enough; the other windows are exact.
The n-th peer of a cluster of Alertmanagers waits n times 15 seconds longer, and a group stays known for a while after
its alerts are over.
Sources: rules/alerting.go of Prometheus, dispatch/dispatch.go and cluster/cluster.go of Alertmanager.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord, SuppressionRecord
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.timing import Timing
from alertdrill.agent.verdict.delivery import SAME_INSTANT_SECONDS, fired_at, listings, routed_labels
from alertdrill.agent.verdict.engine import ROUNDING_SECONDS, State, step
from alertdrill.agent.verdict.evaluations import Evaluation
from alertdrill.agent.verdict.onset import Onset
from alertdrill.agent.verdict.timeline import AlertTimeline, query_offset
from alertdrill.agent.verdict.verdict import Window

_PEER_SECONDS = 15.0
# From Prometheus through Alertmanager to our socket, beyond the waits that are configured.
DELIVERY_SECONDS = 1.0
_EARLY_SECONDS = 0.010
# Alertmanager up to 0.33 may keep a group for this long after it has become empty.
_CLEAN_UP_SECONDS = 30.0
# Prometheus goes on sending an alert that is over for this long (resolvedRetention).
_RESOLVED_RETENTION_SECONDS = 900.0


def condition_window(onset: Onset, timing: Timing, fault_at: float) -> Window | None:
    """Return when the condition is expected to be seen; None if the recording does not show when the fault began."""
    if onset.first_bad_at is None or onset.bad_seconds is None:
        return None
    least, most = onset.bad_seconds
    # Samples carry the instant of the data, so the query offset does not show in them.
    timing = replace(timing, query_offset=0.0)
    soonest, latest = timing.condition_span(least)[0], timing.condition_span(most)[1]
    # The fault showed in the series at some instant between the scrape before and this one.
    earliest = max(onset.first_bad_at - timing.scrape + soonest, min(fault_at, onset.first_bad_at))
    text = f"first bad scrape {onset.first_bad_at - fault_at:+.2f} s"
    if most > 0:
        part = f"{least:.3g} s" if most - least < 0.05 * most else f"{least:.3g} … {most:.3g} s"
        text += f", + {part} of the {onset.shape.range_seconds:g} s range that must be bad"
    text += f", ± a scrape ({timing.scrape:g} s), + an evaluation ({timing.interval:g} s)"
    return _rounded(earliest, onset.first_bad_at + latest, text)


def pending_window(evaluations: Sequence[Evaluation], near: float, fault_at: float) -> Window | None:
    """Return when the alert had to become pending, for the true evaluations at or after the instant `near`.

    None if the condition was never seen to hold from there on.
    """
    index = _next_that_may_hold(evaluations, near)
    if index is None:
        return None
    earliest = evaluations[_first_of_stretch(evaluations, index, {True, None})].at
    # An evaluation with an unknown result may have ended the stretch; then the alert became pending anew after it.
    surely = _first_of_stretch(evaluations, index, {True})
    latest = next((one.at for one in evaluations[surely:] if one.holds and one.took_place), None)
    if latest is None:
        return None
    text = f"the first evaluation that saw the condition hold, {earliest - fault_at:+.2f} s"
    if latest > earliest:
        text += f" or {latest - fault_at:+.2f} s: what those between saw or whether they took place is open"
    return _rounded(earliest, latest, text)


def condition_began(evaluations: Sequence[Evaluation], near: float) -> float | None:
    """Return the evaluation at which the condition began to hold for an alert that became pending at `near`.

    An earlier evaluation with an unknown result cannot have seen it hold: the alert would have been pending sooner.
    """
    index = _next_that_may_hold(evaluations, near)
    return None if index is None else evaluations[_first_of_stretch(evaluations, index, {True})].at


def _next_that_may_hold(evaluations: Sequence[Evaluation], near: float) -> int | None:
    """Return the index of the first evaluation at or after an instant that saw the condition hold, or may have."""
    return next(
        (n for n, one in enumerate(evaluations) if one.at >= near - ROUNDING_SECONDS and one.holds is not False), None
    )


def _first_of_stretch(evaluations: Sequence[Evaluation], index: int, results: set[bool | None]) -> int:
    """Return the first index of the unbroken stretch before `index` whose results are all in `results`."""
    while index > 0 and evaluations[index - 1].holds in results:
        index -= 1
    return index


def firing_window(evaluations: Sequence[Evaluation], rule: RuleRecord, timing: Timing, pending_at: float) -> Window:
    """Return when an alert that became pending at an instant must fire, if its condition goes on."""
    due = pending_at + timing.wait
    took_place = [one.at for one in evaluations if one.at >= due - ROUNDING_SECONDS and one.took_place]
    text = (
        f"pending + ceil(for {rule.for_seconds:g} s / interval {rule.interval_seconds:g} s) evaluations"
        f" = pending + {timing.wait:g} s"
    )
    latest = max(min(took_place, default=due), due)
    if latest > due + ROUNDING_SECONDS:
        text += f", + {latest - due:.3g} s for skipped evaluations"
    return _rounded(due, latest, text)


def first_notified_window(
    recording: Recording, timeline: AlertTimeline, routes: Sequence[Route], query_offset_seconds: float
) -> Window | None:
    """Return when a receiver at the end of several routes must be notified first of an alert that fired.

    None if there is no route, or if time intervals may mute one of them.
    """
    if not routes or any(route.time_intervals for route in routes):
        return None
    windows = [notified_window(recording, timeline, route, query_offset_seconds) for route in routes]
    surest = min(windows, key=lambda window: window.latest)
    return replace(surest, earliest=min(window.earliest for window in windows))


def notified_window(recording: Recording, timeline: AlertTimeline, route: Route, query_offset_seconds: float) -> Window:
    """Return when the receiver of a route must be notified of an alert that fired."""
    assert timeline.firing_at is not None  # noqa: S101 - receivers are notified only of alerts that fired
    clock = recording.prometheus
    # It fires by the server's clock, and the notification is received by ours.
    sent_at = timeline.firing_at + query_offset_seconds - (clock.clock_ahead_seconds or 0.0)
    soonest = sent_at - clock.clock_unsure_seconds - _EARLY_SECONDS
    latest = sent_at + clock.clock_unsure_seconds + DELIVERY_SECONDS
    wait, interval = route.group_wait.total_seconds(), route.group_interval.total_seconds()
    peers = (recording.alertmanager.peers - 1) * _PEER_SECONDS
    others = f", + up to {peers:g} s for {recording.alertmanager.peers} peers" if peers else ""
    if _is_new_group(recording, timeline, route):
        text = f"firing + group_wait {wait:g} s of a new group{others}, + {DELIVERY_SECONDS:g} s to arrive"
        return Window(soonest + wait, latest + wait + peers, text)
    longest = max(wait, interval)
    text = (
        f"firing, + at most max(group_wait {wait:g} s, group_interval {interval:g} s){others}, + {DELIVERY_SECONDS:g} s"
    )
    return Window(soonest, latest + longest + peers, text)


def known_for_seconds(route: Route) -> float:
    """Return for how long after its last alert Alertmanager may know a group.

    Prometheus goes on sending an alert that is over; each time the group lives until its next flush.
    """
    flush = max(route.group_wait, route.group_interval).total_seconds()
    return _RESOLVED_RETENTION_SECONDS + flush + _CLEAN_UP_SECONDS


def _is_new_group(recording: Recording, timeline: AlertTimeline, route: Route) -> bool:
    """Return whether Alertmanager certainly had no group for this alert: no alert of the group fired lately."""
    fired = fired_at(recording, timeline)
    # The last sample of an alert is one evaluation older than its end.
    longest = max((rule.interval_seconds for rule in recording.rules), default=0.0)
    since = max(fired - known_for_seconds(route) - longest, _groups_lost_until(recording))
    if since < (recording.started_at if recording.earlier_since is None else recording.earlier_since):
        return False
    routed = route.group_of(routed_labels(recording, timeline))
    if any(route.group_of(one.labels) == routed for one in _listed_before(recording, timeline)):
        return False
    group = route.group_of(timeline.labels)
    return not any(
        series.state == "firing"
        and any(since <= at + query_offset(recording, series.labels) < fired - _EARLY_SECONDS for at in series.instants)
        and group == route.group_of(series.labels)
        for series in (*recording.earlier, *recording.alerts)
    )


def _groups_lost_until(recording: Recording) -> float:
    """Return an instant: alerts that were over before it are in no group of a lone Alertmanager.

    A restart loses all groups. Prometheus then sends again the alerts that fire or were over lately.
    """
    server = recording.alertmanager
    is_lone = server.started_at and server.peers == 1
    return min(server.started_at) - _RESOLVED_RETENTION_SECONDS if is_lone else -math.inf


def _listed_before(recording: Recording, timeline: AlertTimeline) -> list[SuppressionRecord]:
    """List the other alerts that Alertmanager may have had, from any Prometheus, before an alert fired."""
    before = fired_at(recording, timeline) - SAME_INSTANT_SECONDS
    own = listings(recording, timeline)
    return [
        one
        for one in recording.alertmanager.alerts
        if one not in own and (one.starts_at is None or one.starts_at < before)
    ]


def resolved_window(
    evaluations: Sequence[Evaluation], rule: RuleRecord, timing: Timing, timeline: AlertTimeline
) -> Window | None:
    """Return when an alert that fired must end; None if its condition held to the end of the recording."""
    after = evaluations[-1].at + timing.interval if evaluations else timeline.firing_at or 0.0
    earliest = _end(evaluations, rule, timeline, _ends_soonest)
    if earliest is None:
        held = "the condition held, or the alert is kept, to the end of the record"
        return None if timeline.ended_at is None else _rounded(after, after + timing.keep, held)
    latest = _end(evaluations, rule, timeline, _ends_latest)
    text = "the first evaluation that saw the condition over"
    if timing.keep:
        text += f", + keep_firing_for {rule.keep_firing_for_seconds:g} s in whole evaluations = {timing.keep:g} s"
    return _rounded(earliest, after if latest is None else latest, text)


def _ends_soonest(one: Evaluation) -> bool | None:
    """Return the result that ends an alert soonest; None for an evaluation that was skipped."""
    return None if one.holds and not one.took_place else one.holds is True


def _ends_latest(one: Evaluation) -> bool | None:
    """Return the result that ends an alert latest; None for an evaluation that was skipped."""
    return None if one.holds is False and not one.took_place else one.holds is not False


def _end(
    evaluations: Sequence[Evaluation],
    rule: RuleRecord,
    timeline: AlertTimeline,
    result: Callable[[Evaluation], bool | None],
) -> float | None:
    """Run the state machine from firing on; `result` decides for evaluations whose result is unknown."""
    assert timeline.firing_at is not None  # noqa: S101 - only alerts that fired resolve
    state = State("firing", timeline.pending_at)
    for one in evaluations:
        holds = result(one)
        # A skipped evaluation changes nothing: it does not start `keep_firing_for` again.
        if holds is None or one.at <= timeline.firing_at + ROUNDING_SECONDS:
            continue
        state = step(state, one.at, rule, holds=holds)
        if state.status == "inactive":
            return one.at
    return None


def _rounded(earliest: float, latest: float, text: str) -> Window:
    return Window(earliest - ROUNDING_SECONDS, latest + ROUNDING_SECONDS, text)
