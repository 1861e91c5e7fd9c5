"""Between two drills a lab's monitoring is cleared: the next drill finds no samples and no alerts of the last one."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import aiohttp
import pytest

from alertdrill.lab.stack import Lab
from tests.support import waiting
from tests.support.engine_client import Client

ROOT = Path(__file__).parents[2]


def ask(address: str, path: str) -> Any:
    with urlopen(f"http://{address}{path}", timeout=60) as answer:
        return json.load(answer)


class Monitoring:
    def __init__(self, lab: Lab) -> None:
        self._prometheus = lab.addresses["prometheus:9090"]
        self._alertmanager = lab.addresses["alertmanager:9093"]

    def alerts(self) -> dict[str, tuple[str, float]]:
        """Return the state of each alert, and since when it is active."""
        alerts = ask(self._prometheus, "/api/v1/alerts")["data"]["alerts"]
        return {one["labels"]["alertname"]: (one["state"], seconds(one["activeAt"])) for one in alerts}

    def fires_since(self, instant: float) -> bool:
        state, since = self.alerts().get("SystemDown", ("inactive", 0.0))
        return state == "firing" and since > instant

    def sent_alerts(self) -> dict[str, float]:
        """Return since when each alert fires of which Alertmanager was told."""
        alerts = ask(self._alertmanager, "/api/v2/alerts")
        return {one["labels"]["alertname"]: seconds(one["startsAt"]) for one in alerts}

    def health(self, job: str) -> str:
        targets = ask(self._prometheus, "/api/v1/targets")["data"]["activeTargets"]
        return next(str(target["health"]) for target in targets if target["labels"]["job"] == job)

    def rules(self) -> int:
        groups = ask(self._prometheus, "/api/v1/rules")["data"]["groups"]
        return sum(len(group["rules"]) for group in groups)

    def samples(self, selector: str, until: float) -> int:
        path = f"/api/v1/query?query={quote(selector)}[10m]&time={until:.3f}"
        return sum(len(series["values"]) for series in ask(self._prometheus, path)["data"]["result"])

    def largest(self, selector: str) -> float:
        query = quote(f"max(max_over_time({selector}[10m]))")
        found = ask(self._prometheus, f"/api/v1/query?query={query}")["data"]["result"]
        return float(found[0]["value"][1]) if found else math.nan


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def until(condition: Callable[[], bool], promise: str) -> None:
    async def holds() -> bool:
        return await asyncio.to_thread(condition)

    await waiting.until(holds, promise, 180)


@pytest.mark.usefixtures("few_connections")
async def test_samples_and_alerts_of_a_drill_are_gone_before_the_next() -> None:
    """On a busy machine the engine may miss its scrapes again: such an alert is a new one."""
    async with Lab(ROOT / "configs", 60.0) as lab:
        seen = Monitoring(lab)
        rules = seen.rules()
        engine = lab.servers["payment-engine"].pid
        os.kill(engine, signal.SIGSTOP)
        try:
            await until(lambda: seen.fires_since(0) and "SystemDown" in seen.sent_alerts(), "the alert fires")
        finally:
            os.kill(engine, signal.SIGCONT)
        await until(lambda: not seen.alerts(), "no alert is active")
        before = time.time()
        assert seen.samples("up", before) > 0
        assert seen.samples("ALERTS", before) > 0

        await lab.forget()

        assert seen.samples("up", before) == 0
        assert seen.samples("ALERTS", before) == 0
        assert [since for _, since in seen.alerts().values() if since < before] == []
        assert seen.rules() == rules
        # Twice as long as Prometheus would take to send again that the alert is resolved.
        await asyncio.sleep(2.0)
        assert [since for since in seen.sent_alerts().values() if since < before] == []
        await until(lambda: seen.samples("up", time.time()) > 0, "it scrapes again")


@pytest.mark.usefixtures("few_connections")
async def test_forgetting_ends_when_every_target_is_scraped_again() -> None:
    async with Lab(ROOT / "configs", 60.0) as lab:
        seen = Monitoring(lab)
        exporter = lab.servers["redis-exporter"].pid
        os.kill(exporter, signal.SIGSTOP)
        try:
            await until(lambda: seen.health("redis") == "down", "a target is down")
            # A scrape that is under way is stored at its begin, perhaps after the deletion.
            await until(lambda: seen.samples("up", time.time() - 1.0) > 0, "samples are a second old")
            before = time.time() - 1.0
            forgetting = asyncio.create_task(lab.forget())
            await until(lambda: forgetting.done() or seen.samples("up", before) == 0, "the samples are deleted")
            await until(lambda: seen.samples("up", time.time()) > 20, "the other targets are scraped")
            assert not forgetting.done(), forgetting
        finally:
            os.kill(exporter, signal.SIGCONT)
        await forgetting
        await until(lambda: not seen.alerts(), "no alert is active")


@pytest.mark.usefixtures("few_connections")
async def test_what_an_engine_still_works_on_is_no_part_of_the_next_drill() -> None:
    async with Lab(ROOT / "configs", 60.0) as lab, aiohttp.ClientSession() as session:
        seen, client = Monitoring(lab), Client(session, lab)
        await client.toxic("postgres", type="latency", stream="downstream", attributes={"latency": 600_000})
        late = asyncio.create_task(client.pay())
        await until(lambda: seen.largest("payment_engine_transactions_active") == 1, "the payment is scraped")
        forgetting = asyncio.create_task(lab.forget())
        # Prometheus goes on scraping only because nothing was deleted yet.
        begun = time.time()
        more = seen.samples("up", begun) + 10
        await until(lambda: seen.samples("up", time.time()) > more, "targets are scraped")
        assert not forgetting.done()
        assert seen.rules() > 0
        await client.heal("postgres")
        await late
        await forgetting
        await until(lambda: seen.largest("payment_engine_transactions_active") == 0, "the engine is idle")
