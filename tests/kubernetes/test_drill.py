"""Whole drills: killed pods find no node, and an alert on missing replicas fires, notifies and resolves.

In some the API server is away while the undo waits.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from alertdrill.agent.errors import INCONCLUSIVE, NOT_HEALED
from alertdrill.agent.recording.recording import read_recording
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.kubernetes.control_plane import ControlPlane
from alertdrill.lab.ports import free_ports
from tests.integration.drilling import verdicts
from tests.support import monitoring_servers
from tests.support.cluster import Shop
from tests.support.front import Front, away_for
from tests.support.monitoring_servers import Configuration, Started
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


def monitored(plane: ControlPlane, shop: Shop, listen: str, seconds: int) -> Configuration:
    """Scrape and evaluate once in so many seconds."""
    of_shop = f'{{namespace="{shop.name}"}}'
    missing = {
        "alert": "ReplicasMissing",
        "expr": f"kube_deployment_status_replicas_available{of_shop} < kube_deployment_spec_replicas{of_shop}",
        "for": f"{3 * seconds}s",
        "labels": {"severity": "critical"},
    }
    told = {"name": "on-call", "webhook_configs": [{"url": f"http://{listen}/api/v1/webhook/on-call"}]}
    target = plane.metrics_url.split("/")[2]
    return Configuration(
        rule_groups=[{"name": "kubernetes", "rules": [missing]}],
        prometheus_global={"scrape_interval": f"{seconds}s", "evaluation_interval": f"{seconds}s"},
        scrape_configs=[{"job_name": "kube-state-metrics", "static_configs": [{"targets": [target]}]}],
        alertmanager={
            "route": {"receiver": "on-call", "group_wait": "0s", "group_interval": f"{seconds}s"},
            "receivers": [told],
        },
    )


def agent_yml(plane: ControlPlane, shop: Shop, servers: Started, listen: str) -> dict[str, Any]:
    tls = {"ca_file": str(plane.authority)}
    return {
        "probe": {"kind": "http", "url": f"{plane.url}/readyz", "tls": tls},
        "prometheus": {"url": servers.prometheus.url},
        "alertmanager": {"url": servers.alertmanager.url},
        "toxiproxy": {"url": "http://127.0.0.1:1"},
        "listen": listen,
        "recordings": "recordings",
        "ledger": str(shop.kubeconfig.parent / "ledger"),
        "kubernetes": shop.opened(),
        # As the drill names them; the look at the cluster finds other words for both.
        "guards": {"allowed": ["nodes type=kwok", f"namespace {shop.name}: pods of deployment/engine"]},
    }


CORDON = {"kind": "cordon", "selector": "type=kwok", "most_nodes": 2}


def kill(shop: Shop, **settings: Any) -> dict[str, Any]:
    return {"kind": "kill_pods", "namespace": shop.name, "owner": "deployment/engine", "count": 2, **settings}


def drill_yml(seconds: int, faults: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "drill": "missing-replicas",
        "summary": "Pods are killed while no node takes new ones.",
        "load": {"rate": 10},
        "baseline": f"{5 * seconds}s",
        "faults": faults,
        "expect": [
            {"alert": "ReplicasMissing", "within": "1m", "receiver": "on-call", "labels": {"deployment": "engine"}}
        ],
    }


async def run(folder: Path, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "alertdrill", "drill", "--config", str(folder / "agent.yml"), str(folder / "drill.yml"), *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"COLUMNS": "200"},
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_missing_replicas_are_proven_to_fire_notify_and_resolve(
    control_plane: ControlPlane, nodes: Shop, tmp_path: Path
) -> None:
    await nodes.deploy()
    for seconds in (1, 2, 4):  # the machine can spoil a drill, which is then inconclusive: again, half as fast
        folder = tmp_path / f"every-{seconds}s"
        before = await nodes.pods()
        code, said = await planned_and_run(control_plane, nodes, folder, seconds)
        if code != INCONCLUSIVE:
            break
    assert code == 0, said
    (verdict,) = verdicts(folder / "out")["verdicts"]
    assert verdict["outcome"] == "passed", verdict
    (path,) = (folder / "out").glob("*.recording.json.gz")
    outcomes = {fault.kind: fault.outcome for fault in read_recording(path).faults}
    assert outcomes["cordon"] == "2 nodes take pods again"
    assert outcomes["kill_pods"].startswith("all 3 pods Ready, after ")
    assert outcomes["kill_pods"].endswith(" s; cannot be read back")
    # Once when the fault begins, and once in the report.
    assert said.count("fault cannot be read back: kill_pods on ") == 1
    assert said.count("cannot be read back") == 2
    await nodes.require_ready(3)
    assert len(before & await nodes.pods()) == 1


async def planned_and_run(plane: ControlPlane, nodes: Shop, folder: Path, seconds: int) -> tuple[int, str]:
    """Plan the drill, which changes nothing, then run it beside servers that scrape once in so many seconds."""
    async with prepared(plane, nodes, folder, seconds, [CORDON, kill(nodes, at="1s")]):
        before = await nodes.pods()
        code, planned = await run(folder, "--dry-run")
        assert code == 0, planned
        assert "nodes node-1, node-2" in planned
        assert await nodes.pods() == before
        return await run(folder, "-o", str(folder / "out"))


@asynccontextmanager
async def prepared(
    plane: ControlPlane, shop: Shop, folder: Path, seconds: int, faults: list[dict[str, Any]]
) -> AsyncIterator[None]:
    """Write the files of a drill, beside servers that scrape once in so many seconds."""
    (folder / "monitoring").mkdir(parents=True)
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    servers = monitoring_servers.find("old")
    async with servers.started(folder / "monitoring", monitored(plane, shop, listen, seconds)) as started:
        (folder / "agent.yml").write_text(yaml.safe_dump(agent_yml(plane, shop, started, listen)))
        (folder / "drill.yml").write_text(yaml.safe_dump(drill_yml(seconds, faults)))
        yield


async def test_an_api_server_that_restarts_during_the_undo_spoils_nothing(
    control_plane: ControlPlane, shop: Shop, front: Front, tmp_path: Path
) -> None:
    await shop.deploy()
    for seconds in (1, 2, 4):
        folder = tmp_path / f"every-{seconds}s"
        async with prepared(control_plane, shop, folder, seconds, [kill(shop, ready_within="5m")]):
            async with shop.without_nodes():
                drill = await begun(folder, front)
                await away_for(front, 3.0)
            code, said = await drill
        if code != INCONCLUSIVE:
            break
    assert code == 0, said
    (verdict,) = verdicts(folder / "out")["verdicts"]
    assert verdict["outcome"] == "passed", verdict
    (path,) = (folder / "out").glob("*.recording.json.gz")
    (fault,) = read_recording(path).faults
    assert fault.outcome.startswith("all 3 pods Ready, after ")
    assert fault.healed_at - fault.injected_at > 3.0


async def test_a_drill_whose_undo_fails_leaves_its_recording_and_verdict(
    control_plane: ControlPlane, shop: Shop, front: Front, tmp_path: Path
) -> None:
    await shop.deploy()
    ledger = Ledger(shop.kubeconfig.parent / "ledger")
    for seconds in (1, 2, 4):
        folder = tmp_path / f"every-{seconds}s"
        async with prepared(control_plane, shop, folder, seconds, [kill(shop, ready_within="3s")]):
            async with shop.without_nodes():
                drill = await begun(folder, front)
                front.away = True
                code, said = await drill
            front.away = False
            await until(lambda: is_empty(ledger), "the watchdog undoes the fault", 180)
        if "alert ReplicasMissing: firing" in said:
            break
    assert code == NOT_HEALED, said
    assert "cannot be reached" in said
    (path,) = (folder / "out").glob("*.recording.json.gz")
    recording = read_recording(path)
    (fault,) = recording.faults
    assert fault.outcome.startswith("not undone: ")
    assert recording.aborted.startswith("a fault could not be undone (")
    (verdict,) = verdicts(folder / "out")["verdicts"]
    assert verdict["outcome"] == "inconclusive"
    assert verdict["milestones"]["firing"]["at"] > fault.injected_at
    assert len(list((folder / "out").glob("*.html"))) == 1


async def begun(folder: Path, front: Front) -> asyncio.Future[tuple[int, str]]:
    """Run a drill, and wait until its undo waits for the pods."""
    front.asked.clear()
    drill = asyncio.ensure_future(run(folder, "-o", str(folder / "out")))

    async def undoes() -> bool:
        # A drill that the machine spoiled ends before.
        return drill.done() or front.count("GET", "watch=true") > 0

    await until(undoes, "the undo waits for the pods", 300.0)
    return drill


async def is_empty(ledger: Ledger) -> bool:
    return ledger.read().entries == {}
