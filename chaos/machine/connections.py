"""The open connections to a TCP port of this machine, and when data last went out on each, as the kernel tells.

Protocol: https://man7.org/linux/man-pages/man7/sock_diag.7.html, tcp_info: include/uapi/linux/tcp.h.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from alertdrill.chaos.machine.threads import in_thread

_ESTABLISHED = 1 << 1
_WITH_TCP_INFO = 1 << 1

# The address and port at the other end.
Peer = tuple[str, int]


async def open_connections(port: int) -> dict[Peer, float | None]:
    """Tell of each connection to a port how many seconds ago data last went out on it; None: never.

    Empty where no such port is of this machine, or its kernel does not tell.
    """
    return await in_thread(_read, port)


def _read(port: int) -> dict[Peer, float | None]:
    if sys.platform != "linux":
        return {}
    try:
        return {
            (found["idiag_dst"], found["idiag_dport"]): _seconds_since_sent(found.get_attr("INET_DIAG_INFO"))
            for family in (socket.AF_INET, socket.AF_INET6)
            for found in _asked(family, port)
        }
    except Exception:  # noqa: BLE001 - whatever a sandbox answers: this is asked to tell more, never to decide
        return {}


def _asked(family: int, port: int) -> tuple[Any, ...]:
    # A tenth of a second to import, and every command and the watchdog know the faults that come here.
    from pyroute2 import DiagSocket

    with DiagSocket() as kernel:
        kernel.bind()
        answer: tuple[Any, ...] = kernel.get_sock_stats(
            family=family, states=_ESTABLISHED, extensions=_WITH_TCP_INFO, sport=port
        )
        return answer


def _seconds_since_sent(info: dict[str, int]) -> float | None:
    return info["tcpi_last_data_sent"] / 1000 if info["tcpi_bytes_sent"] else None
