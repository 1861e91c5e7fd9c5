"""How a number develops, in a line of text or as a small picture."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = "·"
# More would not be told apart.
_LONGEST = 24
_WIDTH, _HEIGHT, _MARGIN = 180, 30, 5

Values = Sequence[float | None]


def text(values: Values) -> str:
    """Draw the last values as blocks; a dot where there was none."""
    shown = values[-_LONGEST:]
    return "".join(_GAP if level is None else _BLOCKS[round(level * (len(_BLOCKS) - 1))] for level in _levels(shown))


def svg(values: Values, tones: Sequence[str]) -> Markup:
    """Draw the last values as a line with a dot for each, in the colour of its tone; a cross where there was none."""
    shown, colours = values[-_LONGEST:], tones[-_LONGEST:]
    step = (_WIDTH - 2 * _MARGIN) / max(len(shown) - 1, 1)
    points = [
        (_MARGIN + index * step, None if level is None else _HEIGHT - _MARGIN - level * (_HEIGHT - 2 * _MARGIN))
        for index, level in enumerate(_levels(shown))
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points if y is not None)
    marks = Markup("").join(_mark(x, y, tone) for (x, y), tone in zip(points, colours, strict=True))
    return Markup(
        '<svg class="spark" width="{}" height="{}" viewBox="0 0 {} {}" aria-hidden="true">'
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-width="1" opacity="0.5"/>{}</svg>'
    ).format(_WIDTH, _HEIGHT, _WIDTH, _HEIGHT, line, marks)


def _mark(x: float, y: float | None, tone: str) -> Markup:
    if y is None:
        shape = Markup('<path class="{}" d="M{:.1f} {}l6 6m0 -6l-6 6" stroke="currentColor" stroke-width="1.5"/>')
        return shape.format(tone, x - 3, _HEIGHT - _MARGIN - 6)
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2.5" fill="currentColor"/>').format(tone, x, y)


def _levels(values: Values) -> list[float | None]:
    """Put values between 0 and 1, the middle of the smallest and the largest at a half."""
    known = [value for value in values if value is not None]
    lowest, highest = min(known, default=0.0), max(known, default=0.0)
    # Differences of milliseconds would look like leaps.
    span = max(highest - lowest, 0.1 * abs(highest)) or 1.0
    middle = (lowest + highest) / 2
    return [None if value is None else 0.5 + (value - middle) / span for value in values]
