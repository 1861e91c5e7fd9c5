"""aiohttp's client differs from the lean one in the ways that its settings describe."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from aiohttp import web

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import startable
from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.outcome import Outcome
from tests.probes.hostile_server import BODY, GOOD, HostileServer, answers, is_silent, read_request, then_closes
from tests.probes.meeting import eventually, on_loop, probe, transact
from tests.support.answering import answering


def test_an_idempotent_request_is_sent_again_when_the_connection_breaks() -> None:
    async def main() -> None:
        with HostileServer(then_closes(answers())) as server:
            async with open_client(probe(server.port, client="aiohttp")) as opened, startable(opened) as ours:
                assert await transact(ours) == [Outcome()]
            assert server.accepted == 2
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


def test_redirects_are_followed_up_to_a_limit() -> None:
    to_itself = b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"

    def redirects(connection: object) -> None:
        while read_request(connection):  # type: ignore[arg-type]
            connection.sendall(to_itself)  # type: ignore[attr-defined]

    async def main() -> None:
        with HostileServer(answers(to_itself), redirects) as server:
            async with open_client(probe(server.port, client="aiohttp")) as opened, startable(opened) as ours:
                assert await transact(ours) == [Outcome()]
            async with (
                open_client(probe(server.port, client="aiohttp", timeout="30s")) as opened,
                startable(opened) as ours,
            ):
                (outcome,) = await transact(ours)
            assert outcome.reason == "bad_answer"
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


def test_a_small_body_that_decompresses_to_a_huge_one_is_a_bad_answer() -> None:
    async def main() -> None:
        packed = zlib.compress(b"\0" * 40 * 1024**2)
        small = zlib.compress(BODY)
        head = b"HTTP/1.1 200 OK\r\nX-State: good\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n"
        with HostileServer(answers(head % len(packed) + packed), answers(head % len(small) + small)) as server:
            checks = [{"status": 200}, {"json": "$.state", "equals": "good"}]
            settings = probe(server.port, client="aiohttp", checks=checks, timeout="30s")
            async with open_client(settings) as opened, startable(opened) as ours:
                (outcome,) = await transact(ours)
                assert (outcome.reason, outcome.detail) == (
                    "bad_answer",
                    "the body is longer than 16 MiB, too long to check",
                )
                assert await transact(ours, 1) == [Outcome()]
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


def test_a_body_that_cannot_be_unpacked_is_explained_in_one_line() -> None:
    async def main() -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        with HostileServer(answers(head % len(BODY) + BODY)) as server:
            settings = probe(server.port, client="aiohttp", timeout="30s")
            async with open_client(settings) as opened, startable(opened) as ours:
                (outcome,) = await transact(ours)
            assert outcome.reason == "bad_answer"
            assert outcome.detail.isprintable()

    on_loop("uvloop", main)


def test_the_limit_on_connections_holds() -> None:
    async def main() -> None:
        with HostileServer(answers(GOOD), answers(GOOD)) as server:
            settings = probe(server.port, client="aiohttp", max_connections=2, timeout="30s")
            async with open_client(settings) as opened, startable(opened) as ours:
                assert await transact(ours, 20) == [Outcome()] * 20
            assert server.accepted == 2
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


def test_closing_cancels_running_transactions() -> None:
    async def main() -> None:
        with HostileServer(*[is_silent] * 20) as server:
            outcomes: list[Outcome] = []
            settings = probe(server.port, client="aiohttp", timeout="30s")
            async with open_client(settings) as opened, startable(opened) as ours:
                for _ in range(10):
                    ours.start(outcomes.append)
                await eventually(lambda: server.accepted == 10)
            assert outcomes == []
            await eventually(lambda: server.open_connections == 0)

    on_loop("uvloop", main)


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    def say(request: web.Request) -> web.Response:
        headers = request.headers
        seen.append((str(request.url), headers.get("Authorization"), headers.get("Proxy-Authorization")))
        return web.Response(text="good")

    async with answering(say) as server:
        monkeypatch.setenv("http_proxy", server.url.replace("://", "://me:hush@"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        for url in ("http://shop.example:81/pay", f"{server.url}/pay"):
            given = {"kind": "http", "client": "aiohttp", "url": url, "bearer_token": "a"}
            async with open_client(HttpProbe.model_validate(given)) as client:
                assert await client.transact() == Outcome()  # type: ignore[attr-defined]
    assert seen == [
        ("http://shop.example:81/pay", "Bearer a", "Basic bWU6aHVzaA=="),
        (f"{server.url}/pay", "Bearer a", None),
    ]


@pytest.mark.parametrize("token", [{}, {"bearer_token": "a"}])
async def test_what_the_users_netrc_holds_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: dict[str, str]
) -> None:
    """It is for other programs, and the service under test may be anybody's."""
    (tmp_path / "netrc").write_text("default login me password hush\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen: list[str | None] = []

    def say(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(text="good")

    async with answering(say) as server:
        given = {"kind": "http", "client": "aiohttp", "url": server.url} | token
        async with open_client(HttpProbe.model_validate(given)) as client:
            assert await client.transact() == Outcome()  # type: ignore[attr-defined]
    assert seen == ["Bearer a" if token else None]
