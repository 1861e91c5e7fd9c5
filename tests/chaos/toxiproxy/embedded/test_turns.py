"""What one connection may do before all others, and the API, have their turn of the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvloop

from alertdrill.chaos.toxiproxy.embedded.channel import Chunk
from alertdrill.chaos.toxiproxy.embedded.endpoint import TURN_BYTES, Endpoint
from alertdrill.chaos.toxiproxy.embedded.stage import ToxicStage
from alertdrill.chaos.toxiproxy.embedded.toxic import Toxic
from alertdrill.chaos.toxiproxy.embedded.toxics.slicer import SlicerToxic

BYTES = 4_000_000
MOST_CHUNKS = 32


class Turns:
    """How much arrived in each turn of the loop."""

    def __init__(self) -> None:
        self.counts = [0]
        self.ended = asyncio.Event()
        self.on_room: Callable[[], None] | None = None
        self.full = False
        self._next()

    @property
    def total(self) -> int:
        return sum(self.counts)

    def feed(self, data: bytes) -> None:
        self.counts[-1] += len(data)

    def offer(self, _: Chunk) -> None:
        self.counts[-1] += 1

    def feed_end(self) -> None:
        self.ended.set()

    close = feed_end

    def _next(self) -> None:
        if not self.ended.is_set():
            self.counts.append(0)
            asyncio.get_running_loop().call_soon(self._next)


def test_a_socket_that_always_has_data_is_read_once_in_a_turn() -> None:
    async def read() -> Turns:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BYTES)
        theirs.setblocking(False)
        sending = loop.create_task(_send(theirs))
        endpoint, turns = Endpoint(), Turns()
        endpoint.attach(turns)
        await loop.connect_accepted_socket(lambda: endpoint, ours)
        await sending
        await turns.ended.wait()
        endpoint.abort()
        return turns

    turns = uvloop.run(read())
    assert turns.total == BYTES
    assert max(turns.counts) <= TURN_BYTES


async def _send(theirs: socket.socket) -> None:
    await asyncio.get_running_loop().sock_sendall(theirs, bytes(BYTES))
    theirs.close()


def test_a_toxic_that_makes_many_pieces_passes_on_only_some_of_them_in_a_turn() -> None:
    async def pass_on() -> Turns:
        turns = Turns()
        async with asyncio.TaskGroup() as group:
            toxic = Toxic("slicer", "slicer", "upstream", 1.0, SlicerToxic(average_size=1))
            stage = ToxicStage(toxic, turns, group.create_task)
            stage.start()
            stage.inlet.offer(Chunk(b"x" * 1000, 0.0))
            stage.inlet.close()
        return turns

    turns = uvloop.run(pass_on())
    assert turns.total == 1000
    assert max(turns.counts) <= MOST_CHUNKS


class Once:
    """A reader that wants no more after the first data."""

    def __init__(self) -> None:
        self.count = 0
        self.fed = asyncio.Event()
        self.on_data: Callable[[], None] = lambda: None

    def feed(self, data: bytes) -> None:
        self.count += len(data)
        self.fed.set()
        self.on_data()

    def feed_end(self) -> None:
        pass


def test_a_socket_that_nobody_wants_to_read_stays_unread_after_its_turn() -> None:
    async def read() -> int:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BYTES)
        theirs.send(bytes(2 * TURN_BYTES))
        endpoint, once = Endpoint(), Once()
        endpoint.attach(once)
        once.on_data = lambda: endpoint.read(wanted=False)
        await loop.connect_accepted_socket(lambda: endpoint, ours)
        await once.fed.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        endpoint.abort()
        theirs.close()
        return once.count

    assert uvloop.run(read()) == TURN_BYTES
