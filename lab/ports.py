"""Free loopback ports."""

from __future__ import annotations

import random
import socket

# Below the range from which the kernel takes ports for outgoing connections: one of those could take
# a port between our look and the server's start.
_FIRST, _LAST = 10_000, 32_000


def free_ports(count: int) -> list[int]:
    """Find distinct TCP ports on which nobody listens now."""
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
