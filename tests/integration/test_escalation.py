"""The receiver of each severity, and its longest wait, in the shipped alertmanager.yml."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from alertdrill.agent.rules.routing import routes
from alertdrill.lab.monitoring_files import relocated
from alertdrill.units.time_scale import scale_alertmanager
from tests.integration.conftest import ROOT
from tests.support.answering import answering
from tests.support.monitoring_servers import Configuration, MonitoringServers
from tests.support.waiting import until

SHIPPED = ROOT / "configs/alertmanager/alertmanager.yml"
# A day in ten seconds, in which a busy machine can still send two alerts.
FACTOR = 8_640


def _amtool(*arguments: str) -> str:
    ended = subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["severity=critical"], "on-call"),
        (["severity=warning"], "team-lead"),
        (["severity=info"], "daily-summary"),
        (["severity=unheard-of"], "team-lead"),
        (["alertname=NoSeverity"], "team-lead"),
    ],
)
def test_each_severity_goes_to_its_receiver(labels: list[str], receiver: str) -> None:
    """Amtool exits with code 1 when the routes choose another receiver."""
    said = _amtool("config", "routes", "test", f"--config.file={SHIPPED}", f"--verify.receivers={receiver}", *labels)
    assert said.splitlines()[0] == receiver


@pytest.mark.parametrize(
    ("severity", "new", "known"),
    [
        ("critical", timedelta(0), timedelta(minutes=1)),
        ("warning", timedelta(minutes=15), timedelta(minutes=15)),
        ("info", timedelta(hours=24), timedelta(hours=24)),
    ],
)
def test_no_receiver_waits_longer_than_the_strategy_allows(severity: str, new: timedelta, known: timedelta) -> None:
    """`new` is the longest wait of a new group of alerts, `known` that of an alert that joins a group."""
    (route,) = routes(SHIPPED.read_text(), {"severity": severity})
    assert route.group_wait <= new
    assert route.group_interval <= known


def test_the_commented_examples_are_valid_without_their_marks(tmp_path: Path) -> None:
    """Uncommented, with their secrets in files, the configuration still passes, and no secret is in it."""
    text, count = re.subn(r"#>", "", SHIPPED.read_text())
    secrets = re.findall(r"_file: (/etc/alertmanager/secrets/(\S+))", text)
    assert count > 10
    assert {name for _, name in secrets} == {"alertdrill-token", "pagerduty-routing-key", "slack-url", "mail-password"}
    for path, name in secrets:
        (tmp_path / name).write_text("https://example.com/secret")
        text = text.replace(path, str(tmp_path / name))
    (tmp_path / "alertmanager.yml").write_text(text)
    said = _amtool("check-config", str(tmp_path / "alertmanager.yml"))
    assert "3 receivers" in said
    kinds = [key for one in yaml.safe_load(text)["receivers"] for key in one if key.endswith("_configs")]
    assert {"pagerduty_configs", "slack_configs", "email_configs"} <= set(kinds)


@dataclass
class _Receivers:
    """A real Alertmanager with the shipped configuration, and the calls of its webhooks: (receiver, alerts).

    Every call has its token.
    """

    url: str
    told: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    @property
    def news(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """The calls that say something new: an hour until the same is repeated is half a second here."""
        return [one for before, one in pairwise([None, *self.told]) if one is not None and one != before]

    async def alert(self, name: str, severity: str, *, is_over: bool = False) -> None:
        now = datetime.now(UTC)
        ends = now if is_over else now + timedelta(hours=1)
        alert = {"labels": {"alertname": name, "severity": severity}, "endsAt": ends.isoformat()}
        alert["startsAt"] = (now - timedelta(minutes=1)).isoformat()
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/api/v2/alerts", json=[alert]) as response,
        ):
            assert response.status == 200, await response.text()

    async def told_of(self, count: int) -> None:
        async def are_told() -> bool:
            return len(self.news) >= count

        await until(are_told, f"{count} messages, not only {self.told}")


@asynccontextmanager
async def _receivers(servers: MonitoringServers, folder: Path) -> AsyncIterator[_Receivers]:
    told: list[tuple[str, list[tuple[str, str]]]] = []

    async def receive(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer hush"
        call: dict[str, Any] = await request.json()
        alerts = sorted((one["labels"]["alertname"], one["status"]) for one in call["alerts"])
        told.append((request.path.rsplit("/", 1)[1], alerts))
        return web.Response(text="OK")

    async with answering(receive) as webhook:
        config = scale_alertmanager(yaml.safe_load(SHIPPED.read_text()), FACTOR)
        token = folder / "alertdrill-token"
        token.write_text("hush")
        places = {"alertdrill:9095": webhook.url.removeprefix("http://")}
        here = relocated(config, places | {"/etc/alertmanager/secrets/alertdrill-token": str(token)})
        async with servers.started(folder, Configuration(alertmanager=here)) as started:
            yield _Receivers(started.alertmanager.url, told)


async def test_a_day_of_info_alerts_is_one_message_with_all_of_them(
    monitoring_servers: MonitoringServers, tmp_path: Path
) -> None:
    """The first alert opens the summary; the next message has all later alerts, resolved ones too."""
    async with _receivers(monitoring_servers, tmp_path) as receivers:
        await receivers.alert("LowCacheHitRate", "info")
        await receivers.told_of(1)
        await receivers.alert("HighQueueDepth", "info")
        await receivers.alert("HighQueueDepth", "info", is_over=True)
        await receivers.told_of(2)
        await receivers.alert("LowCacheHitRate", "info", is_over=True)
        await receivers.told_of(3)
        assert receivers.told == [
            ("daily-summary", [("LowCacheHitRate", "firing")]),
            ("daily-summary", [("HighQueueDepth", "resolved"), ("LowCacheHitRate", "firing")]),
            ("daily-summary", [("LowCacheHitRate", "resolved")]),
        ]


async def test_on_call_and_team_lead_are_notified_when_an_alert_resolves(
    monitoring_servers: MonitoringServers, tmp_path: Path
) -> None:
    async with _receivers(monitoring_servers, tmp_path) as receivers:
        for count, (name, severity) in enumerate([("SystemDown", "critical"), ("HighTPS", "warning")]):
            await receivers.alert(name, severity)
            await receivers.told_of(2 * count + 1)
            await receivers.alert(name, severity, is_over=True)
            await receivers.told_of(2 * count + 2)
        assert receivers.news == [
            ("on-call", [("SystemDown", "firing")]),
            ("on-call", [("SystemDown", "resolved")]),
            ("team-lead", [("HighTPS", "firing")]),
            ("team-lead", [("HighTPS", "resolved")]),
        ]
