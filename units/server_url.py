"""The URL of the server of a probe or a fault: `tcp://shop:5432`. It has no secrets in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

from alertdrill.units.secrecy import shown_url

_POSTGRES_PORTS = {"postgresql": 5432, "postgres": 5432}
_REDIS_PORTS = {"redis": 6379, "rediss": 6379}


@dataclass(frozen=True)
class ServerUrl:
    """The parts of a URL; `path` is without its first slash, and `user` and `path` may be empty."""

    scheme: str
    host: str
    port: int
    user: str
    path: str


def parse_server_url(url: str, ports: Mapping[str, int | None]) -> ServerUrl:
    """Parse a URL; `ports` has the allowed schemes, each with its default port. Raises ValueError.

    For a scheme without a default port (None), the URL must have one.
    """
    parts = urlsplit(url)
    expected = " or ".join(f"{scheme}://host{'' if port else ':port'}" for scheme, port in ports.items())
    # With a `/`, `?` or `#` in the password, urlsplit does not see the password as one.
    if parts.password is not None or "@" in parts.path + parts.query + parts.fragment:
        # The URL is not in the message, which is printed.
        msg = "has a password in it, expected password or password_file as a key of its own"
        raise ValueError(msg)
    if parts.scheme not in ports or not parts.hostname or not _is_host(parts.hostname):
        msg = f"{shown_url(url)!r} is not a URL of this kind, expected {expected}"
        raise ValueError(msg)
    if parts.query or parts.fragment:
        msg = f"{shown_url(url)!r} has something after the path, expected keys of their own for that"
        raise ValueError(msg)
    try:
        port = parts.port if parts.port is not None else ports[parts.scheme]
    except ValueError as error:
        msg = f"{shown_url(url)!r} has a wrong port, expected 1 to 65535"
        raise ValueError(msg) from error
    if not port:
        msg = f"{shown_url(url)!r} has no port, expected {expected}"
        raise ValueError(msg)
    return ServerUrl(parts.scheme, parts.hostname, port, unquote(parts.username or ""), unquote(parts.path[1:]))


def parse_postgres_url(url: str) -> ServerUrl:
    """Parse `postgresql://user@host:port/database`; raises ValueError."""
    return parse_server_url(url, _POSTGRES_PORTS)


def parse_redis_url(url: str) -> ServerUrl:
    """Parse `redis://host:port/number`, or `rediss://` for TLS; raises ValueError."""
    server = parse_server_url(url, _REDIS_PORTS)
    if server.path and not server.path.isdecimal():
        msg = f"{shown_url(url)!r} has the database {server.path!r}, expected a number such as 0"
        raise ValueError(msg)
    return server


def _as_postgres_url(url: str) -> str:
    parse_postgres_url(url)
    return url


def _as_redis_url(url: str) -> str:
    parse_redis_url(url)
    return url


PostgresUrl = Annotated[str, AfterValidator(_as_postgres_url)]
RedisUrl = Annotated[str, AfterValidator(_as_redis_url)]


def _is_host(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True
