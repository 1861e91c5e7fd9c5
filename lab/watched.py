"""When a lab is watched: Prometheus has scraped every target, and no alert is left of their start."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from alertdrill.lab.errors import LabError

_WITHIN_SECONDS = 60.0
# The agent comes when the lab is there.
_LATER = "alertdrill"


async def until_watched(prometheus_url: str) -> None:
    """Wait until every target but the agent is up and no alert is active; raises LabError that names what is not as it should be."""
    deadline = asyncio.get_running_loop().time() + _WITHIN_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as session:
        while wrong := await _wrong(session, prometheus_url):
            if asyncio.get_running_loop().time() > deadline:
                raise LabError(f"after {_WITHIN_SECONDS:g} s {wrong}")
            await asyncio.sleep(0.1)


async def _wrong(session: aiohttp.ClientSession, url: str) -> str:
    """Say what is not yet as it should be; nothing when all is."""
    try:
        targets = (await _data(session, f"{url}/api/v1/targets?state=active"))["activeTargets"]
        alerts = (await _data(session, f"{url}/api/v1/alerts"))["alerts"]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
        return f"Prometheus does not answer: {error}"
    if not targets:
        return "Prometheus has no targets"
    for target in targets:
        if target["health"] != "up" and target["labels"]["job"] != _LATER:
            return f"Prometheus has not scraped {target['scrapeUrl']}: {target['lastError'] or 'not yet'}"
    return ", ".join(f"{alert['labels']['alertname']} is {alert['state']}" for alert in alerts)


async def _data(session: aiohttp.ClientSession, url: str) -> Any:  # noqa: ANN401 - JSON
    async with session.get(url) as response:
        return (await response.json())["data"]
