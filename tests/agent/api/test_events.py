"""How many streams of events there may be, and that a silent one is kept open."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from alertdrill.agent.api import events
from alertdrill.agent.api.table import BASE
from tests.support.served_agent import served
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
