"""An alert that was pending and did not fire: its pending stretches, and what ended each of them."""

from __future__ import annotations

from alertdrill.agent.rules.labels import is_of, listed
from alertdrill.agent.verdict.diagnosis.silent import SilentAlert, lookback_gap, not_scraped
from alertdrill.agent.verdict.evaluations import value_at
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.agent.verdict.verdict import ChainLink, Finding

_SHOWN = 3


def still_pending(silent: SilentAlert) -> Finding | None:
    """Find an alert that was pending to the end of the recording."""
    open_ended = [one for one in silent.pending if one.ended_at is None]
    if not open_ended:
        return None
    last = open_ended[-1]
    had = last.samples[-1].at - last.pending_at
    text = (
        f"still pending at the end of the drill: pending from {silent.offset(last.pending_at)} for {had:.1f} s,"
        f" its `for` is {silent.rule.for_seconds:g} s, so it needed {silent.rule.for_seconds - had:.1f} s more"
    )
    return Finding(ChainLink.STILL_PENDING, text, _stretches(silent))


def broken_off(silent: SilentAlert) -> Finding | None:
    """Find an alert that was pending, but never for as long as `for`."""
    if not silent.pending:
        return None
    longest = max(_length(one) for one in silent.pending)
    text = (
        f"true, but never for as long as `for`: pending for {longest:.1f} s at the longest,"
        f" its `for` is {silent.rule.for_seconds:g} s"
    )
    if gap := lookback_gap(silent, silent.of_rule.targets):
        text += f": {gap}"
    return Finding(ChainLink.BROKEN_OFF, text, _stretches(silent))


def _stretches(silent: SilentAlert) -> tuple[str, ...]:
    return tuple(
        f"pending from {silent.offset(one.pending_at)} for {_length(one):.1f} s{_reset(silent, one)}"
        for one in silent.pending[:_SHOWN]
    )


def _reset(silent: SilentAlert, one: AlertTimeline) -> str:
    """Return what ended a pending stretch."""
    if one.ended_at is None:
        return ", and still so at the end"
    changed = _changed_labels(silent, one)
    if changed:
        return f", until its labels changed: {changed}"
    number = min(range(len(silent.instants)), key=lambda n: abs(silent.instants[n] - (one.ended_at or 0.0)), default=0)
    every = silent.value.series if silent.value is not None else []
    mine = [series for series in every if is_of(one.labels, silent.rule, series.labels)]
    for series in mine:
        seen = value_at(series, number)
        if seen is not None:
            return f", until its value was {seen:.4g}"
    return ", until its series had no value" + (not_scraped(silent, (mine or every)[0]) if every else "")


def _changed_labels(silent: SilentAlert, one: AlertTimeline) -> str:
    """Return which labels changed, if an alert with other labels began at the evaluation at which this one ended."""
    ended_at, half = one.ended_at or 0.0, silent.rule.interval_seconds / 2
    after = next((n for n in silent.pending if n.labels != one.labels and abs(n.pending_at - ended_at) < half), None)
    if after is None:
        return ""
    names = sorted(n for n in one.labels.keys() | after.labels.keys() if one.labels.get(n) != after.labels.get(n))
    return listed(f"{name} from {one.labels.get(name, '')!r} to {after.labels.get(name, '')!r}" for name in names)


def _length(one: AlertTimeline) -> float:
    return (one.samples[-1].at if one.ended_at is None else one.ended_at) - one.pending_at
