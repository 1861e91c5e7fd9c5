"""Waits until a lab is ready for a drill: its engines are idle, and Prometheus has scraped all and has no active alert."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from alertdrill.lab.errors import LabError
from alertdrill.units.polling import poll

# Many times the usual time, for busy machines.
_WITHIN_SECONDS = 180.0
# The agent's job: the agent starts after the lab.
_AGENT_JOB = "alertdrill"
_ACTIVE = "payment_engine_transactions_active"


async def until_watched(prometheus_url: str) -> None:
    """Wait until every target except the agent is up and no alert is active.

    Raises LabError after three minutes, with the target or the alerts that it still waits for.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as session:
        await _until_none(partial(_problem, session, prometheus_url))


async def until_idle(engines: list[str]) -> None:
    """Wait until payment engines, given by their addresses, have answered all transactions.

    Raises LabError after three minutes, with what it still waits for.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10.0)) as session:
        for engine in engines:
            await _until_none(partial(_work, session, engine))


async def _until_none(problem: Callable[[], Awaitable[str]]) -> None:
    if left := await poll(problem, _WITHIN_SECONDS, every_seconds=0.1):
        raise LabError(f"after {_WITHIN_SECONDS:g} s {left}")


async def _work(session: aiohttp.ClientSession, engine: str) -> str:
    """Describe what an engine still does; empty when it is idle."""
    try:
        async with session.get(f"http://{engine}/actuator/prometheus") as response:
            families = text_string_to_metric_families(await response.text())
            (active,) = (family.samples[0].value for family in families if family.name == _ACTIVE)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return f"the payment engine at {engine} does not answer: {error!r}"
    return f"the payment engine at {engine} still works on {active:.0f} transactions" if active else ""


async def _problem(session: aiohttp.ClientSession, url: str) -> str:
    """Describe what to wait for; empty when nothing is left."""
    try:
        targets = (await _data(session, f"{url}/api/v1/targets?state=active"))["activeTargets"]
        alerts = (await _data(session, f"{url}/api/v1/alerts"))["alerts"]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
        return f"Prometheus does not answer: {error}"
    if not targets:
        return "Prometheus has no targets"
    for target in targets:
        if target["health"] != "up" and target["labels"]["job"] != _AGENT_JOB:
            return f"Prometheus has not scraped {target['scrapeUrl']}: {target['lastError'] or 'not yet'}"
    return ", ".join(f"{alert['labels']['alertname']} is {alert['state']}" for alert in alerts)


async def _data(session: aiohttp.ClientSession, url: str) -> Any:  # noqa: ANN401 - JSON
    async with session.get(url) as response:
        return (await response.json())["data"]
