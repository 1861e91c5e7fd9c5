"""Runs the queries of a panel on Prometheus, with Grafana's variables filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from alertdrill.units.time_scale import scale_expr
from dashboards.panel import Dashboard, Panel, Query

# Four scrapes of the slowest job: Grafana chooses it the same way.
_RATE_INTERVAL = "1m"
_LIMIT = aiohttp.ClientTimeout(total=10.0)


@dataclass(frozen=True)
class TimeRange:
    """A time range in Unix seconds, with a point at every step."""

    start: float
    end: float
    step_seconds: float


@dataclass(frozen=True)
class PanelSeries:
    """One series of a panel: its legend, and its samples as (Unix seconds, value)."""

    legend: str
    samples: list[tuple[float, float]]


class QueryRunner:
    """Runs queries on a Prometheus server; their durations are divided by the time scale of the server's lab."""

    def __init__(self, session: aiohttp.ClientSession, url: str, time_scale: float = 1.0) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._time_scale = time_scale

    async def lines(self, query: Query, spec: Dashboard, span: TimeRange) -> list[PanelSeries]:
        """Run one query over a time range; raises aiohttp.ClientError, and ValueError if Prometheus rejects it."""
        expr = scale_expr(filled(query.expr, spec), self._time_scale)
        params = {"query": expr, "start": f"{span.start:.3f}", "end": f"{span.end:.3f}", "step": f"{span.step_seconds}"}
        url = f"{self._url}/api/v1/query_range"
        async with self._session.get(url, params=params, timeout=_LIMIT) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
        if answer.get("status") != "success":
            msg = f"{expr}: {answer.get('error')}"
            raise ValueError(msg)
        return [
            PanelSeries(_legend(query, one["metric"]), [(float(at), float(value)) for at, value in one["values"]])
            for one in answer["data"]["result"]
        ]

    async def panel(self, panel: Panel, spec: Dashboard, span: TimeRange) -> list[PanelSeries]:
        """Run all queries of a panel, in order."""
        return [line for query in panel.queries for line in await self.lines(query, spec, span)]


def filled(expr: str, spec: Dashboard) -> str:
    """Fill in Grafana's variables with their initial values: everything is selected."""
    expr = expr.replace("$__rate_interval", _RATE_INTERVAL)
    for variable in spec.variables:
        expr = re.sub(rf"\$(?:{variable.name}\b|\{{{variable.name}\}})", ".*", expr)
    return expr


def _legend(query: Query, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda name: labels.get(name[1], ""), query.legend)
