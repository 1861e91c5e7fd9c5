"""A series of numbers in a line of text, or as a small picture."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = "·"
# More would not be distinguishable.
_LONGEST = 24
_WIDTH, _HEIGHT, _MARGIN = 180, 30, 5

Values = Sequence[float | None]


def text(values: Values) -> str:
    """Draw the last values as blocks; a dot where there was no value."""
    shown = values[-_LONGEST:]
    return "".join(_GAP if level is None else _BLOCKS[round(level * (len(_BLOCKS) - 1))] for level in _levels(shown))


def svg(values: Values, tones: Sequence[str]) -> str:
    """Draw the last values as a line with a mark for each; a cross where there was no value.

    Each of `tones` is the CSS class of a mark; it is not escaped. A mark is a dot, a ring if its tone is `bad`, a square
    if it is `unsure`.
    """
    shown, colours = values[-_LONGEST:], tones[-_LONGEST:]
    step = (_WIDTH - 2 * _MARGIN) / max(len(shown) - 1, 1)
    points = [
        (_MARGIN + index * step, None if level is None else _HEIGHT - _MARGIN - level * (_HEIGHT - 2 * _MARGIN))
        for index, level in enumerate(_levels(shown))
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points if y is not None)
    marks = "".join(_mark(x, y, tone) for (x, y), tone in zip(points, colours, strict=True))
    return (
        f'<svg class="spark" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1" opacity="0.5"/>{marks}</svg>'
    )


def _mark(x: float, y: float | None, tone: str) -> str:
    if y is None:
        start = f"M{x - 3:.1f} {_HEIGHT - _MARGIN - 6}"
        return f'<path class="{tone}" d="{start}l6 6m0 -6l-6 6" stroke="currentColor" stroke-width="1.5"/>'
    # Not everybody can tell the colours apart.
    if tone == "bad":
        return f'<circle class="bad" cx="{x:.1f}" cy="{y:.1f}" r="3" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    if tone == "unsure":
        return f'<rect class="unsure" x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5" fill="currentColor"/>'
    return f'<circle class="{tone}" cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="currentColor"/>'


def _levels(values: Values) -> list[float | None]:
    """Scale values to 0 … 1, with 0.5 halfway between the smallest and the largest."""
    known = [value for value in values if value is not None]
    lowest, highest = min(known, default=0.0), max(known, default=0.0)
    # Without a least span, differences of milliseconds would look like leaps.
    span = max(highest - lowest, 0.1 * abs(highest)) or 1.0
    middle = (lowest + highest) / 2
    return [None if value is None else 0.5 + (value - middle) / span for value in values]
