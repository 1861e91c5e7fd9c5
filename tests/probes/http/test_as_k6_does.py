"""What a request costs before it is sent, redirects, cookies and packed bodies are as in k6."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import CutsOff, startable
from alertdrill.probes.figures.figures import measures
from alertdrill.probes.figures.measures import Counter, Rate, Trend
from alertdrill.probes.http.origin import Origin
from alertdrill.probes.http.pool import Pool, PoolLimits
from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.load.second_counter import SecondCounter
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.mix import MixProbe
from alertdrill.probes.outcome import Opening, Outcome
from tests.probes.hostile_server import GOOD, HostileServer, answers, closed_port, is_silent
from tests.probes.meeting import eventually, on_loop, probe, transact
from tests.support.answering import answering

CLIENTS = ["lean", "aiohttp"]


def tallied(*outcomes: Outcome, seconds: float = 0.5) -> Tally:
    """Count transactions that each took so long from their send."""
    counter, tally = SecondCounter(), Tally()
    for outcome in outcomes:
        counter.sent(0.0)
        counter.ended(outcome, seconds, seconds)
    tally.add(counter.close(0, 1.0, [], is_whole=True))
    return tally


async def outcomes_of(times: int = 1, **settings: Any) -> list[Outcome]:
    made = HttpProbe.model_validate({"timeout": "30s"} | settings)
    async with open_client(made) as opened, startable(opened) as client:
        return [(await transact(client))[0] for _ in range(times)]


def test_opening_a_connection_is_no_part_of_the_request() -> None:
    """The first of two transactions of half a second opened one: 50 ms to connect, 200 ms for the handshake."""
    tally = tallied(Outcome(opening=Opening(0.3, 0.05, 0.2)), Outcome())
    figures = measures(tally, HttpProbe(url="http://shop/").counted, 1.0)
    seconds = {
        name: (round(figure.min, 3), round(figure.max, 3), figure.count)
        for name, figure in figures.items()
        if isinstance(figure, Trend)
    }
    assert seconds["http_req_duration"] == (0.2, 0.5, 2)
    assert seconds["iteration_duration"] == (0.5, 0.5, 2)
    assert seconds["http_req_blocked"] == (0.0, 0.3, 2)
    assert seconds["http_req_connecting"] == (0.0, 0.05, 2)
    assert seconds["http_req_tls_handshaking"] == (0.0, 0.2, 2)


def test_other_probes_have_no_figures_of_connections() -> None:
    figures = measures(tallied(Outcome()), HttpProbe(url="http://shop/").counted, 1.0)
    assert [name for name in figures if name.startswith(("http_req_c", "http_req_t", "http_req_b"))] == []


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_only_the_first_transaction_opens_a_connection(
    client: str, scheme: str, server_context: Callable[..., ssl.SSLContext], ca_file: str
) -> None:
    async with answering(
        lambda _: web.Response(), server_context("127.0.0.1") if scheme == "https" else None
    ) as server:
        first, second = await outcomes_of(2, url=server.url, client=client, tls={"ca_file": ca_file})
    assert (first, second, second.opening) == (Outcome(), Outcome(), None)
    assert first.opening is not None
    assert 0 < first.opening.connecting_seconds <= first.opening.waited_seconds
    if client == "aiohttp":
        assert first.opening.tls_seconds is None
    else:
        assert (first.opening.tls_seconds or 0.0) > 0 if scheme == "https" else first.opening.tls_seconds == 0


def seen(request: web.Request) -> tuple[str, str, str | None, str | None]:
    return request.method, request.path, request.headers.get("Authorization"), request.headers.get("Cookie")


async def test_every_request_of_a_redirect_counts_and_the_last_answer_is_checked() -> None:
    asked: list[tuple[str, str, str | None, str | None]] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(seen(request))
        if request.path == "/old":
            return web.Response(status=302, headers={"Location": "/new", "Set-Cookie": "sid=1"})
        return web.Response(status=201)

    async with answering(answer) as server:
        settings = {"url": f"{server.url}/old", "method": "POST", "body": "x", "checks": [{"status": 201}]}
        given = settings | {"client": "aiohttp", "bearer_token": "a"}
        outcomes = await outcomes_of(2, **given)
    assert outcomes == [Outcome(), Outcome()]
    # Each transaction begins without cookies.
    once = [("POST", "/old", "Bearer a", None), ("GET", "/new", "Bearer a", "sid=1")]
    assert asked == once * 2
    assert [[hop.is_redirect for hop in outcome.hops] for outcome in outcomes] == [[True, False]] * 2
    figures = measures(tallied(*outcomes), HttpProbe.model_validate(given).counted, 1.0)
    assert figures["http_reqs"] == Counter(4, 1.0)
    assert figures["http_req_failed"] == Rate(0, 4)
    assert (figures["checks"], figures["iterations"]) == (Rate(2, 2), Counter(2, 1.0))


@pytest.mark.parametrize(("status", "method"), [(307, "POST"), (308, "POST"), (301, "GET"), (303, "GET")])
async def test_the_method_of_a_redirected_request_is_that_of_k6(status: int, method: str) -> None:
    asked: list[str] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(status=status, headers={"Location": "/b"}) if request.path == "/a" else web.Response()

    async with answering(answer) as server:
        await outcomes_of(url=f"{server.url}/a", method="POST", body="x", client="aiohttp")
    assert asked == ["POST", method]


async def test_a_redirect_to_another_server_takes_no_credentials_there() -> None:
    asked: list[tuple[str, str, str | None, str | None]] = []

    def keep(request: web.Request) -> web.Response:
        asked.append(seen(request))
        return web.Response()

    async with answering(keep) as other:
        away = web.Response(status=302, headers={"Location": f"{other.url}/"})
        async with answering(lambda _: away) as server:
            await outcomes_of(url=server.url, client="aiohttp", bearer_token="a")  # noqa: S106 - for a test
    assert asked == [("GET", "/", None, None)]


async def test_without_redirects_the_answer_itself_is_checked() -> None:
    async with answering(lambda _: web.Response(status=302, headers={"Location": "/b"})) as server:
        settings = {"url": server.url, "client": "aiohttp", "redirects": 0, "checks": [{"status": 302}]}
        assert await outcomes_of(**settings) == [Outcome()]
        assert len(server.asked) == 1


def test_the_lean_client_cannot_be_asked_to_follow_redirects() -> None:
    with pytest.raises(ValidationError, match="the lean client follows none, expected client: aiohttp as well"):
        HttpProbe(url="http://shop/", redirects=3)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("asks", [True, False])
async def test_a_body_is_packed_only_if_the_file_asks_for_it_and_checked_unpacked(client: str, *, asks: bool) -> None:
    accepted: list[str | None] = []

    def answer(request: web.Request) -> web.Response:
        accepted.append(request.headers.get("Accept-Encoding"))
        if accepted[-1] is None:
            return web.Response(body=b"welcome home")
        return web.Response(body=gzip.compress(b"welcome home"), headers={"Content-Encoding": "gzip"})

    async with answering(answer) as server:
        headers = {"headers": {"Accept-Encoding": "gzip"}} if asks else {}
        checks = [{"equals": "welcome home"}, {"header": "content-type", "exists": True}]
        assert await outcomes_of(url=server.url, client=client, checks=checks, **headers) == [Outcome()]
    assert accepted == ["gzip" if asks else None]


@pytest.mark.parametrize("client", CLIENTS)
async def test_the_answer_before_a_later_request_need_not_be_json(client: str) -> None:
    async with answering(lambda _: web.Response(text="ok")) as server:
        [outcome] = await outcomes_of(url=f"{server.url}/a", then=[{"url": f"{server.url}/b"}], client=client)
    assert outcome.reason is None
    assert [request.name for request in outcome.requests] == ["/a", "/b"]


@pytest.mark.parametrize("kind", ["lean", "aiohttp", "sequence", "mix"])
def test_transactions_that_are_cut_off_end_unfinished_and_fail_their_checks(kind: str) -> None:
    async def main() -> None:
        with HostileServer(*[is_silent] * 3) as server:
            client = "aiohttp" if kind == "aiohttp" else "lean"
            then = {"then": [{"url": f"http://127.0.0.1:{server.port}/b"}]} if kind == "sequence" else {}
            one = probe(server.port, client=client, timeout="30s", **then)
            settings = MixProbe.model_validate({"of": [{"probe": one}]}) if kind == "mix" else one
            outcomes: list[Outcome] = []
            async with open_client(settings) as opened, startable(opened, one.check_names) as ours:
                for _ in range(3):
                    ours.start(outcomes.append)
                await eventually(lambda: server.accepted == 3)
                assert isinstance(ours, CutsOff)
                ours.cut_off()
                await eventually(lambda: len(outcomes) == 3)
            assert {(outcome.reason, outcome.failed_checks) for outcome in outcomes} == {
                ("unfinished", ("status is 2xx",))
            }
            assert {len(outcome.requests) for outcome in outcomes} == {1 if kind in {"sequence", "mix"} else 0}
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


async def test_a_server_that_is_down_is_refused_each_time_and_used_when_it_is_back() -> None:
    ended: list[str | None] = []
    async with asyncio.TaskGroup() as tasks:
        down = contextlib.ExitStack()
        port = down.enter_context(closed_port())
        pool = Pool(Origin("127.0.0.1", port), PoolLimits(), tasks, reads=False)
        send: Callable[[], Awaitable[None]] | Any = lambda: pool.send(  # noqa: E731 - it stays short
            b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
            lambda exchange, reason: ended.append(reason or str(exchange.status)),
        )
        async with pool.opened():
            for _ in range(100):
                send()
            await eventually(lambda: len(ended) == 100)
            assert set(ended) == {"refused"}
            down.close()
            with HostileServer(*[answers(GOOD)] * 1000, port=port):
                while ended[-1] == "refused":
                    before = len(ended)
                    send()
                    await eventually(lambda: len(ended) > before)  # noqa: B023 - it is awaited within the round
    assert ended[-1] == "200"
