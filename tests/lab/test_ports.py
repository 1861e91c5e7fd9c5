from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from alertdrill.lab.ports import free_ports

_ANOTHER = """
from alertdrill.lab import ports
ports._FIRST, ports._LAST, ports._TRIES = {port}, {port} + 1, 1
print(ports.free_ports(1))
"""


def test_no_port_is_found_twice_before_its_server_starts() -> None:
    """By chance alone, two of a thousand calls would find the same one almost always."""
    ports = [port for _ in range(1000) for port in free_ports(1)]
    assert len(set(ports)) == 1000


def test_another_process_does_not_find_it_either() -> None:
    (port,) = free_ports(1)
    found = subprocess.run(
        [sys.executable, "-c", _ANOTHER.format(port=port)], capture_output=True, text=True, timeout=300, check=True
    )
    assert found.stdout == "[]\n"


async def test_nobody_listens_there_and_a_server_can() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
