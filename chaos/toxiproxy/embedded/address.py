"""The addresses of proxies: HOST:PORT, with brackets around an IPv6 host; no host means all addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass

_BACKLOG = 4096
# C libraries take spaces and a sign before a number, and so does the real server.
_NUMBER = re.compile(r"[ \t\n\v\f\r]*(?P<sign>[+-]?)(?P<digits>[0-9]+)")


class AddressError(Exception):
    """An address that cannot be used; the text says why."""


@dataclass(frozen=True)
class Resolved:
    """An IP address, empty for all of them, and a port."""

    ip: str
    port: int

    def __str__(self) -> str:
        return join(self.ip, self.port)


def join(host: str, port: int) -> str:
    """Write an address; an IPv6 one needs brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(address: str) -> tuple[str, int]:
    """Split an address into host and port, which may be the name of a service; raises AddressError.

    The host is an address in its usual form, a name, or empty: 127.1 is not an address, although C libraries take it.
    """
    host, colon, port = address.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or (bare == host and ":" in host) or "[" in bare or "]" in bare:
        raise AddressError(f"address {address}: expected HOST:PORT")
    number = _port(port)
    return _host(bare), number


def _port(text: str) -> int:
    if (found := _NUMBER.fullmatch(text)) is None:
        try:
            return socket.getservbyname(text.lower(), "tcp") if text else 0
        except (OSError, UnicodeError):
            raise AddressError(f"lookup tcp/{text}: unknown port") from None
    number = int(found["digits"])
    if number > 65535 or (number and found["sign"] == "-"):
        raise AddressError(f"address {text.strip()}: invalid port")
    return number


def _host(text: str) -> str:
    """Return an IP address in its shortest form, and a name as it is; raises AddressError."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        with suppress(OSError, UnicodeError):
            socket.inet_aton(text)
            raise AddressError(f"lookup {text}: no such host") from None
        return text
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    return str(mapped or ip)


async def resolve(address: str) -> Resolved:
    """Look up host and port, IPv4 first; raises AddressError."""
    host, port = split(address) if address else ("", 0)
    if not host or _is_ip(host):
        return Resolved(host, port)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise AddressError(f"lookup {host}: no such host") from None
    return Resolved(str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0]), port)


def _is_ip(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


async def listen(address: str) -> socket.socket:
    """Listen on an address; raises AddressError."""
    try:
        resolved = await resolve(address)
    except AddressError as error:
        raise AddressError(f"listen tcp: {error}") from None
    try:
        return _bind(resolved)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise AddressError(f"listen tcp {resolved}: bind: {reason[0].lower()}{reason[1:]}") from None


def _bind(resolved: Resolved) -> socket.socket:
    """Bind; without a host, to all addresses of IPv4 and IPv6."""
    both = resolved.ip in {"", "0.0.0.0", "::"} and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in resolved.ip else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if both:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", resolved.port) if both else _socket_address(resolved))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _socket_address(resolved: Resolved) -> tuple[str, int] | tuple[str, int, int, int]:
    ip, percent, zone = resolved.ip.partition("%")
    if not percent:
        return ip, resolved.port
    index = 0
    # A zone that does not exist is none, as for the real server.
    with suppress(OSError):
        index = int(zone) if zone.isascii() and zone.isdecimal() else socket.if_nametoindex(zone)
    return ip, resolved.port, 0, index


def local_address(listener: socket.socket) -> str:
    """Return the address on which a socket listens."""
    host, port = listener.getsockname()[:2]
    return join(host, port)
