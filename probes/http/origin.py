"""The server of a pool: looking up its addresses, and opening a connection to one of them."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from alertdrill.probes.outcome import Reason

LookUp = Callable[[str], Awaitable[list[str]]]
_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


@dataclass(frozen=True)
class Origin:
    """A server (an origin in RFC 9110) and how to connect to it; `tls` is None for plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None

    @property
    def authority(self) -> str:
        """HOST:PORT, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def look_up(host: str) -> list[str]:
    """Return the addresses of a host, best first; raises OSError, or UnicodeError for a malformed name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Dialer:
    """Opens connections to the addresses of an origin in turn, each within `connect_seconds`."""

    def __init__(self, origin: Origin, connect_seconds: float, look_up: LookUp = look_up) -> None:
        self._origin = origin
        self._connect_seconds = connect_seconds
        self._look_up = look_up
        self._addresses: list[str] = []
        self._resolve_error = ""
        self._turn = itertools.count()

    async def opened(self, make: Callable[[], _Protocol]) -> _Protocol:
        """Open a connection to the next address, or to another one when that fails; raises OSError."""
        if not self._addresses:
            raise socket.gaierror(self._resolve_error)
        addresses, first = self._addresses, next(self._turn)
        error: OSError | None = None
        for offset in range(len(addresses)):
            try:
                async with asyncio.timeout(self._connect_seconds):
                    return await self._opened_to(addresses[(first + offset) % len(addresses)], make)
            except OSError as failed:  # among them TimeoutError
                error = failed
        raise error or OSError("no address to connect to")

    async def _opened_to(self, address: str, make: Callable[[], _Protocol]) -> _Protocol:
        origin = self._origin
        server_name = (origin.server_name or origin.host) if origin.tls else None
        _, connection = await asyncio.get_running_loop().create_connection(
            make, address, origin.port, ssl=origin.tls, server_hostname=server_name
        )
        return connection

    async def resolve(self) -> None:
        """Look the host up; if that fails, the addresses found before stay."""
        try:
            self._addresses = await self._look_up(self._origin.host)
        except (OSError, UnicodeError) as error:  # a label of more than 63 characters cannot be encoded
            self._resolve_error = f"cannot be resolved: {getattr(error, 'strerror', None) or error}"

    async def keep_resolving(self, interval_seconds: float) -> None:
        """Look the host up repeatedly; every second as long as it has not been found."""
        while True:
            await asyncio.sleep(interval_seconds if self._addresses else 1.0)
            await self.resolve()


def explain_connecting(error: OSError, server: str, connect_seconds: float) -> tuple[Reason, str]:
    """Return the reason why a connection to a server (HOST:PORT) could not be opened, and a text; for both clients."""
    if isinstance(error, ssl.SSLError):
        return "tls", f"{server}: {error}"
    if isinstance(error, TimeoutError) and error.errno is None:
        return "timeout", f"no connection to {server} within {connect_seconds:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "refused", f"{server} refused the connection"
    if isinstance(error, ConnectionError):
        return "reset", f"{server}, while connecting: {error}"
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "unreachable", f"{server}: this process may not open more files, raise its limit (ulimit -n)"
    return "unreachable", f"{server}: {error}"
