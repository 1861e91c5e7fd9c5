"""Alertmanager: its version and the configuration that it runs."""

from __future__ import annotations

from dataclasses import dataclass

from agent.monitoring.http import get_json


@dataclass(frozen=True)
class AlertmanagerStatus:
    """What Alertmanager says of itself; `config` is YAML text with its secrets masked."""

    version: str
    config: str


async def status(url: str) -> AlertmanagerStatus:
    """Ask Alertmanager for its status; raises ServiceUnavailable."""
    answer = await get_json("Alertmanager", f"{url}/api/v2/status")
    return AlertmanagerStatus(answer["versionInfo"]["version"], answer["config"]["original"])
