"""Free loopback ports."""

from __future__ import annotations

import random
import socket

# Below the kernel's range for outgoing connections: such a connection could otherwise take the port between this
# check and the server's start.
_FIRST, _LAST = 10_000, 32_000
_TRIES = 1000
# Between a call and the start of its server, the next call would find the same port free.
_handed_out: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Find TCP ports on which no program listens now, and that this process has not found before."""
    ports: list[int] = []
    for port in random.sample(range(_FIRST, _LAST), _TRIES):
        if port in _handed_out:
            continue
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        _handed_out.add(port)
        if len(ports) == count:
            break
    return ports
