"""A PostgreSQL server of a test's own, and its exporter, started as the lab starts them."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from alertdrill.lab import services
from alertdrill.lab.parts import LabParts
from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec
from alertdrill.lab.services import Layout
from tests.support.waiting import until

PASSWORD = "hush"  # noqa: S105 - of a server that lives for a test


@dataclass(frozen=True)
class PostgresServer:
    """Where it is, the file with the password of its user postgres, and its log."""

    address: str
    password_file: Path
    log: Path

    async def connect(self, **options: Any) -> Any:
        """Connect as somebody who has nothing to do with alertdrill."""
        host, port = self.address.split(":")
        own = {"user": "postgres", "password": PASSWORD, "database": "postgres", "ssl": False}
        return await asyncpg.connect(host=host, port=int(port), **own | options)

    async def answers(self) -> bool:
        """Tell whether it lets anybody in yet."""
        try:
            await (await self.connect()).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True


@asynccontextmanager
async def postgres_server(**settings: object) -> AsyncIterator[PostgresServer]:
    """Run a server for the length of the block, with further settings of postgresql.conf."""
    user = "postgres" if os.geteuid() == 0 else None
    programs = find_programs()
    with tempfile.TemporaryDirectory(prefix="alertdrill-postgres-") as made:
        directory = Path(made)
        layout = Layout(directory, programs, {"postgres": free_ports(1)[0]}, PASSWORD, 1.0, LabParts(), user)
        data = services.data_directory(layout)
        data.parent.mkdir()
        password = data.parent / "password"
        password.write_text(PASSWORD, encoding="ascii")
        if user is not None:
            _give(user, directory, data.parent, password)
        how = ["--no-sync", "--username=postgres", "--auth-host=password", f"--pwfile={password}", "--locale=C.UTF-8"]
        command = [str(programs["initdb"]), *how, "--auth-local=reject", "-D", str(data)]
        await Server(Spec("initdb", command, 0, user=user), directory, programs["setpriv"]).finished()
        spec = services.postgres(layout)
        more = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = Server(replace(spec, command=[*spec.command, *more]), directory, programs["setpriv"])
        try:
            await server.wait_ready()
            running = PostgresServer(server.address, password, directory / f"{server.spec.name}.log")
            await until(running.answers, "PostgreSQL has started up")
            yield running
        finally:
            await server.stop()


@asynccontextmanager
async def postgres_exporter(server: PostgresServer) -> AsyncIterator[str]:
    """Export the metrics of a server for the length of the block; yields the address of the exporter."""
    ports = {"postgres": int(server.address.rpartition(":")[2]), "postgres-exporter": free_ports(1)[0]}
    with tempfile.TemporaryDirectory(prefix="alertdrill-exporter-") as made:
        layout = Layout(Path(made), find_programs(), ports, PASSWORD, 1.0, LabParts(), None)
        exporter = Server(services.postgres_exporter(layout), layout.directory, layout.programs["setpriv"])
        try:
            await exporter.wait_ready()
            yield exporter.address
        finally:
            await exporter.stop()


def _give(user: str, passed: Path, *paths: Path) -> None:
    """Let a user have some paths, and pass through the folder above them."""
    account = pwd.getpwnam(user)
    for path in paths:
        shutil.chown(path, account.pw_uid, account.pw_gid)
    passed.chmod(0o711)
