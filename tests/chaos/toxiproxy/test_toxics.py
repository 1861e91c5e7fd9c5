"""Each kind of toxic against the real server, with toxiproxy-python as the independent witness."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from pydantic import ValidationError

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.registry import FAULTS, fault_class
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.server import Server
from tests.support.toxiproxy_server import endpoints, toxics, witness

KINDS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "bandwidth": ({"rate_kilobytes": 7}, {"rate": 7}),
    "latency": ({"latency": "1s500ms", "jitter": "20ms"}, {"latency": 1500, "jitter": 20}),
    "limit_data": ({"bytes": 9}, {"bytes": 9}),
    "reset_peer": ({"timeout": "2s"}, {"timeout": 2000}),
    "slicer": (
        {"average_size_bytes": 64, "size_variation_bytes": 63, "delay": "3ms"},
        {"average_size": 64, "size_variation": 63, "delay": 3000},
    ),
    "slow_close": ({"delay": "4s"}, {"delay": 4000}),
    "timeout": ({"timeout": "5s"}, {"timeout": 5000}),
}


def fault(kind: str, **settings: Any) -> Fault:
    return fault_class(kind).model_validate({"proxy": "db"} | settings)


def test_every_kind_is_tried_here() -> None:
    proxied = {kind for kind, place in FAULTS.items() if place.startswith("alertdrill.chaos.toxiproxy")}
    assert proxied == KINDS.keys() | {"down"}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_server_has_the_toxic_of_the_file(kind: str, server: Server, tmp_path: Path) -> None:
    settings, attributes = KINDS[kind]
    upstream = fault(kind, stream="upstream", toxicity=0.3, **settings)
    async with applied(upstream, endpoints(server), Ledger(tmp_path / "ledger")):
        ((name, toxic),) = toxics(server).items()
        assert name.startswith("alertdrill-")
        assert (toxic.type, toxic.stream, toxic.attributes) == (kind, "upstream", attributes)
        assert toxic.toxicity == pytest.approx(0.3)
    assert toxics(server) == {}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_toxic_that_somebody_removed_or_changed_is_noticed(kind: str, server: Server, tmp_path: Path) -> None:
    settings, attributes = KINDS[kind]
    async with applied(fault(kind, **settings), endpoints(server), Ledger(tmp_path / "ledger")) as injection:
        (name,) = toxics(server)
        assert await injection.taken_back() == ""
        attribute = next(iter(attributes))
        await _call(
            server, "POST", f"/proxies/db/toxics/{name}", {"attributes": {attribute: 1 + attributes[attribute]}}
        )
        assert await injection.taken_back() == f"the toxic {name} has other attributes than it was added with"
        await _call(server, "DELETE", f"/proxies/db/toxics/{name}")
        gone = f"the toxic {name} is gone from Toxiproxy: it was removed, or Toxiproxy was restarted"
        assert await injection.taken_back() == gone
        await _call(server, "DELETE", "/proxies/db")
        assert await injection.taken_back() == gone


async def test_a_proxy_that_somebody_enabled_or_removed_is_noticed(server: Server, tmp_path: Path) -> None:
    async with applied(fault("down"), endpoints(server), Ledger(tmp_path / "ledger")) as injection:
        assert await injection.taken_back() == ""
        await _call(server, "POST", "/proxies/db", {"enabled": True})
        assert await injection.taken_back() == "the proxy db was enabled, or Toxiproxy was restarted"
        await _call(server, "DELETE", "/proxies/db")
        assert await injection.taken_back() == "Toxiproxy has no proxy db any more"


async def _call(server: Server, method: str, path: str, body: object = None) -> None:
    async with (
        ClientSession() as session,
        session.request(method, f"http://{server.address}{path}", json=body) as response,
    ):
        assert response.status < 300, await response.text()


async def test_several_are_in_force_at_once_even_of_one_kind(server: Server, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        for stream in ("downstream", "upstream"):
            for kind, (settings, _) in KINDS.items():
                one = fault(kind, stream=stream, **settings)
                await stack.enter_async_context(applied(one, endpoints(server), Ledger(tmp_path / "ledger")))
        assert len(toxics(server)) == 2 * len(KINDS)
    assert toxics(server) == {}


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("bandwidth", {"rate_kilobytes": -1}, "greater than or equal to 0"),
        ("bandwidth", {"rate_kilobytes": 0}, "greater than 0"),
        ("slicer", {"average_size_bytes": 0}, "greater than 0"),
        ("slicer", {"average_size_bytes": 10, "size_variation_bytes": 10}, "would hang the server, expected less than"),
        ("slicer", {"average_size_bytes": 2**63}, "less than or equal to"),
        ("limit_data", {"bytes": -1}, "greater than or equal to 0"),
        ("latency", {"latency": "1s", "jitter": "2d"}, "less than or equal to"),
        ("latency", {"latency": "1s", "toxicity": 7}, "less than or equal to 1"),
        ("slow_close", {"delay": "0s"}, "greater than 0"),
        ("down", {"proxy": "a/b"}, "should match pattern"),
    ],
)
def test_settings_that_crash_or_hang_the_server_are_refused(kind: str, settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        fault(kind, **settings)


async def test_down_refuses_connections_and_ends_the_open_ones(server: Server, tmp_path: Path) -> None:
    async with _echo_through(server) as proxy:
        async with applied(fault("down", proxy="echo"), endpoints(server), Ledger(tmp_path / "ledger")):
            assert await proxy.reader.read() == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", proxy.port)
            assert not witness(server).get_proxy("echo").enabled
        assert witness(server).get_proxy("echo").enabled


async def test_a_proxy_that_is_disabled_already_stays_disabled(server: Server, tmp_path: Path) -> None:
    witness(server).get_proxy("db").disable()
    with pytest.raises(FaultNotApplied, match="proxy 'db' is disabled already"):
        async with applied(fault("down"), endpoints(server), Ledger(tmp_path / "ledger")):
            pass
    assert not witness(server).get_proxy("db").enabled


@pytest.mark.parametrize("cut", [True, False])
async def test_open_connections_end_only_when_asked(cut: bool, server: Server, tmp_path: Path) -> None:  # noqa: FBT001
    slow = fault("latency", proxy="echo", latency="1ms", cut_connections=cut)
    async with _echo_through(server) as proxy, applied(slow, endpoints(server), Ledger(tmp_path / "ledger")):
        if cut:
            assert await proxy.reader.read() == b""
        assert await (await _connect(proxy.port) if cut else proxy).echo() == b"hello"
        assert [toxic.type for toxic in toxics(server, "echo").values()] == ["latency"]


async def test_connections_that_escape_a_toxic_are_found_by_their_traffic(server: Server, tmp_path: Path) -> None:
    spares_all = fault("timeout", proxy="echo", toxicity=1e-9)
    async with _echo_through(server) as pooled:
        idle = await _connect(pooled.port)
        async with applied(spares_all, endpoints(server), Ledger(tmp_path / "ledger")) as injection:
            await asyncio.sleep(0.3)
            opened_under_it = await _connect(pooled.port)
            assert await opened_under_it.echo() == await pooled.echo() == b"hello"
        assert injection.outcome == (
            "2 open connections escaped it and carried traffic, 1 of them open before it "
            "(toxicity 1e-09 is drawn once for each connection)"
        )
        idle.close()


async def test_nothing_is_reported_when_no_connection_escapes(server: Server, tmp_path: Path) -> None:
    async with _echo_through(server) as pooled:
        async with applied(fault("timeout", proxy="echo"), endpoints(server), Ledger(tmp_path / "ledger")) as injection:
            await asyncio.sleep(0.3)
            pooled.send()
            opened_under_it = await _connect(pooled.port)
            opened_under_it.send()
            await asyncio.sleep(0.3)
        assert injection.outcome == ""


async def test_servers_without_patch_get_a_post(server: Server, tmp_path: Path) -> None:
    async with _old_server(server) as url:
        async with applied(fault("down"), Endpoints(toxiproxy_url=url), Ledger(tmp_path / "ledger")):
            assert not witness(server).get_proxy("db").enabled
        assert witness(server).get_proxy("db").enabled


async def test_a_toxic_that_differs_from_the_request_is_removed_and_reported(server: Server, tmp_path: Path) -> None:
    async with _old_server(server, toxicity=0.5) as url:
        with pytest.raises(FaultNotApplied, match=r"has toxicity 0\.5, expected 1\.0"):
            async with applied(fault("timeout"), Endpoints(toxiproxy_url=url), Ledger(tmp_path / "ledger")):
                pass
    assert toxics(server) == {}


class _Connection:
    def __init__(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.port, self.reader, self._writer = port, reader, writer

    def send(self) -> None:
        self._writer.write(b"hello")

    async def echo(self) -> bytes:
        self.send()
        return await self.reader.readexactly(5)

    def close(self) -> None:
        self._writer.close()


async def _connect(port: int) -> _Connection:
    return _Connection(port, *await asyncio.open_connection("127.0.0.1", port))


@asynccontextmanager
async def _echo_through(server: Server) -> AsyncIterator[_Connection]:
    """Connect through a proxy `echo`, and pass some data."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as upstream:
        address = f"127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
        made = witness(server).create(name="echo", listen="127.0.0.1:0", upstream=address, enabled=True)
        connection = await _connect(int(made.listen.rpartition(":")[2]))
        assert await connection.echo() == b"hello"
        yield connection
        connection.close()
        made.destroy()


@asynccontextmanager
async def _old_server(server: Server, **answered: Any) -> AsyncIterator[str]:
    """Run a server in front that refuses PATCH, like versions before 2.6; it can also change responses."""

    async def relay(request: web.Request) -> web.Response:
        if request.method == "PATCH":
            return web.Response(status=405)
        url = f"http://{server.address}{request.path_qs}"
        async with ClientSession() as session, session.request(request.method, url, data=await request.read()) as found:
            body = await found.read()
            if answered and request.method == "GET" and found.status == 200 and "toxics/" in request.path:
                return web.json_response(json.loads(body) | answered)
            return web.Response(status=found.status, body=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", relay)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()
