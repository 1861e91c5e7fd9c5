"""PostgreSQL keeps a table locked, has no free connections, or loses the connections of a service.

kind: postgres
url: postgresql://postgres@postgres:5432/shop
password_file: secrets/postgres    # or password_env: PGPASSWORD, or password_files of agent.yml
action: lock                       # or fill_pool, or kill
table: public.accounts             # lock
mode: ACCESS EXCLUSIVE             # lock
connections: 50                    # fill_pool
backends: {application_name: shop} # kill; other keys are user and database
allow: kill postgres:5432          # kill; and the same line in `allow` of agent.yml

A holder keeps the lock or the connections, with the fault's id as application_name.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from alertdrill.chaos.data_server import DataServerFault, require_allowed
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.machine import holder
from alertdrill.chaos.postgres.target import Backends, LockMode, PostgresTarget
from alertdrill.chaos.secret_source import SecretMissing
from alertdrill.units.extras import of_extra, require_library
from alertdrill.units.server_url import PostgresUrl, ServerUrl, parse_postgres_url

_ROBBED = "PostgreSQL ended a connection that held it, or was restarted"
_KEYS = {"lock": ("table", "mode"), "fill_pool": ("connections",), "kill": ("backends",)}


class PostgresInjection(Injection, PostgresTarget):
    """The action, and the server."""

    kind: Literal["postgres"] = "postgres"
    words: str

    @property
    def target(self) -> str:
        """The target, in words."""
        return self.words

    @property
    def by_hand(self) -> str:
        """The statement that ends the connections of the fault."""
        if self.action == "kill":
            return ""
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ="
        return f"{ended} '{self.name}';"

    async def inject(self) -> None:
        """Lock, fill or kill; raises FaultNotApplied."""
        from alertdrill.chaos.postgres.client import PostgresFailed, kill

        if self.action != "kill":
            held = PostgresTarget.model_validate(self.model_dump(include=set(PostgresTarget.model_fields)))
            await holder.hold("alertdrill.chaos.postgres.client", self.name, held)
            return
        try:
            await kill(self)
        except (PostgresFailed, SecretMissing) as error:
            raise FaultNotApplied(str(error)) from error

    async def taken_back(self) -> str | None:
        """Return why the lock or the connections are lost; empty while they are held.

        The server is not asked: a full one would refuse each question and log that, and a question would take a
        connection from the service. The holder notices when one of its connections ends.
        """
        if self.action == "kill":
            return None
        gone = await holder.lost(self.name)
        if gone and await holder.is_robbed(self.name):
            return _ROBBED
        return gone

    async def undo(self) -> None:
        """End the holder and its connections; killed connections are reopened by the service itself.

        Raises FaultNotHealed.
        """
        with of_extra("postgres"):
            from alertdrill.chaos.postgres.client import PostgresFailed, end_own

        if self.action == "kill":
            return
        if await holder.is_robbed(self.name):
            self._outcome = _ROBBED
        # First the holder: while it has all connections, there may be none for this process.
        await holder.release(self.name)
        try:
            if not await end_own(self):
                database = self.server.path or self.server.user
                self._outcome = f"somebody dropped the database {database}, so there is nothing to undo"
        except (PostgresFailed, SecretMissing) as error:
            raise FaultNotHealed(str(error)) from error


class Postgres(DataServerFault):
    """Lock a table, open many connections, or end the connections of a service, which needs a written permission."""

    client_module: ClassVar[str] = "alertdrill.chaos.postgres.client"
    kind: Literal["postgres"] = "postgres"
    url: PostgresUrl
    action: Literal["lock", "fill_pool", "kill"]
    table: str | None = Field(default=None, min_length=1)
    mode: LockMode = "ACCESS EXCLUSIVE"
    connections: int = Field(default=0, gt=0, le=10_000)
    backends: Backends | None = None

    @model_validator(mode="after")
    def _fits_its_action(self) -> Self:
        require_library("asyncpg", "postgres")
        self.require_own_keys(_KEYS[self.action][:1], _KEYS)
        return self

    @property
    def server(self) -> ServerUrl:
        """The server in the URL."""
        return parse_postgres_url(self.url)

    @property
    def target(self) -> str:
        """The target, in words."""
        return f"{self.server_name} ({self.action}{f' of {self.table}' if self.table else ''})"

    def contradicts(self, other: Fault) -> str:
        """Return why another fault cannot be in force at the same time; two faults that take connections add up."""
        return "" if self.action == "fill_pool" else super().contradicts(other)

    @property
    def needs_permission(self) -> bool:
        """Whether connections of others are ended."""
        return self.action == "kill"

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> PostgresInjection:
        """Check the permission, and that the table or the connections exist; raises FaultNotApplied."""
        from alertdrill.chaos.postgres.client import PostgresFailed, require_target

        require_allowed(self, endpoints)
        injection = PostgresInjection(
            name=entry_id,
            words=self.target,
            url=endpoints.located(self.url),
            password_file=self.find_password_file(endpoints),
            tls=self.tls,
            backends=self.backends,
            **self.model_dump(include={"password_env", "action", "table", "mode", "connections"}),
        )
        try:
            await require_target(injection)
        except (PostgresFailed, SecretMissing) as error:
            raise FaultNotApplied(str(error)) from error
        return injection
