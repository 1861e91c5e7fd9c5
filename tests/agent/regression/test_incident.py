"""From an incident to a test in CI, by the commands alone; the server has prepared answers.

Servers like Thanos and Mimir answer queries and rules as Prometheus does, and have no pages about themselves.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from tests.support.answering import answering

# A multiple of the evaluation interval, and long enough ago.
START = time.time() // 15 * 15 - 3600
LABELS = {"job": "shop", "instance": "shop-7.internal:80"}
RULE: dict[str, Any] = {"alert": "QueueGrows", "expr": "queue > 5", "for": "1m", "labels": {"severity": "page"}}
SERVED = {
    "type": "alerting", "name": RULE["alert"], "query": RULE["expr"], "duration": 60, "health": "ok",
    "labels": RULE["labels"], "annotations": {}, "alerts": [],
}  # fmt: skip
GROUP = {"name": "g", "file": "shop/rules.yml", "interval": 15, "rules": [SERVED]}
TARGET = {
    "labels": LABELS, "discoveredLabels": {}, "scrapePool": "shop", "scrapeUrl": "http://shop-7.internal:80/metrics",
    "globalUrl": "", "lastError": "", "lastScrape": "2026-01-01T00:00:00Z", "lastScrapeDuration": 0.01, "health": "up",
    "scrapeInterval": "15s", "scrapeTimeout": "10s",
}  # fmt: skip
PAGES = {
    "flags": {"query.lookback-delta": "5m"},
    "buildinfo": {"version": "2.42.0"},
    "config": {"yaml": "global: {}"},
    "targets": {"activeTargets": [TARGET]},
}
SCRAPES = [round(START - 600 + 15 * n + 4, 3) for n in range(160)]
# The queue is long from 300 to 900 s, so the evaluations from 315 to 900 s see it.
ALERT = {"__name__": "ALERTS", "alertname": "QueueGrows", "severity": "page"} | LABELS
SERIES: list[tuple[dict[str, str], list[tuple[float, str]]]] = [
    ({"__name__": "queue"} | LABELS, [(at, "9" if 300 <= at - START < 900 else "1") for at in SCRAPES]),
    ({"__name__": "up"} | LABELS, [(at, "1") for at in SCRAPES]),
    ({"__name__": "scrape_duration_seconds"} | LABELS, [(at, "0.01") for at in SCRAPES]),
    (ALERT | {"alertstate": "pending"}, [(START + at, "1") for at in range(315, 375, 15)]),
    (ALERT | {"alertstate": "firing"}, [(START + at, "1") for at in range(375, 901, 15)]),
]


def _queried(query: str, at: float, samples: int) -> dict[str, Any]:
    if "label_replace" in query:
        counts = {"series": 1, "samples": samples}
        rows = [{"metric": {"of": "0", "what": what}, "value": [at, str(count)]} for what, count in counts.items()]
        return {"resultType": "vector", "result": rows}
    found = re.fullmatch(r"(?P<name>\w+).*\[(?P<ms>\d+)ms\]", query)
    return {
        "resultType": "matrix",
        "result": list(_ranges(found["name"], at, int(found["ms"]) / 1000) if found else ()),
    }


def _ranges(name: str, at: float, seconds: float) -> Iterator[dict[str, Any]]:
    for labels, samples in SERIES:
        values = [one for one in samples if at - seconds < one[0] <= at]
        if labels["__name__"] == name and values:
            yield {"metric": labels, "values": values}


def _answer(request: web.Request, pages: dict[str, Any], samples: int) -> web.Response:
    last = request.path.rsplit("/", 1)[1]
    if last == "query":
        data: Any = _queried(request.query["query"], float(request.query["time"]), samples)
    elif last in pages:
        data = pages[last]
    else:
        return web.Response(status=404, text="404 page not found")
    return web.json_response({"status": "success", "data": data})


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat()


async def _recorded(
    folder: Path, pages: dict[str, Any], samples: int = len(SCRAPES)
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run `alertdrill record`; return how it ended, and what it asked of the server."""
    async with answering(lambda request: _answer(request, {"rules": {"groups": [GROUP]}} | pages, samples)) as server:
        (folder / "agent.yml").write_text(
            f'{{probe: {{kind: http, url: "http://127.0.0.1:1/"}}, prometheus: {{url: "{server.url}/prometheus"}}}}\n'
        )
        command = ["record", "--config", str(folder / "agent.yml"), "--from", _time(120), "--to", _time(1260)]
        command += ["--alert", "QueueGrows", "--redact", "instance", "-o", str(folder)]
        ran = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "alertdrill", *command], capture_output=True, text=True, check=False
        )
        return ran, server.asked


@pytest.mark.parametrize("pages", [PAGES, {}], ids=["Prometheus", "a server without pages about itself"])
def test_an_incident_becomes_a_test_that_notices_a_changed_rule(tmp_path: Path, pages: dict[str, Any]) -> None:
    rules = tmp_path / "rules.yml"
    ran, asked = asyncio.run(_recorded(tmp_path, pages))
    assert (ran.returncode, ran.stderr) == (0, "")
    (recording,) = tmp_path.glob("*.recording.json.gz")
    assert ran.stdout == f"recording {recording}\n"
    # For each selector and hour; for the sizes; two for the scrapes, and two for what the alerts did.
    assert len([one for one in asked if "/api/v1/query?" in one]) == 1 + 1 + 2 + 2, asked
    assert b"shop-7" not in gzip.decompress(recording.read_bytes())

    _write(rules, RULE)
    made = _alertdrill("regress", recording, "--rules", rules, "-o", tmp_path / "regress")
    assert (made.exit_code, made.stderr) == (0, "")
    (file,) = (tmp_path / "regress").iterdir()
    assert "shop-7" not in file.read_text()
    # A stretch has no fault: its times are from its begin, at 120 s.
    assert "pending: 3m15s, firing: 4m15s, resolved: 13m15s" in file.read_text()
    ran_again = _alertdrill("regress", "run", tmp_path / "regress")
    assert (ran_again.exit_code, "QueueGrows fires after 4m15s as recorded" in ran_again.stdout) == (0, True)
    _write(rules, RULE | {"for": "20m"})
    ran_again = _alertdrill("regress", "run", tmp_path / "regress")
    assert (ran_again.exit_code, "QueueGrows would not fire" in ran_again.stdout) == (1, True), ran_again.output


def test_a_rule_that_reads_too_much_is_told_with_its_widest_selector(tmp_path: Path) -> None:
    ran, _ = asyncio.run(_recorded(tmp_path, PAGES, samples=200_000))
    reason = "its selectors find 200,000 samples, and at most 100,000 are recorded for a rule"
    says = f"alertdrill: QueueGrows cannot be replayed: {reason} (queue: 200,000 samples in 1 series)\n"
    assert (ran.returncode, ran.stderr) == (0, says)


def _write(path: Path, rule: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": "15s", "rules": [rule]}]}))


def _alertdrill(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
