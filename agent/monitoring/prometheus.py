"""Prometheus: rules as it serves them, alerts as it lists them, samples as it stored them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from agent.errors import ServiceUnavailable
from agent.monitoring.http import get_json
from agent.recording import ActiveRecord, AlertSamples, RuleRecord
from units.duration import parse_duration


@dataclass(frozen=True)
class ServedRule:
    """A rule, and when its group was evaluated last (Unix seconds, wall clock, a few ms late)."""

    rule: RuleRecord
    last_evaluation_at: float


class Prometheus:
    """A Prometheus server at a URL. API: https://prometheus.io/docs/prometheus/latest/querying/api/."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def version(self) -> str:
        """Tell the server's version; raises ServiceUnavailable."""
        return str((await self._get("/api/v1/status/buildinfo"))["version"])

    async def rules(self) -> list[ServedRule]:
        """List the alerting rules; raises ServiceUnavailable."""
        data = await self._get("/api/v1/rules", {"type": "alert"})
        return [_served_rule(group, rule) for group in data["groups"] for rule in group["rules"]]

    async def scrape_seconds(self) -> dict[str, float]:
        """Tell the scrape interval of each job, in seconds; raises ServiceUnavailable."""
        data = await self._get("/api/v1/targets", {"state": "active"})
        return {
            target["labels"]["job"]: parse_duration(target["scrapeInterval"]).total_seconds()
            for target in data["activeTargets"]
        }

    async def active(self, now: float) -> list[ActiveRecord]:
        """List the alerts that are pending or firing; raises ServiceUnavailable."""
        data = await self._get("/api/v1/alerts")
        return [
            ActiveRecord(
                labels=alert["labels"], state=alert["state"], active_at=_instant(alert["activeAt"]), seen_at=now
            )
            for alert in data["alerts"]
        ]

    async def holds(self, expr: str) -> bool:
        """Tell whether an expression has any result now; raises ServiceUnavailable."""
        return bool((await self._get("/api/v1/query", {"query": expr}))["result"])

    async def alert_samples(self, start: float, end: float) -> list[AlertSamples]:
        """Fetch the samples of ALERTS between two instants, one series for each state of an alert."""
        query = {"query": f"ALERTS[{round((end - start) * 1000)}ms]", "time": f"{end:.3f}"}
        series = (await self._get("/api/v1/query", query))["result"]
        return [_alert_samples(item) for item in series]

    async def values(
        self, expr: str, start: float, end: float, step: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Evaluate an expression from one instant to another, a step apart: labels and samples."""
        query = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        series = (await self._get("/api/v1/query_range", query))["result"]
        return [
            (item["metric"], [(float(instant), float(value)) for instant, value in item["values"]]) for item in series
        ]

    async def _get(self, path: str, params: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        answer = await get_json("Prometheus", self._url + path, params)
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise ServiceUnavailable(f"Prometheus at {self._url}{path} did not answer as Prometheus does")
        return answer["data"]


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _served_rule(group: dict[str, Any], rule: dict[str, Any]) -> ServedRule:
    record = RuleRecord(
        alert=rule["name"],
        group=group["name"],
        expr=rule["query"],
        for_seconds=rule["duration"],
        keep_firing_for_seconds=rule.get("keepFiringFor", 0.0),
        interval_seconds=group["interval"],
        labels=rule["labels"],
        annotations=rule["annotations"],
        health=rule["health"],
    )
    return ServedRule(record, _instant(group["lastEvaluation"]))


def _alert_samples(series: dict[str, Any]) -> AlertSamples:
    labels = {name: value for name, value in series["metric"].items() if name not in {"__name__", "alertstate"}}
    state = cast("Literal['pending', 'firing']", series["metric"]["alertstate"])
    return AlertSamples(labels=labels, state=state, instants=[float(instant) for instant, _ in series["values"]])
