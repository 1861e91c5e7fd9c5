"""Small pictures of the pages, as SVG without a style of its own: the day's drills, and the trend of a detection time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from alertdrill.agent.api import wire
from alertdrill.agent.report.drill import wording
from alertdrill.agent.report.review import sparkline

_WIDTH, _HEIGHT = 1000, 30
_NARROWEST = 4.0
# Not everybody can tell the colours apart: what failed is the tallest.
_HEIGHTS = {"good": 14, "unsure": 22, "bad": _HEIGHT}


def strip(runs: Iterable[wire.Run], now: datetime, span: timedelta) -> Markup:
    """Draw the drills of a time up to now on a line, each in the colour and height of its verdict."""
    marks = [_mark(run, now - span, span) for run in runs]
    ground = f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}" rx="4"/>'
    label = f"{len(marks)} drills in the last day"
    return Markup(  # noqa: S704 - what comes from outside is escaped
        f'<svg class="strip" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="group"'
        f' aria-label="{label}">{ground}{"".join(marks)}</svg>'
    )


def _mark(run: wire.Run, begin: datetime, span: timedelta) -> str:
    left = max((run.started_at - begin) / span, 0.0) * _WIDTH
    width = max((run.ended_at - run.started_at) / span * _WIDTH, _NARROWEST)
    said = f"{run.drill[:80]}: {wording.OVERALL.get(run.exit_code, 'unknown')}, {run.started_at:%H:%M}"
    tone = wording.BADGES.get(run.exit_code, "unsure")
    height = _HEIGHTS[tone]
    return (
        f'<a href="/runs/{escape(run.id)}"><rect class="{tone}" x="{min(left, _WIDTH - width):.1f}" width="{width:.1f}"'
        f' y="{(_HEIGHT - height) / 2:g}" height="{height}"><title>{escape(said)}</title></rect></a>'
    )


def trend(seconds: Sequence[float | None], outcomes: Sequence[str]) -> Markup:
    """Draw detection times as a line with a mark for each; a cross where the alert did not fire."""
    if len(seconds) < 2:
        return Markup("")
    return Markup(sparkline.svg(seconds, [wording.tone(one) for one in outcomes]))  # noqa: S704 - numbers, and three words of ours
