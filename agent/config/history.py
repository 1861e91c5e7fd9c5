"""`history` of agent.yml: where the history is, and how long the figures of the load are kept.

    history:
      url: postgresql://alertdrill@db:5432/alertdrill     # or sqlite:history.db
      password_file: secrets/history
      agent: shop-staging
      keep_load: 400d

docs/history.md explains it.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from alertdrill.chaos.secret_source import beside_its_file
from alertdrill.units.duration import Duration, format_duration
from alertdrill.units.extras import require_library
from alertdrill.units.server_url import ServerUrl, parse_postgres_url
from alertdrill.units.settings import Secret, Settings
from alertdrill.units.tls import TlsSettings

_ON_SERVERS = ("postgresql", "postgres")
_KEEP_LOAD, _KEEP_LOAD_DAYS = timedelta(days=400), timedelta(days=3650)


class HistorySettings(Settings):
    """Where the history is: `sqlite:FILE`, relative to agent.yml, or a PostgreSQL server.

    By default it is history.db in the folder of recordings. `agent` is the name under which the rows of this agent are
    kept: several agents may share a database, each with a name of its own, and of two with one name only the first
    drills. A server needs it. `password` and `tls` are for a server. The figures of the load are kept for each hour over
    `keep_load` (and in more detail at first), and for each day over `keep_load_days`.
    """

    url: str | None = None
    agent: str | None = Field(default=None, max_length=100, pattern=r"^[a-z0-9][a-z0-9-]*$")
    password: Secret | None = None
    tls: TlsSettings | None = None
    keep_load: Duration = Field(default=_KEEP_LOAD, ge=timedelta(days=1))
    keep_load_days: Duration = Field(default=_KEEP_LOAD_DAYS, ge=timedelta(days=1))

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None:
            return None
        scheme, _, path = url.partition(":")
        if scheme in _ON_SERVERS:
            require_library("asyncpg", "postgres")
            parse_postgres_url(url)
            return url
        # The usual form of a URL has the path behind three slashes, and an absolute one behind four.
        path = path.removeprefix("///")
        if scheme != "sqlite" or not path:
            msg = (
                "expected sqlite:FILE such as sqlite:history.db, or postgresql://user@host:5432/database;"
                f" {scheme + ':' if scheme else 'it'} is not supported"
            )
            raise ValueError(msg)
        return f"sqlite:{beside_its_file(Path(path), info)}"

    @model_validator(mode="after")
    def _fits_its_server(self) -> Self:
        if self.server is None and (self.password is not None or self.tls is not None):
            msg = "has a password or tls, which a file does not need, expected them only with postgresql://…"
            raise ValueError(msg)
        if self.server is not None and self.agent is None:
            msg = "has no agent, expected the name under which the rows of this agent are kept, such as shop-staging"
            raise ValueError(msg)
        if self.tls is not None and self.tls.server_name is not None:
            msg = "tls has a server_name, which asyncpg cannot use: expected the certificate's own name in url"
            raise ValueError(msg)
        if self.keep_load_days < self.keep_load:
            msg = f"keep_load_days is shorter than keep_load, expected at least {format_duration(self.keep_load)}"
            raise ValueError(msg)
        return self

    @property
    def key(self) -> str:
        """The name under which the rows of this agent are kept."""
        return self.agent or "agent"

    @property
    def server(self) -> ServerUrl | None:
        """The server; None for a file."""
        if self.url is None or not self.url.startswith(_ON_SERVERS):
            return None
        return parse_postgres_url(self.url)

    def file(self, recordings: Path) -> Path:
        """Return the file of the database, where there is no server; `recordings` is the folder for the default."""
        return recordings / "history.db" if self.url is None else Path(self.url.removeprefix("sqlite:"))

    def shown(self, recordings: Path) -> str:
        """Name the database for people, without secrets."""
        server = self.server
        if server is None:
            return str(self.file(recordings))
        return f"PostgreSQL at {server.host}:{server.port}, database {server.path or server.user or 'postgres'}"
