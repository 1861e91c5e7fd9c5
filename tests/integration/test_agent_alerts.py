"""A drill of the alerts about the agent itself: one agent stops another, and real servers tell that it is away."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
import yaml

from alertdrill.agent.errors import INCONCLUSIVE
from alertdrill.lab.ports import free_ports
from alertdrill.units.time_scale import scale_rules
from tests.agent.daemon.test_run import running
from tests.integration.conftest import ROOT, run_alertdrill
from tests.integration.drilling import call
from tests.probes.hostile_server import HostileServer
from tests.support import monitoring_servers
from tests.support.monitoring_servers import Configuration
from tests.support.waiting import until

RULES = ROOT / "configs/prometheus/agent-rules.yml"
# Five minutes of `for` become five seconds.
TIME_SCALE = 60
# The others look at a machine that may be too busy for so short ranges.
KEPT = {"AlertdrillAbsent", "AlertdrillFaultLeft"}


def monitored(agent: str) -> Configuration:
    (group,) = scale_rules(yaml.safe_load(RULES.read_text(encoding="utf-8")), TIME_SCALE)["groups"]
    return Configuration(
        rule_groups=[group | {"rules": [rule for rule in group["rules"] if rule["alert"] in KEPT]}],
        prometheus_global={"scrape_interval": "2s", "evaluation_interval": "1s"},
        scrape_configs=[{"job_name": "alertdrill", "static_configs": [{"targets": [agent]}]}],
    )


async def is_quiet(prometheus: str) -> bool:
    up = call(f"{prometheus}/api/v1/query?query=up%7Bjob%3D%22alertdrill%22%7D%3D%3D1")["data"]["result"]
    return bool(up) and not call(f"{prometheus}/api/v1/alerts")["data"]["alerts"]


@pytest.mark.servers
async def test_a_stopped_agent_is_told_of_and_runs_on_after_the_drill(tmp_path: Path) -> None:
    for name in ("stopped", "monitoring"):
        (tmp_path / name).mkdir()
    with HostileServer() as service, running(tmp_path / "stopped", service.port) as other:
        other.until("/-/ready")
        address = other.url.removeprefix("http://")
        async with monitoring_servers.find("old").started(tmp_path / "monitoring", monitored(address)) as servers:
            await until(partial(is_quiet, servers.prometheus.url), "the agent is scraped")
            agent = {
                "probe": {"kind": "http", "url": f"{servers.prometheus.url}/-/healthy"},
                "prometheus": {"url": servers.prometheus.url},
                "listen": f"127.0.0.1:{free_ports(1)[0]}",
                "guards": {"known_silences": ["*"]},
                "ledger": "ledger",
            }
            drill = {
                "drill": "stopped-agent",
                "load": {"rate": 5},
                "baseline": "5s",
                "shows": "nothing",
                "faults": [{"kind": "process", "action": "stop", "port": address, "lasts": "until-fired"}],
                "expect": [{"alert": "AlertdrillAbsent", "labels": {"severity": "warning"}, "within": "2m"}],
            }
            for name, values in {"agent": agent, "drill": drill}.items():
                (tmp_path / f"{name}.yml").write_text(yaml.safe_dump(values))
            files = (tmp_path / "drill.yml", "--config", tmp_path / "agent.yml", "-o", tmp_path)
            ended = await asyncio.to_thread(run_alertdrill, "drill", *files)
        assert ended.returncode in {0, INCONCLUSIVE}, ended.stdout + ended.stderr
        if ended.returncode == 0:
            assert "alert AlertdrillAbsent: firing" in ended.stdout
            assert "alert AlertdrillAbsent: inactive" in ended.stdout
        other.until("/-/healthy")
