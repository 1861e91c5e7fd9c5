"""All pods of a workload are replaced."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import fault
from tests.support.cluster import NO_NODE, Shop
from tests.support.waiting import until


def restart(shop: Shop, **settings: Any) -> Any:
    defaults = {
        "kind": "restart_rollout",
        "namespace": shop.name,
        "workload": "deployment/engine",
        "complete_within": "5m",
    }
    return fault(**defaults | settings)


async def test_every_pod_is_replaced(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    before = await shop.pods()
    async with applied(restart(shop), shop.endpoints(), ledger) as injection:
        pass
    after = await shop.pods()
    assert len(after) == 3
    assert not before & after
    assert re.fullmatch(r"rolled out after \d+ s", injection.outcome)


async def test_a_paused_rollout_is_refused(shop: Shop) -> None:
    await shop.deploy()
    await shop.api.patch(shop.path("deployments"), {"spec": {"paused": True}})
    with pytest.raises(FaultNotApplied, match="is paused: nothing would roll out"):
        await restart(shop).resolve(shop.endpoints(), "alertdrill-1")


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ({"type": "OnDelete"}, "has the update strategy OnDelete: nothing would roll out until its pods are deleted"),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, "has a partition of 2: nothing would roll out"),
    ],
)
async def test_a_workload_that_would_roll_out_nothing_is_refused(
    shop: Shop, strategy: dict[str, Any], told: str
) -> None:
    await shop.run("statefulsets", replicas=2, updateStrategy=strategy)
    with pytest.raises(FaultNotApplied, match=told):
        await restart(shop, workload="statefulset/engine").resolve(shop.endpoints(), "alertdrill-1")


async def test_with_a_partition_the_replicas_above_it_are_replaced(shop: Shop, ledger: Ledger) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    await shop.run("statefulsets", replicas=2, updateStrategy=strategy)
    before = await shop.pods()
    async with applied(restart(shop, workload="statefulset/engine"), shop.endpoints(), ledger) as injection:
        pass
    assert len(before & await shop.pods()) == 1
    assert injection.outcome == "rolled out"
    # The same again: with a partition there always are two releases.
    async with applied(restart(shop, workload="statefulset/engine"), shop.endpoints(), ledger):
        pass


async def test_a_roll_out_that_somebody_pauses_is_not_waited_for(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with shop.without_nodes(), applied(restart(shop), shop.endpoints(), ledger) as injection:
        await shop.api.patch(shop.path("deployments"), {"spec": {"paused": True}})
    assert injection.outcome == "deployment/engine is paused: nothing would roll out"


async def test_another_release_that_hangs_is_not_waited_for_after_the_time(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(restart(shop, complete_within="2s"), shop.endpoints(), ledger) as injection:
        await shop.release("deployments", **NO_NODE)
        await until(shop.says, "its controller has seen it")
    told = r"somebody rolled out another release of deployment/engine meanwhile, which is not complete: \d of 3 replicas .*"
    assert re.fullmatch(told, injection.outcome)


async def test_a_roll_out_that_hangs_because_of_the_fault_is_not_healed(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with shop.without_nodes():
        with pytest.raises(FaultNotHealed):
            async with applied(restart(shop, complete_within="1s"), shop.endpoints(), ledger):
                pass
        ((entry_id, entry),) = ledger.read().entries.items()
        await until(shop.says, "its controller has seen it")
        told = r"deployment/engine: \d of 3 replicas are (there|up to date) after 1 s"
        with pytest.raises(FaultNotHealed, match=told):
            await heal(ledger, entry_id, entry, is_handed_over=True)
    patient = entry.injection.model_copy(update={"complete_within": timedelta(minutes=5)})
    await heal(ledger, entry_id, entry.model_copy(update={"injection": patient}), is_handed_over=True)


async def test_a_missing_workload_is_reported(shop: Shop) -> None:
    with pytest.raises(FaultNotApplied, match="there is no deployment/engine in namespace shop-"):
        await restart(shop).resolve(shop.endpoints(), "alertdrill-1")
