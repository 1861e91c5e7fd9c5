"""The lab: real servers on free loopback ports, with one folder; both are removed when the lab ends or is killed."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Self

from toxiproxy import Toxiproxy

from alertdrill.lab import services
from alertdrill.lab.balancer import load_balancer
from alertdrill.lab.errors import LabError
from alertdrill.lab.forgetting import forgetting
from alertdrill.lab.monitoring_files import write_monitoring
from alertdrill.lab.parts import LabParts, absent_targets, service_ports
from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.readiness import until_idle, until_watched
from alertdrill.lab.reaper import Reaper
from alertdrill.lab.server import Server, Spec, supervise
from alertdrill.lab.services import Layout

# Long enough for SystemDown at every time scale: 30 s down, and an evaluation before and after.
_RESTART_PAUSE = timedelta(minutes=1)

# toxiproxy-python keeps the server's address in a class, so only one thread may use it at a time.
_toxiproxy_lock = threading.Lock()


class Lab:
    """The payment engine and the servers around it, for as long as the context lasts.

    `configs` holds prometheus/ and alertmanager/; every duration there is divided by `time_scale`.
    `parts` are the optional parts; jobs of prometheus.yml for missing parts are left out.
    `webhook_token` is what its Alertmanager sends to the agent. `addresses` maps names in configuration files to addresses: {"prometheus:9090": "127.0.0.1:31234"}.
    """

    def __init__(
        self,
        configs: Path,
        time_scale: float = 1.0,
        agent_port: int | None = None,
        parts: LabParts = LabParts(),  # noqa: B008 - frozen
    ) -> None:
        self._configs = configs
        self._time_scale = time_scale
        self._agent_port = agent_port
        self._parts = parts
        self.servers: dict[str, Server] = {}
        self._supervisors: list[asyncio.Task[None]] = []
        self.addresses: dict[str, str] = {}
        self.webhook_token = secrets.token_urlsafe(16)

    @property
    def directory(self) -> Path:
        """The lab's folder; it is deleted when the lab ends."""
        return self._layout.directory

    @property
    def ledger(self) -> Path:
        """The fault ledger of this lab; it is in the lab's folder, because its faults end with its servers."""
        return self.directory / "ledger"

    @property
    def postgres_url(self) -> str:
        """The URL of the database, with its password, not through the proxy."""
        layout = self._layout
        return f"postgresql://postgres:{layout.password}@{layout.address('postgres')}/postgres?sslmode=disable"

    def table(self) -> list[tuple[str, str, Path, int]]:
        """List the servers: name, address, program, process id."""
        return [(name, one.address, Path(one.spec.command[0]), one.pid) for name, one in self.servers.items()]

    async def __aenter__(self) -> Self:
        programs = find_programs()
        if self._parts.kafka:
            from alertdrill.lab.kafka.broker import find_jars

            find_jars()
        self._layout = self._prepare(programs)
        self._reaper = Reaper(self.directory)
        try:
            self._write_monitoring()
            await self._start_all()
        except BaseException as error:
            await self._end()
            # A task group wraps the LabError of a server; the caller expects the LabError itself.
            if isinstance(error, BaseExceptionGroup) and isinstance(error.exceptions[0], LabError):
                raise error.exceptions[0] from None
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    def _targets(self) -> dict[str, list[str]]:
        """Return the scrape targets with no address (missing parts) or several addresses (engines)."""
        absent: dict[str, list[str]] = {target: [] for target in absent_targets(self._parts)}
        return absent | {"payment-engine:8080": self._engines()}

    def _engines(self) -> list[str]:
        """Return the addresses of the payment engines."""
        return [self._layout.address(name) for name in self._parts.engines]

    async def forget(self) -> None:
        """Wait until the engines are idle, then delete all samples and alerts; raises LabError.

        An engine that was overloaded works on for seconds, and the next drill would be blamed for its late answers.
        Without the rest a drill would see alerts of the drill before it: Prometheus keeps sending a resolved alert for
        a quarter of an hour, and Alertmanager keeps the group of a daily summary for a day.
        """
        await until_idle(self._engines())
        prometheus = f"http://{self._layout.address('prometheus')}"
        async with forgetting(prometheus, self.directory / "prometheus" / "prometheus.yml"):
            await self.servers["alertmanager"].stop()
            shutil.rmtree(self.directory / "alertmanager" / "data", ignore_errors=True)
            await self._start(services.alertmanager)
        await until_watched(prometheus)

    async def change_scale(self, time_scale: float) -> None:
        """Divide every duration by another number: starts Prometheus and Alertmanager anew; raises LabError."""
        self._layout = replace(self._layout, time_scale=time_scale)
        monitoring = {"prometheus": services.prometheus, "alertmanager": services.alertmanager}
        await asyncio.gather(*(self.servers[name].stop() for name in monitoring))
        for name in monitoring:
            shutil.rmtree(self.directory / name / "data", ignore_errors=True)
        self._write_monitoring()
        await asyncio.gather(*(self._start(describe) for describe in monitoring.values()))
        await until_watched(f"http://{self._layout.address('prometheus')}")

    def _write_monitoring(self) -> None:
        here, scale = self.directory, self._layout.time_scale
        write_monitoring(self._configs, here, scale, self.addresses, self._targets(), self.webhook_token)

    def _prepare(self, programs: dict[str, Path]) -> Layout:
        """Choose ports and create the folder."""
        connections = _connections(self._parts.replicas)
        named = service_ports(self._parts)
        inner = [f"{name}-proxy" for name in self._parts.proxied]
        inner += ["kafka-proxied", "kafka-controller"] if self._parts.kafka else []
        names = dict.fromkeys([*named, *inner, *self._parts.engines])
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        if self._agent_port is not None:
            ports["alertdrill"] = self._agent_port
        self.addresses = {f"{name}:{port}": f"127.0.0.1:{ports[name]}" for name, port in named.items()}
        directory = Path(tempfile.mkdtemp(prefix="alertdrill-lab-")).resolve()
        user = "postgres" if os.geteuid() == 0 else None
        password = secrets.token_urlsafe(16)
        return Layout(directory, programs, ports, password, self._time_scale, self._parts, user, connections)

    async def _start_all(self) -> None:
        """Start all servers at once: they are ready by Prometheus's first scrape, five seconds after its start."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start(services.prometheus))
            group.create_task(self._start_payment_engine())
            group.create_task(self._start(services.redis_exporter))
            group.create_task(self._start(services.alertmanager))
            if self._parts.kafka:
                group.create_task(self._start_kafka())
        if self._parts.kafka:
            await self._start_supervised(services.settlement)
        await until_watched(f"http://{self._layout.address('prometheus')}")

    async def _start_payment_engine(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_postgres())
            group.create_task(self._start(services.redis))
            group.create_task(self._start_toxiproxy())
        async with asyncio.TaskGroup() as group:
            for name in self._parts.engines:
                group.create_task(self._start_supervised(partial(services.payment_engine, name=name)))
            group.create_task(self._start(services.postgres_exporter))
        if self._parts.is_balanced:
            await self._start(load_balancer)

    async def _start(self, describe: Callable[[Layout], Spec]) -> None:
        await self._launch(describe(self._layout)).wait_ready()

    async def _start_supervised(self, describe: Callable[[Layout], Spec]) -> None:
        """Start a server, and start it again whenever it ends, because a drill may kill it."""
        spec = describe(self._layout)
        server = self._launch(spec)
        await server.wait_ready()
        again = supervise(lambda: self._launch(spec), server, lambda: _RESTART_PAUSE / self._layout.time_scale)
        self._supervisors.append(asyncio.create_task(again))

    def _launch(self, spec: Spec) -> Server:
        server = Server(spec, self.directory, self._layout.programs["setpriv"])
        self.servers[spec.name] = server
        return server

    async def _start_postgres(self) -> None:
        """Create a database with a random password, because other users of this machine can reach its port."""
        data = services.data_directory(self._layout)
        data.parent.mkdir()
        password = data.parent / "password"
        password.touch(mode=0o600)
        password.write_text(self._layout.password, encoding="ascii")
        if self._layout.postgres_user is not None:
            _change_owner(self._layout.postgres_user, data.parent, password)
            # PostgreSQL's user must reach its own folder in here, but cannot list this one.
            self.directory.chmod(0o711)
        options = ["--no-sync", "--username=postgres", "--auth-local=reject", "--auth-host=md5", "--locale=C.UTF-8"]
        command = [
            str(self._layout.programs["initdb"]),
            *options,
            "--encoding=UTF8",
            f"--pwfile={password}",
            "-D",
            str(data),
        ]
        await self._run(Spec("initdb", command, 0, user=self._layout.postgres_user))
        await self._start(services.postgres)

    async def _run(self, spec: Spec) -> None:
        """Run a program to its end."""
        program = Server(spec, self.directory, self._layout.programs["setpriv"])
        try:
            await program.finished()
        finally:
            await program.stop()

    async def _start_kafka(self) -> None:
        """Start the broker and its exporter; the engine and the settlement retry until the broker is ready."""
        from alertdrill.lab.kafka import broker

        await self._run(broker.format_storage(self._layout))
        await self._start_supervised(broker.broker)
        await broker.create_topic(self._layout.address("kafka"))
        await self._start(services.kafka_exporter)

    async def _start_toxiproxy(self) -> None:
        await self._start(services.toxiproxy)
        await asyncio.to_thread(_create_proxies, self._layout)

    async def _end(self) -> None:
        """Stop the servers; the reaper deletes the folder. It does so even if this never runs."""
        for supervisor in self._supervisors:
            supervisor.cancel()
        await asyncio.gather(*self._supervisors, return_exceptions=True)
        await asyncio.gather(*(server.stop() for server in self.servers.values()))
        await self._reaper.reaped()


def _connections(engines: int) -> int:
    """Return how many connections to the database all engines together open; each needs at least one."""
    most = services.MOST_CONNECTIONS
    text = os.environ.get("ALERTDRILL_LAB_CONNECTIONS", str(most))
    if not text.isascii() or not text.isdecimal() or not engines <= int(text) <= most:
        raise LabError(f"ALERTDRILL_LAB_CONNECTIONS is {text!r}, expected a number from {engines} to {most}")
    return int(text)


def _change_owner(user: str, *paths: Path) -> None:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise LabError(f"there is no user {user}, install it: apt-get install postgresql") from None
    for path in paths:
        shutil.chown(path, account.pw_uid, account.pw_gid)


def _create_proxies(layout: Layout) -> None:
    with _toxiproxy_lock:
        server = Toxiproxy()
        server.update_api_consumer("127.0.0.1", layout.ports["toxiproxy"])
        for name in layout.parts.proxied:
            upstream = layout.address("kafka-proxied" if name == "kafka" else name)
            server.create(upstream=upstream, name=name, listen=layout.address(f"{name}-proxy"))
