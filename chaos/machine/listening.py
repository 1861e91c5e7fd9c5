"""Which sockets listen on a TCP port of this machine, read from /proc/net/tcp and tcp6.

Format: https://docs.kernel.org/networking/proc_net_tcp.html (each address is of 32-bit words in the machine's order).
"""

from __future__ import annotations

import socket
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"


def listening_inodes(port: int, host: str | None = None) -> set[str]:
    """Find the sockets that listen on a port: of any address, or of a host's, which those of all addresses serve too."""
    found = set()
    for table in _TABLES:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        # Of thousands of sockets few listen, and this is asked again and again beside a load.
        for fields in (line.split() for line in lines if f" {_LISTEN} " in line):
            address, at_port = _parsed(fields[1])
            if fields[3] == _LISTEN and at_port == port and (host is None or _serves(address, ip_address(host))):
                found.add(fields[9])
    return found


def own_address(host: str) -> str | None:
    """Find the address of this machine that a host name means; None when it means none."""
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


def _serves(address: IPv4Address | IPv6Address, host: IPv4Address | IPv6Address) -> bool:
    return address.is_unspecified or host in {address, getattr(address, "ipv4_mapped", None)}


def _parsed(text: str) -> tuple[IPv4Address | IPv6Address, int]:
    digits, _, port = text.partition(":")
    raw = bytes.fromhex(digits)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return ip_address(raw), int(port, 16)
