"""The server of a pool: looking up its addresses, and opening a connection to one of them."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

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


@dataclass(frozen=True)
class Dialed(Generic[_Protocol]):
    """A connection that was opened, and how long its parts took."""

    connection: _Protocol
    connecting_seconds: float
    tls_seconds: float


@dataclass(frozen=True)
class Dialing:
    """A connection that was begun: a socket, and how many other addresses are left if it fails."""

    socket: socket.socket
    others: int


class Dialer:
    """Opens connections to the addresses of an origin in turn, each within `connect_seconds`."""

    def __init__(self, origin: Origin, connect_seconds: float, look_up: LookUp = look_up) -> None:
        self._origin = origin
        self._connect_seconds = connect_seconds
        self._look_up = look_up
        self._addresses: list[str] = []
        self._resolve_error = ""
        self._turn = itertools.count()

    def begun(self) -> Dialing:
        """Begin to connect to the next address, or to another one that does not refuse at once.

        Raises OSError. That a server on this machine is down is known here, without a task, which costs more.
        """
        if not self._addresses:
            raise socket.gaierror(self._resolve_error)
        addresses, first = self._addresses, next(self._turn)
        error: OSError | None = None
        for offset in range(len(addresses)):
            try:
                return self._begun_to(addresses[(first + offset) % len(addresses)], len(addresses) - offset - 1)
            except OSError as failed:
                error = failed
        raise error or OSError("no address to connect to")

    def _begun_to(self, address: str, others: int) -> Dialing:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        begun = socket.socket(family, socket.SOCK_STREAM)
        try:
            begun.setblocking(False)
            code = begun.connect_ex((address, self._origin.port))
            # A server on this machine that is down has refused by now.
            _require_no_error(
                begun.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if code == errno.EINPROGRESS else code
            )
        except BaseException:
            begun.close()
            raise
        return Dialing(begun, others)

    async def opened(self, dialing: Dialing, make: Callable[[], _Protocol]) -> Dialed[_Protocol]:
        """Open the connection that was begun, or to another address when that fails; raises OSError."""
        while True:
            try:
                async with asyncio.timeout(self._connect_seconds):
                    return await self._opened(dialing, make)
            except OSError:  # among them TimeoutError
                if not dialing.others:
                    raise
                others = dialing.others - 1
                dialing = replace(self.begun(), others=others)

    async def _opened(self, dialing: Dialing, make: Callable[[], _Protocol]) -> Dialed[_Protocol]:
        origin, loop = self._origin, asyncio.get_running_loop()
        server_name = (origin.server_name or origin.host) if origin.tls else None
        began = time.monotonic()
        try:
            await _connected(dialing.socket)
            dialing.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            between = time.monotonic()
            _, connection = await loop.create_connection(
                make, sock=dialing.socket, ssl=origin.tls, server_hostname=server_name
            )
        except BaseException:
            dialing.socket.close()
            raise
        tls_seconds = time.monotonic() - between if origin.tls else 0.0
        return Dialed(connection, between - began, tls_seconds)

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


async def _connected(dialed: socket.socket) -> None:
    """Wait until a socket is connected; raises OSError."""
    loop, writable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(dialed.fileno(), writable.set)
    try:
        await writable.wait()
    finally:
        loop.remove_writer(dialed.fileno())
    _require_no_error(dialed.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


def _require_no_error(code: int) -> None:
    if code:
        raise OSError(code, os.strerror(code))


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
