"""The lawful window of each milestone of an alert, computed from the rule as Prometheus serves it.

Two judgements meet here. Whether the condition became true soon enough after the fault is for the drill's own budget
to say; the condition's window tells when the arithmetic expects it. Whether the rule engine then did as it must is
exact: pending at the first evaluation that saw the condition, firing ceil(for / interval) evaluations later, over at
the first one that did not see it, plus `keep_firing_for`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.timing import Timing
from alertdrill.agent.verdict.engine import ROUNDING_SECONDS, State, step
from alertdrill.agent.verdict.evaluations import Tick
from alertdrill.agent.verdict.onset import Onset
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.agent.verdict.verdict import Window


def condition_window(onset: Onset, timing: Timing, fault_at: float) -> Window | None:
    """Tell when the condition is expected to be seen true; None where the record does not show the fault coming in."""
    if onset.first_bad_at is None or onset.bad_seconds is None:
        return None
    least, most = onset.bad_seconds
    # Samples bear the instant of the data, so that how far back the group looks does not show in them.
    timing = replace(timing, query_offset=0.0)
    soonest, latest = timing.condition_span(least)[0], timing.condition_span(most)[1]
    # The fault came into the series somewhere between the scrape before and this one.
    earliest = max(onset.first_bad_at - timing.scrape + soonest, min(fault_at, onset.first_bad_at))
    text = f"first bad scrape {onset.first_bad_at - fault_at:+.2f} s"
    if most > 0:
        part = f"{least:.3g} s" if most - least < 0.05 * most else f"{least:.3g} … {most:.3g} s"
        text += f", + {part} of the {onset.shape.range_seconds:g} s range that must be bad"
    text += f", ± a scrape ({timing.scrape:g} s), + an evaluation ({timing.interval:g} s)"
    return Window(earliest - ROUNDING_SECONDS, onset.first_bad_at + latest + ROUNDING_SECONDS, text)


def pending_window(ticks: Sequence[Tick], near: float, fault_at: float) -> Window | None:
    """Tell when the alert had to become pending, for the stretch of true evaluations at or after an instant.

    None where the condition was never seen to hold from there on.
    """
    index = _next_that_may_hold(ticks, near)
    if index is None:
        return None
    earliest = ticks[_begins(ticks, index, {True, None})].at
    # Where it is open whether an evaluation ended the stretch, the alert may have become pending anew after it.
    surely = _begins(ticks, index, {True})
    latest = next((tick.at for tick in ticks[surely:] if tick.holds and tick.happened), None)
    if latest is None:
        return None
    text = f"the first evaluation that saw the condition hold, {earliest - fault_at:+.2f} s"
    if latest > earliest:
        text += f" or {latest - fault_at:+.2f} s: what those between saw or whether they took place is open"
    return _exactly(earliest, latest, text)


def condition_began(ticks: Sequence[Tick], near: float) -> float | None:
    """Tell at which evaluation the condition began to hold of an alert that became pending at an instant.

    An evaluation before it of which it is open what it saw did not see it, or it would have been pending sooner.
    """
    index = _next_that_may_hold(ticks, near)
    return None if index is None else ticks[_begins(ticks, index, {True})].at


def _next_that_may_hold(ticks: Sequence[Tick], near: float) -> int | None:
    """Find the first evaluation at an instant or later that saw the condition, or may have."""
    return next((n for n, t in enumerate(ticks) if t.at >= near - ROUNDING_SECONDS and t.holds is not False), None)


def _begins(ticks: Sequence[Tick], index: int, seen: set[bool | None]) -> int:
    """Find where the evaluations begin that lead to one and saw nothing else."""
    while index > 0 and ticks[index - 1].holds in seen:
        index -= 1
    return index


def firing_window(ticks: Sequence[Tick], rule: RuleRecord, timing: Timing, pending_at: float) -> Window:
    """Tell when an alert that became pending at an instant must fire, if its condition goes on."""
    due = pending_at + timing.wait
    took_place = [tick.at for tick in ticks if tick.at >= due - ROUNDING_SECONDS and tick.happened]
    text = (
        f"pending + ceil(for {rule.for_seconds:g} s / interval {rule.interval_seconds:g} s) evaluations"
        f" = pending + {timing.wait:g} s"
    )
    latest = max(min(took_place, default=due), due)
    if latest > due + ROUNDING_SECONDS:
        text += f", + {latest - due:.3g} s for skipped evaluations"
    return _exactly(due, latest, text)


def resolved_window(ticks: Sequence[Tick], rule: RuleRecord, timing: Timing, timeline: AlertTimeline) -> Window | None:
    """Tell when an alert that fired must end; None when its condition held to the end of the record."""
    after = ticks[-1].at + timing.interval if ticks else timeline.firing_at or 0.0
    earliest = _ends(ticks, rule, timeline, _soonest)
    if earliest is None:
        held = "the condition held, or the alert is kept, to the end of the record"
        return None if timeline.ended_at is None else _exactly(after, after + timing.keep, held)
    latest = _ends(ticks, rule, timeline, _latest)
    text = "the first evaluation that saw the condition over"
    if timing.keep:
        text += f", + keep_firing_for {rule.keep_firing_for_seconds:g} s in whole evaluations = {timing.keep:g} s"
    return _exactly(earliest, after if latest is None else latest, text)


def _soonest(tick: Tick) -> bool | None:
    """Read an evaluation as what ends an alert the soonest; None is one that was skipped."""
    return None if tick.holds and not tick.happened else tick.holds is True


def _latest(tick: Tick) -> bool | None:
    """Read an evaluation as what ends an alert the latest; None is one that was skipped."""
    return None if tick.holds is False and not tick.happened else tick.holds is not False


def _ends(
    ticks: Sequence[Tick], rule: RuleRecord, timeline: AlertTimeline, reading: Callable[[Tick], bool | None]
) -> float | None:
    """Run the state machine from firing on, under one reading of what is open."""
    assert timeline.firing_at is not None  # noqa: S101 - only alerts that fired resolve
    state = State("firing", timeline.pending_at)
    for tick in ticks:
        holds = reading(tick)
        # A skipped evaluation changes nothing, and so does not begin `keep_firing_for` anew.
        if holds is None or tick.at <= timeline.firing_at + ROUNDING_SECONDS:
            continue
        state = step(state, tick.at, rule, holds=holds)
        if state.status == "inactive":
            return tick.at
    return None


def _exactly(earliest: float, latest: float, text: str) -> Window:
    return Window(earliest - ROUNDING_SECONDS, latest + ROUNDING_SECONDS, text)
