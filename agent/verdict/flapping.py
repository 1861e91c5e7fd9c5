"""Ends of an alert while a fault was in force: it flaps if it fires again before that fault ends.

A service may recover by itself under a fault, so one end proves nothing against the rule. An alert that comes and goes
under one fault does not show that its end follows that of the fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from alertdrill.agent.rules.labels import templates
from alertdrill.agent.verdict.fired import FiredAlert
from alertdrill.agent.verdict.timeline import AlertTimeline, timelines


@dataclass(frozen=True)
class EndInForce:
    """An end of an alert (Unix seconds), the end of the fault that was in force, and whether it fired again before."""

    at: float
    fault_ends_at: float
    fired_again: bool


def ends_in_force(alert: FiredAlert) -> list[EndInForce]:
    """List the ends of one label set under a fault that had made it fire; none where that is not certain."""
    # Each text of a template makes an alert of its own, which ends when the text changes.
    if templates(alert.rule):
        return []
    every = timelines(alert.recording, alert.rule.alert, alert.rule.interval_seconds)
    mine = [one for one in every if one.labels == alert.timeline.labels and one.firing_at is not None]
    found = (_end(alert, one, after) for one, after in pairwise([*mine, None]) if one is not None)
    return [end for end in found if end is not None]


def _end(alert: FiredAlert, one: AlertTimeline, after: AlertTimeline | None) -> EndInForce | None:
    at = _certain_end(alert, one)
    if at is None:
        return None
    for begins, ends in _in_force(alert):
        if begins <= one.pending_at and at < ends:
            again = after is not None and after.firing_at is not None and after.firing_at < ends
            return EndInForce(at, ends, again)
    return None


def _certain_end(alert: FiredAlert, one: AlertTimeline) -> float | None:
    """Return the evaluation that ended an alert, if it took place and its condition did not hold."""
    if one.ended_at is None:
        return None
    earliest = one.ended_at - alert.timing.interval / 2
    first = next((seen for seen in alert.evaluations if seen.at > earliest), None)
    return first.at if first is not None and first.took_place and first.holds is False else None


def _in_force(alert: FiredAlert) -> Iterator[tuple[float, float]]:
    """Yield when each fault was certainly in force; an undo takes effect at some time after its beginning."""
    for fault in alert.recording.faults:
        if fault.undo_began_at is not None:
            yield fault.injected_at, fault.undo_began_at


def as_note(alert: FiredAlert) -> tuple[str, ...]:
    """Return the first end under a fault as a note; empty if there is none."""
    ends = ends_in_force(alert)
    again = sum(one.fired_again for one in ends)
    times = "once" if again == 1 else f"{again} times"
    flapped = f", and it fired again {times} under the same fault" if again else ""
    return tuple(
        f"over at {one.at - alert.fault_at:+.1f} s, {one.fault_ends_at - one.at:.1f} s before the end of the fault{flapped}"
        for one in ends[:1]
    )


def as_flapping(alert: FiredAlert) -> str:
    """Return that an alert flapped under one fault, as the reason of a verdict; empty if it did not."""
    ends = [one for one in ends_in_force(alert) if one.fired_again]
    if not ends:
        return ""
    at = ", ".join(f"{one.at - alert.fault_at:+.1f} s" for one in ends)
    until = f"{ends[-1].fault_ends_at - alert.fault_at:+.1f} s"
    return (
        f"fired, but flapped: it was over at {at} and fired again each time, while the fault was in force until {until};"
        " so it is not proven that it ends with the fault"
    )
