"""The TCP sockets of this machine, as the kernel lists them.

Which process listens on a port is read from /proc/net/tcp and tcp6, which every kernel and sandbox has:
https://docs.kernel.org/networking/proc_net_tcp.html (each address is of 32-bit words in the machine's order).
When data last went out on a connection is in sock_diag alone: https://man7.org/linux/man-pages/man7/sock_diag.7.html,
its messages: https://man7.org/linux/man-pages/man7/netlink.7.html, tcp_info: include/uapi/linux/tcp.h.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from alertdrill.chaos.machine.threads import in_thread

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_MESSAGE_HEADER = struct.Struct("=IHHII")
_MESSAGE_ERROR, _MESSAGE_DONE = 2, 3
_ESTABLISHED = 1 << 1
_WITH_TCP_INFO = 1 << 1
_TCP_INFO = 2
_SOCKET_BYTES = 72
_ATTRIBUTE_HEADER = struct.Struct("=HH")
# In tcp_info: tcpi_last_data_sent in milliseconds, and tcpi_bytes_sent (since Linux 4.19).
_LAST_SENT_AT, _BYTES_SENT_AT = 44, 200
_ANSWERS_WITHIN_SECONDS = 5.0
_ANSWER_BYTES = 1 << 16

# The address and port at the other end.
Peer = tuple[str, int]


def listening_inodes(port: int, host: str | None = None) -> set[str]:
    """Find the sockets that listen on a port: at any address, or at a host's address or all addresses."""
    found = set()
    for table in _TABLES:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        # Of thousands of sockets few listen, and a fault looks many times while a load runs.
        for fields in (line.split() for line in lines if f" {_LISTEN} " in line):
            address, at_port = _parsed(fields[1])
            if fields[3] == _LISTEN and at_port == port and (host is None or _serves(address, ip_address(host))):
                found.add(fields[9])
    return found


def own_address(host: str) -> str | None:
    """Find the address of this machine that a host name means; None when it means another machine."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return None
    for family, _, _, _, place in found:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((place[0], 0))
            except OSError:
                continue
            return str(place[0])
    return None


async def open_connections(port: int) -> dict[Peer, float | None]:
    """List the connections to a port, and how many seconds ago data last went out on each; None: never.

    Empty when this machine has no such port, or when its kernel has no sock_diag.
    """
    return await in_thread(_connections, port)


def _connections(port: int) -> dict[Peer, float | None]:
    if sys.platform != "linux":
        return {}
    try:
        found = [one for family in (socket.AF_INET, socket.AF_INET6) for one in _established(family, port)]
        return {_peer(one): _seconds_since_sent(one[_SOCKET_BYTES:]) for one in found}
    except (OSError, ValueError, struct.error):
        # A sandbox may answer anything; this only adds to a report and decides nothing.
        return {}


def _established(family: int, port: int) -> Iterator[bytes]:
    """Yield a message for each connection: struct inet_diag_msg, then its attributes."""
    body = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, _WITH_TCP_INFO, _ESTABLISHED)
    body += struct.pack("!H38x", port) + b"\xff" * 8
    length = _MESSAGE_HEADER.size + len(body)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_ANSWERS_WITHIN_SECONDS)
        kernel.sendto(_MESSAGE_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + body, (0, 0))
        while True:
            for kind, content in _messages(kernel.recv(_ANSWER_BYTES)):
                if kind in {_MESSAGE_DONE, _MESSAGE_ERROR}:
                    return
                yield content


def _messages(answer: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(answer):
        length, kind, _, _, _ = _MESSAGE_HEADER.unpack_from(answer, at)
        yield kind, answer[at + _MESSAGE_HEADER.size : at + length]
        at += _aligned(max(length, _MESSAGE_HEADER.size))


def _peer(found: bytes) -> Peer:
    family, (port,) = found[0], struct.unpack_from("!H", found, 6)
    return socket.inet_ntop(family, found[24 : 24 + (4 if family == socket.AF_INET else 16)]), port


def _seconds_since_sent(attributes: bytes) -> float | None:
    at = 0
    while at < len(attributes):
        length, kind = _ATTRIBUTE_HEADER.unpack_from(attributes, at)
        if kind == _TCP_INFO:
            info = attributes[at + _ATTRIBUTE_HEADER.size : at + length]
            (milliseconds,) = struct.unpack_from("=I", info, _LAST_SENT_AT)
            (sent,) = struct.unpack_from("=Q", info, _BYTES_SENT_AT)
            return milliseconds / 1000 if sent else None
        at += _aligned(max(length, _ATTRIBUTE_HEADER.size))
    return None


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _serves(address: IPv4Address | IPv6Address, host: IPv4Address | IPv6Address) -> bool:
    return address.is_unspecified or host in {address, getattr(address, "ipv4_mapped", None)}


def _parsed(text: str) -> tuple[IPv4Address | IPv6Address, int]:
    digits, _, port = text.partition(":")
    raw = bytes.fromhex(digits)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return ip_address(raw), int(port, 16)
