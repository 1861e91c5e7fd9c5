"""The database that a fault changes."""

from __future__ import annotations

from pathlib import Path

from alertdrill.units.server_url import ServerUrl, parse_redis_url
from alertdrill.units.settings import Settings
from alertdrill.units.tls import TlsSettings


class RedisTarget(Settings):
    """How to connect, with the place of the password and not the password. `server_name` is for messages."""

    server_name: str
    url: str
    password_file: Path | None
    password_env: str | None
    tls: TlsSettings | None

    @property
    def server(self) -> ServerUrl:
        """Where to connect, as whom, and to which database."""
        return parse_redis_url(self.url)
