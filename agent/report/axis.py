"""Axes and lines as numbers: ranges, ticks, and the paths of lines.

A screen has a limited number of pixel columns. So a line of more points is thinned: of each column it keeps the points
with its smallest and its largest value, and the picture is the same as with all points. That bounds the size of a page:
an hour of a drill and a day of load take less than 250 KB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, pairwise
from typing import Literal

from alertdrill.probes.spelling import duration_text

Unit = Literal["", "s", "%", "B", "/s", "B/s"]
Values = Sequence[float | None]

_TICKS, _MOST_DECADES = 6, 8
_MARGIN = 0.06
# A path's coordinates are whole numbers: the axis has 10,000 to 100,000 steps.
_DIGITS = 4
# A browser's coordinates have 32 bits.
_LARGEST = 1e30
_CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


@dataclass(frozen=True)
class AxisScale:
    """The range of a vertical axis in whole steps of `step`; on a logarithmic axis that is a step of the logarithm."""

    top: int
    bottom: int
    step: float
    is_log: bool = False

    @property
    def height(self) -> int:
        """The number of steps from the top to the bottom."""
        return self.top - self.bottom

    def depth(self, value: float | None) -> int | None:
        """Return the number of steps from the top down to a value; None for one that cannot be drawn."""
        if value is None or not _is_drawn(value, is_log=self.is_log):
            return None
        return self.top - round((math.log10(value) if self.is_log else value) / self.step)

    def ticks(self, unit: Unit) -> dict[float, str]:
        """Return the text of each tick by its value."""
        low, high = self.bottom * self.step, self.top * self.step
        if self.is_log:
            low, high = 10**low, 10**high
            values = [value for value in _decades(low, high, (1,)) if low <= value <= high]
            values = values[:: math.ceil(len(values) / _MOST_DECADES) or 1]
            if len(values) < 2:
                values = [value for value in _decades(low, high, (1, 2, 5)) if low <= value <= high]
            if len(values) >= 2:
                return {value: text(value, value, unit) for value in values}
        apart = round_step((high - low) / _TICKS)
        return {value: text(value, apart, unit) for value in multiples(low, high, apart)}

    def minor_lines(self) -> list[float]:
        """Return where a logarithmic axis has faint lines between those of its ticks."""
        if not self.is_log or self.height * self.step > _MOST_DECADES:
            return []
        low, high = 10 ** (self.bottom * self.step), 10 ** (self.top * self.step)
        return [value for value in _decades(low, high, range(2, 10)) if low <= value <= high]


def linear(values: Iterable[float | None], *, from_zero: bool, has_margin_below: bool = False) -> AxisScale:
    """Return an axis for values, with a margin; `from_zero` includes zero, which needs none below it."""
    drawn = [value for value in values if value is not None and _is_drawn(value)] or [0.0]
    known = [value if abs(value) > 1 / _LARGEST else 0.0 for value in drawn]
    low, high = min(known), max(known)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    span = (high - low) or abs(high) or 1.0
    high = high + _MARGIN * span if high or not from_zero else span
    low = low - _MARGIN * span if low or not from_zero or has_margin_below else low
    digits = math.floor(math.log10(span))
    step = 10.0 ** (digits - _DIGITS)
    if all(value == int(value) for value in known):
        step = max(step, min(1.0, 10.0 ** (digits - 1)))
    return AxisScale(math.ceil(high / step), math.floor(low / step), step)


def logarithmic(values: Iterable[float | None]) -> AxisScale:
    """Return a logarithmic axis for values, with a margin; values that are not above zero have no place on it."""
    known = [math.log10(value) for value in values if value is not None and _is_drawn(value, is_log=True)] or [0.0]
    margin = max(_MARGIN * (max(known) - min(known)), 0.05)
    step = 10.0**-_DIGITS
    return AxisScale(
        math.ceil((max(known) + margin) / step), math.floor((min(known) - margin) / step), step, is_log=True
    )


def _is_drawn(value: float, *, is_log: bool = False) -> bool:
    return 1 / _LARGEST < value < _LARGEST if is_log else -_LARGEST < value < _LARGEST


def _decades(low: float, high: float, factors: Iterable[int]) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [factor * 10.0**decade for decade in decades for factor in factors]


def round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20 … and their tenths that is not below `least`."""
    unit = 10.0 ** math.floor(math.log10(least))
    return next((factor * unit for factor in (1, 2, 5) if factor * unit >= least), 10 * unit)


def multiples(low: float, high: float, step: float) -> list[float]:
    """List the multiples of a step from `low` to `high`."""
    return [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def clock_ticks(start: float, end: float, zero: float) -> dict[float, str]:
    """Return the time of day in UTC of each tick between two instants, in seconds after `zero`, a Unix time."""
    least = (end - start) / _TICKS
    step = next((step for step in _CLOCK_STEPS if step >= least), round_step(least / 86_400) * 86_400)
    instants = multiples(zero + start, zero + end, step)
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86_400 else "%m-%d"
    return {instant - zero: datetime.fromtimestamp(instant, UTC).strftime(form) for instant in instants}


def text(value: float, step: float, unit: Unit) -> str:
    """Format a value of a tick with its unit, in as many decimals as `step` needs."""
    if unit == "s":
        return ("-" if value < 0 else "") + duration_text(abs(value))
    large, prefix = next(((factor, name) for factor, name in _PREFIXES if abs(value) >= factor), (1.0, ""))
    decimals = max(0, -math.floor(math.log10(step / large) + 1e-9))
    number = f"{value / large:,.{decimals}f}" if decimals <= 6 else f"{value:.3g}"
    gap = " " if prefix or unit not in {"", "%"} else ""
    return f"{number}{gap}{prefix}{unit}"


def decimals_of(span: float) -> int:
    """Return how many decimals an instant needs on an axis of so many seconds: as many as a screen could show."""
    return max(0, min(9, 5 - math.ceil(math.log10(span)))) if span > 0 else 3


def thinned(at: Sequence[float], low: Values, highs: Sequence[Values], columns: int) -> list[int]:
    """Choose which points of lines with common instants are drawn: those with the extreme values of each column.

    Of `low` that is the smallest value of a column, of each of `highs` the largest.
    """
    if len(at) <= (1 + len(highs)) * columns:
        return list(range(len(at)))
    width = (at[-1] - at[0]) / columns
    kept = {0, len(at) - 1}
    for _, column in groupby(range(len(at)), lambda index: int((at[index] - at[0]) / width)):
        of_column = list(column)
        kept.add(min(of_column, key=lambda index: _or(low[index], math.inf)))
        kept |= {max(of_column, key=lambda index: _or(high[index], -math.inf)) for high in highs}
    return sorted(kept)


def _or(value: float | None, nothing: float) -> float:
    return nothing if value is None or math.isnan(value) else value


Point = tuple[int, int]


def stretches(at: Sequence[float], depths: Sequence[int | None], decimals: int) -> Iterator[list[Point]]:
    """Yield the points of a line without gaps, in steps of a path; of equal values it keeps the first and the last."""
    points = [(round(x * 10**decimals), depth) for x, depth in zip(at, depths, strict=True)]
    for is_gap, run in groupby(points, lambda point: point[1] is None):
        if not is_gap:
            yield [point for _, level in groupby(run, lambda point: point[1]) for point in _ends(list(level))]


def _ends(level: Sequence[tuple[int, int | None]]) -> list[Point]:
    return [(x, depth) for x, depth in ([level[0], level[-1]] if len(level) > 1 else level) if depth is not None]


def runs(at: Sequence[float], depths: Sequence[int | None], decimals: int) -> Iterator[list[Point]]:
    """Yield the points of values that last until the next instant, without gaps; `at` has the end of the last one."""
    points = [round(x * 10**decimals) for x in at]
    known = [(points[index], points[index + 1], depth) for index, depth in enumerate(depths)]
    for is_gap, run in groupby(known, lambda one: one[2] is None):
        if not is_gap:
            yield _steps([(start, end, depth) for start, end, depth in run if depth is not None])


def _steps(run: Sequence[tuple[int, int, int]]) -> list[Point]:
    changed = [run[0], *(after for before, after in pairwise(run) if after[2] != before[2])]
    return [*((start, depth) for start, _, depth in changed), (run[-1][1], run[-1][2])]


def line_path(points: Sequence[Point], decimals: int) -> str:
    """Write a line from point to point; a single point is a dot."""
    drawn = " ".join(f"{_decimal(x, decimals)} {y}" for x, y in _moves(points)).replace(" -", "-")
    return f"{_start(points, decimals)}{'l' + drawn if drawn else 'h0'}"


def step_path(points: Sequence[Point], decimals: int) -> str:
    """Write a line that keeps each value until the next instant."""
    drawn = [f"h{_decimal(x, decimals)}{f'v{y}' if y else ''}" for x, y in _moves(points)]
    return f"{_start(points, decimals)}{''.join(drawn) or 'h0'}"


def area_path(points: Sequence[Point], base: int, decimals: int) -> str:
    """Write the area between a line in steps and a base below it."""
    return f"{step_path(points, decimals)}V{base}H{_decimal(points[0][0], decimals)}z"


def _moves(points: Sequence[Point]) -> list[Point]:
    return [(x - from_x, y - from_y) for (from_x, from_y), (x, y) in pairwise(points)]


def _start(points: Sequence[Point], decimals: int) -> str:
    return f"M{_decimal(points[0][0], decimals)} {points[0][1]}"


def _decimal(whole: int, decimals: int) -> str:
    if decimals == 0 or whole == 0:
        return str(whole)
    digits = f"{whole / 10**decimals:.{decimals}f}".rstrip("0").rstrip(".")
    return digits.replace("0.", ".", 1) if digits.startswith(("0.", "-0.")) else digits


def described(values: Mapping[str, Values], unit: Unit) -> str:
    """Describe lines by their smallest and largest values, for readers who do not see them."""
    return "; ".join(f"{name}: {_range(list(filter(_is_known, one)), unit)}" for name, one in values.items())


def _is_known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _range(known: Sequence[float | None], unit: Unit) -> str:
    numbers = [value for value in known if value is not None]
    if not numbers:
        return "no values"
    low, high = min(numbers), max(numbers)
    return short(low, unit) if low == high else f"{short(low, unit)} to {short(high, unit)}"


def short(value: float, unit: Unit) -> str:
    """Format a value with its unit in four digits."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if unit == "s":
        return text(value, 1, unit)
    return f"{value:.4g}{unit if unit in {'', '%'} else f' {unit}'}"
