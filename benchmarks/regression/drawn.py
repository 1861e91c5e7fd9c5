"""Draws series that a rule reads, in quiet times and during a fault, until promtool says that they fire its alert.

Values are those that the rule compares with, and near ones. Which series a rule reads, and which of them count, is read
from its expression; whether the alert fires is promtool's word alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from alertdrill.agent.regression.case import InputSeries, Labels
from alertdrill.agent.regression.closure import selects
from alertdrill.agent.regression.promtool import Job, Promtool
from alertdrill.agent.regression.rule_slice import RuleSlice
from alertdrill.agent.regression.spelling import Value
from alertdrill.agent.rules.expression import LabelMatcher, Selector

SCRAPE_MS = 30_000
# Away from the evaluations, and from the edges of ranges, which are whole multiples of the interval.
PHASE_MS = 7_000
_LONGEST_MS = 5 * 3_600_000
_CANDIDATES, _AT_ONCE = 60, 12
_NUMBER = re.compile(r"(?<![\w.\[])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]|\s*\])", re.IGNORECASE)
_NAMED = re.compile(r"\b(?:by|on|group_left|group_right)\s*\(([^)]*)\)")
_WORD = re.compile(r"[a-zA-Z_]\w*")
_BOUNDS = ("0.01", "0.1", "1", "10", "100", "+Inf")


class NotDrawn(Exception):
    """Why no series were found that fire an alert."""


@dataclass(frozen=True)
class Times:
    """When the drill, the fault and its end are, and how long all of it takes; milliseconds from the first sample on."""

    drill: int
    begins: int
    heals: int
    ends: int


@dataclass(frozen=True)
class Drawn:
    """Series on regular scrapes that fire an alert."""

    times: Times
    lines: tuple[InputSeries, ...]


_Values = Callable[[int, Times], Value]


def drawn(sliced: RuleSlice, evaluation_ms: int, promtool: Promtool) -> Drawn:
    """Return series that fire the alert during a fault, and not before; raises NotDrawn."""
    times = _times(sliced, evaluation_ms)
    draw = random.Random(sliced.alert)  # noqa: S311 - the same series for an alert in each run
    selectors = sorted(_selectors(sliced), key=str)
    texts = "\n".join(one.rule.expr for one in sliced.reads.rules)
    for _ in range(0, _CANDIDATES, _AT_ONCE):
        candidates = [_candidate(draw, sliced, selectors, texts, times) for _ in range(_AT_ONCE)]
        for lines, fires in zip(candidates, _fire(promtool, sliced, evaluation_ms, times, candidates), strict=True):
            if fires:
                return Drawn(times, lines)
    raise NotDrawn(f"none of {_CANDIDATES} drawn situations fires it")


def _times(sliced: RuleSlice, evaluation_ms: int) -> Times:
    reach = round(max(sliced.reads.reads.values(), default=0.0) * 1000)
    wait = max((round(one.for_.total_seconds() * 1000) if one.for_ else 0) for one in sliced.own)
    drill = reach + 2 * evaluation_ms
    begins = drill + 5 * 60_000
    heals = begins + wait + reach + 10 * 60_000
    times = [round(one / evaluation_ms) * evaluation_ms for one in (drill, begins, heals, heals + reach + 600_000)]
    if times[-1] > _LONGEST_MS:
        raise NotDrawn("its ranges and waits need a recording of more than 5 h")
    return Times(*times)


def _selectors(sliced: RuleSlice) -> Iterator[Selector]:
    """Yield the selectors of series that the rules do not record themselves."""
    recorded = {one.rule.record for one in sliced.reads.rules}
    for selector in sliced.reads.reads:
        if selector.metric not in recorded:
            yield selector


def _candidate(
    draw: random.Random, sliced: RuleSlice, selectors: list[Selector], texts: str, times: Times
) -> tuple[InputSeries, ...]:
    common = _common(texts)
    numbers = sorted({float(text) for text in _NUMBER.findall(texts)} | {0.0, 1.0})
    has_neighbour = draw.random() < 0.5
    lines: dict[Labels, InputSeries] = {}
    for selector in selectors:
        labels = _labels(selector, common)
        is_counter = sliced.is_counter(tuple(labels.items()))
        for own, faulty, quiet in _shapes(draw, labels, numbers, is_counter=is_counter):
            _add(lines, own, faulty, times)
            if has_neighbour and "instance" not in {one.label for one in selector.matchers}:
                _add(lines, own | {"instance": "two:80"}, quiet, times)
    return tuple(lines.values())


def _add(lines: dict[Labels, InputSeries], labels: dict[str, str], values: _Values, times: Times) -> None:
    key = tuple(sorted(labels.items()))
    if key not in lines:
        found = [values(at, times) for at in range(PHASE_MS, times.ends, SCRAPE_MS)]
        lines[key] = InputSeries(key, PHASE_MS, SCRAPE_MS, tuple(_with_end(found)))


def _with_end(values: list[Value]) -> Iterator[Value]:
    """Mark the end of a series, as a scrape does that no longer has it."""
    yield from values[:1]
    for before, value in pairwise(values):
        yield "stale" if value is None and isinstance(before, float) else value


def _common(texts: str) -> dict[str, str]:
    """Return the labels that rules group and join by: with one value, all series find each other."""
    named = {word for inside in _NAMED.findall(texts) for word in _WORD.findall(inside)} - {"le", "__name__"}
    return {name: f"{name}-1" for name in sorted(named)} | {"job": "shop", "instance": "one:80"}


def _labels(selector: Selector, common: dict[str, str]) -> dict[str, str]:
    wanted = {one.label: _example(one) for one in selector.matchers if one.op in {"=", "=~"}}
    labels = {"__name__": selector.metric} | common | wanted
    labels = {name: value for name, value in labels.items() if value}
    if not selector.metric and "__name__" not in wanted:
        raise NotDrawn("a selector has no name of a metric")
    if not selects(selector, labels):
        raise NotDrawn(f"no series of {selector} could be drawn")
    return labels


def _example(matcher: LabelMatcher) -> str:
    """Return a value for a matcher."""
    if matcher.op == "=":
        return matcher.value
    first = re.sub(r"^\((.*)\)$", r"\1", matcher.value).split("|")[0]
    plain = re.sub(r"\(\?i\)|[\^$()]", "", first)
    plain = re.sub(r"(?<!\\)\.[*+]", "x", plain)
    plain = re.sub(r"\[\^[^\]]*\][*+]?", "x", plain)
    plain = re.sub(r"\[(.)[^\]]*\]([*+]|\{\d+\})?", r"\1", plain)
    return re.sub(r"(?<!\\)\.", "0", plain).replace("\\", "") or "x"


_Shape = tuple[dict[str, str], _Values, _Values]


def _shapes(draw: random.Random, labels: dict[str, str], numbers: list[float], *, is_counter: bool) -> Iterator[_Shape]:
    """Yield the series of a selector, each with its values where the fault is, and where it is not."""
    if "le" not in labels and labels["__name__"].endswith("_bucket"):
        bounds = sorted({float(one) for one in _BOUNDS} | {number for number in numbers if number > 0})
        worst = draw.choice([True, True, False])
        for bound in bounds:
            is_slow = bound != float("inf")
            yield (
                labels | {"le": "+Inf" if bound == float("inf") else f"{bound:g}"},
                _counter(10, 0 if is_slow and worst else 10),
                _counter(10, 10),
            )
        return
    size = draw.choice(numbers) * draw.choice((1, 1, 1, 0.01, 100))
    before, during = draw.choice(_STATES)(size)
    if is_counter:
        per_second = draw.choice((1.0, 0.1))
        yield labels, _counter(before, during, per_second), _counter(before, before, per_second)
    else:
        yield labels, draw.choice((_gauge, _gauge, _gauge, _ramp))(before, during), _gauge(before, before)


_STATES: tuple[Callable[[float], tuple[float | None, float | None]], ...] = (
    lambda size: (size or 1.0, size or 1.0),
    lambda size: (2 * size or 1.0, 2 * size or 1.0),
    lambda _: (0.0, 0.0),
    lambda size: (0.0, size or 1.0),
    lambda size: (0.0, 2 * size + 1),
    lambda size: (size / 2, 1.5 * size),
    lambda size: (size or 1.0, 0.0),
    lambda size: (2 * size + 1, size / 2),
    lambda size: (2 * size + 1, 0.0),
    lambda size: (size + 1, size),
    lambda size: (size or 1.0, None),
    lambda size: (None, size or 1.0),
    lambda _: (None, None),
)
"""The value in quiet times and during the fault; None is a series that is not there."""


def _gauge(before: float | None, during: float | None) -> _Values:
    return lambda at, times: during if times.begins <= at < times.heals else before


def _ramp(before: float | None, during: float | None) -> _Values:
    """Return a gauge that goes from one value to the other during the fault."""

    def value(at: int, times: Times) -> Value:
        if before is None or during is None or not times.begins <= at < times.heals:
            return before
        share = (at - times.begins) / (times.heals - times.begins)
        return round(before + (during - before) * share, 6)

    return value


def _counter(before: float | None, during: float | None, per_second: float = 1.0) -> _Values:
    """Return a counter that grows at one rate in quiet times, and at another one during the fault."""

    def value(at: int, times: Times) -> Value:
        if (during if times.begins <= at < times.heals else before) is None:
            return None
        faulty = max(min(at, times.heals) - times.begins, 0)
        grown = (before or 0.0) * (at - faulty) + (during or 0.0) * faulty
        return round(1000 + grown * per_second / 1000, 3)

    return value


def _fire(
    promtool: Promtool, sliced: RuleSlice, evaluation_ms: int, times: Times, candidates: list[tuple[InputSeries, ...]]
) -> list[bool]:
    """Return which candidates fire the alert in the fault, and have no alert active before it and at the end."""
    at = (times.begins - evaluation_ms, times.heals - evaluation_ms, times.ends - evaluation_ms)
    jobs = [Job(sliced.rules, evaluation_ms, lines, sliced.queries(at)) for lines in candidates]
    found = []
    for answer in promtool.run(jobs):
        quiet, faulty, ended = answer.vectors[0] if not answer.error else ({}, {}, {})
        fires = any(("alertstate", "firing") in labels for labels in faulty)
        found.append(fires and not quiet and not ended)
    return found
