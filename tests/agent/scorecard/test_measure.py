"""Infinity is a value of a KPI, and NaN is not."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from rich.console import Console

from alertdrill.agent.commands.kpi import KpiOptions, show
from tests.support.answering import answering

KPI = {"kpi": "error rate", "series": "errors_total", "of": "requests_total", "objective": "< 0.01", "unit": "ratio"}


async def shown(folder: Path, form: str, *values: str) -> tuple[int, str]:
    """Show a card of one KPI, with these values in Prometheus, each at one instant."""
    kept = iter(values)

    def answer(_: web.Request) -> web.Response:
        vector = [{"metric": {}, "value": [1_790_000_000, next(kept)]}]
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
