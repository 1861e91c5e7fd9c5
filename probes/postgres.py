"""The PostgreSQL probe: one query, and checks on its rows.

kind: postgres
url: postgresql://reader@db:5432/shop
password: ${DB_PASSWORD}          # or password_file: /run/secrets/db
query: SELECT count(*) FROM orders WHERE state = 'stuck'
value: {at_most: 100}             # the first column of the first row; `rows:` is their number
tls: {}                           # verified; its keys are in units/tls.py
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from alertdrill.probes.checks.expected import Expected
from alertdrill.probes.probe import SingleRequestProbe
from alertdrill.units.extras import require_library
from alertdrill.units.server_url import PostgresUrl, ServerUrl, parse_postgres_url
from alertdrill.units.settings import Secret
from alertdrill.units.tls import TlsSettings


class PostgresProbe(SingleRequestProbe):
    """A query on one of at most `pool_size` connections, which are kept; without `tls` they are not encrypted.

    A transaction that waits for a connection is in flight, and its time is running.
    Queries share sessions, so a query must not change the state of its session (`SET`, `LISTEN`, `BEGIN`).
    """

    kind: Literal["postgres"] = "postgres"
    url: PostgresUrl
    password: Secret | None = None
    query: str = Field(default="SELECT 1", min_length=1)
    rows: Expected | None = None
    value: Expected | None = None
    pool_size: int = Field(default=10, gt=0)
    tls: TlsSettings | None = None

    @model_validator(mode="after")
    def _client_can_use_it(self) -> PostgresProbe:
        require_library("asyncpg", "postgres")
        if self.tls is not None and self.tls.server_name is not None:
            msg = "tls has a server_name, which asyncpg cannot use: expected the certificate's own name in url"
            raise ValueError(msg)
        return self

    @property
    def server(self) -> ServerUrl:
        """The server to connect to, the user, and the database."""
        return parse_postgres_url(self.url)

    @property
    def check_names(self) -> tuple[str, ...]:
        """The names of the checks on the answer."""
        return tuple(
            f"{subject} {expected.words}"
            for subject, expected in (("row count", self.rows), ("value", self.value))
            if expected is not None
        )
