"""How each server of the lab is started: one function for each server, which makes a Spec from ports and paths."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from alertdrill.lab.parts import LabParts
from alertdrill.lab.server import Spec
from alertdrill.units.duration import format_duration

# The folder that holds the package alertdrill: a checkout or site-packages.
_PACKAGES = Path(__file__).parents[2]
MOST_CONNECTIONS = 500  # of all engines together
_MAX_CONNECTIONS = 560  # 500 for the engines, the rest for the settlement, the exporter and users with psql


@dataclass(frozen=True)
class Layout:
    """One lab's folder, programs, ports, database password, time scale and parts."""

    directory: Path
    programs: dict[str, Path]
    ports: dict[str, int]
    password: str
    time_scale: float
    parts: LabParts
    # PostgreSQL refuses to run as root.
    postgres_user: str | None
    # To the database, of all engines together.
    connections: int = MOST_CONNECTIONS

    def address(self, service: str) -> str:
        """Return the address of a service as HOST:PORT."""
        return f"127.0.0.1:{self.ports[service]}"

    def spec(self, name: str, *arguments: str, health: str = "", environment: dict[str, str] | None = None) -> Spec:
        """Describe how to start the program of that name with these arguments."""
        command = [str(self.programs[name]), *arguments]
        return Spec(name, command, self.ports[name], health=health, environment=environment)

    def scaled(self, duration: timedelta) -> str:
        """Divide a duration by the time scale, and format it for a flag."""
        return format_duration(max(duration / self.time_scale, timedelta(milliseconds=1)))


def postgres(layout: Layout) -> Spec:
    """PostgreSQL, with settings for speed: the lab's data does not have to survive a crash."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": layout.ports["postgres"],
        "unix_socket_directories": "",
        "max_connections": _MAX_CONNECTIONS,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        # Keeps shared memory in the data folder: in /dev/shm it would remain after a killed server.
        "dynamic_shared_memory_type": "mmap",
    }
    command = [str(layout.programs["postgres"]), "-D", str(data_directory(layout))]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return Spec(
        "postgres",
        command,
        layout.ports["postgres"],
        stop_signal=signal.SIGINT,
        death_signal="INT",
        user=layout.postgres_user,
    )


def data_directory(layout: Layout) -> Path:
    """Return PostgreSQL's data folder."""
    return layout.directory / "postgres" / "data"


def redis(layout: Layout) -> Spec:
    """Redis, without persistence."""
    port = str(layout.ports["redis"])
    return layout.spec("redis", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no")


def toxiproxy(layout: Layout) -> Spec:
    """Toxiproxy, still without proxies: the real one, or the embedded one if the real one is not installed."""
    port = layout.ports["toxiproxy"]
    arguments = ["-host", "127.0.0.1", "-port", str(port)]
    if "toxiproxy" in layout.programs:
        return layout.spec("toxiproxy", *arguments, health="/version")
    # The lab must not import chaos, so it starts the embedded one as a program.
    command = [sys.executable, "-m", "alertdrill.chaos.toxiproxy.embedded", *arguments]
    return Spec("toxiproxy", command, port, health="/version", environment={"PYTHONPATH": str(_PACKAGES)})


def postgres_exporter(layout: Layout) -> Spec:
    """The Postgres exporter; it reaches PostgreSQL directly, so that it still works during a proxy fault."""
    source = f"postgresql://postgres:{layout.password}@{layout.address('postgres')}/postgres?sslmode=disable"
    listen = f"--web.listen-address={layout.address('postgres-exporter')}"
    return layout.spec("postgres-exporter", listen, health="/metrics", environment={"DATA_SOURCE_NAME": source})


def redis_exporter(layout: Layout) -> Spec:
    """The Redis exporter; it reaches Redis directly."""
    listen = f"-web.listen-address={layout.address('redis-exporter')}"
    return layout.spec("redis-exporter", listen, f"-redis.addr=redis://{layout.address('redis')}", health="/metrics")


def payment_engine(layout: Layout, name: str) -> Spec:
    """One payment engine; it reaches PostgreSQL, Redis and Kafka only through Toxiproxy."""
    arguments = ["--redis-url", f"redis://{layout.address('redis-proxy')}", "--chaos-endpoints"]
    arguments += ["--pool-size", str(layout.connections // layout.parts.replicas)]
    arguments += ["--kafka", layout.address("kafka-proxy")] if layout.parts.kafka else []
    return _python_server(
        layout, name, "alertdrill.lab.engine", *arguments, *_database(layout), health="/actuator/health"
    )


def settlement(layout: Layout) -> Spec:
    """The settlement; it reaches PostgreSQL and Kafka only through Toxiproxy."""
    arguments = ["--kafka", layout.address("kafka-proxy"), *_database(layout)]
    return _python_server(layout, "settlement", "alertdrill.lab.settlement", *arguments, health="/metrics")


def kafka_exporter(layout: Layout) -> Spec:
    """The Kafka exporter; it reaches Kafka directly."""
    return _python_server(
        layout, "kafka-exporter", "alertdrill.lab.kafka.exporter", "--kafka", layout.address("kafka"), health="/metrics"
    )


def _database(layout: Layout) -> list[str]:
    return ["--postgres-url", f"postgresql://postgres@{layout.address('postgres-proxy')}/postgres?sslmode=disable"]


def _python_server(layout: Layout, name: str, module: str, *arguments: str, health: str) -> Spec:
    command = [sys.executable, "-m", module, "--listen", layout.address(name), *arguments]
    # The password is in the environment: `ps` shows command lines to every user, but environments only to the owner.
    environment = {"PYTHONPATH": str(_PACKAGES), "PGPASSWORD": layout.password}
    return Spec(name, command, layout.ports[name], health=health, environment=environment)


def prometheus(layout: Layout) -> Spec:
    """Prometheus; the durations in its flags are divided like those in its files."""
    return layout.spec(
        "prometheus",
        f"--config.file={layout.directory / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={layout.directory / 'prometheus' / 'data'}",
        f"--web.listen-address={layout.address('prometheus')}",
        "--web.enable-lifecycle",
        "--web.enable-admin-api",
        f"--rules.alert.resend-delay={layout.scaled(timedelta(minutes=1))}",
        f"--rules.alert.for-grace-period={layout.scaled(timedelta(minutes=10))}",
        f"--rules.alert.for-outage-tolerance={layout.scaled(timedelta(hours=1))}",
        f"--query.lookback-delta={layout.scaled(timedelta(minutes=5))}",
        health="/-/ready",
    )


def alertmanager(layout: Layout) -> Spec:
    """Alertmanager, without a cluster."""
    return layout.spec(
        "alertmanager",
        f"--config.file={layout.directory / 'alertmanager' / 'alertmanager.yml'}",
        f"--storage.path={layout.directory / 'alertmanager' / 'data'}",
        f"--web.listen-address={layout.address('alertmanager')}",
        "--cluster.listen-address=",
        health="/-/ready",
    )
