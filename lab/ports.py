"""Free loopback ports."""

from __future__ import annotations

import random
import socket
from collections import deque

# Below the kernel's range for outgoing connections: such a connection could otherwise take the port between this
# check and the server's start.
_FIRST, _LAST = 10_000, 32_000
_TRIES = 1000
# Between a call and the start of its server, the next call would find the same port free.
_handed_out: set[int] = set()
# So would another process. A bound socket that does not listen keeps it away: the check there fails, and a server that
# sets SO_REUSEADDR, as all usual ones do, can listen beside it. The servers of the oldest ports have started by then.
_kept: deque[socket.socket] = deque()
_MOST_KEPT = 200


def free_ports(count: int) -> list[int]:
    """Find TCP ports on which no program listens now, and that nobody else has just found."""
    ports: list[int] = []
    for port in random.sample(range(_FIRST, _LAST), _TRIES):
        if port in _handed_out or not _keep(port):
            continue
        ports.append(port)
        _handed_out.add(port)
        if len(ports) == count:
            break
    return ports


def _keep(port: int) -> bool:
    """Keep a port from the checks of other processes; return whether it was free."""
    candidate = socket.socket()
    try:
        candidate.bind(("127.0.0.1", port))
    except OSError:
        candidate.close()
        return False
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _kept.append(candidate)
    if len(_kept) > _MOST_KEPT:
        _kept.popleft().close()
    return True
