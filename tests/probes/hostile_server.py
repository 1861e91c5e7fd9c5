"""A server that misbehaves on its first connections, each with a behaviour, and answers well on all others.

A behaviour is a function that is given the connection's socket. If it leaves the socket open, good answers follow.
Each connection has a thread, so the server does not depend on the event loop under test.
"""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

Behaviour = Callable[[socket.socket], None]

BODY = b'{"state": "good"}'
HEAD = b"HTTP/1.1 200 OK\r\nX-State: good\r\nContent-Length: %d\r\n\r\n" % len(BODY)
GOOD = HEAD + BODY


def read_request(connection: socket.socket) -> bytes:
    """Read one request without a body; returns nothing when the client has closed."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = connection.recv(65536)
        if not piece:
            return b""
        received += piece
    return received


def answers(*pieces: bytes, every_seconds: float = 0.0) -> Behaviour:
    """Read a request and send these bytes, pausing before each piece but the first."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(every_seconds)
            connection.sendall(piece)

    return behave


def then_closes(behave: Behaviour) -> Behaviour:
    """Close normally after another behaviour."""

    def behave_and_close(connection: socket.socket) -> None:
        behave(connection)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    return behave_and_close


def then_resets(behave: Behaviour) -> Behaviour:
    """Close with RST after another behaviour."""

    def behave_and_reset(connection: socket.socket) -> None:
        behave(connection)
        time.sleep(0.02)  # until the client has read the data, a reset would discard it
        reset(connection)

    return behave_and_reset


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def is_silent(connection: socket.socket) -> None:
    """Read everything and answer nothing."""
    while connection.recv(65536):
        pass


def closes_its_half(connection: socket.socket) -> None:
    read_request(connection)
    connection.shutdown(socket.SHUT_WR)
    is_silent(connection)


def is_early(connection: socket.socket) -> None:
    connection.sendall(GOOD)


def streams(head: bytes, piece: bytes) -> Behaviour:
    """Send pieces without end."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return behave


def holds_behind(gate: threading.Event) -> Behaviour:
    """Answer well, but only while the gate is open."""

    def behave(connection: socket.socket) -> None:
        while read_request(connection):
            gate.wait(60)
            connection.sendall(GOOD)

    return behave


class HostileServer:
    """Listens for the length of the block; `behaviours` are those of the first connections, in order."""

    def __init__(
        self,
        *behaviours: Behaviour,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        before_tls: Behaviour | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=1024)
        self._behaviours = iter(behaviours)
        self._tls = tls
        self._before_tls = before_tls  # of the first connection
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self.port = int(self._listener.getsockname()[1])
        self.accepted = 0
        self.requests: list[bytes] = []
        # The instants of `time.monotonic` at which they were read.
        self.read_at: list[float] = []

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.close_connections()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        self._listener.close()

    def close_connections(self) -> None:
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if error.errno == errno.EMFILE:
                    # A test has used up all file descriptors, and will free them.
                    time.sleep(0.01)
                    continue
                return
            self.accepted += 1
            with self._lock:
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection, next(self._behaviours, None)))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, behave: Behaviour | None) -> None:
        plain = connection
        with contextlib.suppress(OSError, ValueError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if before := self._take_before_tls():
                before(connection)
                connection.close()
                raise ConnectionAbortedError
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            if behave is not None:
                behave(connection)
            self._answer_well(connection)
        self._forget(plain)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _take_before_tls(self) -> Behaviour | None:
        before, self._before_tls = self._before_tls, None
        return before

    def _answer_well(self, connection: socket.socket) -> None:
        while connection.fileno() >= 0 and (request := read_request(connection)):
            self.read_at.append(time.monotonic())
            self.requests.append(request)
            connection.sendall(HEAD if request.startswith(b"HEAD ") else GOOD)


@contextlib.contextmanager
def closed_port(host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port that is bound, but not listened on: while it is held, no other program takes it.

    It is none of those that the kernel gives to outgoing connections, so a server may listen on it afterwards.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        for port in random.sample(range(10_000, 32_000), 100):
            with contextlib.suppress(OSError):
                taken.bind((host, port))
                break
        yield int(taken.getsockname()[1])


def bytewise(data: bytes) -> Iterable[bytes]:
    return (data[index : index + 1] for index in range(len(data)))


def open_files() -> set[str]:
    """Return this process's open files, each with its number; garbage of earlier tests may leave the set at any time."""
    files = set()
    for path in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # closed since the listing, like that of the folder itself
            files.add(f"{path.name} {path.readlink()}")
    return files
