"""Between two drills a lab's monitoring is cleared: the next drill finds no samples and no alerts of the last one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from alertdrill.lab.stack import Lab

ROOT = Path(__file__).parents[2]


def ask(address: str, path: str) -> Any:
    with urlopen(f"http://{address}{path}", timeout=60) as answer:
        return json.load(answer)


class Monitoring:
    def __init__(self, lab: Lab) -> None:
        self._prometheus = lab.addresses["prometheus:9090"]
        self._alertmanager = lab.addresses["alertmanager:9093"]

    def states(self) -> dict[str, str]:
        alerts = ask(self._prometheus, "/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"]: alert["state"] for alert in alerts}

    def sent_alerts(self) -> list[str]:
        return [alert["labels"]["alertname"] for alert in ask(self._alertmanager, "/api/v2/alerts")]

    def rules(self) -> int:
        groups = ask(self._prometheus, "/api/v1/rules")["data"]["groups"]
        return sum(len(group["rules"]) for group in groups)

    def samples(self, selector: str, until: float) -> int:
        path = f"/api/v1/query?query={quote(selector)}[10m]&time={until:.3f}"
        return sum(len(series["values"]) for series in ask(self._prometheus, path)["data"]["result"])


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "not within 60 s"
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("few_connections")
async def test_samples_and_alerts_of_a_drill_are_gone_before_the_next() -> None:
    async with Lab(ROOT / "configs", 60.0) as lab:
        seen = Monitoring(lab)
        rules = seen.rules()
        engine = lab.servers["payment-engine"].pid
        os.kill(engine, signal.SIGSTOP)
        try:
            await until(lambda: seen.states().get("SystemDown") == "firing" and "SystemDown" in seen.sent_alerts())
        finally:
            os.kill(engine, signal.SIGCONT)
        await until(lambda: not seen.states())
        before = time.time()
        assert seen.samples("up", before) > 0
        assert seen.samples("ALERTS", before) > 0

        await lab.forget()

        assert seen.samples("up", before) == 0
        assert seen.samples("ALERTS", time.time()) == 0
        assert seen.states() == {}
        assert seen.rules() == rules
        # Twice as long as Prometheus would take to send again that the alert is resolved.
        await asyncio.sleep(2.0)
        assert seen.sent_alerts() == []
        assert seen.samples("up", time.time()) > 0


@pytest.mark.usefixtures("few_connections")
async def test_an_alert_whose_cause_remains_fires_again_after_forgetting() -> None:
    async with Lab(ROOT / "configs", 60.0) as lab:
        seen = Monitoring(lab)
        engine = lab.servers["payment-engine"].pid
        os.kill(engine, signal.SIGSTOP)
        try:
            await until(lambda: seen.states().get("SystemDown") == "firing")
            forgetting = asyncio.create_task(lab.forget())
            await until(lambda: not seen.states())
            await until(lambda: seen.states().get("SystemDown") == "firing")
            assert not forgetting.done()
        finally:
            os.kill(engine, signal.SIGCONT)
        await forgetting
        assert seen.states() == {}
