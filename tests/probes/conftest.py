"""Real servers for the probes: databases that all tests share, and TLS servers with certificates of their own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from pydantic import TypeAdapter

from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec
from alertdrill.probes.any_probe import AnyProbe, open_client
from alertdrill.probes.client import startable
from alertdrill.probes.outcome import Outcome
from tests.probes.hostile_server import closed_port
from tests.support.postgres_server import postgres_server

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serving = Callable[..., AbstractAsyncContextManager[str]]
_PROBES: TypeAdapter[Any] = TypeAdapter(AnyProbe)


@dataclass(frozen=True)
class Databases:
    """PostgreSQL and Redis, started as the lab starts them."""

    postgres: str
    password: str
    redis: str


@pytest_asyncio.fixture(scope="package")
async def databases(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Databases]:
    (port,) = free_ports(1)
    programs = find_programs()
    command = [str(programs["redis"]), "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    async with postgres_server() as postgres:
        redis = Server(Spec("redis", command, port), tmp_path_factory.mktemp("redis"), programs["setpriv"])
        try:
            await redis.wait_ready()
            yield Databases(
                postgres=f"postgresql://postgres@{postgres.address}/postgres",
                password=postgres.password_file.read_text(encoding="ascii"),
                redis=f"redis://{redis.address}",
            )
        finally:
            await redis.stop()


@pytest.fixture
def read() -> Callable[..., Any]:
    """Return a function that reads settings as from a file."""
    return lambda **settings: _PROBES.validate_python(settings)


@pytest.fixture
def outcome_of(read: Callable[..., Any]) -> Callable[..., Awaitable[Outcome]]:
    """Return a function that makes one transaction of a probe, as a load does."""

    async def transact(**settings: Any) -> Outcome:
        async with open_client(read(**settings)) as opened, startable(opened) as client:
            ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            client.start(ended.set_result)
            async with asyncio.timeout(60):
                return await ended

    return transact


@pytest.fixture
def serving() -> Serving:
    """Return a context manager that serves TCP connections and yields the address."""

    @asynccontextmanager
    async def serve(answer: Answering, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        connections: set[asyncio.StreamWriter] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.add(writer)
            try:
                await answer(reader, writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for writer in connections:
                writer.transport.abort()

    return serve


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The authority that signs the certificates of the tests' servers."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def server_context(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Return a function that makes the context of a server, with a certificate for a name."""

    def make(name: str = "127.0.0.1", **options: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name, **options).configure_cert(context)
        return context

    return make


@pytest.fixture
def closed_address() -> Iterator[str]:
    """An address without a listener."""
    with closed_port() as port:
        yield f"127.0.0.1:{port}"
