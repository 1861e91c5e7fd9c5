"""Containers that take processor time or memory for a while. The tests stand for the nodes, which run nothing here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import KilledAgent, fault
from tests.support.cluster import Shop
from tests.support.waiting import until

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
ENDED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
NO_IMAGE = {"waiting": {"reason": "ErrImagePull"}}


def pressure(shop: Shop, **settings: Any) -> Any:
    return fault(**written(shop, **settings))


def written(shop: Shop, **settings: Any) -> dict[str, Any]:
    defaults = {"kind": "pressure", "namespace": shop.name, "owner": "deployment/engine", "lasts": "5m", "cpus": 1}
    return defaults | settings


async def added(shop: Shop) -> dict[str, dict[str, Any]]:
    """Return the container that was added to each pod."""
    pods = await shop.api.listed(f"/api/v1/namespaces/{shop.name}/pods")
    found = {one["metadata"]["name"]: one["spec"].get("ephemeralContainers") or [] for one in pods}
    return {pod: containers[-1] for pod, containers in found.items() if containers}


async def say(shop: Shop, state: dict[str, Any]) -> None:
    """Write the state of each added container, as the nodes do."""
    for pod, container in (await added(shop)).items():
        status = {"name": container["name"], "image": container["image"], "imageID": "", "ready": False}
        told = {"ephemeralContainerStatuses": [status | {"restartCount": 0, "state": state}]}
        await shop.api.patch(f"/api/v1/namespaces/{shop.name}/pods/{pod}/status", {"status": told})


@asynccontextmanager
async def nodes_say(shop: Shop, state: dict[str, Any], pods: int = 1) -> AsyncIterator[None]:
    """Write the state as soon as so many containers were added."""

    async def are_added() -> bool:
        return len(await added(shop)) == pods

    async def saying() -> None:
        await until(are_added, "the containers were added")
        await say(shop, state)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(saying())
        yield


@pytest.fixture
async def pressed(shop: Shop) -> Shop:
    """A shop with an engine, and the additional role in configs/."""
    await shop.apply("rbac-pressure.yml")
    await shop.deploy()
    return shop


async def test_pods_are_under_pressure_until_their_containers_have_ended(pressed: Shop, ledger: Ledger) -> None:
    before = await pressed.pods()
    broken = pressure(pressed, share=1.0, mebibytes=64)
    async with nodes_say(pressed, RUNNING, pods=3), applied(broken, pressed.endpoints(), ledger) as injection:
        (container, *_) = (await added(pressed)).values()
        assert container["name"] == injection.name  # type: ignore[attr-defined]
        assert "timeout 315 sh" in container["command"][-1]
        assert container["securityContext"]["runAsNonRoot"]
        assert await injection.taken_back() == ""
        await say(pressed, ENDED)
        assert (await injection.taken_back() or "").endswith("has ended: Completed (exit code 0)")
    assert await pressed.pods() == before
    assert injection.outcome == "3 containers have ended"


async def test_a_container_that_was_killed_is_told(pressed: Shop, ledger: Ledger) -> None:
    async with nodes_say(pressed, RUNNING), applied(pressure(pressed), pressed.endpoints(), ledger) as injection:
        await say(pressed, KILLED)
    assert "ended early: OOMKilled (exit code 137)" in injection.outcome


async def test_a_container_that_does_not_start_is_no_fault_and_ends_at_once_if_it_starts_later(pressed: Shop) -> None:
    injection = await pressure(pressed, starts_within="300ms").resolve(pressed.endpoints(), "alertdrill-1")
    async with nodes_say(pressed, NO_IMAGE):
        with pytest.raises(
            FaultNotApplied, match=r"the container of the fault in pod engine-.* waits: .*, after 0.3 s"
        ):
            await injection.inject()
    too_late = injection.model_copy(update={"latest_start": int(time.time()) - 61})
    await too_late.undo()
    assert "never started, and would end at once" in too_late.outcome


async def test_an_undo_does_not_end_before_the_container(pressed: Shop) -> None:
    injection = await pressure(pressed).resolve(pressed.endpoints(), "alertdrill-1")
    async with nodes_say(pressed, RUNNING):
        await injection.inject()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await injection.undo()
    await say(pressed, ENDED)
    await injection.undo()


async def test_heal_waits_for_the_containers_of_a_killed_agent(pressed: Shop, tmp_path: Path) -> None:
    async with nodes_say(pressed, RUNNING):
        agent = await KilledAgent.in_a_thread(tmp_path / "ledger", written(pressed), kubernetes=pressed.opened())
    agent.kill()
    await say(pressed, ENDED)
    await agent.heal()


async def test_a_pod_under_the_pressure_of_another_fault_is_refused(pressed: Shop, ledger: Ledger) -> None:
    async with nodes_say(pressed, RUNNING, pods=3):
        first = pressure(pressed, share=1.0)
        async with applied(first, pressed.endpoints(), ledger) as injection:
            told = f"pod engine-.* is under the pressure of the fault {injection.name}"  # type: ignore[attr-defined]
            with pytest.raises(FaultNotApplied, match=told):
                await pressure(pressed).resolve(pressed.endpoints(), "alertdrill-1")
            await say(pressed, ENDED)


async def test_a_role_that_does_not_allow_it_is_reported(shop: Shop) -> None:
    await shop.deploy()
    told = (
        "not permitted to get pods/ephemeralcontainers in namespace .*, to patch pods/ephemeralcontainers in namespace"
    )
    with pytest.raises(FaultNotApplied, match=told):
        await pressure(shop).resolve(shop.endpoints(), "alertdrill-1")


async def test_a_namespace_whose_policy_does_not_allow_it_is_reported_before_anything_is_broken(pressed: Shop) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await pressed.api.patch(f"/api/v1/namespaces/{pressed.name}", {"metadata": {"labels": labels}})
    with pytest.raises(FaultNotApplied, match="violates PodSecurity"):
        await pressure(pressed).resolve(pressed.endpoints(), "alertdrill-1")
    assert await added(pressed) == {}
