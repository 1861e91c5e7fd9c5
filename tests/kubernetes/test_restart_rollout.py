"""All pods of a workload are replaced."""

from __future__ import annotations

import re
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import fault
from tests.support.cluster import Shop


def restart(shop: Shop, **settings: Any) -> Any:
    defaults = {
        "kind": "restart_rollout",
        "namespace": shop.name,
        "workload": "deployment/engine",
        "complete_within": "40s",
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


async def test_a_missing_workload_is_reported(shop: Shop) -> None:
    with pytest.raises(FaultNotApplied, match="there is no deployment/engine in namespace shop-"):
        await restart(shop).resolve(shop.endpoints(), "alertdrill-1")
