"""What we read of Prometheus and Alertmanager, from real ones behind TLS, a password and a path prefix."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.held import AlertmanagerCluster, HeldAlert, Receiver, SilenceMatcher
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.monitoring.rules import RuleGroup
from alertdrill.agent.monitoring.status import Flags
from alertdrill.agent.monitoring.targets import Target
from alertdrill.lab.ports import free_ports
from tests.support.certificates import make_certificates
from tests.support.monitoring_servers import (
    PASSWORD,
    USER,
    Configuration,
    Guard,
    MonitoringServers,
    Started,
)
from tests.support.waiting import until

INTERVAL = 0.5
VERSIONS = {"old": ("2.42.", "0.25."), "new": ("3.", "0.34.")}
# More than are served on one page.
SLEEPING = [
    {"name": f"sleeping-{index}", "interval": "1000d", "rules": [{"alert": "Sleeping", "expr": "up == 7"}]}
    for index in range(503)
]
FIRING = {
    "name": "firing",
    "interval": "500ms",
    "rules": [
        {"record": "one", "expr": "vector(1)"},
        {
            "alert": "Fires",
            "expr": "vector(1) > 0",
            "labels": {"severity": "page"},
            "annotations": {"says": "{{ $value }}"},
        },
        {"alert": "Pends", "expr": "vector(NaN)", "for": "1h", "keep_firing_for": "5m"},
        {"alert": "Inhibited", "expr": "vector(+Inf)"},
        {"alert": "Muted", "expr": "vector(-1)"},
        {"alert": "Breaks", "expr": "vector(1) * on() (vector(1) or label_replace(vector(1), 'a', 'b', '', ''))"},
    ],
}


def routing(webhook: str) -> dict[str, Any]:
    """Make a configuration with two receivers, one inhibition and one muting, that call one webhook."""
    return {
        "route": {
            "receiver": "pager",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
            "routes": [
                {
                    "matchers": ["alertname=Muted"],
                    "receiver": "chat",
                    "mute_time_intervals": ["always"],
                    "continue": True,
                },
                {"matchers": ["alertname=Muted"], "receiver": "pager"},
            ],
        },
        "receivers": [
            {"name": "pager", "webhook_configs": [{"url": webhook}]},
            {"name": "chat", "webhook_configs": [{"url": webhook}]},
        ],
        "time_intervals": [{"name": "always", "time_intervals": [{"years": ["2000:2999"]}]}],
        "inhibit_rules": [{"source_matchers": ["alertname=Fires"], "target_matchers": ["alertname=Inhibited"]}],
    }


@dataclass(frozen=True)
class Running:
    """Started servers, and our doors to them."""

    generation: str
    since: float
    at: Started
    prometheus: Prometheus
    alertmanager: Alertmanager

    async def groups(self) -> dict[str, RuleGroup]:
        return {group.name: group for group in await self.prometheus.rule_groups()}

    async def held(self) -> dict[str, HeldAlert]:
        return {alert.labels["alertname"]: alert for alert in await self.alertmanager.alerts()}


@pytest_asyncio.fixture(scope="module")
async def running(
    monitoring_servers: MonitoringServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=400)

    application = web.Application()
    application.router.add_post("/", refuse)
    refusing = TestServer(application)
    await refusing.start_server()
    folder = tmp_path_factory.mktemp(monitoring_servers.generation)
    guard = Guard(make_certificates(folder))
    told = Configuration(
        # 2.42 has no such setting, and no native histograms of its own.
        prometheus_global={"scrape_native_histograms": True} if monitoring_servers.generation == "new" else {},
        rule_groups=[FIRING, *SLEEPING],
        alertmanager=routing(str(refusing.make_url("/"))),
        prometheus_flags=[
            "--rules.alert.for-grace-period=7m",
            # The first alerts are lost: they are sent before the Alertmanager has been discovered.
            "--rules.alert.resend-delay=1s",
        ],
        guard=guard,
    )
    since = time.time()
    async with (
        monitoring_servers.started(folder, told) as at,
        Prometheus(at.prometheus) as prometheus,
        Alertmanager(at.alertmanager) as alertmanager,
    ):
        yield Running(monitoring_servers.generation, since, at, prometheus, alertmanager)
    await refusing.close()


async def test_versions_are_told(running: Running) -> None:
    for_prometheus, for_alertmanager = VERSIONS[running.generation]
    assert (await running.prometheus.version()).startswith(for_prometheus)
    assert (await running.alertmanager.status()).version.startswith(for_alertmanager)


async def test_start_configuration_and_flags_are_told(running: Running) -> None:
    runtime = await running.prometheus.runtime()
    assert runtime is not None
    assert runtime.started_at is not None
    assert runtime.last_config_at is not None
    # The instant of the configuration is told in whole seconds.
    assert running.since < runtime.started_at < runtime.last_config_at + 1 < time.time() + 1
    assert runtime.reload_succeeded
    assert await running.prometheus.flags() == Flags(420.0, 3600.0, 1.0, 300.0)


async def test_the_clock_of_a_server_on_this_machine_is_ours(running: Running) -> None:
    before = time.time()
    offset = await running.prometheus.clock_offset()
    assert abs(offset.offset_seconds) <= offset.uncertainty_seconds <= time.time() - before


async def test_every_page_of_groups_comes_with_rules_and_active_alerts(running: Running) -> None:
    async def evaluated() -> bool:
        return all(rule.last_evaluation_at for rule in (await running.groups())["firing"].rules)

    await until(evaluated, "the rules were evaluated")
    groups = await running.groups()
    assert len(groups) == len(SLEEPING) + 1
    firing = groups["firing"]
    assert firing.file.endswith("/rules.yml")
    assert firing.interval_seconds == INTERVAL
    assert firing.evaluation_seconds is not None
    assert 0 < firing.evaluation_seconds < time.time() - running.since
    assert firing.last_evaluation_at is not None
    assert running.since < firing.last_evaluation_at < time.time()
    rules = {rule.name: rule for rule in firing.rules}
    assert list(rules) == ["Fires", "Pends", "Inhibited", "Muted", "Breaks"]
    assert (rules["Fires"].state, rules["Fires"].health, rules["Fires"].last_error) == ("firing", "ok", "")
    assert (rules["Pends"].for_seconds, rules["Pends"].keep_firing_for_seconds) == (3600.0, 300.0)
    assert (rules["Breaks"].health, rules["Breaks"].alerts) == ("err", ())
    assert "duplicate series" in rules["Breaks"].last_error
    (fires,), (pends,), (inhibited,) = (rules[name].alerts for name in ("Fires", "Pends", "Inhibited"))
    assert (fires.state, fires.value, fires.annotations) == ("firing", 1.0, {"says": "1"})
    assert fires.labels == {"alertname": "Fires", "severity": "page"}
    assert pends.state == "pending"
    assert math.isnan(pends.value)
    assert inhibited.value == math.inf


async def test_a_rule_that_was_never_evaluated_says_so(running: Running) -> None:
    group = (await running.groups())["sleeping-7"]
    (rule,) = group.rules
    assert (group.last_evaluation_at, rule.last_evaluation_at, rule.health) == (None, None, "unknown")
    assert rule.state == {"old": "inactive", "new": "unknown"}[running.generation]


async def test_a_target_tells_how_it_is_scraped(running: Running) -> None:
    seen: list[Target] = []

    async def is_up() -> bool:
        # On a busy machine a scrape may take longer than its second.
        seen[:] = await running.prometheus.targets() or ()
        return [target.health for target in seen] == ["up"]

    await until(is_up, "the target was scraped in time")
    (target,) = seen
    assert target.labels["job"] == "prometheus"
    assert target.url == f"{running.at.prometheus.url}/metrics"
    assert (target.interval_seconds, target.timeout_seconds, target.health) == (1.0, 1.0, "up")
    assert (target.last_error, target.pool) == ("", "prometheus")
    assert target.last_scrape_seconds is not None
    assert await running.prometheus.scrape_seconds() == {"prometheus": 1.0}


async def alert_instants(running: Running, name: str) -> list[float]:
    """Wait until an alert has six samples, and tell their instants."""
    now = time.time()
    found: list[float] = []

    async def enough() -> bool:
        samples = await running.prometheus.alert_samples(now - 300, time.time())
        found[:] = [at for one in samples if one.labels["alertname"] == name for at in one.instants]
        return len(found) >= 6

    await until(enough, f"{name} has samples")
    return found


async def test_samples_of_alerts_lie_exactly_on_the_evaluations(running: Running) -> None:
    instants = await alert_instants(running, "Fires")
    steps = {round((after - before) * 1000) for before, after in itertools.pairwise(instants)}
    assert all(step % 500 == 0 for step in steps)
    rules = (await running.groups())["firing"].rules
    active_at = next(alert.active_at for rule in rules if rule.name == "Fires" for alert in rule.alerts)
    assert all(abs((at - active_at + 0.1) % INTERVAL - 0.1) <= 0.001 for at in instants)


async def test_raw_samples_include_both_ends_of_their_span(running: Running) -> None:
    instants = await alert_instants(running, "Fires")
    selector = "ALERTS{alertname='Fires'}"
    (series,) = await running.prometheus.raw_samples(selector, instants[1], instants[4])
    assert [at for at, _ in series.samples] == instants[1:5]
    (single,) = await running.prometheus.raw_samples(selector, instants[2], instants[2])
    assert [at for at, _ in single.samples] == [instants[2]]
    assert await running.prometheus.raw_samples(selector, instants[2] + 0.001, instants[3] - 0.001) == []


async def test_values_on_the_grid_of_a_rule_are_those_it_saw(running: Running) -> None:
    instants = await alert_instants(running, "Fires")
    ((labels, samples),) = await running.prometheus.values("one", instants[1], instants[4], INTERVAL)
    assert labels == {"__name__": "one"}
    assert {value for _, value in samples} == {1.0}
    assert [at for at, _ in samples] == pytest.approx([instants[1] + n * INTERVAL for n in range(len(samples))])


async def test_a_range_of_more_points_than_one_query_may_have_is_whole(running: Running) -> None:
    end = time.time()
    (series,) = await running.prometheus.range("time()", end - 12, end, 0.001)
    assert len(series.samples) == 12_001
    assert all(abs(at - value) < 1e-6 for at, value in series.samples)


@pytest.mark.parametrize(
    ("expr", "expected"), [("vector(1) / 0", math.inf), ("vector(-1) / 0", -math.inf), ("scalar(vector(3))", 3.0)]
)
async def test_every_number_is_read(running: Running, expr: str, expected: float) -> None:
    (series,) = await running.prometheus.instant(expr)
    assert [value for _, value in series.samples] == [expected]


async def test_what_is_no_number_is_read(running: Running) -> None:
    (series,) = await running.prometheus.instant("vector(0) / 0")
    assert math.isnan(series.samples[0][1])


async def test_native_histograms_are_marked(running: Running) -> None:
    if running.generation == "old":
        pytest.skip("2.42 makes no native histograms of its own to scrape")
    selector = "prometheus_http_request_duration_seconds"

    async def there() -> bool:
        return bool(await running.prometheus.instant(selector))

    await until(there, "a native histogram was scraped")
    now = time.time()
    (vector, *_) = await running.prometheus.instant(selector)
    assert (len(vector.histograms_at), vector.samples) == (1, ())
    (matrix, *_) = await running.prometheus.raw_samples(selector, now - 60, now)
    assert matrix.histograms_at
    assert matrix.samples == ()
    assert await running.prometheus.values(selector, now - 5, now, 1) == []


async def test_metric_names_are_those_that_there_were(running: Running) -> None:
    async def all_there() -> bool:
        now = time.time()
        names = await running.prometheus.label_values("__name__", now - 60, now)
        return {"ALERTS", "ALERTS_FOR_STATE", "one", "up"} <= set(names)

    await until(all_there, "the names of what is scraped and of what rules make")
    now = time.time()
    assert await running.prometheus.label_values("__name__", now - 86_400 * 9, now - 86_400 * 8) == []


async def test_a_wrong_expression_is_named_with_the_servers_own_words(running: Running) -> None:
    with pytest.raises(ServiceUnavailable, match=r"/api/v1/query answered 400 to rate\(x: bad_data: .*parse error"):
        await running.prometheus.holds("rate(x")


async def test_an_alertmanager_tells_its_alerts_and_what_keeps_them_quiet(running: Running) -> None:
    async def all_there() -> bool:
        held = await running.held()
        return set(held) == {"Fires", "Inhibited", "Muted"} and held["Inhibited"].state == "suppressed"

    await until(all_there, "the alerts arrived")
    held = await running.held()
    fires, inhibited, muted = (held[name] for name in ("Fires", "Inhibited", "Muted"))
    assert (fires.state, fires.receivers, fires.annotations) == ("active", (Receiver("pager"),), {"says": "1"})
    assert running.since < fires.starts_at <= fires.updated_at < time.time()
    assert fires.ends_at is not None
    assert fires.ends_at > fires.updated_at
    assert inhibited.inhibited_by == (fires.fingerprint,)
    assert muted.receivers == (Receiver("chat"), Receiver("pager"))
    assert await running.alertmanager.receivers() == ["pager", "chat"]
    muted_by = ("always",) if running.generation == "new" else ()

    async def is_muted() -> bool:
        groups = await running.alertmanager.groups()
        muting = {(group.receiver.name, alert.muted_by) for group in groups for alert in group.alerts}
        return muting == {("pager", ()), ("chat", muted_by)}

    await until(is_muted, "the groups tell what mutes their alerts")


async def test_a_silence_is_told_with_the_alert_that_it_keeps_quiet(running: Running) -> None:
    now = datetime.now(UTC)
    body = {
        "matchers": [{"name": "alertname", "value": "Fir.s", "isRegex": True, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "me",
        "comment": "maintenance",
    }
    at = running.at.alertmanager
    connector = aiohttp.TCPConnector(ssl=at.tls.context())
    async with aiohttp.ClientSession(headers=at.sent_headers(), connector=connector) as session:
        async with session.post(f"{at.url}/api/v2/silences", json=body) as response:
            silence_id = (await response.json())["silenceID"]

        async def silenced() -> bool:
            held = await running.held()
            return "Fires" in held and held["Fires"].silenced_by == (silence_id,)

        await until(silenced, "the alert is silenced")
        assert (await running.held())["Fires"].state == "suppressed"
        (silence,) = await running.alertmanager.silences()
        async with session.delete(f"{at.url}/api/v2/silence/{silence_id}") as response:
            assert response.status == 200
    told = (silence.id, silence.state, silence.created_by, silence.comment)
    assert told == (silence_id, "active", "me", "maintenance")
    assert silence.matchers == (SilenceMatcher("alertname", "Fir.s", is_regex=True, is_equal=True),)
    assert silence.ends_at - silence.starts_at == pytest.approx(3600, abs=5)
    (expired,) = await running.alertmanager.silences()
    assert expired.state == "expired"


async def test_notifications_that_failed_are_counted(running: Running) -> None:
    async def failed() -> bool:
        return any(count.failed for count in await running.alertmanager.notification_counts() or ())

    await until(failed, "a notification failed")
    counts = await running.alertmanager.notification_counts() or []
    (webhook,) = [count for count in counts if count.integration == "webhook"]
    assert webhook.attempts >= webhook.failed > 0
    assert all(count.failed == 0 for count in counts if count is not webhook)


async def test_an_alertmanager_alone_has_no_peers(running: Running) -> None:
    status = await running.alertmanager.status()
    assert status.cluster == AlertmanagerCluster(peers=0, position=None)
    assert "receiver: pager" in status.config
    assert status.started_at is not None
    assert running.since < status.started_at < time.time()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"basic_auth": None}, "answered 401: Unauthorized; it requires credentials"),
        ({"basic_auth": {"username": USER, "password": "wrong"}}, "it rejects the user name and password"),
        ({"tls": {}}, "its certificate is not trusted: "),
        ({"prefix": "/elsewhere"}, "answered 404: "),
        ({"scheme": "http"}, "answered 400: Client sent an HTTP request to an HTTPS server.; set a `url` of https://"),
    ],
)
async def test_whoever_is_not_let_in_is_told_why(running: Running, changes: dict[str, Any], words: str) -> None:
    for at, door in ((running.at.prometheus, Prometheus), (running.at.alertmanager, Alertmanager)):
        settings = at.model_dump() | changes
        scheme, prefix = settings.pop("scheme", "https"), settings.pop("prefix", "/monitoring")
        settings["url"] = at.url.replace("https", scheme).replace("/monitoring", prefix)
        asking = door(MonitoringServer.model_validate(settings))
        with pytest.raises(ServiceUnavailable) as refused:
            await (asking.rules() if isinstance(asking, Prometheus) else asking.status())
        assert words in str(refused.value)
        assert str(refused.value).isprintable()
        assert PASSWORD not in str(refused.value)


async def test_peers_of_a_cluster_know_their_positions(monitoring_servers: MonitoringServers, tmp_path: Path) -> None:
    ports = free_ports(2)
    async with AsyncExitStack() as stack:
        doors = []
        for index, port in enumerate(ports):
            folder = tmp_path / str(index)
            folder.mkdir()
            flags = [f"--cluster.listen-address=127.0.0.1:{port}", f"--cluster.advertise-address=127.0.0.1:{port}"]
            told = Configuration(
                alertmanager_flags=[*flags, *(f"--cluster.peer=127.0.0.1:{ports[0]}" for _ in range(index))]
            )
            doors.append(
                Alertmanager((await stack.enter_async_context(monitoring_servers.started(folder, told))).alertmanager)
            )

        async def joined() -> bool:
            return all([(await door.status()).cluster.peers == 2 for door in doors])

        await until(joined, "both know of each other")
        assert {(await door.status()).cluster.position for door in doors} == {0, 1}
