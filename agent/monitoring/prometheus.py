"""The client of Prometheus: its rules with their alerts, its targets, its samples and its clock."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar, cast

from pydantic import TypeAdapter

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.monitoring.http import MonitoringClient, NotServed
from alertdrill.agent.monitoring.refusal import short_line
from alertdrill.agent.monitoring.rules import (
    ANY_RULE_PAGE,
    RECORDING_PAGE,
    RULE_PAGE,
    AlertingRule,
    AnyRulePage,
    AnyServedGroup,
    RecordingGroup,
    RuleGroup,
    RulePage,
)
from alertdrill.agent.monitoring.series import LABEL_VALUES, QUERY_RESULT, Series, join_series, query_series
from alertdrill.agent.monitoring.status import (
    BUILD_INFO,
    FLAGS,
    LOADED_CONFIG,
    METADATA,
    RUNTIME_INFO,
    Flags,
    RuntimeInfo,
)
from alertdrill.agent.monitoring.targets import TARGET_LIST, Target
from alertdrill.agent.recording.records import AlertSamples, RuleRecord
from alertdrill.units import yaml_text

_GROUPS_A_PAGE = 500
# The server refuses more than 11,000 points of a series.
_POINTS_A_QUERY = 10_000
_CLOCK_READINGS = 5
# `time()` of the server is cut off to whole milliseconds.
_RESOLUTION_SECONDS = 0.001
_Shape = TypeVar("_Shape")
_Page = TypeVar("_Page", RulePage, AnyRulePage)


@dataclass(frozen=True)
class ClockOffset:
    """How far the server's clock is ahead of ours (negative: behind), and the uncertainty of that."""

    offset_seconds: float
    uncertainty_seconds: float


@dataclass(frozen=True)
class ClockReading:
    """A reading of the server's clock, and of ours before and after the request; Unix seconds."""

    before: float
    server: float
    after: float

    def offset(self) -> ClockOffset:
        """Return the offset by Cristian's method.

        It is measured from the middle of our two readings; half of the time between them is its uncertainty.
        """
        server = self.server + _RESOLUTION_SECONDS / 2
        half = (self.after - self.before + _RESOLUTION_SECONDS) / 2
        return ClockOffset(server - (self.before + self.after) / 2, half)


class Prometheus:
    """A Prometheus, or another server with its API. https://prometheus.io/docs/prometheus/latest/querying/api/.

    As a context manager it keeps its connections for the length of the block. Every method raises
    ServiceUnavailable. A method returns None if the server is a Thanos, Mimir or other that does not have the page.
    Instants are Unix seconds by the server's clock, `clock` is ours.
    """

    def __init__(self, server: MonitoringServer, clock: Callable[[], float] = time.time) -> None:
        self._http = MonitoringClient("Prometheus", server)
        self._clock = clock

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.__aexit__(*error)

    async def version(self) -> str:
        """Return the server's version, or "unknown"."""
        built = await self._get_if_served("/api/v1/status/buildinfo", BUILD_INFO)
        return built.version if built is not None else "unknown"

    async def runtime(self) -> RuntimeInfo | None:
        """Return since when the server runs, and when it loaded its configuration."""
        return await self._get_if_served("/api/v1/status/runtimeinfo", RUNTIME_INFO)

    async def flags(self) -> Flags | None:
        """Return the flags that affect alerts."""
        return await self._get_if_served("/api/v1/status/flags", FLAGS)

    async def metric_types(self) -> dict[str, str]:
        """Return the type of each metric that a target describes; empty if the server does not have them."""
        listed = await self._get_if_served("/api/v1/metadata", METADATA) or {}
        return {name: told[0].type for name, told in listed.items() if told and told[0].type != "unknown"}

    async def recording_groups(self) -> list[RecordingGroup]:
        """List the groups with recording rules."""
        page = await self._get("/api/v1/rules", RECORDING_PAGE, {"type": "record"})
        return [group for group in page.groups if group.rules]

    async def rule_groups(self) -> list[RuleGroup]:
        """List the groups with alerting rules and, from the same instant, their active alerts."""
        pages = [page async for page in self._rule_pages(RULE_PAGE, {"type": "alert"})]
        return [group for page in pages for group in page.groups if group.rules]

    async def all_rules(self) -> list[AnyServedGroup]:
        """List the groups with all their rules, recording rules too."""
        return [group async for page in self._rule_pages(ANY_RULE_PAGE, {}) for group in page.groups]

    async def external_labels(self) -> dict[str, str]:
        """Return the labels that the server adds to what it sends; empty if it does not show its configuration."""
        loaded = await self._get_if_served("/api/v1/status/config", LOADED_CONFIG)
        try:
            (config,) = yaml_text.load_all(loaded.text) if loaded is not None else ({},)
            return {str(name): str(value) for name, value in config["global"]["external_labels"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}

    async def _rule_pages(self, adapter: TypeAdapter[_Page], params: dict[str, str]) -> AsyncIterator[_Page]:
        asked, tokens = params | {"group_limit": str(_GROUPS_A_PAGE)}, set[str]()
        while True:
            page = await self._get("/api/v1/rules", adapter, asked)
            yield page
            if not page.next_token:
                return
            if page.next_token in tokens:
                raise self._http.strange("/api/v1/rules", "groupNextToken: the same page again")
            tokens.add(page.next_token)
            asked["group_next_token"] = page.next_token

    async def rules(self) -> list[RuleRecord]:
        """List the alerting rules."""
        return [rule_record(group, rule) for group in await self.rule_groups() for rule in group.rules]

    async def targets(self) -> list[Target] | None:
        """List the targets that are scraped now."""
        listed = await self._get_if_served("/api/v1/targets", TARGET_LIST, {"state": "active"})
        return list(listed.active) if listed is not None else None

    async def scrape_seconds(self) -> dict[str, float]:
        """Return the longest scrape interval of each job, in seconds; empty if the server does not scrape."""
        longest: dict[str, float] = {}
        for target in await self.targets() or ():
            if target.interval_seconds is not None:
                job = target.labels.get("job", target.pool)
                longest[job] = max(longest.get(job, 0.0), target.interval_seconds)
        return longest

    async def clock_offset(self) -> ClockOffset:
        """Return how far the server's clock is ahead of ours: the most certain of a few readings."""
        return most_certain([await self._read_clock() for _ in range(_CLOCK_READINGS)])

    async def holds(self, expr: str) -> bool:
        """Return whether an expression has any result now."""
        return bool(await self.instant(expr))

    async def instant(self, expr: str, at: float | None = None) -> list[Series]:
        """Evaluate an expression at one instant, or now; a range selector returns the raw samples."""
        params = {"query": expr} if at is None else {"query": expr, "time": f"{at:.3f}"}
        return query_series(await self._get("/api/v1/query", QUERY_RESULT, params))

    async def raw_samples(self, selector: str, start: float, end: float) -> list[Series]:
        """Return the stored samples of a selector between two instants, both included."""
        first, last = round(start * 1000), round(end * 1000)
        # A range includes its start in 2.x and excludes it in 3.x: request a millisecond more, and cut it off.
        found = await self.instant(f"{selector}[{last - first + 1}ms]", last / 1000)
        kept = (series.between(first / 1000, last / 1000) for series in found)
        return [series for series in kept if series.samples or series.histograms_at]

    async def alert_samples(self, start: float, end: float) -> list[AlertSamples]:
        """Return the samples of ALERTS between two instants, one series for each state of an alert."""
        found = await self.raw_samples("ALERTS", start, end)
        of_alerts = [series for series in found if series.labels.get("alertstate") in {"pending", "firing"}]
        if any("alertname" not in series.labels for series in of_alerts):
            raise self._http.strange("/api/v1/query", "a series of ALERTS has no alertname")
        return [_alert_samples(series) for series in of_alerts]

    async def range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate an expression from one instant to another, a step of whole milliseconds apart."""
        step = max(round(step, 3), 0.001)
        stride = _POINTS_A_QUERY * step
        starts = [start + index * stride for index in range(math.floor((end - start) / stride) + 1)]
        return join_series([await self._range(expr, first, min(first + stride - step, end), step) for first in starts])

    async def values(
        self, expr: str, start: float, end: float, step: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Evaluate an expression from one instant to another, a step apart: labels and samples.

        Native histograms are left out: they have no value.
        """
        series = await self.range(expr, start, end, step)
        return [(one.labels, list(one.samples)) for one in series if one.samples]

    async def label_values(self, label: str, start: float, end: float) -> list[str]:
        """List the values that a label had between two instants; those of `__name__` are the names of metrics."""
        span = {"start": f"{start:.3f}", "end": f"{end:.3f}"}
        return await self._get(f"/api/v1/label/{label}/values", LABEL_VALUES, span)

    async def _range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        params = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return query_series(await self._get("/api/v1/query_range", QUERY_RESULT, params))

    async def _read_clock(self) -> ClockReading:
        before = self._clock()
        answer = await self.instant("time()")
        after = self._clock()
        if len(answer) != 1 or len(answer[0].samples) != 1:
            raise self._http.strange("/api/v1/query", "time() has no value")
        return ClockReading(before, answer[0].samples[0][1], after)

    async def _get_if_served(
        self, path: str, adapter: TypeAdapter[_Shape], params: Mapping[str, str] | None = None
    ) -> _Shape | None:
        try:
            return await self._get(path, adapter, params)
        except NotServed:
            return None

    async def _get(self, path: str, adapter: TypeAdapter[_Shape], params: Mapping[str, str] | None = None) -> _Shape:
        answer: Any = await self._http.json(path, params)
        if not isinstance(answer, dict) or answer.get("status") != "success":
            message = str(answer.get("error", "")) if isinstance(answer, dict) else ""
            raise self._http.strange(path, short_line(message) or "status: expected success")
        return self._http.shaped(path, adapter, answer.get("data"))


def rule_record(group: RuleGroup, rule: AlertingRule) -> RuleRecord:
    """Return the record of a served rule."""
    return RuleRecord(
        alert=rule.name,
        group=group.name,
        file=group.file,
        expr=rule.expr,
        for_seconds=rule.for_seconds,
        keep_firing_for_seconds=rule.keep_firing_for_seconds,
        interval_seconds=group.interval_seconds,
        labels=rule.labels,
        annotations=rule.annotations,
        health=rule.health,
        last_error=rule.last_error,
    )


def _alert_samples(series: Series) -> AlertSamples:
    labels = {name: value for name, value in series.labels.items() if name not in {"__name__", "alertstate"}}
    state = cast("Literal['pending', 'firing']", series.labels["alertstate"])
    return AlertSamples(labels=labels, state=state, instants=[instant for instant, _ in series.samples])


def most_certain(readings: Iterable[ClockReading]) -> ClockOffset:
    """Return the offset with the least uncertainty; raises ValueError without readings."""
    return min((reading.offset() for reading in readings), key=lambda offset: offset.uncertainty_seconds)
