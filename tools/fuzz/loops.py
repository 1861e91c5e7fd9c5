"""Targets with servers: an event loop whose errors are findings, and a server that says any bytes."""

from __future__ import annotations

import asyncio
import random
import re
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self, cast

import uvloop

from tools.fuzz.target import Target

_LONGEST_WAIT_SECONDS = 60.0
# At the begin of a line: a path may hold the same words.
_LENGTH = re.compile(rb"\ncontent-length: (\d+)", re.IGNORECASE)


class LoopTarget(Target):
    """A target whose inputs are read on an event loop, one after another; nothing may reach the loop's error handler."""

    def __enter__(self) -> Self:
        # The loop of the agent.
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._runner.get_loop().set_exception_handler(self._note)
        self._noted: list[str] = []
        self._over = asyncio.Event()
        self._ready = self._runner.get_loop().create_future()
        self._keeping = self._runner.get_loop().create_task(self._keep())
        self._runner.get_loop().run_until_complete(self._ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._runner.get_loop().run_until_complete(self._keeping)
        self._runner.close()

    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[None]:
        """Open the servers and clients for all inputs."""

    @abstractmethod
    async def take(self, draw: random.Random, content: bytes) -> str:
        """Read an input, and return what is wrong with how it was read; empty if nothing is."""

    def read(self, draw: random.Random, content: bytes) -> str:
        """Read an input on the loop."""
        problem = self._runner.get_loop().run_until_complete(self._taken(draw, content))
        noted, self._noted = self._noted, []
        return problem or "; ".join(noted)

    async def _taken(self, draw: random.Random, content: bytes) -> str:
        try:
            # A real wait, for an answer that never comes: the processor's time says nothing about it.
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS) as waiting:
                return await self.take(draw, content)
        except TimeoutError:
            if waiting.expired():
                return "did not end"
            raise

    async def _keep(self) -> None:
        try:
            async with self.opened():
                self._ready.set_result(None)
                await self._over.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._noted.append(f"in the event loop: {context.get('exception') or context['message']!r}")


class Sayer:
    """A server that answers each request with bytes, and closes the connection if the answer is for its last one.

    `answers` are those of single paths, `answer` is that of the others.
    """

    def __init__(self) -> None:
        self.port = 0
        self.answer = b""
        self.closes = False
        self.answers: dict[str, bytes] = {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve on a free port of loopback for the length of the block."""
        server = await asyncio.get_running_loop().create_server(lambda: _Saying(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    def answer_to(self, request: bytes) -> tuple[bytes, bool]:
        """Return the answer to a request, and whether the connection is closed after it."""
        path = request.split(b" ", 2)[1].partition(b"?")[0].decode()
        answer = self.answers.get(path)
        return (self.answer, self.closes) if answer is None else (answer, False)


class _Saying(asyncio.Protocol):
    def __init__(self, sayer: Sayer) -> None:
        self._sayer = sayer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, but is not a subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < int(length[1] if length else b"0"):
            return
        self._received = b""
        answer, closes = self._sayer.answer_to(head)
        self._transport.write(answer)
        if closes:
            self._transport.close()


def http_answer(body: bytes, *head: str, status: str = "200 OK") -> bytes:
    """Return an answer of HTTP/1.1 with a body."""
    lines = (f"HTTP/1.1 {status}", *head, f"Content-Length: {len(body)}")
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body
