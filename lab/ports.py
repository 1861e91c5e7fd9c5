"""Free loopback ports."""

from __future__ import annotations

import random
import socket

# Below the kernel's range for outgoing connections: such a connection could otherwise take the port between this
# check and the server's start.
_FIRST, _LAST = 10_000, 32_000


def free_ports(count: int) -> list[int]:
    """Find distinct TCP ports on which no program listens now."""
    ports: list[int] = []
    for port in random.sample(range(_FIRST, _LAST), _LAST - _FIRST):
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            break
    return ports
