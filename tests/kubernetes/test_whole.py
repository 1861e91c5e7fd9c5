"""A fault ends when its target has again what its owner wants now, as far as it had that before.

What is gone or ended, and what others changed, is told and not waited for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.kubernetes.api import ApiRefused, KubernetesApi
from alertdrill.lab.kubernetes.control_plane import ControlPlane
from tests.support.breaking import KilledAgent, fault
from tests.support.cluster import NO_NODE, Shop
from tests.support.waiting import until

KILL: dict[str, Any] = {"kind": "kill_pods", "selector": "app=engine", "count": 2, "grace_period": "0s"}
EVICT: dict[str, Any] = {"kind": "evict_pods", "owner": "deployment/engine", "count": 2}
SCALE: dict[str, Any] = {"kind": "scale", "workload": "deployment/engine", "replicas": 1}
RESTART: dict[str, Any] = {"kind": "restart_rollout", "workload": "deployment/engine"}


def broken(shop: Shop, settings: dict[str, Any], **changes: Any) -> Any:
    return fault(namespace=shop.name, **settings | changes)


def by_kind(settings: dict[str, Any]) -> str:
    return str(settings["kind"])


@pytest.mark.parametrize("settings", [KILL, EVICT, RESTART], ids=by_kind)
@pytest.mark.parametrize("replicas", [2, 6])
async def test_a_number_of_replicas_that_somebody_sets_meanwhile_counts(
    shop: Shop, ledger: Ledger, settings: dict[str, Any], replicas: int
) -> None:
    await shop.deploy(replicas=4)
    async with applied(broken(shop, settings), shop.endpoints(), ledger) as injection:
        await shop.scale(replicas)
    assert (await shop.workload())["spec"]["replicas"] == replicas
    assert f"somebody set {replicas} replicas of deployment/engine meanwhile" in injection.outcome
    assert injection.outcome.startswith(("all ", "2 of 2 pods evicted, all ", "rolled out"))


async def test_pods_that_were_not_ready_before_need_not_be_after(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with shop.without_nodes():
        await shop.scale(4)
        await until(lambda: _has_pods(shop, 4), "the fourth waits for a node")
    first, *_ = await shop.pods_of("engine")
    not_ready = {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    await shop.set_status(first, not_ready)
    async with applied(broken(shop, KILL), shop.endpoints(), ledger) as injection:
        pass
    assert injection.outcome.startswith("all ")


async def _has_pods(shop: Shop, count: int) -> bool:
    return len(await shop.pods()) == count


async def test_replicas_that_were_not_ready_before_a_scale_need_not_be_after(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with shop.without_nodes():
        await shop.scale(4)
        await until(lambda: shop.says(replicas=4, readyReplicas=3), "the fourth waits for a node")
        async with applied(broken(shop, SCALE, replicas=3), shop.endpoints(), ledger) as injection:
            await until(lambda: _has_pods(shop, 3), "one is gone")
        assert injection.outcome == "4 replicas again, 3 of them Ready, 3 before"


async def test_a_paused_release_is_not_for_scale_to_roll_out(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    await shop.api.patch(shop.path("deployments"), {"spec": {"paused": True}})
    await shop.release("deployments", **NO_NODE)
    await until(lambda: shop.says(replicas=3, updatedReplicas=0), "its controller has seen it")
    async with applied(broken(shop, SCALE, replicas=0), shop.endpoints(), ledger) as injection:
        await until(lambda: shop.has_ready(0), "all are gone")
    assert injection.outcome == "3 replicas again, all Ready"


async def test_a_release_that_hangs_is_not_scaled_because_it_would_take_the_place_of_the_old_one(shop: Shop) -> None:
    await shop.deploy()
    await shop.release("deployments", **NO_NODE)
    await until(lambda: shop.says(replicas=4, updatedReplicas=1, readyReplicas=3), "the new release hangs")
    told = r"deployment/engine of namespace .* cannot be scaled back: its roll-out is not complete: 3 replicas have"
    with pytest.raises(FaultNotApplied, match=told):
        await broken(shop, SCALE, replicas=0).resolve(shop.endpoints(), "alertdrill-1")


async def test_pods_beside_a_release_that_hangs_are_killed_and_replaced(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    await shop.release("deployments", **NO_NODE)
    await until(lambda: shop.says(replicas=4, updatedReplicas=1, readyReplicas=3), "the new release hangs")
    async with applied(broken(shop, KILL, share=1.0, count=None), shop.endpoints(), ledger) as injection:
        pass
    assert injection.outcome.startswith("all 3 pods Ready, after ")


async def test_a_release_that_somebody_rolls_out_meanwhile_is_not_waited_for(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(broken(shop, SCALE, replicas=0, ready_within="2s"), shop.endpoints(), ledger) as injection:
        await until(lambda: shop.has_ready(0), "all are gone")
        await shop.release("deployments", **NO_NODE)
    assert (await shop.workload())["spec"]["replicas"] == 3
    # Within the two seconds its controller may not have seen that: what is missing is told anew.
    await until(lambda: shop.says(replicas=3), "its controller has seen it")
    await injection.undo()
    assert injection.outcome == (
        "3 replicas again, 0 of them Ready, 3 before, somebody rolled out another release of deployment/engine meanwhile,"
        " which is not complete: 0 of 3 replicas are Ready"
    )


@pytest.mark.parametrize(
    "strategy", [{"type": "OnDelete"}, {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}]
)
async def test_a_statefulset_that_keeps_old_replicas_is_scaled_back(
    shop: Shop, ledger: Ledger, strategy: dict[str, Any]
) -> None:
    await shop.run("statefulsets", replicas=2, updateStrategy=strategy)
    await shop.release("statefulsets", terminationGracePeriodSeconds=1)
    await until(lambda: shop.says("statefulsets", replicas=2, updatedReplicas=0), "its controller has seen it")
    scale = broken(shop, SCALE, workload="statefulset/engine")
    async with applied(scale, shop.endpoints(), ledger) as injection:
        await until(lambda: shop.has_ready(1), "one is gone")
    assert injection.outcome == "2 replicas again, all Ready"


async def test_a_killed_pod_that_comes_back_with_a_release_that_hangs_is_told(shop: Shop, ledger: Ledger) -> None:
    await shop.run("statefulsets", replicas=2, updateStrategy={"type": "OnDelete"})
    await shop.release("statefulsets", **NO_NODE)
    await until(lambda: shop.says("statefulsets", replicas=2, updatedReplicas=0), "its controller has seen it")
    kill = broken(shop, KILL, count=1, ready_within="2s")
    before = await shop.pods()
    async with applied(kill, shop.endpoints(), ledger) as injection:
        await until(lambda: _is_another(shop, before, "engine"), "its controller makes another pod")
    assert injection.outcome == (
        "a roll-out is not complete, and not the fault's: 1 of 2 pods of statefulset/engine are Ready"
    )


async def test_a_daemonset_is_whole_on_the_nodes_that_it_has(shop: Shop, ledger: Ledger) -> None:
    await shop.run("daemonsets")
    kill = broken(shop, KILL, selector=None, owner="daemonset/engine")
    async with applied(kill, shop.endpoints(), ledger) as injection:
        pass
    assert injection.outcome.startswith("all 2 pods Ready, after ")


async def test_pods_that_are_found_by_a_label_of_their_own_are_replaced_without_it(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    (name, *_) = [pod["metadata"]["name"] for pod in await shop.pods_of("engine")]
    await shop.api.patch(f"/api/v1/namespaces/{shop.name}/pods/{name}", {"metadata": {"labels": {"drill": "yes"}}})
    async with applied(broken(shop, KILL, selector="drill=yes", count=1), shop.endpoints(), ledger) as injection:
        pass
    assert injection.outcome.startswith("all 3 pods Ready, after ")


async def test_pods_without_a_place_to_go_are_not_healed_until_they_have_one(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    told = "1 of 3 pods of deployment/engine are Ready after 1 s"
    with pytest.raises(FaultNotHealed, match=told):
        async with shop.without_nodes(), applied(broken(shop, KILL, ready_within="1s"), shop.endpoints(), ledger):
            pass
    ((entry_id, entry),) = ledger.read().entries.items()
    await heal(ledger, entry_id, entry, is_handed_over=True)


async def test_a_job_with_retries_starts_another_pod(shop: Shop, ledger: Ledger) -> None:
    await shop.run_job("nightly")
    kill = broken(shop, KILL, selector="app=nightly", count=1, ready_within="5m")
    before = await shop.pods("nightly")
    async with applied(kill, shop.endpoints(), ledger) as injection:
        await until(lambda: _is_another(shop, before, "nightly"), "the Job starts another pod")
        await shop.job_is_ready("nightly", 1)
    assert injection.outcome.startswith("all 1 pods Ready, after ")


async def _is_another(shop: Shop, before: set[str], name: str) -> bool:
    return bool(await shop.pods(name) - before)


async def test_a_job_that_ends_well_meanwhile_is_whole(shop: Shop, ledger: Ledger) -> None:
    await shop.run_job("nightly", 2)
    async with applied(broken(shop, KILL, selector="app=nightly", count=1), shop.endpoints(), ledger) as injection:
        await until(lambda: _has_job_pods(shop, 2), "the Job starts another pod")
        for pod in await shop.pods_of("nightly"):
            await shop.set_status(pod, {"phase": "Succeeded"})
    assert injection.outcome == "job/nightly completed meanwhile"


async def _has_job_pods(shop: Shop, count: int) -> bool:
    return len(await shop.pods("nightly")) == count


@pytest.mark.parametrize("kind", ["kill_pods", "evict_pods"])
async def test_a_job_without_retries_is_left_alone_unless_it_is_named(shop: Shop, ledger: Ledger, kind: str) -> None:
    await shop.run_job("nightly", backoffLimit=0)
    chosen = {"kind": kind, "selector": "app=nightly", "grace_period": "0s"}
    told = r"job/nightly has no retries left in namespace .*: nothing would replace its pods; .*`owner: job/nightly`"
    with pytest.raises(FaultNotApplied, match=told):
        await broken(shop, chosen).resolve(shop.endpoints(), "alertdrill-1")
    named = broken(shop, chosen, selector=None, owner="job/nightly")
    async with applied(named, shop.endpoints(), ledger) as injection:
        pass
    assert injection.outcome.endswith("job/nightly failed meanwhile (BackoffLimitExceeded)")


async def test_no_more_pods_of_a_job_are_killed_than_it_has_retries(shop: Shop) -> None:
    await shop.run_job("nightly", 2, backoffLimit=1)
    kill = broken(shop, KILL, selector="app=nightly")
    with pytest.raises(FaultNotApplied, match="job/nightly has 1 retry left"):
        await kill.resolve(shop.endpoints(), "alertdrill-1")


@pytest.mark.parametrize("settings", [KILL, EVICT, SCALE, RESTART], ids=by_kind)
async def test_a_workload_that_was_removed_is_nothing_to_mend(
    shop: Shop, ledger: Ledger, settings: dict[str, Any]
) -> None:
    await shop.deploy()
    async with applied(broken(shop, settings), shop.endpoints(), ledger) as injection:
        await shop.api.delete(shop.path("deployments"))
    assert injection.outcome.removeprefix("2 of 2 pods evicted, ") == "deployment/engine was removed meanwhile"


async def test_a_workload_that_was_made_again_is_left_alone(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(broken(shop, SCALE), shop.endpoints(), ledger) as injection:
        await shop.api.delete(shop.path("deployments"))
        await until(lambda: shop.has_ready(0), "its pods are gone")
        await shop.deploy(replicas=1)
        assert await injection.taken_back() == "deployment/engine was removed"
    assert (await shop.workload())["spec"]["replicas"] == 1
    assert injection.outcome == "deployment/engine was removed meanwhile"


@pytest.mark.parametrize("settings", [KILL, EVICT, SCALE, RESTART], ids=by_kind)
async def test_after_a_killed_agent_another_process_judges_the_same(
    shop: Shop, tmp_path: Path, settings: dict[str, Any]
) -> None:
    await shop.deploy()
    written = settings | {"namespace": shop.name}
    agent = await KilledAgent.in_a_thread(tmp_path / "scaled", written, kubernetes=shop.opened())
    await shop.scale(2)
    agent.kill()
    await agent.heal()
    assert (await shop.workload())["spec"]["replicas"] == 2
    again = await KilledAgent.in_a_thread(tmp_path / "removed", written, kubernetes=shop.opened())
    await shop.api.delete(shop.path("deployments"))
    again.kill()
    await again.heal()


@asynccontextmanager
async def preview(plane: ControlPlane, shop: Shop, name: str) -> AsyncIterator[Shop]:
    """A namespace that the test removes while a fault is in force."""
    made = Shop(shop.api, name, shop.kubeconfig.with_name(name))
    await made.open(plane)
    await made.deploy()
    yield made
    await until(lambda: _is_removed(shop.api, name), "the namespace is gone", 300)


async def remove(made: Shop) -> None:
    await made.api.delete(f"/api/v1/namespaces/{made.name}")
    await until(lambda: _is_removed(made.api, made.name), "the namespace is gone", 300)


async def _is_removed(api: KubernetesApi, name: str) -> bool:
    try:
        await api.get(f"/api/v1/namespaces/{name}")
    except ApiRefused as error:
        return error.status == 404
    return False


@pytest.mark.parametrize("settings", [KILL, EVICT, SCALE, RESTART], ids=by_kind)
async def test_a_namespace_that_was_removed_is_nothing_to_mend(
    control_plane: ControlPlane, shop: Shop, ledger: Ledger, settings: dict[str, Any]
) -> None:
    """The account is of elsewhere, so it can still ask."""
    async with preview(control_plane, shop, f"{shop.name}-{settings['kind'].replace('_', '-')}") as made:
        endpoints = made.endpoints(kubeconfig=str(control_plane.kubeconfig))
        async with applied(broken(made, settings), endpoints, ledger) as injection:
            await shop.api.delete(f"/api/v1/namespaces/{made.name}")
    told = f"somebody removed namespace {made.name} meanwhile"
    assert injection.outcome.removeprefix("2 of 2 pods evicted, ") == told


@pytest.mark.parametrize("settings", [KILL, SCALE], ids=by_kind)
async def test_an_account_that_went_with_the_namespace_says_what_a_person_can_do(
    control_plane: ControlPlane, shop: Shop, ledger: Ledger, settings: dict[str, Any]
) -> None:
    async with preview(control_plane, shop, f"{shop.name}-{settings['kind'].replace('_', '-')}") as made:
        told = (
            r"(rejects the credentials|not permitted to get).*: give the account of alertdrill its role again; if they"
        )
        with pytest.raises(FaultNotHealed, match=told) as refused:
            async with applied(broken(made, settings), made.endpoints(), ledger):
                await remove(made)
    (entry_id,) = ledger.read().entries
    assert f'alertdrill heal --give-up {entry_id} --because "the namespace was removed"' in str(refused.value)
    ledger.remove(entry_id)


@pytest.mark.parametrize("settings", [KILL, SCALE], ids=by_kind)
async def test_alertdrill_leaves_its_own_pod_alone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    await shop.deploy(replicas=2)
    await shop.deploy("alertdrill", replicas=2)
    own, _ = await shop.pods_of("alertdrill")
    monkeypatch.setenv("POD_NAME", own["metadata"]["name"])
    monkeypatch.setenv("POD_NAMESPACE", shop.name)
    everything = broken(shop, KILL, selector="app", count=None, share=1.0)
    injection = await everything.resolve(shop.endpoints(), "alertdrill-1")
    assert {pod.uid for pod in injection.pods} == await shop.pods()
    own_workload = {"workload": "deployment/alertdrill"} if "workload" in settings else {"selector": "app=alertdrill"}
    told = "runs alertdrill itself, and is never hit" if "workload" in settings else "are alertdrill's own"
    with pytest.raises(FaultNotApplied, match=told):
        await broken(shop, settings, **own_workload).resolve(shop.endpoints(), "alertdrill-1")
    monkeypatch.setenv("POD_NAMESPACE", "others")
    await broken(shop, settings, **own_workload).resolve(shop.endpoints(), "alertdrill-1")


@pytest.mark.parametrize("settings", [KILL, RESTART], ids=by_kind)
async def test_alertdrill_leaves_the_toxiproxy_of_its_faults_alone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    await shop.deploy("proxy", replicas=2)
    service = {"metadata": {"name": "toxiproxy"}, "spec": {"selector": {"app": "proxy"}, "ports": [{"port": 8474}]}}
    await shop.api.create(f"/api/v1/namespaces/{shop.name}/services", service)
    own = {"workload": "deployment/proxy"} if "workload" in settings else {"selector": "app=proxy"}
    monkeypatch.setenv("POD_NAMESPACE", shop.name)
    for host in ("toxiproxy", f"toxiproxy.{shop.name}", f"toxiproxy.{shop.name}.svc.cluster.local"):
        endpoints = replace(shop.endpoints(), toxiproxy_url=f"http://{host}:8474")
        with pytest.raises(FaultNotApplied, match=r"own Toxiproxy, which is never hit|or its Toxiproxy's"):
            await broken(shop, settings, **own).resolve(endpoints, "alertdrill-1")
    for host in ("toxiproxy.others", f"toxiproxy.{shop.name}.example.com", "127.0.0.1"):
        endpoints = replace(shop.endpoints(), toxiproxy_url=f"http://{host}:8474")
        await broken(shop, settings, **own).resolve(endpoints, "alertdrill-1")
