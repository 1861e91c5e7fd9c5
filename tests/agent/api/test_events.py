"""How many streams of events there may be, which are kept open, and which are cut off."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from alertdrill.agent.api import events
from alertdrill.agent.api.table import BASE
from alertdrill.probes.load.second_counter import SecondCounts
from tests.support.served_agent import Served, served
from tests.support.waiting import running, until

MOST = 64


async def test_one_stream_too_many_is_refused_until_another_ends(tmp_path: Path) -> None:
    async with served(tmp_path) as one, running(one.api.run()), AsyncExitStack() as stack:
        url = f"{one.url}{BASE}/events"
        streams = [await stack.enter_async_context(one.session.get(url)) for _ in range(MOST)]
        assert [stream.status for stream in streams] == [200] * MOST
        async with one.session.get(url) as refused:
            assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
            assert refused.content_type == "application/problem+json"
            problem = await refused.json()
            assert (problem["title"], problem["detail"]) == ("too many streams are open", "at most 64")
        # Those that are open go on.
        assert await streams[-1].content.readline() == b"retry: 3000\n"
        streams[0].close()

        async def is_free() -> bool:
            async with one.session.get(url) as answer:
                return answer.status == 200

        await until(is_free, "there is a place for another stream")


async def test_a_stream_on_which_nothing_happens_has_pings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing looks at the agent here, so nothing is told but the state at the beginning."""
    monkeypatch.setattr(events, "_PING_EVERY_SECONDS", 0.01)
    async with (
        served(tmp_path) as one,
        asyncio.timeout(60),
        one.session.get(f"{one.url}{BASE}/events") as answer,
    ):
        lines = [await answer.content.readline() for _ in range(9)]
        assert lines[:3] == [b"retry: 3000\n", b"\n", b"event: status\n"]
        assert lines[5:] == [b": ping\n", b"\n"] * 2


async def test_a_client_that_does_not_read_is_cut_off_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_LOOK_EVERY_SECONDS", 0.01)
    async with (
        served(tmp_path) as one,
        running(one.api.run()),
        asyncio.timeout(300),
        one.session.get(f"{one.url}{BASE}/events") as answer,
    ):
        tally, loop = one.agent.parts.load.tally, asyncio.get_running_loop()
        tally.kept_seconds = None
        with socket.socket() as silent:
            # Of what it does not read, the kernel keeps some megabytes.
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            silent.setblocking(False)
            await loop.sock_connect(silent, _address(one))
            await loop.sock_sendall(silent, f"GET {BASE}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            received = await loop.sock_recv(silent, 100)
            assert received.startswith(b"HTTP/1.1 200 ")
            parts, of_each = 40, 400
            for part in range(parts):
                for due in range(part * of_each, (part + 1) * of_each):
                    tally.add(SecondCounts(offset=due, due=due))
                while f'"due":{(part + 1) * of_each - 1},'.encode() not in await answer.content.readline():
                    pass
            with contextlib.suppress(ConnectionResetError):
                while more := await loop.sock_recv(silent, 2**20):
                    received += more
            assert received.count(b"event: load") < parts * of_each


async def test_a_client_without_chunks_gets_the_same_events(tmp_path: Path) -> None:
    """A proxy may speak HTTP/1.0, as nginx does if it is not told otherwise."""
    async with served(tmp_path) as one, running(one.api.run()), asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(*_address(one))
        writer.write(f"GET {BASE}/events HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await reader.readuntil(b"event: status\n")
        for due in (7, 8):
            one.agent.parts.load.tally.add(SecondCounts(offset=due, due=due))
            await reader.readuntil(b"\nevent: load\n")
            assert json.loads((await reader.readline()).removeprefix(b"data: "))["due"] == due
            assert await reader.readline() == b"\n"
        writer.close()


def _address(one: Served) -> tuple[str, int]:
    host, _, port = one.url.removeprefix("http://").partition(":")
    return host, int(port)
