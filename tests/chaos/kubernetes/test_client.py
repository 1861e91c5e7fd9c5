"""Requests to an API server that fails for a moment: what is sent again, and what is never done twice.

The server gives the answers of a list, one after another, and then the last one for ever. None cuts the connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from alertdrill.chaos.cluster_access import ClusterReach
from alertdrill.chaos.kubernetes import place
from alertdrill.chaos.kubernetes.client import KubernetesCluster, connected
from alertdrill.chaos.kubernetes.connection import undoing, until
from alertdrill.chaos.kubernetes.follow import Followed, followed
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from tests.support.answering import answering
from tests.support.kubeconfig import write_kubeconfig
from tests.support.waiting import until as wait_until

pytestmark = pytest.mark.servers
POD = place.pods("shop").named("a")
POLICIES = Place(api="networking.k8s.io/v1", resource="networkpolicies", namespace="shop")
GONE, OTHER = (404, {"message": "not found"}), (409, {"message": "the UID does not match"})
BUSY, AWAY = (429, {"message": "too many requests"}), (503, {"message": "away"})
BUDGET = (429, {"message": "no", "details": {"causes": [{"reason": "DisruptionBudget", "message": "needs 3"}]}})
Answer = tuple[int, Object] | None


def write_access(folder: Path, url: str, **user: Any) -> ClusterReach:
    return ClusterReach(kubeconfig=write_kubeconfig(folder, url, user))


class Scripted:
    """A server with a list of answers; `asked` has the method and the path of each request."""

    def __init__(self, folder: Path, answers: list[Answer]) -> None:
        self.asked: list[str] = []
        self._folder = folder
        self._answers = answers

    @asynccontextmanager
    async def connected(self, **options: Any) -> AsyncIterator[KubernetesCluster]:
        async with (
            answering(self._answer) as server,
            connected(write_access(self._folder, server.url), **options) as one,
        ):
            yield one

    def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.json_response(answer[1], status=answer[0])


@pytest.fixture
def scripted(tmp_path: Path) -> Callable[..., Scripted]:
    return lambda *answers: Scripted(tmp_path, list(answers))


@pytest.mark.parametrize("answer", [None, BUSY, AWAY, (500, {}), (502, {}), (504, {}), (408, {}), (401, {})], ids=str)
async def test_what_passes_is_asked_again(scripted: Callable[..., Scripted], answer: Answer) -> None:
    server = scripted(answer, answer, (200, {"kind": "Pod"}))
    async with server.connected() as cluster:
        assert await cluster.get(POD) == {"kind": "Pod"}
    assert len(server.asked) >= 3


@pytest.mark.parametrize("answer", [(400, {}), (403, {}), (404, {}), (409, {}), (422, {}), BUDGET], ids=str)
async def test_a_refusal_is_an_answer(scripted: Callable[..., Scripted], answer: Answer) -> None:
    server = scripted(answer)
    async with server.connected(patience_seconds=60) as cluster:
        with pytest.raises(ClusterError) as refused:
            await cluster.create(POD.of("eviction"), {})
    assert len(server.asked) == 1
    assert refused.value.by_budget == (answer == BUDGET)


async def test_an_api_server_that_was_just_away_may_not_have_read_its_roles(
    scripted: Callable[..., Scripted],
) -> None:
    async with scripted(AWAY, (403, {}), (200, {})).connected() as cluster:
        assert await cluster.get(POD) == {}


@pytest.mark.parametrize("lost", [None, AWAY, (504, {})], ids=str)
@pytest.mark.parametrize("found", [GONE, OTHER], ids=["gone", "replaced"])
async def test_a_delete_whose_answer_was_lost_is_not_taken_for_that_of_another(
    scripted: Callable[..., Scripted], lost: Answer, found: Answer
) -> None:
    server = scripted(lost, found)
    async with server.connected() as cluster:
        await cluster.delete(POD, "uid-1")
    assert len(server.asked) >= 2


@pytest.mark.parametrize("refused", [BUSY, (401, {})], ids=str)
async def test_a_delete_that_was_refused_before_has_done_nothing(
    scripted: Callable[..., Scripted], refused: Answer
) -> None:
    async with scripted(refused, GONE).connected() as cluster:
        with pytest.raises(ClusterError) as gone:
            await cluster.delete(POD, "uid-1")
    assert gone.value.status == 404


@pytest.mark.parametrize(("labels", "is_own"), [({"fault": "one"}, True), ({"fault": "two"}, False), (None, False)])
async def test_a_create_whose_answer_was_lost_finds_its_own_object(
    scripted: Callable[..., Scripted], labels: dict[str, str] | None, *, is_own: bool
) -> None:
    body: Object = {"metadata": {"name": "deny", "labels": {"fault": "one"}}}
    there: Object = {"metadata": {"name": "deny", "uid": "uid-1", "labels": labels}}
    server = scripted(None, (409, {"message": "exists"}), (200, there))
    async with server.connected() as cluster:
        if is_own:
            assert await cluster.create(POLICIES, body) == there
        else:
            with pytest.raises(ClusterError, match="exists"):
                await cluster.create(POLICIES, body)
    assert server.asked[-1] == "GET /apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/deny"


async def test_an_object_that_was_there_before_is_not_looked_at(scripted: Callable[..., Scripted]) -> None:
    server = scripted((409, {"message": "exists"}))
    async with server.connected() as cluster:
        with pytest.raises(ClusterError, match="exists"):
            await cluster.create(POLICIES, {"metadata": {"name": "deny"}})
    assert len(server.asked) == 1


async def test_only_some_requests_are_under_way_at_once_and_their_time_begins_when_they_are_sent(
    tmp_path: Path,
) -> None:
    under_way: list[int] = [0]
    most: list[int] = [0]

    async def answer(_: web.Request) -> web.StreamResponse:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        await asyncio.sleep(0.01)
        under_way[0] -= 1
        return web.json_response({})

    async with answering(answer) as server, connected(write_access(tmp_path, server.url)) as cluster:
        await asyncio.gather(*(cluster.delete(place.pods("shop").named(f"a{n}"), "uid") for n in range(500)))
    assert 1 < most[0] <= 25


CREDENTIALS = """\
import json, pathlib, sys
token = pathlib.Path(sys.argv[1]).read_text()
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}))
"""


def by_program(folder: Path, token: Path) -> dict[str, Any]:
    (folder / "credentials.py").write_text(CREDENTIALS)
    arguments = [str(folder / "credentials.py"), str(token)]
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "python3", "args": arguments}}


def by_file(_: Path, token: Path) -> dict[str, Any]:
    return {"tokenFile": str(token)}


@pytest.mark.parametrize("credentials", [by_program, by_file])
async def test_rotated_credentials_are_read_again(tmp_path: Path, credentials: Callable[..., dict[str, Any]]) -> None:
    token = tmp_path / "token"
    token.write_text("old")

    def answer(request: web.Request) -> web.StreamResponse:
        is_valid = request.headers["Authorization"] == "Bearer new"
        return web.json_response({}, status=200 if is_valid else 401)

    async with answering(answer) as server:
        reach = write_access(tmp_path, server.url, **credentials(tmp_path, token))
        async with connected(reach) as cluster:
            token.write_text("new")
            assert await asyncio.gather(*(cluster.get(POD) for _ in range(10))) == [{}] * 10


async def test_a_wait_goes_on_while_the_api_server_is_away(tmp_path: Path) -> None:
    """Also for longer than one request is tried."""
    away_until = asyncio.get_running_loop().time() + 6.0

    def answer(request: web.Request) -> web.StreamResponse:
        if asyncio.get_running_loop().time() < away_until:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({})

    async with answering(answer) as server, connected(write_access(tmp_path, server.url)) as cluster:

        async def problem() -> str:
            await cluster.get(POD)
            return ""

        await until(problem, 60.0)


async def test_an_undo_waits_for_an_api_server_that_is_away(tmp_path: Path) -> None:
    away_until = asyncio.get_running_loop().time() + 6.0

    def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=200 if asyncio.get_running_loop().time() > away_until else 503)

    async with answering(answer) as server, undoing(write_access(tmp_path, server.url), "alertdrill-1") as cluster:
        assert await cluster.get(POD) == {}


def pod(name: str, version: int, **metadata: Any) -> Object:
    return {"metadata": {"name": name, "resourceVersion": str(version), "managedFields": [{}], **metadata}}


class Watched:
    """A server with a list of pods, and the events of one watch after another; `asked` has the query of each request."""

    def __init__(self, folder: Path, pods: list[Object], watches: list[Any], pages: int = 1) -> None:
        self.pods = pods
        self.asked: list[dict[str, str]] = []
        self.forbidden_lists: set[int] = set()
        self._folder = folder
        self._watches = watches
        self._pages = pages

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[Followed]:
        async with (
            answering(self._answer) as server,
            connected(write_access(self._folder, server.url)) as cluster,
            followed(cluster, place.pods("shop"), "app=engine") as pods,
        ):
            yield pods

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        if "watch" not in request.query:
            return self._listed(request)
        events = self._watches.pop(0) if self._watches else []
        if isinstance(events, int):
            return web.json_response({"code": events}, status=events)
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            if event is None:
                assert request.transport is not None
                request.transport.abort()
                return response
            text = json.dumps(event).encode() + b"\n"
            # An event may come in pieces.
            await response.write(text[:9])
            await response.write(text[9:])
        if not self._watches:
            await asyncio.sleep(3600)
        return response

    def _listed(self, request: web.Request) -> web.StreamResponse:
        if self.lists in self.forbidden_lists:
            return web.json_response({}, status=403)
        page = int(request.query.get("continue", "0")) + 1
        rest = {"continue": str(page)} if page < self._pages else {}
        return web.json_response(
            {"metadata": {"resourceVersion": "7"} | rest, "items": self.pods[page - 1 :: self._pages]}
        )

    @property
    def versions(self) -> list[str]:
        """List the versions from which its watches began."""
        return [query["resourceVersion"] for query in self.asked if "watch" in query]

    @property
    def lists(self) -> int:
        return len(self.asked) - len(self.versions)


def event(kind: str, one: Object) -> Object:
    return {"type": kind, "object": one}


async def names(pods: Followed) -> list[str]:
    return [one["metadata"]["name"] for one in await pods.now()]


async def test_objects_are_listed_once_and_then_changed_by_events(tmp_path: Path) -> None:
    changes = [
        event("ADDED", pod("c", 8)),
        event("MODIFIED", pod("a", 9, labels={"new": "1"})),
        event("DELETED", pod("b", 10)),
    ]
    server = Watched(tmp_path, [pod("b", 2), pod("a", 1)], [changes])
    async with server.followed() as pods:

        async def is_changed() -> bool:
            return await names(pods) == ["a", "c"]

        await wait_until(is_changed, "the events are seen")
        assert (await pods.now())[0] == {"metadata": {"name": "a", "resourceVersion": "9", "labels": {"new": "1"}}}
    assert server.lists == 1
    assert {query["labelSelector"] for query in server.asked} == {"app=engine"}


async def test_a_long_list_comes_in_pages(tmp_path: Path) -> None:
    server = Watched(tmp_path, [pod(f"a{n}", n) for n in range(9)], [], pages=3)
    async with server.followed() as pods:
        assert await names(pods) == [f"a{n}" for n in range(9)]
    assert [query.get("continue") for query in server.asked if "watch" not in query] == [None, "1", "2"]


BOOKMARK = event("BOOKMARK", {"metadata": {"resourceVersion": "20"}})
ADDED = event("ADDED", pod("c", 30))
EXPIRED = event("ERROR", {"code": 410, "message": "too old resource version"})


@pytest.mark.parametrize(
    ("watches", "versions", "lists"),
    [
        ([[BOOKMARK], [ADDED]], ["7", "20"], 1),
        ([[BOOKMARK, None], [ADDED]], ["7", "20"], 1),
        ([503, [ADDED]], ["7", "7"], 1),
        ([401, [ADDED]], ["7", "7"], 1),
        ([[BOOKMARK, EXPIRED], [ADDED]], ["7", "7"], 2),
        ([410, [ADDED]], ["7", "7"], 2),
    ],
    ids=["ended", "cut", "away", "rejected", "expired", "gone"],
)
async def test_a_watch_that_ends_goes_on_where_it_was(
    tmp_path: Path, watches: list[Any], versions: list[str], lists: int
) -> None:
    server = Watched(tmp_path, [pod("a", 1)], watches)
    async with server.followed() as pods:

        async def is_added() -> bool:
            with suppress(ClusterError):
                return await names(pods) == ["a", "c"]
            return False

        await wait_until(is_added, "the event is seen")
    assert server.versions == versions
    assert server.lists == lists


async def test_an_api_server_that_has_just_started_may_also_refuse_the_list(tmp_path: Path) -> None:
    server = Watched(tmp_path, [pod("a", 1)], [[None], 403, []])
    server.forbidden_lists = {2, 3}
    async with server.followed() as pods:
        errors: list[ClusterError] = []
        while server.lists < 4:
            try:
                await pods.now()
            except ClusterError as error:
                errors.append(error)
            await asyncio.sleep(0.02)
        assert await names(pods) == ["a"]
    assert all(one.passes for one in errors)


async def test_without_a_watch_the_list_is_read_again(tmp_path: Path) -> None:
    server = Watched(tmp_path, [pod("a", 1)], [403] * 1000)
    async with server.followed() as pods:
        assert await names(pods) == ["a"]
        server.pods.append(pod("b", 2))

        async def is_added() -> bool:
            return await names(pods) == ["a", "b"]

        # It is read less often the longer that takes.
        await wait_until(is_added, "the list is read again", 600)


async def test_an_event_without_an_end_is_not_read(tmp_path: Path) -> None:
    flood = event("ADDED", pod("b", 8, annotations={"text": "x" * 5 * 2**20}))
    server = Watched(tmp_path, [pod("a", 1)], [[flood], []])
    async with server.followed() as pods:

        async def is_listed_again() -> bool:
            return server.lists == 2

        await wait_until(is_listed_again, "the list is read in place of the event")
        assert await names(pods) == ["a"]


async def test_a_wait_for_followed_objects_tells_of_an_api_server_that_is_away(tmp_path: Path) -> None:
    server = Watched(tmp_path, [pod("a", 1)], [[None], *([503] * 1000)])
    async with server.followed() as pods:

        async def tells() -> bool:
            try:
                await pods.now()
            except ClusterError as error:
                return error.status == 503
            return False

        await wait_until(tells, "the problem is told")
