"""The values of a series as promtool writes them: `0x12 5+3x20 _x3 stale`, read, written, and made shorter.

`a+bxn` is a and n more values, each of which is the one before plus b. Sums of decimals are rounded at each step, as in
promtool, so a text always stands for exactly one list of floating-point numbers. `_` stands for a missing sample, and
`_xn` are n of these. https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Literal

Value = float | None | Literal["stale"]
"""A sample, no sample, or the marker that a series has ended."""

_NUMBER = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|[iI]nf|[nN]a[nN])"
_ITEM = re.compile(
    rf"(?:(?P<first>{_NUMBER})(?P<step>[+-](?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+))?|(?P<none>_)|(?P<stale>stale))(?:x(?P<times>\d+))?"
)
MOST_VALUES = 1_000_000
"""The most values of a series: those of a quarter of an hour, if its scrapes fit only a grid of a millisecond."""
# A shorter run is as long as its values one by one.
_SHORTEST_RUN = 3


def parse_values(text: str) -> list[Value]:
    """Return the values of a text; raises ValueError."""
    values: list[Value] = []
    for word in text.split():
        item = _ITEM.fullmatch(word)
        if item is None:
            msg = f"{word!r} is not a value of a series, expected one such as 5, 0+3x20, _x4 or stale"
            raise ValueError(msg)
        if len(values) + int(item["times"] or 0) > MOST_VALUES:
            msg = f"the values are more than {MOST_VALUES:,}"
            raise ValueError(msg)
        values += _expanded(item)
    return values


def _expanded(item: re.Match[str]) -> Iterator[Value]:
    times = int(item["times"] or 0)
    if item["none"]:
        yield from [None] * (times or 1)
    elif item["stale"]:
        yield from itertools.repeat("stale", times + 1)
    else:
        value, step = float(item["first"]), float(item["step"] or 0)
        yield value
        for _ in range(times):
            value += step
            yield value


def spell_values(values: Sequence[Value]) -> str:
    """Return the shortest text of these runs that stands for exactly these values."""
    words, at = [], 0
    while at < len(values):
        word, length = _longest(values, at)
        words.append(word)
        at += length
    return " ".join(words)


def _longest(values: Sequence[Value], at: int) -> tuple[str, int]:
    value = values[at]
    if value is None or value == "stale":
        length = _repeated(values, at)
        word = "_" if value is None else "stale"
        if length == 1:
            return word, 1
        return f"{word}x{length if value is None else length - 1}", length
    assert isinstance(value, float)  # noqa: S101 - the other kinds are above
    step, length = max(((one, _run(values, at, one)) for one in _steps(values, at)), key=lambda run: run[1])
    if length < _SHORTEST_RUN:
        return spell_number(value), 1
    between = "" if step == 0 else f"-{spell_number(-step)}" if step < 0 else f"+{spell_number(step)}"
    return f"{spell_number(value)}{between}x{length - 1}", length


def _repeated(values: Sequence[Value], at: int) -> int:
    end = at
    while end < len(values) and values[end] == values[at]:
        end += 1
    return end - at


def _steps(values: Sequence[Value], at: int) -> list[float]:
    """Return the steps that may lead from a value to the next one."""
    value, after = values[at], values[at + 1] if at + 1 < len(values) else None
    if not isinstance(value, float) or not isinstance(after, float) or not math.isfinite(value + after):
        return [0.0]
    # The difference of two rounded sums is not always the step that was added. The shortest step comes first.
    step = after - value
    return [0.0, *(float(f"{step:.{digits}g}") for digits in range(1, 13)), step]


def _run(values: Sequence[Value], at: int, step: float) -> int:
    """Return how many values a step reproduces, bit for bit."""
    expected, length = values[at], 0
    assert isinstance(expected, float)  # noqa: S101 - called for samples only
    for value in values[at:]:
        same = isinstance(value, float) and (value == expected or (math.isnan(value) and math.isnan(expected)))
        if not same:
            break
        length += 1
        expected += step
    return length


def spell_number(value: float) -> str:
    """Return the shortest text of a number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")


def fitted(values: Sequence[Value], tolerance: float, *, counter: bool) -> list[Value]:
    """Return values on straight lines, each at most a tolerance away, so that their text is short.

    A counter never falls where it did not fall before.
    """
    if tolerance <= 0:
        return list(values)
    made: list[Value] = []
    at = 0
    while at < len(values):
        value = values[at]
        if not isinstance(value, float) or not math.isfinite(value):
            made.append(value)
            at += 1
            continue
        line = _line(values, at, _start(values, at, made, tolerance, counter=counter), tolerance, counter=counter)
        made += line
        at += len(line)
    return made


def _start(values: Sequence[Value], at: int, made: Sequence[Value], tolerance: float, *, counter: bool) -> float:
    value = values[at]
    assert isinstance(value, float)  # noqa: S101 - called for samples only
    start = _shortest(value - tolerance / 2, value + tolerance / 2)
    before, last = values[at - 1] if at else None, made[-1] if made else None
    if counter and isinstance(before, float) and isinstance(last, float) and value >= before:
        return max(start, last)
    return start


def _line(values: Sequence[Value], at: int, start: float, tolerance: float, *, counter: bool) -> list[float]:
    """Return the longest straight line from a start that stays near the values."""
    low, high = (0.0 if counter else -math.inf), math.inf
    best, length = 0.0, 1
    for number, value in enumerate(values[at + 1 :], 1):
        if not isinstance(value, float) or not math.isfinite(value):
            break
        low, high = max(low, (value - tolerance - start) / number), min(high, (value + tolerance - start) / number)
        if low > high:
            break
        best, length = _shortest(low, high), number + 1
    line = [start]
    for _ in range(length - 1):
        line.append(line[-1] + best)
    return line


def _shortest(low: float, high: float) -> float:
    """Return the number between two numbers that has the fewest digits."""
    if low <= 0 <= high:
        return 0.0
    middle = (low + high) / 2
    for digits in range(1, 18):
        rounded = float(f"{middle:.{digits}g}")
        if low <= rounded <= high:
            return rounded
    return middle
