r"""The TCP probe: connect, send a text if the file has one, and check the answer.

kind: tcp
url: tcp://mail:25
send: "EHLO drill\r\n"
expect: ^220 .*ESMTP              # a regular expression; ^ is the beginning of the answer
tls: {}                           # over TLS, verified; its keys are in units/tls.py
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from pydantic import Field, field_validator

from alertdrill.probes.checks.comparison import Pattern, excerpt
from alertdrill.probes.connection import connected
from alertdrill.probes.failures import explain
from alertdrill.probes.outcome import Outcome
from alertdrill.probes.probe import SingleRequestProbe
from alertdrill.units.secrecy import shown_url
from alertdrill.units.server_url import ServerUrl, parse_server_url
from alertdrill.units.tls import TlsSettings

_PORTS = {"tcp": None}
# If this much of an answer does not match, the rest is not read.
_LONGEST_ANSWER_BYTES = 64 * 1024


class TcpProbe(SingleRequestProbe):
    """A new connection for each transaction; the server's name is looked up each time."""

    kind: Literal["tcp"] = "tcp"
    url: str
    send: str | None = Field(default=None, min_length=1)
    expect: Pattern | None = None
    tls: TlsSettings | None = None

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if parse_server_url(url, _PORTS).path:
            msg = f"{shown_url(url)!r} has a path, expected tcp://host:port"
            raise ValueError(msg)
        return url

    @property
    def server(self) -> ServerUrl:
        """The server to connect to."""
        return parse_server_url(self.url, _PORTS)

    @property
    def check_names(self) -> tuple[str, ...]:
        """The name of the check on the answer."""
        return () if self.expect is None else (f"answer matches {self.expect}",)


class TcpClient:
    """Makes the transactions of one `TcpProbe`."""

    def __init__(self, probe: TcpProbe) -> None:
        self._probe = probe
        self._server = probe.server
        self._context = None if probe.tls is None else probe.tls.context()
        self._server_name = None if probe.tls is None else probe.tls.server_name
        self._sent = (probe.send or "").encode()
        self._expected = None if probe.expect is None else re.compile(probe.expect)
        self._limit_seconds = probe.timeout.total_seconds()

    async def transact(self) -> Outcome:
        """Make one transaction; every failure is an Outcome with a reason."""
        came = bytearray()
        try:
            async with (
                asyncio.timeout(self._limit_seconds),
                connected(self._server, self._context, self._server_name) as (reader, writer),
            ):
                if self._sent:
                    writer.write(self._sent)
                    await writer.drain()
                return Outcome() if self._expected is None else await self._read(reader, came, self._expected)
        except OSError as error:
            reason, detail = explain(error, self._limit_seconds)
            so_far = f", only {excerpt(came.decode(errors='replace'))}" if came else ""
            return self._probe.without_answer(reason, detail + so_far)

    async def _read(self, reader: asyncio.StreamReader, came: bytearray, expected: re.Pattern[str]) -> Outcome:
        """Read until the answer matches, or until the server closes the connection."""
        while len(came) < _LONGEST_ANSWER_BYTES:
            part = await reader.read(_LONGEST_ANSWER_BYTES)
            came += part
            text = came.decode(errors="replace")
            if expected.search(text):
                return Outcome()
            if not part:
                break
        if not came:
            return self._probe.without_answer("bad_answer", "the connection was closed without an answer")
        return self._probe.without_answer(
            "check", f"answer is {excerpt(text)}, expected it to match {expected.pattern!r}"
        )


@asynccontextmanager
async def opened(probe: TcpProbe, shard: int, shards: int) -> AsyncIterator[TcpClient]:
    """Yield the client; its transactions share nothing."""
    del shard, shards
    yield TcpClient(probe)
