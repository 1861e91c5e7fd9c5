"""How long each part of the time from the fault to the notification took."""

from __future__ import annotations

from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.routing import Route
from alertdrill.agent.rules.timing import Timing
from alertdrill.agent.verdict.onset import Onset
from alertdrill.agent.verdict.timeline import AlertTimeline
from alertdrill.agent.verdict.verdict import Span


def spans(  # noqa: PLR0913 - one argument for each fact that the parts depend on
    *,
    fault_at: float,
    onset: Onset,
    condition_at: float | None,
    timeline: AlertTimeline,
    notified_at: float | None,
    rule: RuleRecord,
    timing: Timing,
    route: Route | None,
) -> tuple[Span, ...]:
    """Split the time from the fault to the notification at every known instant.

    A part whose instant is not known belongs to the next one.
    """
    cuts: list[tuple[str, float | None, str]] = [
        (
            "first bad scrape",
            onset.first_bad_at,
            f"until the service showed it and was scraped, every {timing.scrape:g} s",
        ),
        ("condition", condition_at, _condition_text(onset, timing)),
        ("pending", timeline.pending_at, f"evaluated every {timing.interval:g} s"),
        ("firing", timeline.firing_at, f"`for` {rule.for_seconds:g} s in whole evaluations: {timing.wait:g} s"),
        ("evaluated", _evaluated_at(timeline, timing), f"the group looks {timing.query_offset:g} s back"),
        ("received", notified_at, _delivery_text(route)),
    ]
    parts, since = [], fault_at
    for name, at, text in cuts:
        if at is None or at < since:
            continue
        parts.append(Span(name, since, at, text))
        since = at
    return tuple(parts)


def longest(parts: tuple[Span, ...]) -> str:
    """Return how long each part took as text, the longest first."""
    ranked = sorted(parts, key=lambda part: -part.seconds)
    return ", ".join(f"{part.seconds:.1f} s until {part.name} ({part.text})" for part in ranked if part.seconds >= 0.05)


def _evaluated_at(timeline: AlertTimeline, timing: Timing) -> float | None:
    """Return when the firing evaluation took place, if that is not the instant of its data."""
    return timeline.firing_at + timing.query_offset if timeline.firing_at is not None and timing.query_offset else None


def _condition_text(onset: Onset, timing: Timing) -> str:
    if onset.bad_seconds is None:
        return "until the expression was true"
    least, most = onset.bad_seconds
    if not most:
        return f"until the next evaluation, every {timing.interval:g} s"
    much = f"{most:.3g}" if most - least < 0.05 * most else f"{least:.3g} to {most:.3g}"
    return f"{much} s of the {onset.shape.range_seconds:g} s range had to be bad"


def _delivery_text(route: Route | None) -> str:
    if route is None:
        return "until Alertmanager's call arrived"
    wait, interval = route.group_wait.total_seconds(), route.group_interval.total_seconds()
    return f"group_wait {wait:g} s, or group_interval {interval:g} s where the group was known"
