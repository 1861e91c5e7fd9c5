"""The servers that faults speak to may be others than they seem, and answer without end."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from alertdrill.chaos.cluster_access import ClusterReach
from alertdrill.chaos.http.call import Call
from alertdrill.chaos.http.client import CallFailed, make_call
from alertdrill.chaos.kubernetes.client import connected
from alertdrill.chaos.kubernetes.place import ClusterError, Place
from alertdrill.chaos.toxiproxy.client import Toxiproxy, ToxiproxyError
from tests.support import bombs
from tests.support.answering import Answer, answering
from tests.support.kubeconfig import write_kubeconfig

pytestmark = pytest.mark.servers
TOO_LARGE = {
    "gzip": (bombs.gzip, " when it is unpacked"),
    "an error": (bombs.refusing, " when it is unpacked"),
    "endless": (bombs.endless, ""),
}
Start = Callable[[Answer], Awaitable[str]]


@pytest.fixture(scope="module", autouse=True)
def _packed() -> None:
    bombs.prepare()


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as servers:

        async def begin(answer: Answer) -> str:
            return (await servers.enter_async_context(answering(answer))).url

        yield begin


@pytest.fixture
def memory() -> Any:
    """Hold the memory of a test below a limit."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 * 2**20


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(("answer", "packed"), TOO_LARGE.values(), ids=TOO_LARGE)
async def test_toxiproxy(start: Start, answer: Any, packed: str) -> None:
    url = await start(answer)
    with pytest.raises(ToxiproxyError) as error:
        await Toxiproxy(url).proxies()
    assert str(error.value) == f"GET {url}/proxies: its answer is larger than 8 MiB{packed}"


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(("answer", "packed"), TOO_LARGE.values(), ids=TOO_LARGE)
async def test_an_endpoint(start: Start, answer: Any, packed: str) -> None:
    url = await start(answer)
    with pytest.raises(CallFailed) as error:
        await make_call(Call(url=url))
    assert str(error.value) == f"POST {url} failed: its answer is larger than 8 MiB{packed}"


async def asked_cluster(tmp_path: Path, url: str) -> str:
    place = Place(api="v1", resource="pods", namespace="shop", name="a")
    with pytest.raises(ClusterError) as error:
        async with connected(ClusterReach(kubeconfig=write_kubeconfig(tmp_path, url))) as cluster:
            await cluster.get(place)
    return str(error.value)


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(("answer", "packed"), TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_cluster(start: Start, tmp_path: Path, answer: Any, packed: str) -> None:
    told = await asked_cluster(tmp_path, await start(answer))
    assert told.endswith(f": its answer is larger than 64 MiB{packed}")
    assert "\n" not in told


@pytest.mark.usefixtures("memory")
async def test_a_refusal_of_a_cluster_is_not_unpacked_without_a_limit(start: Start, tmp_path: Path) -> None:
    told = await asked_cluster(tmp_path, await start(bombs.refusing_with_values))
    assert told.endswith("get pods a in namespace shop: 500 Internal Server Error")


ODD = [b"", b"[]", b"3", b'"text"', b"null", b'{"db": 3}', b'{"db": {}}', b"[" * 100_000, b"<html>", b"\xff"]


@pytest.mark.parametrize("body", ODD, ids=repr)
async def test_odd_answers_are_errors_of_the_server(start: Start, tmp_path: Path, body: bytes) -> None:
    url = await start(lambda _: web.Response(body=body, content_type="application/json"))
    toxiproxy = Toxiproxy(url)
    toxic = {"name": "a", "type": "latency", "attributes": {}}
    for call in (
        toxiproxy.proxies(),
        toxiproxy.add_toxic("db", toxic),
        toxiproxy.enable("db", enabled=True),
    ):
        with pytest.raises(ToxiproxyError):
            await call
    if not body.startswith(b"{"):
        assert "did not answer with" in await asked_cluster(tmp_path, url)
