"""`alertdrill explain` from files: rule files, and the configurations beside them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from alertdrill.agent.config.kpis import Kpis, read_kpis
from alertdrill.agent.config.prometheus import read_prometheus_file
from alertdrill.agent.config.rules import (
    AnyGroup,
    AnyRule,
    is_of_operator,
    is_resource,
    parse_any_rules,
    rule_nodes,
    rule_sources,
)
from alertdrill.agent.config.yaml_source import Source, TemplateFound, compose
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.explaining.metadata import read_types
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.explanation import Explanation, LocatedRule, RoutesUnreadable, explain
from alertdrill.agent.rules.intervals import Interval, Intervals
from alertdrill.agent.rules.recorded import RecordingRule, by_name, unfold
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
    metadata: Path | None = None


def from_files(options: ExplainOptions) -> Explanation:
    """Explain the rules of files; raises ConfigError with all problems of the first file that has any."""
    sources = sources_of(options.paths)
    beside = sources.folder
    path = options.prometheus or _beside(beside, "prometheus.yml")
    config = read_prometheus_file(path) if path is not None else None
    intervals = Intervals(config, path, options.scrape_interval, options.evaluation_interval)
    alertmanager = options.alertmanager or _beside(beside, "alertmanager.yml")
    promises = options.kpis or _beside(beside, "kpis.yml")
    context = RuleContext(
        kpis=read_kpis(promises) if promises is not None else Kpis(),
        alertmanager=_read_routes(alertmanager) if alertmanager is not None else None,
        types=read_types(options.metadata) if options.metadata is not None else {},
    )
    routed = (
        f"routes: {alertmanager}" if alertmanager is not None else "routes: not known, for there is no alertmanager.yml"
    )
    places = [place for source in sources.rules for place in _places(source)]
    alerts = [place for place in places if place.rule.alert is not None]
    locating = _Locating(
        intervals, routed, by_name(_recordings(places, intervals)), Counter(place.content for place in alerts)
    )
    rules = tuple(_record(place, locating.evaluation(place).seconds) for place in alerts)
    require_alert(options.rule, rules)
    located = (locating.located(place) for place in alerts if options.rule in {None, place.rule.alert})
    try:
        explanation = explain(
            located, replace(context, rules=rules, recorded=locating.recorded), has_all=options.rule is None
        )
    except RoutesUnreadable as error:
        raise ConfigError(f"{alertmanager}: route: cannot be read: {error}") from error
    return replace(explanation, passed_over=sources.passed_over)


def require_alert(alert: str | None, rules: Iterable[RuleRecord]) -> None:
    """Raise ConfigError if no rule makes an alert; None stands for all."""
    if alert is None:
        return
    names = sorted({rule.alert for rule in rules})
    if alert not in names:
        near = difflib.get_close_matches(alert, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(names)}"
        raise ConfigError(f"--rule: no rule makes the alert {alert!r}, {hint}")


@dataclass(frozen=True)
class RuleSources:
    """The documents with rules, the folder of the first file, and the files that were left out, one line each."""

    rules: tuple[Source, ...]
    folder: Path
    left_out: tuple[str, ...]

    @property
    def passed_over(self) -> tuple[str, ...]:
        """What was not read, one line each; of a document only once it was parsed."""
        return (*self.left_out, *(line for source in self.rules for line in source.passed_over))


def sources_of(paths: list[Path]) -> RuleSources:
    """Read the rule files among and below some paths; raises ConfigError if there is none."""
    files: list[Path] = []
    left_out: list[str] = []
    for path in paths:
        inside = sorted(one for one in path.rglob("*") if one.suffix in {".yml", ".yaml"}) if path.is_dir() else None
        if inside is None:
            files.append(path)
            continue
        for one in inside:
            try:
                files += [one] if rule_nodes(compose(one)) else []
            except TemplateFound as error:
                left_out += error.problems
    if not files:
        raise ConfigError(*left_out, f"{', '.join(map(str, paths))}: no rule file found, expected one with `groups`")
    return RuleSources(tuple(source for one in files for source in rule_sources(one)), files[0].parent, tuple(left_out))


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
class _Place:
    """A rule with its group and its place in it; `group_key` tells groups of all files apart."""

    source: Source
    line: int
    group: AnyGroup
    group_key: str
    index: int
    rule: AnyRule

    @property
    def content(self) -> tuple[str, ...]:
        """Its group and all that it says: the same of two rules that are equal."""
        return self.group_key, repr(self.rule)


def _places(source: Source) -> Iterator[_Place]:
    prefix: tuple[str, ...] = ("spec", "groups") if is_resource(source) else ("groups",)
    for number, group in enumerate(parse_any_rules(source).groups):
        for index, rule in enumerate(group.rules):
            line = source.line((*prefix, number, "rules", index))
            yield _Place(source, line, group, f"{id(source)} {number}", index, rule)


@dataclass(frozen=True)
class _Locating:
    """Makes the rules to be explained from their places in files."""

    intervals: Intervals
    routed: str
    recordings: dict[str, list[RecordingRule]]
    copies: Mapping[tuple[str, ...], int]

    @property
    def recorded(self) -> frozenset[str]:
        return frozenset(self.recordings)

    def evaluation(self, place: _Place) -> Interval:
        return self.intervals.evaluation(place.group, is_of_operator=is_of_operator(place.source))

    def located(self, place: _Place) -> LocatedRule:
        rule = _record(place, self.evaluation(place).seconds)
        unfolded = unfold(rule.expr, place.group_key, place.index, self.recordings)
        scrape = self.intervals.scrape(unfolded.expr, is_of_operator=is_of_operator(place.source))
        evaluation = self.evaluation(place)
        basis = (
            f"scrape interval {format_seconds(scrape.seconds)}: {scrape.source}",
            f"evaluation interval {format_seconds(evaluation.seconds)}: {evaluation.source}",
            self.routed,
        )
        timeout = self.intervals.timeout_seconds(unfolded.expr, scrape.seconds)
        timing = timing_of(rule, scrape.seconds, self.intervals.offset_seconds(place.group), timeout)
        timing = replace(timing, record_lag=unfolded.lag_seconds, is_guess=scrape.is_guess)
        return LocatedRule(
            rule,
            timing,
            f"{place.source.path}:{place.line}",
            basis,
            unfolded,
            place.group.limit,
            self.copies[place.content],
        )


def _recordings(places: Iterable[_Place], intervals: Intervals) -> Iterator[RecordingRule]:
    for one in places:
        if one.rule.record is not None:
            seconds = intervals.evaluation(one.group, is_of_operator=is_of_operator(one.source)).seconds
            labels = one.group.labels | one.rule.labels
            yield RecordingRule(one.rule.record, one.rule.expr, one.group_key, one.index, seconds, labels)


def _record(place: _Place, interval_seconds: float) -> RuleRecord:
    rule = place.rule
    return RuleRecord(
        alert=str(rule.alert),
        group=place.group.name,
        file=str(place.source.path),
        expr=rule.expr,
        for_seconds=_seconds(rule.for_),
        keep_firing_for_seconds=_seconds(rule.keep_firing_for),
        interval_seconds=interval_seconds,
        labels=place.group.labels | rule.labels,
        annotations=rule.annotations,
        health="unknown",
    )


def _seconds(duration: timedelta | None) -> float:
    return duration.total_seconds() if duration is not None else 0.0
