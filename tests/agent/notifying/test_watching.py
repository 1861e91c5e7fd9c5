from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from aiohttp import web

from alertdrill.agent.config.notify import Heartbeat, WatchdogAlert
from alertdrill.agent.notifying.watching import HeartbeatSender, WatchdogSwitch
from alertdrill.agent.recording.records import NotificationRecord
from tests.support.answering import answering
from tests.support.waiting import until

SETTINGS = WatchdogAlert.model_validate({"alert": "Watchdog", "every": "5m"})


def call(alert: str, status: Literal["firing", "resolved"] = "firing") -> list[NotificationRecord]:
    labels = {"alertname": alert, "severity": "none"}
    record = NotificationRecord(
        received_at=0, receiver="watchdog", status=status, labels=labels, starts_at=0, ends_at=None
    )
    return [record]


def test_the_watchdog_alert_is_overdue_when_its_notifications_stay_away() -> None:
    now = 1_000.0
    switch = WatchdogSwitch(lambda: now)
    now += 420
    assert switch.problem(SETTINGS) == ""
    now += 1
    assert "Watchdog was not received since alertdrill began" in switch.problem(SETTINGS)
    switch.heard(SETTINGS, call("Other"))
    switch.heard(SETTINGS, call("Watchdog", "resolved"))
    assert switch.problem(SETTINGS)
    switch.heard(SETTINGS, call("Watchdog"))
    assert (switch.problem(SETTINGS), switch.received_at) == ("", now)
    now += 421
    assert "Watchdog was not received for 7m1s" in switch.problem(SETTINGS)


async def test_a_heartbeat_is_sent_while_all_is_well() -> None:
    lines: list[str] = []
    status, problem = 500, "the load has not begun"

    def answer(request: web.Request) -> web.Response:
        assert request.method == "POST"
        return web.Response(status=status, text=request.path)

    async with answering(answer) as server:
        settings = Heartbeat.model_validate({"url": f"{server.url}/CANARY", "every": "1s", "method": "POST"})
        sender = HeartbeatSender(lambda: settings, lambda: problem, lines.append)
        task = asyncio.ensure_future(sender.run())
        await until(lambda: asyncio.sleep(0, sender.counts["withheld"] > 1), "it is withheld before the first one")
        problem = ""
        await until(lambda: asyncio.sleep(0, sender.counts["failed"] > 0), "a refusal is counted")
        status = 200
        await until(lambda: asyncio.sleep(0, sender.counts["ok"] > 0), "it is tried again")
        problem = "the load has not begun"
        before = sender.counts["withheld"]
        await until(lambda: asyncio.sleep(0, sender.counts["withheld"] > before), "it is withheld once")
        problem, before = "", sender.counts["ok"]
        await until(lambda: asyncio.sleep(0, sender.counts["ok"] > before), "it is sent again at the next look")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    withheld, first, *others = lines
    assert withheld == "no heartbeat is sent, because the load has not begun"
    assert first.startswith("the heartbeat was not taken: http://127.0.0.1:")
    assert "CANARY" not in first
    assert others == ["the heartbeat is sent again"]
