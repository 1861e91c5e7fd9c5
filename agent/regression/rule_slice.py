"""Cuts one alert out of a rule file, with the recording rules that it reads, and nothing else.

A test therefore judges the file of a pull request as it is, and takes no longer when the file grows.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import promql_parser as promql

from alertdrill.agent.config.rules import AnyRule, parse_any_rules, rule_sources_in
from alertdrill.agent.config.yaml_source import Source, read_text
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.regression.case import Labels, Timeline
from alertdrill.agent.regression.closure import Closure, PlacedRule, closure, placed, selects
from alertdrill.agent.regression.promtool import InstantQuery, QueryResult
from alertdrill.agent.rules.expression import anatomy, split
from alertdrill.units.promql import nodes, parse

_MOST_SHOWN = 10


class AlertGone(ConfigError):
    """No rule of the files makes the alert."""


@dataclass(frozen=True)
class Watched:
    """A value that an alert compares, and the threshold."""

    expr: str
    threshold: float


@dataclass(frozen=True)
class RuleSlice:
    """An alert of a rule file with what it depends on; `rules` is a rule file for promtool.

    `replayed` are the recording rules that it reads and that are not evaluated: their groups have another interval.
    """

    alert: str
    file: Path
    line: int
    own: tuple[AnyRule, ...]
    interval: timedelta | None
    rules: dict[str, Any]
    reads: Closure
    watched: tuple[Watched, ...]
    replayed: tuple[str, ...]

    def is_counter(self, labels: Labels) -> bool:
        """Return whether the rule reads a series as a counter."""
        return any(selects(selector, dict(labels)) for selector in self.reads.counters)

    @property
    def has_subquery(self) -> bool:
        """Return whether an expression has a subquery."""
        trees = (parse(one.rule.expr) for one in self.reads.rules)
        return any(isinstance(node, promql.SubqueryExpr) for tree in trees for node in nodes(tree))

    @property
    def tested(self) -> str:
        """Everything of the rules that a replay evaluates, as one text: equal texts give equal results."""
        return json.dumps([self.rules, self.interval and self.interval.total_seconds()], sort_keys=True)

    def queries(self, at_ms: Sequence[int], *, values: bool = False) -> tuple[InstantQuery, ...]:
        """Return the query of the alert's state at some instants, and those of the values that it compares."""
        watched = self.watched if values else ()
        state = InstantQuery(f"ALERTS{{alertname={json.dumps(self.alert, ensure_ascii=False)}}}", tuple(at_ms))
        return (state, *(InstantQuery(one.expr, tuple(at_ms)) for one in watched))


def rule_slice(files: Sequence[Path], alert: str, default_interval: timedelta) -> RuleSlice:
    """Return the slice of an alert that is in one of some rule files; raises ConfigError, and AlertGone if none has it."""
    return slice_of([(path, read_text(path)) for path in files], alert, default_interval)


def slice_of(texts: Sequence[tuple[Path, str]], alert: str, default_interval: timedelta) -> RuleSlice:
    """Return the slice of an alert that is in one of some rule files with these texts; raises ConfigError."""
    found = [one for path, text in texts for one in _located(path, text)]
    every = [one.rule for one in found]
    own = [rule for rule in every if rule.rule.alert == alert]
    if not own:
        files = ", ".join(str(path) for path, _ in texts)
        known = sorted({rule.rule.alert for rule in every if rule.rule.alert})
        shown = known if len(known) <= _MOST_SHOWN else difflib.get_close_matches(alert, known, _MOST_SHOWN, 0.0)
        more = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
        raise AlertGone(f"{files}: no rule makes the alert {alert}, found {', '.join(shown) or 'no alerts'}{more}")
    interval = own[0].group.interval
    # Rules of another interval would be evaluated at this one: what they recorded is replayed instead.
    alike = [one for one in every if (one.group.interval or default_interval) == (interval or default_interval)]
    reads = closure(own, alike)
    if reads.problem:
        raise ConfigError(f"{own[0].file}: {reads.problem}")
    return RuleSlice(
        alert=alert,
        file=Path(own[0].file),
        line=next(one.line for one in found if one.rule is own[0]),
        own=tuple(one.rule for one in own),
        interval=interval,
        rules={"groups": [{"name": alert, "rules": [_plain(one) for one in reads.rules]}]},
        reads=reads,
        watched=tuple(one for rule in own for one in _watched(rule.rule.expr)),
        replayed=tuple(sorted({one.name for one in closure(own, every).rules} - {one.name for one in reads.rules})),
    )


@dataclass(frozen=True)
class _Located:
    rule: PlacedRule
    line: int


# Many regress files name one rule file.
@lru_cache(maxsize=16)
def _located(path: Path, text: str) -> tuple[_Located, ...]:
    """Return the rules of a file with their lines; raises ConfigError."""
    return tuple(
        _Located(rule, line)
        for source in rule_sources_in(text, path)
        for rule, line in zip(placed(str(path), parse_any_rules(source).groups), rule_lines(source), strict=True)
    )


def _plain(placed_rule: PlacedRule) -> dict[str, Any]:
    """Return a rule without its annotations, which are not tested, and with the labels of its group."""
    rule, group = placed_rule.rule, placed_rule.group
    values: dict[str, Any] = rule.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"annotations"})
    return values | {"labels": {**group.labels, **rule.labels}}


def rule_lines(source: Source) -> list[int]:
    """Return the line of each rule of a document, in the order of `placed`."""
    groups = source.values.get("groups")
    at: tuple[int | str, ...] = ("groups",)
    if groups is None:
        groups, at = (source.values.get("spec") or {}).get("groups"), ("spec", "groups")
    return [
        source.line((*at, number, "rules", index))
        for number, group in enumerate(groups or [])
        for index, _ in enumerate(group.get("rules") or [])
    ]


def _watched(expr: str) -> list[Watched]:
    tree = anatomy(expr)
    if tree is None:
        return []
    conditions = [split(clause) for clause in tree.clauses] or [tree.condition]
    return [Watched(one.value_expr, one.threshold) for one in conditions if one is not None]


def timeline_of(answer: QueryResult, evaluations: int) -> Timeline:
    """Return the states of an alert from the answers at all evaluations."""
    states: dict[Labels, list[str]] = {}
    for number, vector in enumerate(answer.vectors[0]):
        for labels in vector:
            named = dict(labels)
            own = tuple(pair for pair in labels if pair[0] not in {"__name__", "alertstate"})
            states.setdefault(own, ["."] * evaluations)[number] = named["alertstate"][0]
    return {labels: "".join(letters) for labels, letters in states.items()}
