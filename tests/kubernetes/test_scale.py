"""A workload has another number of replicas for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import fault
from tests.support.cluster import Shop
from tests.support.waiting import until

PATIENTLY = timedelta(minutes=5)


def scale(shop: Shop, **settings: Any) -> Any:
    return fault(
        **{"kind": "scale", "namespace": shop.name, "workload": "deployment/engine", "replicas": 0, **settings}
    )


@pytest.mark.parametrize("replicas", [0, 5])
async def test_the_number_is_set_and_the_old_one_is_back_with_all_ready(
    shop: Shop, ledger: Ledger, replicas: int
) -> None:
    await shop.deploy()
    async with applied(scale(shop, replicas=replicas), shop.endpoints(), ledger) as injection:
        await until(lambda: shop.has_ready(replicas), "the new number is there")
        assert injection.target == f"namespace {shop.name}: deployment/engine from 3 to {replicas} replicas"
    assert (await shop.workload())["spec"]["replicas"] == 3
    assert (await shop.workload())["status"]["readyReplicas"] == 3
    assert injection.outcome == "3 replicas again, all Ready"


async def test_a_number_that_another_user_sets_meanwhile_is_noticed(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(scale(shop, replicas=1), shop.endpoints(), ledger) as injection:
        assert await injection.taken_back() == ""
        await shop.api.patch(shop.path("deployments") + "/scale", {"spec": {"replicas": 3}})
        assert await injection.taken_back() == "deployment/engine was set to 3 replicas"
        await shop.api.patch(shop.path("deployments") + "/scale", {"spec": {"replicas": 1}})
        assert await injection.taken_back() == ""
        await shop.api.delete(shop.path("deployments"))
        assert await injection.taken_back() == "deployment/engine was removed"


async def test_an_api_server_that_cannot_be_reached_proves_nothing(shop: Shop) -> None:
    await shop.deploy()
    injection = await scale(shop, replicas=1).resolve(shop.endpoints(), "alertdrill-1")
    shop.kubeconfig.write_text(shop.kubeconfig.read_text().replace("https://127.0.0.1:", "https://127.0.0.9:"))
    assert await injection.taken_back() == ""


async def test_a_number_that_another_user_sets_meanwhile_stays(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(scale(shop, replicas=1), shop.endpoints(), ledger) as injection:
        await shop.api.patch(shop.path("deployments") + "/scale", {"spec": {"replicas": 2}})
    assert (await shop.workload())["spec"]["replicas"] == 2
    assert injection.outcome == "left at the 2 replicas that were set meanwhile"


async def test_a_workload_that_is_gone_needs_no_undo(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(scale(shop), shop.endpoints(), ledger) as injection:
        await shop.api.delete(shop.path("deployments"))
    assert injection.outcome == "deployment/engine was removed meanwhile"


async def test_replicas_that_do_not_become_ready_are_not_healed_until_they_do(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with shop.without_nodes():
        with pytest.raises(FaultNotHealed):
            async with applied(scale(shop, replicas=1, ready_within="1s"), shop.endpoints(), ledger):
                await until(lambda: shop.has_ready(1), "the others are gone")
        ((entry_id, entry),) = ledger.read().entries.items()
        await until(lambda: shop.says(replicas=3, readyReplicas=1), "the deployment knows")
        with pytest.raises(FaultNotHealed, match="deployment/engine: 1 of 3 replicas are Ready after 1 s"):
            await heal(ledger, entry_id, entry, is_handed_over=True)
    patient = entry.injection.model_copy(update={"ready_within": PATIENTLY})
    await heal(ledger, entry_id, entry.model_copy(update={"injection": patient}), is_handed_over=True)
    assert (await shop.workload())["status"]["readyReplicas"] == 3


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"workload": "deployment/engin"}, "there is no deployment/engin in namespace shop-"),
        ({"replicas": 3}, "deployment/engine of namespace shop-.* has 3 replicas already"),
    ],
)
async def test_a_fault_that_would_change_nothing_is_refused(shop: Shop, settings: dict[str, Any], told: str) -> None:
    await shop.deploy()
    with pytest.raises(FaultNotApplied, match=told):
        await scale(shop, **settings).resolve(shop.endpoints(), "alertdrill-1")
