"""A PodDisruptionBudget may refuse an eviction, and the drill goes on."""

from __future__ import annotations

import re
from typing import Any

from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import fault
from tests.support.cluster import Shop


def evict(shop: Shop, **settings: Any) -> Any:
    return fault(**{"kind": "evict_pods", "namespace": shop.name, "selector": "app=engine", **settings})


async def test_without_a_budget_all_pods_are_evicted_and_replaced(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    before = await shop.pods()
    async with applied(evict(shop, share=1.0), shop.endpoints(), ledger) as injection:
        assert not before & await shop.pods()
        assert await injection.taken_back() is None
    await shop.require_ready(3)
    assert injection.outcome.startswith("3 of 3 pods evicted, all 3 pods Ready, after ")


async def test_a_budget_that_allows_no_eviction_keeps_all_pods_and_is_named(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    await shop.budget(at_least=3)
    before = await shop.pods()
    async with applied(evict(shop), shop.endpoints(), ledger) as injection:
        assert await shop.pods() == before
    (pod,) = injection.pods  # type: ignore[attr-defined]
    refusal = "The disruption budget engine-budget needs 3 healthy pods and has 3 currently"
    assert injection.outcome.startswith(f"0 of 1 pods evicted, {pod.name} stays: {refusal}, all 3 pods Ready")


async def test_as_many_pods_are_evicted_as_the_budget_allows(shop: Shop) -> None:
    await shop.deploy()
    await shop.budget(at_least=2)
    before = await shop.pods()
    # Replacements would be Ready so soon that the budget allows another one.
    async with shop.without_nodes():
        injection = await evict(shop, count=3).resolve(shop.endpoints(), "alertdrill-1")
        await injection.inject()
        assert len(before & await shop.pods()) == 2
    await injection.undo()
    assert injection.outcome.startswith("1 of 3 pods evicted, ")
    (refused,) = re.findall(r"evicted, (\S+), (\S+) stay: The disruption budget engine-budget needs", injection.outcome)
    assert set(refused) < {pod.name for pod in injection.pods}
