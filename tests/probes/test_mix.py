from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import Ended
from alertdrill.probes.figures.figures import measures
from alertdrill.probes.figures.measures import Trend
from alertdrill.probes.figures.thresholds import Thresholds, evaluate
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan
from alertdrill.probes.mix import MixClient
from alertdrill.probes.outcome import Outcome
from tests.probes.steady_clock import SteadyClock

PLAN = LoadPlan(ConstantArrivals(200.0, 0.5))


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[str]:
    """A service that takes orders, knows one order, and fails at one path."""

    async def take(_: web.Request) -> web.Response:
        return web.json_response({"id": "7"}, status=201)

    async def know(request: web.Request) -> web.Response:
        return web.json_response({"state": "open"}, status=200 if request.match_info["id"] == "7" else 404)

    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500)

    app = web.Application()
    app.add_routes([web.post("/orders", take), web.get("/orders/{id}", know), web.get("/broken", fail)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield "http://{}:{}".format(*runner.addresses[0][:2])
    await runner.cleanup()


def tcp(name: str, address: str, weight: float = 1.0) -> dict[str, Any]:
    return {"weight": weight, "probe": {"kind": "tcp", "name": name, "url": f"tcp://{address}"}}


def http(name: str, url: str, weight: float = 1.0, **settings: Any) -> dict[str, Any]:
    return {"weight": weight, "probe": {"kind": "http", "name": name, "url": url, **settings}}


async def run(mix: Any, acknowledged: list[str] | None = None) -> Load:
    async with open_client(mix) as client:
        load = Load(client, PLAN, (lambda _: None) if acknowledged is None else acknowledged.extend, SteadyClock())
        await load.run()
    return load


class _Part:
    """Ends each transaction at once."""

    def __init__(self, name: str, order: list[str]) -> None:
        self._name = name
        self._order = order

    def start(self, ended: Ended) -> None:
        self._order.append(self._name)
        ended(Outcome())

    def take_acknowledged(self) -> list[str]:
        return []


@pytest.fixture
def order_of(read: Callable[..., Any], closed_address: str) -> Callable[..., Any]:
    """Return a function that returns the order in which a shard of a mix takes its parts."""

    async def order(seed: int | None, shard: int = 0, count: int = 400) -> list[str]:
        mix = read(kind="mix", seed=seed, of=[tcp("a", closed_address, weight=3), tcp("b", closed_address, weight=1)])
        taken: list[str] = []
        async with _only_choosing(mix, shard, taken) as client:
            for _ in range(count):
                client.start(lambda _: None)
        return taken

    return order


@asynccontextmanager
async def _only_choosing(mix: Any, shard: int, taken: list[str]) -> AsyncIterator[MixClient]:
    parts = [(part.probe.title, _Part(part.probe.title, taken)) for part in mix.of]
    yield MixClient(parts, mix.chooser(shard, 2))


async def test_each_part_comes_as_often_as_its_weight_says(order_of: Callable[..., Any]) -> None:
    taken = Counter(await order_of(7, count=4000))
    assert taken["a"] == pytest.approx(3000, abs=120)


async def test_the_same_seed_gives_the_same_order_and_every_shard_has_its_own(order_of: Callable[..., Any]) -> None:
    assert await order_of(7) == await order_of(7)
    assert await order_of(7) != await order_of(8)
    assert await order_of(7, shard=0) != await order_of(7, shard=1)
    assert await order_of(None) != await order_of(None)


async def test_requests_are_counted_by_name_and_judged_by_it(
    read: Callable[..., Any], shop: str, closed_address: str
) -> None:
    mix = read(
        kind="mix",
        seed=1,
        of=[
            http("order", f"{shop}/orders", weight=2, method="POST"),
            http("broken", f"{shop}/broken", checks=[{"name": "is broken", "status": 500}]),
            tcp("gone", closed_address),
        ],
    )
    load = await run(mix)
    counts = {name: (one.durations.count, one.failed) for name, one in load.tally.requests.items()}
    assert sum(count for count, _ in counts.values()) == load.tally.ended == 100
    assert counts["order"][1] == 0
    # A status of 500 is a failed request even when it is expected, and so is a request without an answer.
    assert counts["broken"][0] == counts["broken"][1] > 0
    assert counts["gone"][0] == counts["gone"][1] == load.tally.failed > 0
    thresholds = TypeAdapter(Thresholds).validate_python(
        {
            "http_req_failed{name:order}": ["rate<0.01"],
            "http_req_failed{name:broken}": ["rate<0.01"],
            "http_reqs{name:gone}": ["count>0"],
            "http_req_duration{name:order}": ["p(95)<60s"],
            "checks{check:is broken}": ["rate>0.99"],
        }
    )
    figures = measures(load.tally, mix.counted, 0.5)
    assert [judged.ok for judged in evaluate(thresholds, figures)] == [True, False, True, True, True]
    durations = figures["http_req_duration"]
    assert isinstance(durations, Trend)
    assert durations.count == 100


async def test_a_sequence_keeps_the_names_of_its_requests(
    read: Callable[..., Any], shop: str, closed_address: str
) -> None:
    steps = {"carry": {"id": "$.id"}, "then": [{"name": "look", "url": f"{shop}/orders/{{{{ id }}}}"}]}
    mix = read(
        kind="mix", seed=1, of=[http("order", f"{shop}/orders", method="POST", **steps), tcp("gone", closed_address)]
    )
    load = await run(mix)
    counts = {name: one.durations.count for name, one in load.tally.requests.items()}
    assert counts["order"] == counts["look"] == load.tally.succeeded > 0
    assert counts["order"] + counts["gone"] == 100
    assert [request.name for request in mix.counted] == ["order", "look", "gone"]


async def test_the_ids_that_every_part_acknowledged_are_collected(read: Callable[..., Any], shop: str) -> None:
    keyed = {"method": "POST", "idempotency_key": True}
    mix = read(
        kind="mix",
        seed=1,
        of=[
            http("one", f"{shop}/orders", **keyed),
            http("two", f"{shop}/orders", **keyed),
            http("broken", f"{shop}/broken", idempotency_key=True),
        ],
    )
    acknowledged: list[str] = []
    load = await run(mix, acknowledged)
    assert len(set(acknowledged)) == len(acknowledged) == load.tally.succeeded
    assert 0 < load.tally.succeeded < 100
    assert load.tally.requests["one"].durations.count + load.tally.requests["two"].durations.count == len(acknowledged)


async def test_a_slow_part_does_not_delay_the_others(read: Callable[..., Any], serving: Any, shop: str) -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()

    async with serving(wait) as address:
        slow = {"probe": {"kind": "tcp", "name": "slow", "url": f"tcp://{address}", "expect": "x", "timeout": "700ms"}}
        load = await run(read(kind="mix", seed=1, of=[slow, http("order", f"{shop}/orders", method="POST")]))
    assert load.tally.dropped == 0
    assert load.tally.requests["slow"].failed == load.tally.requests["slow"].durations.count > 20
    assert load.tally.requests["order"].failed == 0
    assert load.tally.reasons == {"timeout": load.tally.failed}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ([], "of\n"),
        ([tcp("a", "a:1", weight=0)], "weight"),
        ([tcp("a", "a:1"), tcp("a", "b:1")], "two parts are named 'a', expected a name of its own for each"),
        ([{"probe": {"kind": "mix", "of": [tcp("a", "a:1")]}}], "is a mix within a mix, expected its parts here"),
        ([{"probe": {"kind": "tpc", "url": "tcp://a:1"}}], "tpc"),
    ],
)
def test_an_inconsistent_mix_is_refused(read: Callable[..., Any], of: list[Any], expected: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(kind="mix", of=of)
    assert expected in str(refused.value)
