"""`alertdrill explain` from files: rule files, and the configurations beside them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from alertdrill.agent.config.kpis import Kpis, read_kpis
from alertdrill.agent.config.prometheus import read_prometheus_file
from alertdrill.agent.config.rules import AnyGroup, AnyRule, holds_rules, is_resource, parse_any_rules
from alertdrill.agent.config.yaml_source import Source
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.explanation import Explanation, LocatedRule, RoutesUnreadable, explain
from alertdrill.agent.rules.intervals import Intervals
from alertdrill.agent.rules.remark import RuleContext
from alertdrill.agent.rules.routing import routes
from alertdrill.agent.rules.timing import timing_of
from alertdrill.units.duration import format_seconds


@dataclass(frozen=True)
class ExplainOptions:
    """The options of `alertdrill explain`; a file that is not given is looked for beside the rules."""

    paths: list[Path] = field(default_factory=list)
    prometheus: Path | None = None
    alertmanager: Path | None = None
    kpis: Path | None = None
    scrape_interval: timedelta | None = None
    evaluation_interval: timedelta | None = None
    rule: str | None = None


def from_files(options: ExplainOptions) -> Explanation:
    """Explain the rules of files; raises ConfigError with all problems of the first file that has any."""
    sources = [Source(path) for path in rule_files(options.paths)]
    beside = sources[0].path.parent
    path = options.prometheus or _beside(beside, "prometheus.yml")
    config = read_prometheus_file(path) if path is not None else None
    intervals = Intervals(config, path, options.scrape_interval, options.evaluation_interval)
    alertmanager = options.alertmanager or _beside(beside, "alertmanager.yml")
    promises = options.kpis or _beside(beside, "kpis.yml")
    context = RuleContext(
        kpis=read_kpis(promises) if promises is not None else Kpis(),
        alertmanager=_read_routes(alertmanager) if alertmanager is not None else None,
    )
    routed = (
        f"routes: {alertmanager}" if alertmanager is not None else "routes: not known, for there is no alertmanager.yml"
    )
    placed = [one for source in sources for one in _rules_of(source, intervals)]
    rules = tuple(one.rule for one in placed)
    require_alert(options.rule, rules)
    located = (_located(one, intervals, routed) for one in placed if options.rule in {None, one.rule.alert})
    try:
        return explain(located, replace(context, rules=rules), has_all=options.rule is None)
    except RoutesUnreadable as error:
        raise ConfigError(f"{alertmanager}: route: cannot be read: {error}") from error


def require_alert(alert: str | None, rules: Iterable[RuleRecord]) -> None:
    """Raise ConfigError if no rule makes an alert; None stands for all."""
    if alert is None:
        return
    names = sorted({rule.alert for rule in rules})
    if alert not in names:
        near = difflib.get_close_matches(alert, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(names)}"
        raise ConfigError(f"--rule: no rule makes the alert {alert!r}, {hint}")


def rule_files(paths: list[Path]) -> list[Path]:
    """List the rule files among and below some paths; raises ConfigError if there is none."""
    found = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix in {".yml", ".yaml"})
            found += [one for one in inside if holds_rules(Source(one))]
        else:
            found.append(path)
    if not found:
        raise ConfigError(f"{', '.join(map(str, paths))}: no rule file found, expected one with `groups`")
    return found


def _beside(folder: Path, name: str) -> Path | None:
    """Find a configuration in the folder of the rules, above it, or in the folder next to it that has its name."""
    places = (folder / name, folder.parent / name, folder.parent / Path(name).stem / name)
    return next((place for place in places if place.is_file()), None)


def _read_routes(path: Path) -> str:
    """Return the text of alertmanager.yml; raises ConfigError if its routes cannot be read."""
    source = Source(path)
    text = path.read_text(encoding="utf-8")
    try:
        routes(text, {})
    except ValueError as error:
        raise ConfigError(source.problem(("route",), f"cannot be read: {error}")) from error
    return text


@dataclass(frozen=True)
class _PlacedRule:
    place: str
    group: AnyGroup
    rule: RuleRecord


def _rules_of(source: Source, intervals: Intervals) -> Iterator[_PlacedRule]:
    prefix: tuple[str, ...] = ("spec", "groups") if is_resource(source) else ("groups",)
    for number, group in enumerate(parse_any_rules(source).groups):
        for index, rule in enumerate(group.rules):
            if rule.alert is not None:
                line = source.line((*prefix, number, "rules", index))
                record = _record(source.path, group, rule, intervals.evaluation(group).seconds)
                yield _PlacedRule(f"{source.path}:{line}", group, record)


def _record(path: Path, group: AnyGroup, rule: AnyRule, interval_seconds: float) -> RuleRecord:
    return RuleRecord(
        alert=str(rule.alert),
        group=group.name,
        file=str(path),
        expr=rule.expr,
        for_seconds=_seconds(rule.for_),
        keep_firing_for_seconds=_seconds(rule.keep_firing_for),
        interval_seconds=interval_seconds,
        labels=group.labels | rule.labels,
        annotations=rule.annotations,
        health="unknown",
    )


def _located(placed: _PlacedRule, intervals: Intervals, routed: str) -> LocatedRule:
    rule = placed.rule
    scrape, evaluation = intervals.scrape(rule.expr), intervals.evaluation(placed.group)
    offset = intervals.offset_seconds(placed.group)
    basis = (
        f"scrape interval {format_seconds(scrape.seconds)}: {scrape.source}",
        f"evaluation interval {format_seconds(evaluation.seconds)}: {evaluation.source}",
        routed,
    )
    durations = timing_of(rule, scrape.seconds, offset, intervals.timeout_seconds(rule.expr))
    return LocatedRule(rule, durations, placed.place, basis)


def _seconds(duration: timedelta | None) -> float:
    return duration.total_seconds() if duration is not None else 0.0
