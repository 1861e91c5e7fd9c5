"""An API server that is away or throttles for a moment ends no fault, and no lost answer lets anything be done twice."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from alertdrill.chaos.cluster_access import ClusterReach
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.kubernetes import place
from alertdrill.chaos.kubernetes.client import connected
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.healing import heal
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.kubernetes.control_plane import ControlPlane
from alertdrill.lab.kubernetes.files import node
from tests.kubernetes.test_apply_manifest import DENY, policies
from tests.kubernetes.test_cordon import cordoned
from tests.support.breaking import fault
from tests.support.cluster import Shop
from tests.support.front import Front, away_for, every_other, first_of_each
from tests.support.waiting import until

_AWAY_SECONDS = 3.0
# `make test-kubernetes` kills as many pods as a large service has.
_PODS = int(os.environ.get("ALERTDRILL_PODS", "300"))
_LONGEST_SECONDS = 1200.0
# 25 requests, and the watch.
_MOST_AT_ONCE = 26
KILL = {"kind": "kill_pods", "selector": "app=engine", "share": 1.0, "grace_period": "0s"}
EVICT = {"kind": "evict_pods", "selector": "app=engine", "share": 1.0, "grace_period": "0s"}
SCALE = {"kind": "scale", "workload": "deployment/engine", "replicas": 1}


def throttled() -> web.Response:
    """Answer as API priority and fairness does."""
    status = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "too many requests"}
    return web.json_response(status, status=429, headers={"Retry-After": "1"})


def away() -> web.Response:
    return web.Response(status=503, text="no server is available", content_type="text/html")


@pytest.mark.parametrize("refusal", [throttled, away])
@pytest.mark.parametrize(("settings", "method"), [(KILL, "DELETE"), (EVICT, "POST")], ids=["kill", "evict"])
async def test_throttled_requests_are_sent_again(  # noqa: PLR0913, PLR0917 - a row of the table
    shop: Shop, front: Front, ledger: Ledger, refusal: Callable[[], web.Response], settings: dict[str, Any], method: str
) -> None:
    await shop.deploy()
    before = await shop.pods()
    front.refuse = every_other(refusal, "/pods/", method)
    async with applied(fault(namespace=shop.name, **settings), shop.endpoints(), ledger) as injection:
        assert not before & await shop.pods()
    await shop.require_ready(3)
    assert "stay" not in injection.outcome
    assert "all 3 pods Ready" in injection.outcome


async def test_a_budget_is_still_an_answer(shop: Shop, front: Front, ledger: Ledger) -> None:
    await shop.deploy()
    await shop.budget(at_least=3)
    async with applied(fault(namespace=shop.name, **EVICT), shop.endpoints(), ledger) as injection:
        pass
    assert "0 of 3 pods evicted" in injection.outcome
    assert front.count("POST", "/eviction") == 3


@pytest.mark.parametrize(("settings", "method"), [(KILL, "DELETE"), (EVICT, "POST")], ids=["kill", "evict"])
async def test_pods_whose_answers_are_lost_did_not_end_by_themselves(
    shop: Shop, front: Front, ledger: Ledger, settings: dict[str, Any], method: str
) -> None:
    await shop.deploy()
    before = await shop.pods()
    front.lose = first_of_each(method, "/pods/")
    async with applied(fault(namespace=shop.name, **settings), shop.endpoints(), ledger):
        assert front.count(method, "/pods/") >= 6
        assert not before & await shop.pods()
    await shop.require_ready(3)


async def test_an_object_whose_answer_is_lost_is_the_faults_own(
    shop: Shop, front: Front, ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "deny-all.yml").write_text(yaml.safe_dump(DENY))
    front.lose = first_of_each("POST", "/networkpolicies")
    deny = fault(kind="apply_manifest", namespace=shop.name, file=str(tmp_path / "deny-all.yml"))
    async with applied(deny, shop.endpoints(), ledger) as injection:
        assert len(await policies(shop)) == 1
        assert await injection.taken_back() == ""
    assert await policies(shop) == []


async def test_a_node_whose_answer_is_lost_was_cordoned_by_the_fault(nodes: Shop, front: Front, ledger: Ledger) -> None:
    front.lose = first_of_each("PATCH", "/nodes/")
    both = fault(kind="cordon", selector="type=kwok", most_nodes=2)
    async with applied(both, nodes.endpoints(), ledger) as injection:
        assert len(await cordoned(nodes)) == 2
    assert await cordoned(nodes) == []
    assert injection.outcome == "2 nodes take pods again"


async def test_a_fault_that_is_refused_in_mid_injection_is_undone_and_told(
    shop: Shop, front: Front, ledger: Ledger
) -> None:
    await shop.deploy()
    before = await shop.pods()
    deletes = 0

    def refuse(request: web.Request) -> web.Response | None:
        nonlocal deletes
        if request.method != "DELETE":
            return None
        deletes += 1
        return web.json_response({"message": "denied by a webhook"}, status=400) if deletes == 3 else None

    front.refuse = refuse
    told = r"2 of 3 pods were killed before this failed: .*denied by a webhook; all 3 pods Ready, after \d+ s"
    with pytest.raises(FaultNotApplied, match=told) as error:
        async with applied(fault(namespace=shop.name, **KILL), shop.endpoints(), ledger):
            pass
    assert error.value.in_part
    await shop.require_ready(3)
    assert before != await shop.pods()


@pytest.mark.parametrize("settings", [KILL, SCALE], ids=lambda settings: str(settings["kind"]))
async def test_an_undo_waits_through_an_api_server_that_restarts(
    shop: Shop, front: Front, ledger: Ledger, settings: dict[str, Any]
) -> None:
    await shop.deploy()
    async with asyncio.TaskGroup() as tasks, applied(fault(namespace=shop.name, **settings), shop.endpoints(), ledger):
        tasks.create_task(away_for(front, _AWAY_SECONDS))
        await until(lambda: is_away(front), "it is away")
    assert not front.away
    await shop.require_ready(3)


async def is_away(front: Front) -> bool:
    return front.away


async def test_an_api_server_that_restarts_while_pods_are_waited_for_is_waited_for_too(
    shop: Shop, front: Front, ledger: Ledger
) -> None:
    await shop.deploy()
    async with shop.without_nodes():
        undoing = asyncio.ensure_future(killed_and_undone(shop, ledger))
        await until(lambda: watches(front), "the undo waits for the pods")
        await away_for(front, _AWAY_SECONDS)
        assert not undoing.done()
    await undoing
    await shop.require_ready(3)


async def killed_and_undone(shop: Shop, ledger: Ledger) -> None:
    async with applied(fault(namespace=shop.name, **KILL), shop.endpoints(), ledger):
        pass


async def watches(front: Front) -> bool:
    return front.count("GET", "watch=true") > 0


async def test_an_api_server_that_does_not_come_back_leaves_the_entry_in_the_ledger(
    shop: Shop, front: Front, ledger: Ledger
) -> None:
    await shop.deploy()
    kill = fault(namespace=shop.name, ready_within="2s", **KILL)
    with pytest.raises(FaultNotHealed, match=r"the API server of the cluster of .* cannot be reached: .* after 2 s"):
        async with applied(kill, shop.endpoints(), ledger):
            front.away = True
    front.away = False
    ((entry_id, entry),) = ledger.read().entries.items()
    await until(lambda: shop.has_ready(3), "the engine is Ready")
    await heal(ledger, entry_id, entry, is_handed_over=True)


async def test_the_token_of_a_pod_is_read_again(
    control_plane: ControlPlane, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = json.loads(shop.kubeconfig.read_text())["users"][0]["user"]["token"]
    (tmp_path / "ca.crt").write_bytes(control_plane.authority.read_bytes())
    (tmp_path / "token").write_text("an.expired.token")
    host, port = control_plane.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    async with connected(ClusterReach(), account=tmp_path) as cluster:
        (tmp_path / "token").write_text(token)
        assert await cluster.listed(place.pods(shop.name)) == []


async def test_pods_are_listed_once_and_then_watched(shop: Shop, front: Front) -> None:
    await shop.deploy()
    injection = await fault(namespace=shop.name, **KILL).resolve(shop.endpoints(), "alertdrill-1")
    await injection.inject()
    front.asked.clear()
    await injection.undo()
    assert front.count("GET", "/pods?limit=") == 1


async def test_a_role_without_watch_is_enough(shop: Shop, ledger: Ledger) -> None:
    rules = (await shop.role())["rules"]
    await shop.set_rules([one | {"verbs": [verb for verb in one["verbs"] if verb != "watch"]} for one in rules])
    await shop.deploy()
    await killed_and_undone(shop, ledger)
    await shop.require_ready(3)


async def test_thousands_of_pods_are_killed_without_a_lost_reply(shop: Shop, front: Front, ledger: Ledger) -> None:
    """In waves: only as many deletes at once as an API server bears."""
    large = node("large")
    room = {"cpu": "9000", "memory": "9Ti", "pods": "20000"}
    large["status"] = {"allocatable": room, "capacity": room}
    await shop.api.create("/api/v1/nodes", large)
    await shop.deploy(replicas=_PODS, seconds=_LONGEST_SECONDS)
    before = await shop.pods()
    kill = fault(namespace=shop.name, ready_within="20m", **KILL)
    async with applied(kill, shop.endpoints(), ledger) as injection:
        assert not before & await shop.pods()
        (entry,) = ledger.directory.glob("*.json")
        assert len(injection.target) < 300
        assert entry.stat().st_size < 2000
    deletes = [one for one in front.asked if one.startswith("DELETE ")]
    assert len(set(deletes)) == _PODS
    # A busy machine may let a few wait for longer than their time limit.
    assert len(deletes) < 1.5 * _PODS, front.answered
    assert front.most_at_once <= _MOST_AT_ONCE
    assert injection.outcome.startswith(f"all {_PODS} pods Ready, after ")
    await shop.scale(0)
    await until(lambda: is_empty(shop), "its pods are gone", _LONGEST_SECONDS)
    await shop.api.delete("/api/v1/nodes/large")


async def is_empty(shop: Shop) -> bool:
    return await shop.api.listed(f"/api/v1/namespaces/{shop.name}/pods?limit=1") == []
