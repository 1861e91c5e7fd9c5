from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

import pytest

from benchmarks import delaying_server
from benchmarks.nginx import ANSWER
from benchmarks.servers import running

DELAY_MS = 2000
# The loop of the server counts milliseconds.
RESOLUTION_SECONDS = 0.001
REQUEST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nnine byte"


def connect(delay_ms: int) -> Iterator[socket.socket]:
    with running(partial(delaying_server.describe, delay_ms)) as target:
        address = urlsplit(target.url)
        assert address.hostname is not None
        assert address.port is not None
        with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
            yield connection


@pytest.fixture
def slow() -> Iterator[socket.socket]:
    yield from connect(DELAY_MS)


@pytest.fixture
def quick() -> Iterator[socket.socket]:
    yield from connect(0)


def receive(connection: socket.socket, answers: int) -> str:
    """Read until the given number of answers has arrived."""
    received = ""
    while received.count(ANSWER) < answers:
        chunk = connection.recv(65536).decode()
        assert chunk, received
        received += chunk
    return received


def test_an_answer_comes_after_the_delay(slow: socket.socket) -> None:
    started = time.monotonic()
    slow.sendall(REQUEST)
    assert receive(slow, 1).startswith("HTTP/1.1 201 ")
    assert time.monotonic() - started >= DELAY_MS / 1e3 - RESOLUTION_SECONDS


def test_requests_on_one_connection_wait_at_the_same_time(slow: socket.socket) -> None:
    """One after the other they would wait for more than a minute."""
    started = time.monotonic()
    slow.sendall(REQUEST * 40)
    receive(slow, 40)
    assert DELAY_MS / 1e3 - RESOLUTION_SECONDS <= time.monotonic() - started < 60


def test_a_request_in_pieces_is_one_request(quick: socket.socket) -> None:
    for piece in (REQUEST[:7], REQUEST[7:-3]):
        quick.sendall(piece)
        time.sleep(0.02)
    quick.setblocking(False)
    with pytest.raises(BlockingIOError):
        quick.recv(1)
    quick.settimeout(60)
    quick.sendall(REQUEST[-3:])
    assert receive(quick, 1).count("201 Created") == 1


def test_a_closed_connection_does_not_disturb_another(slow: socket.socket) -> None:
    with socket.create_connection(slow.getpeername(), timeout=60) as other:
        other.sendall(REQUEST)
    slow.sendall(REQUEST)
    receive(slow, 1)
