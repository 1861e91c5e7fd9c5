"""A drill of the alerts about the agent itself: one agent stops another, and real servers tell that it is away."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

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
# Five minutes of `for` become five seconds; a machine that is too busy for that gets more.
TIME_SCALES = (60, 30, 15)
# The others look at a machine that may be too busy for so short ranges.
KEPT = {"AlertdrillAbsent", "AlertdrillFaultLeft"}


def monitored(agent: str, time_scale: int) -> Configuration:
    (group,) = scale_rules(yaml.safe_load(RULES.read_text(encoding="utf-8")), time_scale)["groups"]
    return Configuration(
        rule_groups=[group | {"rules": [rule for rule in group["rules"] if rule["alert"] in KEPT]}],
        prometheus_global={"scrape_interval": f"{120 // time_scale}s", "evaluation_interval": f"{60 // time_scale}s"},
        scrape_configs=[{"job_name": "alertdrill", "static_configs": [{"targets": [agent]}]}],
    )


async def is_quiet(prometheus: str) -> bool:
    up = call(f"{prometheus}/api/v1/query?query=up%7Bjob%3D%22alertdrill%22%7D%3D%3D1")["data"]["result"]
    return bool(up) and not call(f"{prometheus}/api/v1/alerts")["data"]["alerts"]


async def drilled(folder: Path, address: str, time_scale: int) -> CompletedProcess[str]:
    """Stop the agent at an address until its alert fires, by a drill on servers of its own; return how it ended."""
    async with monitoring_servers.find("old").started(folder, monitored(address, time_scale)) as servers:
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
            "baseline": f"{300 // time_scale}s",
            "shows": "nothing",
            "faults": [{"kind": "process", "action": "stop", "port": address, "lasts": "until-fired"}],
            "expect": [
                {
                    "alert": "AlertdrillAbsent",
                    "labels": {"severity": "warning"},
                    "within": f"{7_200 // time_scale}s",
                }
            ],
        }
        for name, values in {"agent": agent, "drill": drill}.items():
            (folder / f"{name}.yml").write_text(yaml.safe_dump(values))
        files = (folder / "drill.yml", "--config", folder / "agent.yml", "-o", folder)
        return await asyncio.to_thread(run_alertdrill, "drill", *files)


@pytest.mark.servers
async def test_a_stopped_agent_is_told_of_and_runs_on_after_the_drill(tmp_path: Path) -> None:
    """The machine can spoil a drill, which is then inconclusive; what is always inconclusive fails."""
    for name in ("stopped", *map(str, TIME_SCALES)):
        (tmp_path / name).mkdir()
    with HostileServer() as service, running(tmp_path / "stopped", service.port) as other:
        for time_scale in TIME_SCALES:
            other.until("/-/ready")
            ended = await drilled(tmp_path / str(time_scale), other.url.removeprefix("http://"), time_scale)
            if ended.returncode != INCONCLUSIVE:
                break
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "alert AlertdrillAbsent: firing" in ended.stdout
        assert "alert AlertdrillAbsent: inactive" in ended.stdout
        other.until("/-/healthy")
