"""The lab: every server of the payment engine's surroundings, on free loopback ports, in one folder."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import yaml
from toxiproxy import Toxiproxy

from lab.errors import LabError
from lab.ports import free_ports
from lab.programs import find_programs
from lab.scale import scale, scale_duration
from lab.server import Server, Spec

_POOL_SIZE = 500
# The names by which configuration files know the servers.
_NAMES = (
    "payment-engine:8080",
    "postgres:5432",
    "redis:6379",
    "postgres-exporter:9187",
    "redis-exporter:9121",
    "toxiproxy:8474",
    "prometheus:9090",
    "alertmanager:9093",
    "alertdrill:9095",
    "proxied-postgres",
    "proxied-redis",
)


class Lab:
    """The whole stack for the length of an `async with` block.

    `configs` is a folder with prometheus/prometheus.yml and alertmanager/alertmanager.yml, whose durations
    are divided by `time_scale`. `addresses` maps the names in those files to where the servers really are;
    `alertdrill:9095` is where Alertmanager sends its webhooks.
    Raises LabError.
    """

    def __init__(self, configs: Path, time_scale: float = 1.0) -> None:
        self.servers: dict[str, Server] = {}
        self.addresses: dict[str, str] = {}
        self.directory = Path()
        self._configs = configs
        self._scale = time_scale
        self._password = secrets.token_hex(16)
        self._programs: dict[str, Path] = {}
        self._stack = AsyncExitStack()

    @property
    def ledger(self) -> Path:
        """Where the ledger of a lab's faults belongs: it goes with the servers they break."""
        return self.directory / "ledger"

    def table(self) -> list[tuple[str, str, Path, int]]:
        """Tell the name, the address, the program and the process id of every server."""
        return [(name, s.address, Path(s.spec.command[0]), s.pid) for name, s in self.servers.items()]

    async def __aenter__(self) -> Self:
        self._programs = find_programs()
        prometheus, alertmanager = self._read_configs()
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in zip(_NAMES, free_ports(len(_NAMES)), strict=True)}
        async with AsyncExitStack() as stack:
            self._make_directory(stack)
            self._write_configs(prometheus, alertmanager)
            await self._init_postgres()
            await self._start(stack, self._foundation())
            await asyncio.to_thread(self._make_proxies)
            await self._start(stack, [self._engine(), *self._monitoring()])
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    def _read_configs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        files = [self._configs / "prometheus/prometheus.yml", self._configs / "alertmanager/alertmanager.yml"]
        try:
            prometheus, alertmanager = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
        except OSError as error:
            raise LabError(f"{error.filename}: cannot be read: {error.strerror}; the lab needs it") from error
        except yaml.YAMLError as error:
            raise LabError(f"a configuration of the lab is no YAML: {error}") from error
        return prometheus, alertmanager

    def _make_directory(self, stack: AsyncExitStack) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="alertdrill-lab-"))
        # Servers of other users pass through; the files that are secret say so themselves.
        self.directory.chmod(0o711)
        reaper = subprocess.Popen(
            [sys.executable, "-m", "lab.reaper", str(self.directory)], stdin=subprocess.PIPE, start_new_session=True
        )

        async def reap() -> None:
            assert reaper.stdin is not None  # noqa: S101 - asked for above
            reaper.stdin.close()
            await asyncio.to_thread(reaper.wait)

        stack.push_async_callback(reap)

    def _write_configs(self, prometheus: dict[str, Any], alertmanager: dict[str, Any]) -> None:
        rule_files = []
        for pattern in prometheus.get("rule_files", []):
            for path in sorted((self._configs / "prometheus").glob(pattern)):
                rules = yaml.safe_load(path.read_text(encoding="utf-8"))
                self._write(f"rules/{path.name}", rules)
                rule_files.append(f"rules/{path.name}")
        self._write("prometheus.yml", prometheus | {"rule_files": rule_files})
        self._write("alertmanager.yml", alertmanager)

    def _write(self, name: str, config: dict[str, Any]) -> None:
        text = yaml.safe_dump(scale(config, self._scale), sort_keys=False, width=1000)
        for known, address in self.addresses.items():
            text = text.replace(known, address)
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    async def _init_postgres(self) -> None:
        data, password_file = self.directory / "postgres", self.directory / "postgres-password"
        data.mkdir(mode=0o700)
        password_file.touch(mode=0o600)
        password_file.write_text(self._password, encoding="ascii")
        command = [str(self._programs["initdb"]), "-D", str(data), "-U", "payment", "--pwfile", str(password_file)]
        command += ["--auth-host=password", "--auth-local=reject", "--no-sync", "--encoding=UTF8", "--locale=C"]
        user = _postgres_user()
        if user is not None:
            owner = pwd.getpwnam(user)
            for path in (data, password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            command = [str(self._programs["setpriv"]), "--reuid", user, "--regid", user, "--clear-groups", *command]
        initdb = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=self.directory
        )
        output, _ = await initdb.communicate()
        if initdb.returncode != 0:
            raise LabError(f"initdb failed: {output.decode(errors='replace').strip()}")

    async def _start(self, stack: AsyncExitStack, specs: list[Spec]) -> None:
        started = []
        for spec in specs:
            server = Server(spec, self.directory, self._programs["setpriv"])
            stack.push_async_callback(server.stop)
            self.servers[spec.name] = server
            started.append(server.wait_ready())
        await asyncio.gather(*started)

    def _port(self, name: str) -> int:
        return int(self.addresses[name].rsplit(":", 1)[1])

    def _foundation(self) -> list[Spec]:
        """List the servers that need no other."""
        postgres, redis, toxiproxy = (self._port(n) for n in ("postgres:5432", "redis:6379", "toxiproxy:8474"))
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": postgres,
            "max_connections": _POOL_SIZE + 60,
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        postgres_command = [str(self._programs["postgres"]), "-D", str(self.directory / "postgres")]
        for name, value in settings.items():
            postgres_command += ["-c", f"{name}={value}"]
        redis_command = [str(self._programs["redis"]), "--bind", "127.0.0.1", "--port", str(redis), "--save", ""]
        return [
            Spec(
                "postgres",
                postgres_command,
                postgres,
                stop_signal=signal.SIGINT,
                death_signal="INT",
                user=_postgres_user(),
            ),
            Spec("redis", redis_command, redis),
            Spec(
                "toxiproxy",
                [str(self._programs["toxiproxy"]), "-host", "127.0.0.1", "-port", str(toxiproxy)],
                toxiproxy,
                "/version",
            ),
        ]

    def _make_proxies(self) -> None:
        server = Toxiproxy()
        host, port = self.addresses["toxiproxy:8474"].split(":")
        server.update_api_consumer(host, int(port))
        for name, upstream in (("postgres", "postgres:5432"), ("redis", "redis:6379")):
            server.create(
                name=name, listen=self.addresses[f"proxied-{name}"], upstream=self.addresses[upstream], enabled=True
            )

    def _engine(self) -> Spec:
        port = self._port("payment-engine:8080")
        command = [sys.executable, "-m", "lab.engine", "--port", str(port), "--create-tables"]
        command += ["--pool-size", str(_POOL_SIZE)]
        command += ["--postgres-url", self._postgres_url("proxied-postgres")]
        command += ["--redis-url", f"redis://{self.addresses['proxied-redis']}/0"]
        root = str(Path(__file__).parent.parent)
        return Spec("payment-engine", command, port, "/actuator/health", environment={"PYTHONPATH": root})

    def _postgres_url(self, name: str) -> str:
        return f"postgresql://payment:{self._password}@{self.addresses[name]}/postgres"

    def _monitoring(self) -> list[Spec]:
        """List the servers that watch the others."""
        return [self._postgres_exporter(), self._redis_exporter(), self._prometheus(), self._alertmanager()]

    def _postgres_exporter(self) -> Spec:
        name = "postgres-exporter:9187"
        command = [str(self._programs["postgres-exporter"]), f"--web.listen-address={self.addresses[name]}"]
        url = {"DATA_SOURCE_NAME": self._postgres_url("postgres:5432") + "?sslmode=disable"}
        return Spec("postgres-exporter", command, self._port(name), environment=url)

    def _redis_exporter(self) -> Spec:
        name = "redis-exporter:9121"
        command = [str(self._programs["redis-exporter"]), f"-web.listen-address={self.addresses[name]}"]
        command += [f"-redis.addr=redis://{self.addresses['redis:6379']}"]
        return Spec("redis-exporter", command, self._port(name))

    def _prometheus(self) -> Spec:
        durations = {
            "rules.alert.resend-delay": "1m",
            "rules.alert.for-grace-period": "10m",
            "rules.alert.for-outage-tolerance": "1h",
            "query.lookback-delta": "5m",
        }
        command = [
            str(self._programs["prometheus"]),
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'prometheus'}",
            f"--web.listen-address={self.addresses['prometheus:9090']}",
            *(f"--{flag}={scale_duration(value, self._scale)}" for flag, value in durations.items()),
        ]
        return Spec("prometheus", command, self._port("prometheus:9090"), "/-/ready")

    def _alertmanager(self) -> Spec:
        command = [
            str(self._programs["alertmanager"]),
            f"--config.file={self.directory / 'alertmanager.yml'}",
            f"--storage.path={self.directory / 'alertmanager'}",
            f"--web.listen-address={self.addresses['alertmanager:9093']}",
            "--cluster.listen-address=",
        ]
        return Spec("alertmanager", command, self._port("alertmanager:9093"), "/-/ready")


def _postgres_user() -> str | None:
    """Tell as whom PostgreSQL runs: it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise LabError("PostgreSQL refuses to run as root, and there is no user postgres: apt-get install postgresql")
