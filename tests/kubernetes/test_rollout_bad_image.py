"""An image that cannot be pulled is rolled out, and rolled back. On the lab's nodes such a pod never becomes Ready."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.breaking import fault
from tests.support.cluster import Shop, deployment
from tests.support.waiting import until


def bad_image(shop: Shop, **settings: Any) -> Any:
    defaults = {"kind": "rollout_bad_image", "namespace": shop.name, "workload": "deployment/engine"}
    return fault(**defaults | {"complete_within": "5m"} | settings)


async def images(shop: Shop) -> set[str]:
    return {one["spec"]["containers"][0]["image"] for one in await shop.pods_of("engine")}


async def until_image(shop: Shop, image: str) -> None:
    async def is_there() -> bool:
        return image in await images(shop)

    await until(is_there, f"a pod has the image {image}")


async def deploy_stateful(shop: Shop) -> None:
    described = deployment("engine", 2)
    described["kind"] = "StatefulSet"
    described["spec"]["serviceName"] = "engine"
    await shop.api.create(shop.path("statefulsets", ""), described)
    await until(lambda: shop.has_ready(2), "the engine is Ready")


async def test_a_deployment_rolls_out_an_image_that_cannot_be_pulled_until_the_end(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    before = (await shop.workload())["spec"]["template"]
    async with applied(bad_image(shop), shop.endpoints(), ledger) as injection:
        image = f"alertdrill.invalid/no-such-image:{injection.name}"  # type: ignore[attr-defined]
        await until_image(shop, image)
        assert await injection.taken_back() == ""
        assert (await shop.workload())["metadata"]["labels"]["alertdrill.io/fault"] == injection.name  # type: ignore[attr-defined]
        assert (await shop.workload())["status"]["readyReplicas"] == 3
    assert (await shop.workload())["spec"]["template"] == before
    assert await images(shop) == {"engine"}
    await shop.require_ready(3)
    assert injection.outcome == "rolled out engine again"


async def test_a_stateful_set_is_not_stuck_with_the_pod_that_cannot_start(shop: Shop, ledger: Ledger) -> None:
    await deploy_stateful(shop)
    cannot_start = bad_image(shop, workload="statefulset/engine", repository="registry.invalid/none")
    async with applied(cannot_start, shop.endpoints(), ledger) as injection:
        await until_image(shop, f"registry.invalid/none:{injection.name}")  # type: ignore[attr-defined]
    assert await images(shop) == {"engine"}
    await shop.require_ready(2)


async def test_an_image_that_somebody_set_meanwhile_is_noticed_and_stays(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(bad_image(shop), shop.endpoints(), ledger) as injection:
        mended = [{"name": "engine", "image": "engine:mended"}]
        await shop.api.patch(shop.path("deployments"), {"spec": {"template": {"spec": {"containers": mended}}}})
        assert await injection.taken_back() == "somebody set the image engine:mended of deployment/engine"
    told = "somebody rolled out another release of deployment/engine meanwhile"
    assert injection.outcome == f"left at the image engine:mended that somebody set meanwhile, {told}"

    async def is_mended() -> bool:
        return await images(shop) == {"engine:mended"}

    await until(is_mended, "the image that somebody set is rolled out")


async def test_what_somebody_else_changed_meanwhile_stays(shop: Shop, ledger: Ledger) -> None:
    await shop.deploy()
    async with applied(bad_image(shop), shop.endpoints(), ledger):
        annotations = {"annotations": {"theirs": "kept"}}
        await shop.api.patch(shop.path("deployments"), {"spec": {"template": {"metadata": annotations}}})
    assert (await shop.workload())["spec"]["template"]["metadata"]["annotations"] == {"theirs": "kept"}
    assert await images(shop) == {"engine"}


async def test_a_change_at_the_last_moment_is_not_overwritten(shop: Shop) -> None:
    await shop.deploy()
    injection = await bad_image(shop).resolve(shop.endpoints(), "alertdrill-1")
    newer = [{"name": "engine", "image": "engine:newer"}]
    await shop.api.patch(shop.path("deployments"), {"spec": {"template": {"spec": {"containers": newer}}}})
    with pytest.raises(FaultNotApplied, match=r"deployment/engine of namespace .* was changed at the last moment"):
        await injection.inject()
    await injection.undo()
    assert (await shop.workload())["spec"]["template"]["spec"]["containers"][0]["image"] == "engine:newer"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"paused": True}, "is paused: nothing would roll out"),
        ({"replicas": 0}, "has no replicas: nothing would roll out"),
    ],
)
async def test_a_deployment_that_would_not_roll_out_is_refused(shop: Shop, change: dict[str, Any], told: str) -> None:
    await shop.deploy()
    await shop.api.patch(shop.path("deployments"), {"spec": change})
    if "replicas" in change:
        await until(lambda: shop.has_ready(0), "the engine is scaled down")
    with pytest.raises(FaultNotApplied, match=told):
        await bad_image(shop).resolve(shop.endpoints(), "alertdrill-1")


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ({"type": "OnDelete", "rollingUpdate": None}, "has the update strategy OnDelete: nothing would roll out"),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, "has a partition of 2: nothing would roll out"),
    ],
)
async def test_a_stateful_set_that_would_not_roll_out_is_refused(
    shop: Shop, strategy: dict[str, Any], told: str
) -> None:
    await deploy_stateful(shop)
    await shop.api.patch(shop.path("statefulsets"), {"spec": {"updateStrategy": strategy}})
    with pytest.raises(FaultNotApplied, match=told):
        await bad_image(shop, workload="statefulset/engine").resolve(shop.endpoints(), "alertdrill-1")


async def test_a_container_that_is_not_there_is_reported_with_those_that_are(shop: Shop) -> None:
    await shop.deploy()
    with pytest.raises(FaultNotApplied, match="has no container sidecar, expected one of engine"):
        await bad_image(shop, container="sidecar").resolve(shop.endpoints(), "alertdrill-1")
