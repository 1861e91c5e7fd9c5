"""Addresses as Go reads and writes them, and its messages about those it cannot use."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
from dataclasses import dataclass

_BACKLOG = 4096


class GoAddressError(Exception):
    """An address that cannot be used; the message is Go's."""


@dataclass(frozen=True)
class Resolved:
    """An IP address, empty for all of them, and a port."""

    ip: str
    port: int

    def __str__(self) -> str:
        return join(self.ip, self.port)

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all addresses of this machine."""
        return self.ip in {"", "0.0.0.0", "::"}


def join(host: str, port: int) -> str:
    """Write an address; an IPv6 one needs brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(address: str) -> tuple[str, str]:
    """Split an address into host and port; raises GoAddressError (net.SplitHostPort)."""
    host, colon, port = address.rpartition(":")
    problem = _bracket_problem(address) if address.startswith("[") else ("too many colons" if ":" in host else "")
    if not colon:
        problem = "missing port"
    if problem:
        raise GoAddressError(f"address {address}: {problem} in address")
    if host.startswith("["):
        host = host[1:-1]
    for bracket in "[]":
        if bracket in host + port:
            raise GoAddressError(f"address {address}: unexpected '{bracket}' in address")
    return host, port


def _bracket_problem(address: str) -> str:
    end = address.find("]")
    if end < 0:
        return "missing ']'"
    if end + 1 == address.rfind(":"):
        return ""
    return "too many colons" if address[end + 1 : end + 2] == ":" else "missing port"


async def resolve(address: str) -> Resolved:
    """Look up host and port, IPv4 first; raises GoAddressError (net.ResolveTCPAddr)."""
    if not address:
        return Resolved("", 0)
    host, service = split(address)
    return Resolved(await _resolve_host(host), resolve_port(service))


def resolve_port(service: str) -> int:
    """Look up a port by its name or number; raises GoAddressError."""
    if not re.fullmatch(r"[+-]?\d*", service):
        try:
            return socket.getservbyname(service.lower(), "tcp")
        except OSError:
            raise GoAddressError(f"lookup tcp/{service}: unknown port") from None
    port = int(service) if service.lstrip("+-") else 0
    if not 0 <= port <= 65535:
        raise GoAddressError(f"address {service}: invalid port")
    return port


async def _resolve_host(host: str) -> str:
    if not host:
        return ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        raise GoAddressError(f"lookup {host}: no such host") from None
    # Go takes the first IPv4 address if there is one.
    return str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])


async def listen(address: str) -> socket.socket:
    """Listen on an address; raises GoAddressError (net.Listen)."""
    try:
        resolved = await resolve(address)
    except GoAddressError as error:
        raise GoAddressError(f"listen tcp: {error}") from None
    try:
        return _bind(resolved)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise GoAddressError(f"listen tcp {resolved}: bind: {reason[0].lower()}{reason[1:]}") from None


def _bind(resolved: Resolved) -> socket.socket:
    """Bind; like Go, all addresses are those of IPv6 and IPv4 at once where there is IPv6."""
    both = resolved.is_wildcard and socket.has_dualstack_ipv6()
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
    """Tell where a socket listens."""
    host, port = listener.getsockname()[:2]
    return join(host, port)
