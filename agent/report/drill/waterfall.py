"""The waterfall of a verdict: each part of the time from the fault to the receiver, as a bar beside its lawful window."""

from __future__ import annotations

from dataclasses import dataclass

from alertdrill.agent.verdict.verdict import Milestone, Verdict, Window

_MILESTONES = {"received": "notified"}
# In per cent of the axis: a shorter bar would be invisible.
_THINNEST = 0.4


@dataclass(frozen=True)
class Section:
    """A section of the axis, in per cent of its length."""

    left: float
    width: float


@dataclass(frozen=True)
class WaterfallPart:
    """One part: its bar, the lawful window for its end, its length in seconds, and its explanation."""

    name: str
    bar: Section
    window: Section | None
    lawful: bool | None
    seconds: float
    text: str


def parts(verdict: Verdict, fault_at: float) -> tuple[WaterfallPart, ...]:
    """Place the parts of a verdict on one axis, from the fault to the last instant shown."""
    windows = {milestone.name: milestone for milestone in verdict.milestones}
    shown = [(span, windows.get(_MILESTONES.get(span.name, span.name))) for span in verdict.spans]
    ends = [span.ends_at for span, _ in shown] + [m.window.latest for _, m in shown if m is not None and m.window]
    length = max((end - fault_at for end in ends), default=0.0)
    if length <= 0:
        return ()

    def bar(starts_at: float, ends_at: float) -> Section:
        left = 100 * (max(starts_at, fault_at) - fault_at) / length
        width = max(100 * (ends_at - fault_at) / length - left, _THINNEST)
        return Section(round(min(left, 100 - _THINNEST), 2), round(width, 2))

    return tuple(
        WaterfallPart(
            name=span.name,
            bar=bar(span.starts_at, span.ends_at),
            window=None if _window(milestone) is None else bar(*_ends(milestone)),
            lawful=milestone.lawful if milestone is not None else None,
            seconds=span.seconds,
            text=span.text,
        )
        for span, milestone in shown
    )


def _window(milestone: Milestone | None) -> Window | None:
    return milestone.window if milestone is not None else None


def _ends(milestone: Milestone | None) -> tuple[float, float]:
    window = _window(milestone)
    assert window is not None  # noqa: S101 - called only where there is one
    return window.earliest, window.latest
