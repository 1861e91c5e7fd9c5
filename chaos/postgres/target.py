"""The server that a fault connects to, and the part of it that the fault breaks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from alertdrill.units.server_url import ServerUrl, parse_postgres_url
from alertdrill.units.settings import Settings
from alertdrill.units.tls import TlsSettings

# https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
LockMode = Literal["ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE"]


class Backends(Settings):
    """The connections to end: all given keys must match."""

    application_name: str | None = None
    user: str | None = None
    database: str | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if not any((self.application_name, self.user, self.database)):
            msg = "is empty, expected one of application_name, user and database"
            raise ValueError(msg)
        return self


class PostgresTarget(Settings):
    """How to connect, and what to break, with the place of the password and not the password. `name` is the fault's id."""

    name: str
    url: str
    password_file: Path | None
    password_env: str | None
    tls: TlsSettings | None
    action: Literal["lock", "fill_pool", "kill"]
    table: str | None
    mode: LockMode
    connections: int
    backends: Backends | None

    @property
    def server(self) -> ServerUrl:
        """Where to connect, as whom, and to which database."""
        return parse_postgres_url(self.url)
