"""The URL by which a probe or a fault names its server: `tcp://shop:5432`; secrets stand apart from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

_POSTGRES_PORTS = {"postgresql": 5432, "postgres": 5432}
_REDIS_PORTS = {"redis": 6379, "rediss": 6379}


@dataclass(frozen=True)
class ServerUrl:
    """The parts of a URL; `user` and `path` (without its first slash) are empty where there is none."""

    scheme: str
    host: str
    port: int
    user: str
    path: str


def parse_server_url(url: str, ports: Mapping[str, int | None]) -> ServerUrl:
    """Read a URL of one of some schemes, each with its usual port; raises ValueError.

    A scheme without a usual port (None) needs one in the URL.
    """
    parts = urlsplit(url)
    expected = " or ".join(f"{scheme}://host{'' if port else ':port'}" for scheme, port in ports.items())
    # One with a `/`, `?` or `#` in it ends the host for whoever reads the URL.
    if parts.password is not None or "@" in parts.path + parts.query + parts.fragment:
        # Without the URL itself: an error is printed.
        msg = "has a password in it, expected none, and password or password_file beside it"
        raise ValueError(msg)
    if parts.scheme not in ports or not parts.hostname or not _is_host(parts.hostname):
        msg = f"{url!r} is no URL of this kind, expected {expected}"
        raise ValueError(msg)
    if parts.query or parts.fragment:
        msg = f"{url!r} has something after the path, expected settings of their own for that"
        raise ValueError(msg)
    port = parts.port if parts.port is not None else ports[parts.scheme]
    if not port:
        msg = f"{url!r} has no port, expected {expected}"
        raise ValueError(msg)
    return ServerUrl(parts.scheme, parts.hostname, port, unquote(parts.username or ""), unquote(parts.path[1:]))


def parse_postgres_url(url: str) -> ServerUrl:
    """Read `postgresql://user@host:port/database`; raises ValueError."""
    return parse_server_url(url, _POSTGRES_PORTS)


def parse_redis_url(url: str) -> ServerUrl:
    """Read `redis://host:port/number`, or `rediss://` for TLS; raises ValueError."""
    server = parse_server_url(url, _REDIS_PORTS)
    if server.path and not server.path.isdecimal():
        msg = f"{url!r} has the database {server.path!r}, expected a number such as 0"
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
