"""Infinity is a value of a KPI, and NaN is not."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from rich.console import Console

from alertdrill.agent.commands.kpi import KpiOptions, show
from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.report.scorecard import rows
from alertdrill.agent.scorecard.measure import measure
from tests.support.answering import answering

KPI = {"kpi": "error rate", "series": "errors_total", "of": "requests_total", "objective": "< 0.01", "unit": "ratio"}


async def shown(folder: Path, form: str, *values: str) -> tuple[int, str]:
    """Show a card of one KPI, with these values in Prometheus, each at one instant."""

    def answer(request: web.Request) -> web.Response:
        vector = [{"metric": {}, "value": [1_790_000_000, values[round(float(request.query["time"])) - 1_790_000_000]]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": vector}})

    out, code = io.StringIO(), 0
    async with answering(answer) as server:
        settings: dict[str, Any] = {name: {"url": server.url} for name in ("prometheus", "alertmanager", "toxiproxy")}
        settings["probe"] = {"kind": "tcp", "name": "none", "url": "tcp://127.0.0.1:9"}
        settings |= {"kpis": {"kpis": [KPI]}, "recordings": str(folder)}
        (folder / "agent.yml").write_text(yaml.safe_dump(settings))
        for number, _ in enumerate(values):
            options = KpiOptions(config=folder / "agent.yml", form=form, at=1_790_000_000 + number)
            code = await show(options, Console(file=out, width=120))
    return code, out.getvalue()


@pytest.mark.parametrize("form", ["text", "markdown", "html", "json"])
async def test_infinity_breaks_a_target_and_is_shown(tmp_path: Path, form: str) -> None:
    """Errors divided by no requests at all; only finite values are kept for the trend of the next run."""
    code, text = await shown(tmp_path, form, "0.001", "+Inf")
    assert code == 1
    assert ("+Inf" in text) is (form != "json")
    runs = (tmp_path / "kpis.jsonl").read_text().splitlines()
    assert [json.loads(run)["values"][0]["value"] for run in runs] == [0.001]
    assert (await shown(tmp_path, "text", "0.001"))[0] == 0


async def test_infinity_is_null_in_json(tmp_path: Path) -> None:
    _, text = await shown(tmp_path, "json", "+Inf")
    (kpi,) = json.loads(text)["kpis"]
    assert (kpi["status"], kpi["values"]) == ("red", [{"labels": {}, "value": None, "status": "red", "trend": None}])


async def test_infinity_keeps_a_target_on_the_other_side(tmp_path: Path) -> None:
    code, text = await shown(tmp_path, "text", "-Inf")
    assert (code, "-Inf" in text) == (0, True)


async def test_zero_divided_by_zero_is_no_data(tmp_path: Path) -> None:
    code, text = await shown(tmp_path, "text", "NaN")
    assert (code, "no data" in text) == (3, True)


RATIO = KPI | {"series": 'requests_total{status=~"5.."}'}
ONES_THERE = {
    "count(count_over_time(requests_total[5m]))": "2",
    'count(count_over_time(requests_total{status!=""}[5m]))': "2",
}


async def measured(kpi: dict[str, Any], answers: dict[str, str]) -> tuple[int, str, str]:
    """Measure one KPI with a Prometheus that has these answers, and no series for other queries."""

    def answer(request: web.Request) -> web.Response:
        expr = request.query["query"]
        vector = [{"metric": {}, "value": [1_790_000_000, answers[expr]]}] if expr in answers else []
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": vector}})

    async with answering(answer) as server:
        prometheus = Prometheus(MonitoringServer(url=server.url))
        card = await measure(Kpis.model_validate({"kpis": [kpi]}), prometheus, 1_790_000_000, timedelta(minutes=5), 1.0)
    ((_, status, words, _),) = rows(card.scores[0])
    return card.exit_code, status.value, words


@pytest.mark.parametrize(
    ("kpi", "answers", "found"),
    [
        # A service without an error so far, which counts its errors by a label.
        (RATIO, ONES_THERE | {"0 * sum(rate(requests_total[5m])) / sum(rate(requests_total[5m]))": "0"},
         (0, "green", '0 %: there is no series requests_total{status=~"5.."} yet, which counts as 0')),
        (RATIO, ONES_THERE, (3, "unknown",
         'no data: there is no series requests_total{status=~"5.."} yet, and requests_total did not grow')),
        # Whether there is another label, or another name, cannot be known.
        (RATIO, {"count(count_over_time(requests_total[5m]))": "2"}, (3, "unknown",
         'no data: there is no series requests_total{status=~"5.."} yet; whether its name is right is not known')),
        (KPI, ONES_THERE, (3, "unknown",
         "no data: there is no series errors_total yet; whether its name is right is not known")),
        (KPI, {}, (3, "unknown", "no data: there is no series requests_total yet, by which it divides")),
        (KPI, ONES_THERE | {"count(count_over_time(errors_total[5m]))": "1"},
         (3, "unknown", "no data: requests_total did not grow in the window")),
        ({"kpi": "queue", "series": "queue_depth", "objective": "< 5"}, {},
         (3, "unknown", "no data: there is no series queue_depth yet; whether its name is right is not known")),
    ],
)  # fmt: skip
async def test_a_series_that_is_not_there_yet_is_named(
    kpi: dict[str, Any], answers: dict[str, str], found: tuple[int, str, str]
) -> None:
    assert await measured(kpi, answers) == found
