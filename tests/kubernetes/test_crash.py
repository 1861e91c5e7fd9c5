"""The next process undoes the faults of a killed agent; an API server that is away only delays that."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.kubernetes.api import KubernetesApi
from alertdrill.lab.kubernetes.control_plane import ControlPlane
from tests.kubernetes.test_apply_manifest import DENY, policies
from tests.support.breaking import KilledAgent, fault
from tests.support.cluster import Shop
from tests.support.waiting import until

SCALE = {"kind": "scale", "workload": "deployment/engine", "replicas": 0}
FAULTS: list[dict[str, Any]] = [
    SCALE,
    {"kind": "kill_pods", "selector": "app=engine", "share": 1.0},
    {"kind": "evict_pods", "owner": "deployment/engine", "count": 2},
    {"kind": "restart_rollout", "workload": "deployment/engine"},
    {"kind": "apply_manifest", "file": "deny-all.yml"},
    {"kind": "rollout_bad_image", "workload": "deployment/engine"},
    {"kind": "partition", "owner": "deployment/engine"},
]


@pytest.mark.parametrize("settings", FAULTS, ids=lambda settings: str(settings["kind"]))
async def test_heal_undoes_the_fault_of_a_killed_agent(shop: Shop, tmp_path: Path, settings: dict[str, Any]) -> None:
    await shop.deploy()
    if "file" in settings:
        (tmp_path / "deny-all.yml").write_text(yaml.safe_dump(DENY))
        settings = settings | {"file": str(tmp_path / "deny-all.yml")}
    broken = settings | {"namespace": shop.name}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", broken, kubernetes=shop.opened())
    agent.kill()
    (entry,) = (tmp_path / "ledger").glob("*.json")
    token = yaml.safe_load(shop.kubeconfig.read_text())["users"][0]["user"]["token"]
    assert token not in entry.read_text()
    await agent.heal()
    await shop.require_ready(3)
    assert await policies(shop) == []


async def test_an_api_server_that_is_away_delays_the_undo(tmp_path: Path) -> None:
    async with ControlPlane() as plane, KubernetesApi(plane.kubeconfig) as api:
        shop, ledger = Shop(api, "shop", tmp_path / "kubeconfig"), Ledger(tmp_path / "ledger")
        await shop.open(plane)
        await shop.deploy()
        not_now = pytest.raises(FaultNotHealed, match=r"the API server of the cluster of .* cannot be reached")
        with not_now:
            async with applied(fault(namespace="shop", ready_within="5s", **SCALE), shop.endpoints(), ledger):
                await until(lambda: shop.has_ready(0), "the engine is scaled down")
                plane.servers["kube-apiserver"].kill()
        ((entry_id, entry),) = ledger.read().entries.items()
        with pytest.raises(FaultNotApplied, match="cannot be reached"):
            await fault(namespace="shop", **SCALE).resolve(shop.endpoints(), "alertdrill-1")
        await plane.start_api_server()
        await until(lambda: is_healed(ledger, entry_id, entry), "the next process undoes it", 300)
        assert ledger.read().entries == {}
        assert (await shop.workload())["status"]["readyReplicas"] == 3


async def is_healed(ledger: Ledger, entry_id: str, entry: Entry) -> bool:
    """Try as the watchdog does: the controllers, too, need some seconds to find the API server again."""
    with suppress(FaultNotHealed):
        await heal(ledger, entry_id, entry, is_handed_over=True)
        return True
    return False
