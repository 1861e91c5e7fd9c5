"""Fetches, when a drill is over, what Prometheus stored: the alerts' samples, and each rule evaluated again.

A rule is evaluated at the same instants as during the drill, as a whole and in its parts: so the recording shows what
the rule saw, and which part of it kept an alert silent.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from urllib.parse import urlsplit

from alertdrill.agent.monitoring.http import RequestRefused
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.monitoring.series import Series
from alertdrill.agent.monitoring.targets import Target
from alertdrill.agent.recording.records import (
    ActiveRecord,
    AlertSamples,
    BetweenRecord,
    GroupRecord,
    HeldRecord,
    PartRecord,
    RuleRecord,
    SeriesRecord,
    TargetRecord,
    WatchedRecord,
)
from alertdrill.agent.rules.expression import Anatomy, anatomy
from alertdrill.agent.rules.labels import may_be_of

# A reader does not look at more series than this, so the others are left out.
_MOST_SERIES = 50
_NEAR_NAMES = 3
# Prometheus gives instants in milliseconds.
_SMALLEST_OFFSET_SECONDS = 0.005
# Longer than any usual scrape interval, and shorter than the usual lookback.
_SCRAPED_AGAIN_WITHIN_SECONDS = 90.0
# A scrape ends at its timeout; whatever is longer is not its duration.
_LONGEST_SECONDS = 1e10
_PORTS = {"http": 80, "https": 443, "postgres": 5432, "postgresql": 5432, "redis": 6379}


class Evidence:
    """What Prometheus stored between two instants (Unix seconds); every method raises ServiceUnavailable."""

    def __init__(self, prometheus: Prometheus, started_at: float, ended_at: float) -> None:
        self._prometheus = prometheus
        self._started_at = started_at
        self._ended_at = ended_at

    async def alerts(self) -> list[AlertSamples]:
        """Fetch the samples of ALERTS, with each alert's activeAt."""
        found = await self._prometheus.alert_samples(self._started_at, self._ended_at)
        stored = await self._prometheus.raw_samples("ALERTS_FOR_STATE", self._started_at, self._ended_at)
        since = {_key(series.labels): dict(series.samples) for series in stored}
        return [_with_since(samples, since.get(_key(samples.labels), {})) for samples in found]

    async def earlier(self, seconds: float) -> list[AlertSamples]:
        """Fetch what fired in the seconds before the drill."""
        found = await self._prometheus.alert_samples(self._started_at - seconds, self._started_at)
        return [samples for samples in found if samples.state == "firing"]

    async def watched(
        self, rule: RuleRecord, groups: Iterable[GroupRecord], alerts: list[AlertSamples], active: list[ActiveRecord]
    ) -> tuple[WatchedRecord, list[TargetRecord]]:
        """Evaluate a rule again, and fetch the scrapes of the targets behind it."""
        group = next((one for one in groups if (one.group, one.file) == (rule.group, rule.file)), None)
        offset = _query_offset(rule, alerts, active)
        interval = rule.interval_seconds
        on_grid = _on_grid(rule, group, alerts, offset)
        first = round(self._started_at + (on_grid - self._started_at) % interval, 3)
        # Data younger than the query offset had not been evaluated when the drill ended.
        count = max(math.floor((self._ended_at - offset - first) / interval) + 1, 0)
        grid = (first, count, interval)
        tree = anatomy(rule.expr)
        parts = [await self._part(expr, grid) for expr in _first_queries(rule, tree)]
        parts += [await self._part(expr, grid) for expr in _further_queries(tree, parts)]
        targets = await self._targets(parts, tree)
        near_names = await self._near_names(tree, parts)
        record = WatchedRecord(
            alert=rule.alert,
            group=rule.group,
            file=rule.file,
            first_at=first,
            interval_seconds=interval,
            count=count,
            query_offset_seconds=offset,
            parts=parts,
            between=await self._between(rule.expr, offset, targets),
            near_names=near_names,
            sample_ages=await self._sample_ages(tree, near_names) | await self._ages(tree),
        )
        return record, targets

    async def _part(self, expr: str, grid: tuple[float, int, float]) -> PartRecord:
        first, count, interval = grid
        if count == 0:
            return PartRecord(expr=expr, series=[], total=0)
        last = first + (count - 1) * interval
        try:
            found = await self._prometheus.range(expr, first, last, interval)
        except RequestRefused as error:
            # The refusal is a finding itself, such as two series that match one.
            return PartRecord(expr=expr, series=[], total=0, error=error.reason)
        kept = sorted(found, key=lambda series: _key(series.labels))[:_MOST_SERIES]
        return PartRecord(expr=expr, series=[_on_numbers(series, grid) for series in kept], total=len(found))

    async def _between(self, expr: str, offset: float, targets: list[TargetRecord]) -> BetweenRecord | None:
        """Evaluate a condition twice for each scrape, so that every scrape is seen."""
        intervals = [target.interval_seconds for target in targets if target.interval_seconds]
        if not intervals:
            return None
        step, first = max(round(min(intervals) / 2, 3), 0.001), round(self._started_at - offset, 3)
        count = int((self._ended_at - first) / step) + 1
        found = (await self._part(expr, (first, count, step))).series
        series = [HeldRecord(labels=one.labels, stretches=_stretches(one)) for one in found]
        return BetweenRecord(first_at=first, step_seconds=step, count=count, series=series)

    async def _targets(self, parts: list[PartRecord], tree: Anatomy | None) -> list[TargetRecord]:
        """Fetch every scrape of the targets whose series the rule selects."""
        selected = {str(selector) for selector in tree.selectors} if tree else set()
        behind = {
            key_of(series.labels)
            for part in parts
            if part.expr in selected
            for series in part.series
            if "job" in series.labels and "instance" in series.labels
        }
        return await target_records(self._prometheus, behind, self._started_at, self._ended_at)

    async def _near_names(self, tree: Anatomy | None, parts: list[PartRecord]) -> dict[str, list[str]]:
        """Find the metrics with names like those that have no series."""
        empty = {part.expr for part in parts if not part.total}
        missing = {s.metric for s in tree.selectors if s.metric and str(s.all_of_metric) in empty} if tree else set()
        if not missing:
            return {}
        names = await self._prometheus.label_values("__name__", self._started_at, self._ended_at)
        return {metric: difflib.get_close_matches(metric, names, n=_NEAR_NAMES) for metric in sorted(missing)}

    async def _sample_ages(self, tree: Anatomy | None, near_names: dict[str, list[str]]) -> dict[str, float]:
        """Return how old the newest samples of selectors without a value are, where their exporters set the time."""
        known = [str(s) for s in tree.selectors if s.metric in near_names.get(s.metric, ())] if tree else []
        ages = {selector: await self._sample_age(selector) for selector in known}
        return {selector: age for selector, age in ages.items() if age is not None}

    async def _ages(self, tree: Anatomy | None) -> dict[str, float]:
        """Return how old the newest samples are that each selector finds at the end of the drill."""
        ages: dict[str, float] = {}
        for selector in dict.fromkeys(str(one) for one in tree.selectors if not one.offset_seconds) if tree else ():
            try:
                found = await self._prometheus.instant(f"time() - max(timestamp({selector}))", self._ended_at)
            except RequestRefused:
                continue
            if found and found[0].samples and 0 <= (age := found[0].samples[0][1]) <= _LONGEST_SECONDS:
                ages[selector] = round(age, 3)
        return ages

    async def _sample_age(self, selector: str) -> float | None:
        try:
            newest = await self._prometheus.instant(
                f"max(max_over_time(timestamp({selector})[1h:30s]))", self._ended_at
            )
            if not newest or not newest[0].samples:
                return None
            at = newest[0].samples[0][1]
            # A series that simply ended has a mark behind its last sample; one with timestamps of its own has none.
            is_open = await self._prometheus.instant(selector, at + _SCRAPED_AGAIN_WITHIN_SECONDS)
        except RequestRefused:
            return None
        age = self._ended_at - at
        return age if is_open and age > _SCRAPED_AGAIN_WITHIN_SECONDS else None


def _first_queries(rule: RuleRecord, tree: Anatomy | None) -> list[str]:
    return [rule.expr] if tree is None else list(tree.queries)


def _further_queries(tree: Anatomy | None, parts: list[PartRecord]) -> list[str]:
    """List the queries that explain a selector without a result; they may find many series, so they run only then."""
    empty = {part.expr for part in parts if not part.total and not part.error}
    without = [selector for selector in tree.selectors if str(selector) in empty] if tree else []
    further = [query for selector in without for query in selector.loosened]
    return [query for query in dict.fromkeys(further) if query not in empty]


def _key(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in labels.items() if name not in {"__name__", "alertstate"}))


def _with_since(samples: AlertSamples, since: dict[float, float]) -> AlertSamples:
    began = [since.get(at) for at in samples.instants]
    known = [int(one) for one in began if one is not None and math.isfinite(one)]
    return samples.model_copy(update={"since": known}) if len(known) == len(began) else samples


def _query_offset(rule: RuleRecord, alerts: list[AlertSamples], active: list[ActiveRecord]) -> float:
    """Return the query offset: samples carry the instant of the data, and activeAt that of the evaluation."""
    for samples in alerts:
        if not may_be_of(samples.labels, rule) or not samples.since:
            continue
        # ALERTS_FOR_STATE gives the activeAt of each sample in whole seconds; only its first sample is as old.
        begun = [one.active_at for one in active if _key(one.labels) == _key(samples.labels)]
        matching = [at for at in begun if int(at) == samples.since[0]]
        if matching and samples.state == ("pending" if rule.for_seconds else "firing"):
            back = min(matching) - samples.instants[0]
            return round(back, 3) if back > _SMALLEST_OFFSET_SECONDS else 0.0
    return 0.0


def _on_grid(rule: RuleRecord, group: GroupRecord | None, alerts: list[AlertSamples], offset: float) -> float:
    """Return one instant of the rule's data: exact from a sample of ALERTS, else a few ms late from evaluations."""
    exact = next((one.instants[0] for one in alerts if may_be_of(one.labels, rule) and one.instants), None)
    if exact is not None:
        return exact
    if group is None or not group.evaluations:
        return 0.0
    interval, reference = rule.interval_seconds, group.evaluations[0].at
    lags = [(one.at - reference + interval / 2) % interval - interval / 2 for one in group.evaluations]
    return reference + min(lags) - offset


def _on_numbers(series: Series, grid: tuple[float, int, float]) -> SeriesRecord:
    """Return the samples by the numbers of their evaluations; a native histogram counts as present, without a value.

    Samples at other times, which no right answer has, are left out: they could be any number of evaluations away.
    """
    first, count, interval = grid
    samples = [*((at, math.nan) for at in series.histograms_at), *series.samples]
    within = [(at, value) for at, value in samples if abs(at - first) <= (count + 1) * interval]
    numbered = {round((at - first) / interval): value for at, value in within}
    numbered = {number: value for number, value in numbered.items() if 0 <= number < count}
    if not numbered:
        return SeriesRecord(labels=series.labels, first=0, values=[])
    begin, end = min(numbered), max(numbered)
    return SeriesRecord(labels=series.labels, first=begin, values=[numbered.get(n) for n in range(begin, end + 1)])


def _stretches(series: SeriesRecord) -> list[tuple[int, int]]:
    """List the stretches of evaluations in which a series has values."""
    stretches: list[tuple[int, int]] = []
    for number, value in enumerate(series.values, series.first):
        if value is None:
            continue
        if stretches and sum(stretches[-1]) == number:
            stretches[-1] = (stretches[-1][0], stretches[-1][1] + 1)
        else:
            stretches.append((number, 1))
    return stretches


async def target_records(
    prometheus: Prometheus, behind: Collection[tuple[str, str]], start: float, end: float
) -> list[TargetRecord]:
    """Fetch every scrape of some targets (job, instance) between two instants; raises ServiceUnavailable."""
    if not behind:
        return []
    jobs = "|".join(literally(job) for job in sorted({job for job, _ in behind}))
    of_jobs = f'{{job=~"{jobs}"}}'
    up = await prometheus.raw_samples(f"up{of_jobs}", start, end)
    took = await prometheus.raw_samples(f"scrape_duration_seconds{of_jobs}", start, end)
    durations = {_key(series.labels): dict(series.samples) for series in took}
    known = {key_of(one.labels): one for one in await prometheus.targets() or ()}
    return [
        _target_record(series, durations.get(_key(series.labels), {}), known.get(key_of(series.labels)))
        for series in up
        if key_of(series.labels) in behind
    ]


def key_of(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return the target of a series: its job and its instance."""
    return labels.get("job", ""), labels.get("instance", "")


def scrape_error(target: Target) -> str:
    """Return the error of the last scrape of a target without its URL, which may hold a secret: `Get "URL": error`."""
    return target.last_error.rpartition('": ')[2]


def address(url: str) -> str:
    """Return the host and the port of a URL in one spelling, or an empty text."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return f"{host}:{port}" if host and port else ""


def _target_record(up: Series, durations: dict[float, float], target: Target | None) -> TargetRecord:
    """Make the record of a target's scrapes; without the target, its interval is that of the samples."""
    instants = [at for at, _ in up.samples]
    steps = sorted(after - before for before, after in pairwise(instants))
    usual = steps[len(steps) // 2] if steps else 0.0
    job, instance = key_of(up.labels)
    return TargetRecord(
        job=job,
        instance=instance,
        address=address(target.url) if target else "",
        interval_seconds=(target.interval_seconds if target else None) or usual,
        timeout_seconds=(target.timeout_seconds if target else None) or usual,
        instants=instants,
        up=[int(value == 1) for _, value in up.samples],
        durations_seconds=[
            took if 0 <= (took := durations.get(at, 0.0)) <= _LONGEST_SECONDS else 0.0 for at in instants
        ],
        last_error=scrape_error(target) if target else "",
    )


def literally(text: str) -> str:
    """Quote a text for a regular expression in a PromQL string."""
    quoted = "".join(f"\\{char}" if char in r"\.+*?()|[]{}^$" else char for char in text)
    return json.dumps(quoted, ensure_ascii=False)[1:-1]
