"""Puts the expressions of recording rules in the place of the names that they record.

The labels of a selector are not carried into the expression: the time that it takes does not depend on them. They
decide which of several rules of one name is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import promql_parser as promql

from alertdrill.agent.rules.expression import selectors_of
from alertdrill.units.promql import parse
from alertdrill.units.regex import matches_whole


@dataclass(frozen=True)
class RecordingRule:
    """A recording rule; `group` is unique among all files, `index` its place in the group."""

    name: str
    expr: str
    group: str
    index: int
    interval_seconds: float
    labels: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Unfolded:
    """An expression without the names that could be replaced, and how many seconds their rules may add.

    `left` are names of recording rules that are still in it.
    """

    expr: str
    lag_seconds: float = 0.0
    left: frozenset[str] = frozenset()


def by_name(recordings: Iterable[RecordingRule]) -> dict[str, list[RecordingRule]]:
    """Return the recording rules of each name."""
    found: dict[str, list[RecordingRule]] = {}
    for one in recordings:
        found.setdefault(one.name, []).append(one)
    return found


def unfold(expr: str, group: str, index: int, recordings: Mapping[str, list[RecordingRule]]) -> Unfolded:
    """Return an expression with those of recording rules in the place of their names.

    Names that cannot be replaced stay: of a rule that is not known or of several that differ, within a range or with an
    offset. An earlier rule of the same group adds no time, any other one adds up to an interval of its group.
    """
    return _unfold(expr, (group, index), recordings, frozenset())


def _unfold(
    expr: str, at: tuple[str, int], recordings: Mapping[str, list[RecordingRule]], above: frozenset[str]
) -> Unfolded:
    try:
        tree = parse(expr)
    except ValueError:
        return Unfolded(expr)
    names = ({one.metric for one in selectors_of(tree)} & recordings.keys()) - above
    if not names:
        return Unfolded(expr)
    used: list[Unfolded] = []

    def replaced(node: Any) -> Any:  # noqa: ANN401 - the parser has no types
        if not isinstance(node, promql.VectorSelector) or node.name not in names or node.offset:
            return None
        known = list(_meant(node, recordings[node.name]))
        inner = {(one, _unfold(one.expr, (one.group, one.index), recordings, above | {node.name})) for one in known}
        if len({found.expr for _, found in inner}) != 1:
            return None
        used.extend(replace(found, lag_seconds=found.lag_seconds + _own_lag(one, at)) for one, found in inner)
        return parse(f"({used[-1].expr})")

    try:
        whole = promql.transform(tree, replaced, None)
    except (ValueError, TypeError):
        # A name within a range cannot be replaced.
        return Unfolded(expr, left=frozenset(names))
    left = {one.metric for one in selectors_of(whole)} & (names | {name for one in used for name in one.left})
    return Unfolded(whole.prettify(), max((one.lag_seconds for one in used), default=0.0), frozenset(left))


def _own_lag(one: RecordingRule, at: tuple[str, int]) -> float:
    return 0.0 if one.group == at[0] and one.index < at[1] else one.interval_seconds


def _meant(node: Any, recordings: list[RecordingRule]) -> Iterator[RecordingRule]:  # noqa: ANN401 - the parser has no types
    """Yield the rules whose own labels agree with a selector."""
    (selector,) = selectors_of(node)
    for one in recordings:
        known = ((matcher, one.labels[matcher.label]) for matcher in selector.matchers if matcher.label in one.labels)
        if all(_agrees(matcher.op, matcher.value, value) for matcher, value in known):
            yield one


def _agrees(op: str, wanted: str, value: str) -> bool:
    if op in {"=", "!="}:
        return (value == wanted) == (op == "=")
    try:
        return matches_whole(wanted, value) == (op == "=~")
    except ValueError:
        return True
