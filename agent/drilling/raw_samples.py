"""Fetches what a replay needs: the rules, and the raw samples of every selector that they depend on.

It costs Prometheus one query for the sizes of every fifteen selectors, one for each selector and hour, and two for the
scrapes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from alertdrill.agent.config.rules import AnyRuleFile
from alertdrill.agent.drilling.evidence import key_of, target_records
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.monitoring.rules import AnyServedGroup, AnyServedRule
from alertdrill.agent.monitoring.series import Series, join_series
from alertdrill.agent.recording.replay import LeftOutRecord, ReplayRecord, SelectorRecord, packed
from alertdrill.agent.regression.closure import DEFAULT_LOOKBACK_SECONDS, Closure, PlacedRule, closure, placed
from alertdrill.agent.rules.expression import Selector
from alertdrill.units.duration import spell_seconds

MOST_SAMPLES = 100_000
"""The most samples of one rule; a rule that reads more is left out, and the recording says so."""
_MOST_SAMPLES_OF_ALL = 1_000_000
_SLICE_SECONDS = 3600.0
_SELECTORS_A_QUERY = 15


@dataclass(frozen=True)
class ReplaySpan:
    """The time that is recorded, in Unix seconds, and how long Prometheus uses the newest sample of a series."""

    started_at: float
    ended_at: float
    lookback_seconds: float | None = None
    most_samples: int = MOST_SAMPLES


async def replay_record(prometheus: Prometheus, alerts: Collection[str], span: ReplaySpan) -> ReplayRecord | None:
    """Fetch the samples behind the rules of every file with one of these alerts; None if there are no such rules.

    A server that does not answer, or refuses, leaves every alert out: the drill itself was measured.
    """
    try:
        return await _fetched(prometheus, alerts, span)
    except ServiceUnavailable as error:
        reason = f"its samples could not be fetched: {error}"
        left_out = [LeftOutRecord(rule=alert, reason=reason) for alert in sorted(alerts)]
        return ReplayRecord(since=span.started_at, files={}, instants=[], series=[], left_out=left_out)


async def _fetched(prometheus: Prometheus, alerts: Collection[str], span: ReplaySpan) -> ReplayRecord | None:
    lookback = span.lookback_seconds or DEFAULT_LOOKBACK_SECONDS
    files = rule_files(await prometheus.all_rules())
    everything = [rule for name, file in files.items() for rule in placed(name, file.groups)]
    tested = {rule.file for rule in everything if rule.rule.alert in alerts}
    # The alerts of the drill come first, so that another rule of their files is left out before them.
    rules = sorted((one for one in everything if one.file in tested), key=lambda one: one.rule.alert not in alerts)
    if not rules:
        return None
    closures = [(rule, closure([rule], everything, lookback)) for rule in rules]
    since = span.started_at - max((reach for _, one in closures for reach in one.reads.values()), default=lookback)
    series, left_out = await _Store(prometheus, since, span).all_of(closures)
    targets = await target_records(prometheus, {key_of(one.labels) for one in series}, since, span.ended_at)
    instants, raw = packed(since, ((one.labels, one.samples) for one in series))
    return ReplayRecord(
        since=since,
        files={name: text_of(file) for name, file in files.items() if _is_read(name, closures)},
        external_labels=await prometheus.external_labels(),
        lookback_seconds=lookback,
        scrape_seconds=await prometheus.scrape_seconds(),
        instants=instants,
        series=raw,
        targets=targets,
        left_out=left_out,
    )


def rule_files(groups: Iterable[AnyServedGroup]) -> dict[str, AnyRuleFile]:
    """Return served groups as rule files, by the paths of these."""
    files: dict[str, list[dict[str, Any]]] = {}
    for group in groups:
        written = {"name": group.name, "interval": spell_seconds(group.interval_seconds), "limit": group.limit}
        if group.query_offset_seconds:
            written["query_offset"] = spell_seconds(group.query_offset_seconds)
        files.setdefault(group.file, []).append(written | {"rules": [_rule(one) for one in group.rules]})
    return {name: AnyRuleFile.model_validate({"groups": groups}) for name, groups in files.items()}


def _rule(rule: AnyServedRule) -> dict[str, Any]:
    written: dict[str, Any] = {"record" if rule.type == "recording" else "alert": rule.name, "expr": rule.expr}
    if rule.for_seconds:
        written["for"] = spell_seconds(rule.for_seconds)
    if rule.keep_firing_for_seconds:
        written["keep_firing_for"] = spell_seconds(rule.keep_firing_for_seconds)
    return written | {"labels": rule.labels, "annotations": rule.annotations}


def text_of(file: AnyRuleFile) -> str:
    """Return a rule file as YAML."""
    values = file.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _is_read(file: str, closures: Iterable[tuple[PlacedRule, Closure]]) -> bool:
    return any(rule.file == file for _, one in closures for rule in one.rules)


class _Store:
    """The samples of selectors between two instants."""

    def __init__(self, prometheus: Prometheus, since: float, span: ReplaySpan) -> None:
        self._prometheus = prometheus
        self._since = since
        self._until = span.ended_at
        self._most_samples = span.most_samples

    async def all_of(self, closures: list[tuple[PlacedRule, Closure]]) -> tuple[list[Series], list[LeftOutRecord]]:
        """Fetch the samples of each rule, but of none that has too many; every series once."""
        sizes = await self._sizes(list({selector for _, one in closures for selector in one.reads}))
        wanted: dict[Selector, None] = {}
        left_out: list[LeftOutRecord] = []
        for rule, one in closures:
            if (
                why := _too_wide(rule, [sizes[s] for s in one.reads], [sizes[s] for s in wanted], self._most_samples)
            ) is not None:
                left_out.append(why)
            else:
                wanted |= dict.fromkeys(one.reads)
        found: dict[tuple[tuple[str, str], ...], Series] = {}
        for selector in wanted:
            if sizes[selector].samples:
                found |= {tuple(sorted(one.labels.items())): one for one in await self._samples(selector)}
        histograms = {one.labels.get("__name__", "") for one in found.values() if one.histograms_at}
        left_out += _with_histograms(closures, histograms)
        return [one for one in found.values() if one.samples], left_out

    async def _samples(self, selector: Selector) -> list[Series]:
        parts, first = [], self._since
        while first <= self._until:
            last = min(first + _SLICE_SECONDS, self._until)
            parts.append(await self._prometheus.raw_samples(str(selector), first, last))
            first = last + 0.001
        return join_series(parts)

    async def _sizes(self, selectors: list[Selector]) -> dict[Selector, SelectorRecord]:
        """Count the series and the samples of selectors, many in one query."""
        sizes: dict[Selector, SelectorRecord] = {}
        for at in range(0, len(selectors), _SELECTORS_A_QUERY):
            some = selectors[at : at + _SELECTORS_A_QUERY]
            counted = await self._counted(some)
            for number, selector in enumerate(some):
                series, samples = (int(counted.get((str(number), what), 0)) for what in ("series", "samples"))
                sizes[selector] = SelectorRecord(selector=str(selector), series=series, samples=samples)
        return sizes

    async def _counted(self, selectors: list[Selector]) -> dict[tuple[str, str], float]:
        span = f"[{max(round((self._until - self._since) * 1000), 1)}ms]"
        asked = [
            _labelled(f"{function}(count_over_time({selector}{span}))", number, what)
            for number, selector in enumerate(selectors)
            for function, what in (("count", "series"), ("sum", "samples"))
        ]
        found = await self._prometheus.instant(" or ".join(asked), self._until)
        return {(one.labels["of"], one.labels["what"]): one.samples[0][1] for one in found if one.samples}


def _labelled(expr: str, number: int, what: str) -> str:
    inner = f'label_replace({expr}, "of", "{number}", "", "")'
    return f'label_replace({inner}, "what", {json.dumps(what)}, "", "")'


def _too_wide(
    rule: PlacedRule, own: list[SelectorRecord], before: list[SelectorRecord], most: int
) -> LeftOutRecord | None:
    """Return why a rule is left out: its selectors find too many samples, alone or with those of the rules before."""
    samples = sum(size.samples for size in own)
    together = sum({size.selector: size.samples for size in (*before, *own)}.values())
    if samples > most:
        reason = f"its selectors find {samples:,} samples, and at most {most:,} are recorded for a rule"
    elif together > _MOST_SAMPLES_OF_ALL:
        reason = f"with the rules before it there are {together:,} samples, and at most {_MOST_SAMPLES_OF_ALL:,} are recorded"
    else:
        return None
    widest = sorted((size for size in own if size.samples), key=lambda size: -size.samples)
    return LeftOutRecord(rule=rule.name, reason=reason, selectors=widest)


def _with_histograms(
    closures: Iterable[tuple[PlacedRule, Closure]], histograms: Collection[str]
) -> Iterator[LeftOutRecord]:
    for rule, one in closures:
        if names := sorted({selector.metric for selector in one.reads} & set(histograms)):
            yield LeftOutRecord(rule=rule.name, reason=f"native histograms are not recorded: {', '.join(names)}")
