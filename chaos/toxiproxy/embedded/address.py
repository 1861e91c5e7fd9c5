"""The addresses of proxies: HOST:PORT, with brackets around an IPv6 host; no host means all addresses."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass

_BACKLOG = 4096


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
    """Split an address into host and port, which may be the name of a service; raises AddressError."""
    host, colon, port = address.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or (bare == host and ":" in host) or "[" in bare or "]" in bare:
        raise AddressError(f"address {address}: expected HOST:PORT")
    try:
        number = int(port or 0) if port.isdecimal() or not port else socket.getservbyname(port.lower(), "tcp")
    except OSError:
        raise AddressError(f"address {address}: {port} is not a port") from None
    if number > 65535:
        raise AddressError(f"address {address}: port above 65535")
    return bare, number


async def resolve(address: str) -> Resolved:
    """Look up host and port, IPv4 first; raises AddressError."""
    host, port = split(address) if address else ("", 0)
    if not host:
        return Resolved("", port)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise AddressError(f"lookup {host}: no such host") from None
    return Resolved(str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0]), port)


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
        listener.bind(("::" if both else resolved.ip, resolved.port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def local_address(listener: socket.socket) -> str:
    """Return the address on which a socket listens."""
    host, port = listener.getsockname()[:2]
    return join(host, port)
