"""What a rule depends on: the recording rules that it reads, every selector, and how far back each looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import promql_parser as promql

from alertdrill.agent.config.rules import AnyGroup, AnyRule
from alertdrill.agent.rules.expression import LabelMatcher, Selector, selectors_of
from alertdrill.units.promql import children, nodes, parse
from alertdrill.units.regex import matches_whole

DEFAULT_LOOKBACK_SECONDS = 300.0
_DEFAULT_STEP_SECONDS = 60.0
# A recording rule may read its own metric, or two may read each other.
_DEEPEST = 20
_PER_SECOND = {"rate", "irate"}
_COUNTERS = {*_PER_SECOND, "increase", "resets"}
_OF_TIME = {
    "time", "timestamp", "minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year",
}  # fmt: skip


@dataclass(frozen=True)
class PlacedRule:
    """A rule in its group, and the rule file of that."""

    file: str
    group: AnyGroup
    rule: AnyRule

    @property
    def name(self) -> str:
        """The name of the alert, or of the recorded metric."""
        return self.rule.alert or self.rule.record or ""


@dataclass(frozen=True)
class Closure:
    """A rule with the recording rules that it depends on, each after those that it reads itself.

    `reads` has every selector, without its range and offset, and how many seconds before an evaluation it looks.
    `edges` are those distances of ranges and offsets at which a sample comes into view or leaves it. `counters` are the
    selectors that are read as counters, and `per_second` those whose rate per second is read. `problem` says why the rule
    cannot be evaluated at another time.
    """

    rules: tuple[PlacedRule, ...]
    reads: dict[Selector, float]
    edges: frozenset[float] = frozenset()
    counters: frozenset[Selector] = frozenset()
    per_second: frozenset[Selector] = frozenset()
    problem: str = ""


@dataclass
class _Found:
    """What is known so far about a rule's closure, among the recording rules of the server."""

    recording: Sequence[PlacedRule]
    lookback_seconds: float
    rules: list[PlacedRule] = field(default_factory=list)
    reads: dict[Selector, float] = field(default_factory=dict)
    edges: set[float] = field(default_factory=set)
    counters: set[Selector] = field(default_factory=set)
    per_second: set[Selector] = field(default_factory=set)
    followed: dict[int, float] = field(default_factory=dict)
    problem: str = ""


def placed(file: str, groups: Sequence[AnyGroup]) -> list[PlacedRule]:
    """List the rules of a file."""
    return [PlacedRule(file, group, rule) for group in groups for rule in group.rules]


def closure(
    rules: Sequence[PlacedRule], all_rules: Sequence[PlacedRule], lookback_seconds: float = DEFAULT_LOOKBACK_SECONDS
) -> Closure:
    """Return what rules depend on, among all rules of the server."""
    found = _Found([one for one in all_rules if one.rule.record is not None], lookback_seconds)
    for rule in rules:
        _follow(rule, 0.0, found)
    return Closure(
        rules=tuple(found.rules),
        reads=found.reads,
        edges=frozenset(found.edges),
        counters=frozenset(found.counters),
        per_second=frozenset(found.per_second),
        problem=found.problem,
    )


def _follow(rule: PlacedRule, before: float, found: _Found, depth: int = 0) -> None:
    """Add a rule, of which the values from so many seconds before an evaluation on are read."""
    if found.followed.get(id(rule), -1.0) >= before or depth > _DEEPEST:
        return
    found.followed[id(rule)] = before
    try:
        tree = parse(rule.rule.expr)
    except ValueError as error:
        why = "it is a template: write it out first" if "{{" in rule.rule.expr else error
        found.problem = found.problem or f"{rule.name} cannot be read here: {why}"
        return
    found.problem = found.problem or _bound_to_time(rule.name, tree)
    for selector, reach, edge in _reads(tree, before, found.lookback_seconds):
        found.reads[selector] = max(found.reads.get(selector, 0.0), reach)
        found.edges |= {edge} if edge else set()
        for one in found.recording:
            if _may_be(selector, one.rule.record or "") and one is not rule:
                _follow(one, reach, found, depth + 1)
    found.counters |= set(_below(tree, _COUNTERS))
    found.per_second |= set(_below(tree, _PER_SECOND))
    if rule not in found.rules:
        found.rules.append(rule)


def plain(selector: Selector) -> Selector:
    """Return a selector without its range and offset."""
    return replace(selector, offset_seconds=0.0, range_seconds=None)


def selects(selector: Selector, labels: dict[str, str]) -> bool:
    """Return whether a selector finds a series; an expression that cannot be read here finds all."""
    if selector.metric and labels.get("__name__") != selector.metric:
        return False
    return all(_holds(matcher, labels.get(matcher.label, "")) for matcher in selector.matchers)


def _holds(matcher: LabelMatcher, value: str) -> bool:
    if matcher.op in {"=", "!="}:
        return (matcher.value == value) is (matcher.op == "=")
    try:
        return matches_whole(matcher.value, value) is (matcher.op == "=~")
    except ValueError:
        return True


def _may_be(selector: Selector, metric: str) -> bool:
    """Return whether a selector may find the series of a recording rule."""
    if selector.metric:
        return selector.metric == metric
    return all(_holds(one, metric) for one in selector.matchers if one.label == "__name__")


def _reads(node: Any, before: float, lookback: float) -> Iterator[tuple[Selector, float, float]]:  # noqa: ANN401 - no types
    """Yield each selector, how far before an evaluation it looks, and the exact distance if it is not the lookback."""
    if isinstance(node, promql.VectorSelector):
        (selector,) = selectors_of(node)
        back = before + selector.offset_seconds
        yield plain(selector), max(back, 0.0) + lookback, back
    elif isinstance(node, promql.MatrixSelector):
        (selector,) = selectors_of(node)
        back = before + selector.offset_seconds + (selector.range_seconds or 0.0)
        yield plain(selector), max(back, 0.0), back
    elif isinstance(node, promql.SubqueryExpr):
        step = node.step.total_seconds() if node.step else _DEFAULT_STEP_SECONDS
        offset = node.offset.total_seconds() if node.offset else 0.0
        for child in children(node):
            yield from _reads(child, before + (node.range or timedelta()).total_seconds() + step + offset, lookback)
    else:
        for child in children(node):
            yield from _reads(child, before, lookback)


def _below(tree: Any, functions: set[str]) -> Iterator[Selector]:  # noqa: ANN401 - the parser has no types
    for node in nodes(tree):
        if isinstance(node, promql.Call) and node.func.name in functions:
            yield from (plain(selector) for selector in selectors_of(node))


def _bound_to_time(name: str, tree: Any) -> str:  # noqa: ANN401 - the parser has no types
    """Return why an expression means something else at another time of day; empty if it does not."""
    for node in nodes(tree):
        if isinstance(node, promql.Call) and node.func.name in _OF_TIME:
            return f"{name} reads the clock with {node.func.name}(), and promtool evaluates it in 1970"
        if getattr(node, "at", None) is not None:
            return f"{name} reads one fixed instant with @, and promtool evaluates it in 1970"
    return ""
