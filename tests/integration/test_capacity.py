"""Capacity alerts on a real PostgreSQL: a fault takes its connections, and the transactions of the probe do not feel it.

Such an alert must fire before anybody suffers, so that traffic goes on is no excuse for one that stays silent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.agent.errors import INCONCLUSIVE
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.lab.ports import free_ports
from tests.integration.conftest import run_alertdrill
from tests.integration.drilling import verdicts
from tests.support import monitoring_servers
from tests.support.monitoring_servers import Configuration
from tests.support.postgres_server import PostgresServer, postgres_exporter, postgres_server
from tests.support.waiting import until

MOST_CONNECTIONS = 40
SHOP = 'sum by (datname) (pg_stat_activity_count{datname="shop"})'
RULES = {
    # Its sides have no label in common.
    "ConnectionsNoPair": f"{SHOP} > pg_settings_max_connections * 0.8",
    "TooManyConnections": (
        "sum by (instance, job, server) (pg_stat_activity_count)"
        " > min by (instance, job, server) (pg_settings_max_connections * 0.8)"
    ),
    "ShopConnections": f"{SHOP} > 32",
}


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server(max_connections=MOST_CONNECTIONS) as server:
        connection = await server.connect()
        await connection.execute("CREATE DATABASE shop")
        await connection.close()
        yield server


@pytest.mark.parametrize(
    ("alert", "allow", "connections", "link", "reason"),
    [
        (
            "ConnectionsNoPair",
            ["TooManyConnections"],
            32,
            "no_pair",
            r"the sides of `>` have no labels in common to pair by: datname is 'shop' on the left and absent on the right",
        ),
        # One connection more is there for an instant when the fault is undone.
        (
            "ShopConnections",
            [],
            31,
            "never_crossed",
            r"never crossed: largest value 3[12], at \+\S+ s; it fires at > 32",
        ),
    ],
)
async def test_a_silent_capacity_alert_is_missed_although_the_traffic_goes_on(  # noqa: PLR0913, PLR0917 - a case
    database: PostgresServer, tmp_path: Path, alert: str, allow: list[str], connections: int, link: str, reason: str
) -> None:
    report = await drilled(database, tmp_path, alert, allow, connections)
    (verdict,) = report["verdicts"]
    assert (verdict["alert"], verdict["outcome"]) == (alert, "missed"), verdict["reason"]
    assert verdict["finding"]["link"] == link
    assert re.search(reason, verdict["reason"]), verdict["reason"]
    assert report["allowed"] == allow
    assert report["load"]["failed"] <= 0.01 * report["load"]["due"]


async def drilled(
    database: PostgresServer, folder: Path, alert: str, allow: Sequence[str], connections: int
) -> dict[str, Any]:
    """Run a drill that fills connections, more slowly again if the machine spoiled it; return its report."""
    async with postgres_exporter(database) as exporter:
        for slowness in (1, 2, 4):
            at = folder / str(slowness)
            at.mkdir()
            code, report = await _attempt(database, exporter, at, alert, allow, connections, slowness)
            if code != INCONCLUSIVE and report["allowed"] == allow:
                break
    return report


async def _attempt(  # noqa: PLR0913, PLR0917 - all that a drill needs
    database: PostgresServer,
    exporter: str,
    folder: Path,
    alert: str,
    allow: Sequence[str],
    connections: int,
    slowness: int,
) -> tuple[int, dict[str, Any]]:
    def seconds(count: int) -> str:
        return f"{count * slowness}s"

    rules = [{"alert": name, "expr": RULES[name], "for": seconds(2)} for name in (alert, *allow)]
    told = Configuration(
        rule_groups=[{"name": "capacity", "rules": rules}],
        scrape_configs=[{"job_name": "postgres", "static_configs": [{"targets": [exporter]}]}],
        prometheus_global={"scrape_interval": seconds(1), "evaluation_interval": seconds(1)},
    )
    server = {"kind": "postgres", "password_file": str(database.password_file)}
    async with monitoring_servers.find("old").started(folder, told) as started:
        prometheus = Prometheus(started.prometheus)
        await until(lambda: prometheus.holds("pg_settings_max_connections"), "the exporter is scraped")
        agent = {
            "probe": server
            | {"url": f"postgresql://postgres@{database.address}/postgres", "pool_size": 2, "timeout": "30s"},
            "prometheus": {"url": started.prometheus.url, "timeout": "60s"},
            "alertmanager": {"url": started.alertmanager.url, "timeout": "60s"},
            "listen": f"127.0.0.1:{free_ports(1)[0]}",
            "ledger": "ledger",
        }
        fault = {"url": f"postgresql://postgres@{database.address}/shop", "action": "fill_pool"}
        drill = {
            "drill": "connections",
            "load": {"rate": 20},
            "baseline": seconds(6),
            "faults": [server | fault | {"connections": connections, "lasts": "until-fired"}],
            "expect": [{"alert": alert, "within": seconds(20)}],
            "allow": list(allow),
        }
        for name, values in {"agent": agent, "drill": drill}.items():
            (folder / f"{name}.yml").write_text(yaml.safe_dump(values))
        output = folder / "out"
        ended = await asyncio.to_thread(
            run_alertdrill, "drill", folder / "drill.yml", "--config", folder / "agent.yml", "-o", output, timeout=600
        )
        assert ended.returncode in {1, INCONCLUSIVE}, ended.stdout + ended.stderr
        return ended.returncode, verdicts(output)
