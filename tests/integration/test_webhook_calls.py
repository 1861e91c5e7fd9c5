"""A real Alertmanager calls the agent's webhook: with each kind of credential, without one, and when it is told to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from alertdrill.lab.ports import free_ports
from tests.agent.serving.test_door import Served, served
from tests.support.monitoring_servers import Configuration, MonitoringServers
from tests.support.waiting import until


def _configuration(port: int, http: dict[str, Any]) -> Configuration:
    webhook = {"url": f"http://127.0.0.1:{port}/api/v1/webhook/pager", "http_config": http}
    route = {"receiver": "pager", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    return Configuration(alertmanager={"route": route, "receivers": [{"name": "pager", "webhook_configs": [webhook]}]})


async def _alert(url: str, *names: str) -> None:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    alerts = [{"labels": {"alertname": name}, "annotations": {"text": "two\nlines"}, "endsAt": ends} for name in names]
    async with aiohttp.ClientSession() as session, session.post(f"{url}/api/v2/alerts", json=alerts) as answer:
        assert answer.status == 200, await answer.text()


def _files(folder: Path) -> dict[str, str]:
    (folder / "token").write_text("hush-hush")
    return {"token": str(folder / "token")}


def _told(server: Served) -> list[str]:
    return [one.labels["alertname"] for one in server.running.notifications]


@pytest.mark.parametrize(
    ("agent", "http"),
    [
        ({}, {}),
        ({"webhook_token": "hush-hush"}, {"authorization": {"credentials": "hush-hush"}}),
        ({"webhook_token": "hush-hush"}, {"authorization": {"type": "Bearer", "credentials_file": "{token}"}}),
        (
            {"webhook_basic_auth": {"username": "am", "password": "hush-hush"}},
            {"basic_auth": {"username": "am", "password_file": "{token}"}},
        ),
    ],
)
async def test_alertmanager_is_let_in_with_its_credential(
    monitoring_servers: MonitoringServers, tmp_path: Path, agent: dict[str, Any], http: dict[str, Any]
) -> None:
    files = _files(tmp_path)
    sent = {key: {name: text.format(**files) for name, text in one.items()} for key, one in http.items()}
    (port,) = free_ports(1)
    async with (
        served(tmp_path, **agent, listen=f"127.0.0.1:{port}") as server,
        monitoring_servers.started(tmp_path, _configuration(port, sent)) as started,
    ):
        await _alert(started.alertmanager.url, "Slow")
        await until(lambda: _holds(_told(server) == ["Slow"]), "Alertmanager calls")
        assert server.running.refusals == {}


async def test_alertmanager_without_the_credential_is_refused(
    monitoring_servers: MonitoringServers, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    token, http = "hush-hush", {"authorization": {"credentials": "another"}}
    async with (
        served(tmp_path, webhook_token=token, listen=f"127.0.0.1:{port}") as server,
        monitoring_servers.started(tmp_path, _configuration(port, http)) as started,
    ):
        await _alert(started.alertmanager.url, "Slow")
        await until(lambda: _holds("it has a wrong credential" in server.running.refusals), "it is refused")
        assert _told(server) == []


async def test_alertmanager_comes_again_when_there_were_too_many_calls(
    monitoring_servers: MonitoringServers, tmp_path: Path
) -> None:
    """More groups at once than the door lets in at once: no notification is lost.

    The clock of the door stands still until it has refused a call, however long the machine takes.
    """
    (port,) = free_ports(1)
    names = {f"Slow{number}" for number in range(60)}
    now = 0.0
    async with (
        served(tmp_path, lambda: now, listen=f"127.0.0.1:{port}") as server,
        monitoring_servers.started(tmp_path, _configuration(port, {})) as started,
    ):
        for _ in range(480):
            await server.post("{}")
        await _alert(started.alertmanager.url, *sorted(names))
        await until(lambda: _holds("too many calls" in server.running.refusals), "it refuses a call")
        now = 60.0
        await until(lambda: _holds(set(_told(server)) == names), "every call is taken")


async def _holds(condition: bool) -> bool:  # noqa: FBT001 - one value
    return condition
