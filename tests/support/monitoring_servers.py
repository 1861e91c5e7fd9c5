"""Real Prometheus and Alertmanager, of two generations, that run for the length of a block.

`old` is Debian's, `new` is what lab/install-newer-monitoring.sh builds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.lab.ports import free_ports
from alertdrill.lab.server import Server, Spec
from tests.support.answering import patient_server
from tests.support.certificates import Certificates
from tests.support.waiting import until

USER, PASSWORD = "drill", "hush"
# The password in bcrypt, of the least cost.
_PASSWORD_HASH = "$2b$04$KsYlmUF8MtWk3A61loV9beuqD8iW7WqpMb1nvzjJf77SmbmlyF3YW"  # noqa: S105 - of a password of tests
_ROUTE = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


@dataclass(frozen=True)
class Guard:
    """The protection of a server: TLS, a password, a path prefix."""

    certificates: Certificates
    prefix: str = "/monitoring"

    def web_config(self) -> dict[str, Any]:
        names = {"cert_file": "server.crt", "key_file": "server.key"}
        files = {key: str(self.certificates.folder / name) for key, name in names.items()}
        return {"tls_server_config": files, "basic_auth_users": {USER: _PASSWORD_HASH}}

    def client_config(self) -> dict[str, Any]:
        """The same settings for a client, in Prometheus' notation, which is ours too."""
        return {
            "basic_auth": {"username": USER, "password": PASSWORD},
            "tls": {"ca_file": str(self.certificates.certificate("authority"))},
        }


@dataclass
class Configuration:
    """The configuration of the servers, as in YAML; Prometheus also scrapes itself and evaluates every second."""

    rule_groups: Sequence[Mapping[str, Any]] = ()
    scrape_configs: Sequence[Mapping[str, Any]] = ()
    prometheus_global: Mapping[str, Any] = field(default_factory=dict)
    alertmanager: Mapping[str, Any] = field(default_factory=lambda: _ROUTE)
    prometheus_flags: Sequence[str] = ()
    alertmanager_flags: Sequence[str] = ("--cluster.listen-address=",)
    guard: Guard | None = None


@dataclass(frozen=True)
class Started:
    """The addresses of the servers, with credentials; Prometheus sends its alerts to Alertmanager."""

    prometheus: MonitoringServer
    alertmanager: MonitoringServer


@dataclass(frozen=True)
class MonitoringServers:
    """The programs of one generation."""

    generation: str
    prometheus: Path
    alertmanager: Path

    @asynccontextmanager
    async def started(self, folder: Path, told: Configuration) -> AsyncIterator[Started]:
        """Start both in a folder; yield when both are ready."""
        prometheus, alertmanager = (_settings(told.guard, port) for port in free_ports(2))
        async with AsyncExitStack() as stack:
            servers = [_start_alertmanager(self.alertmanager, folder, told, alertmanager)]
            stack.push_async_callback(servers[0].stop)
            servers.append(_start_prometheus(self.prometheus, folder, told, prometheus, alertmanager))
            stack.push_async_callback(servers[1].stop)
            for server in servers:
                await server.wait_ready()
            await until(lambda: _answers(Alertmanager(alertmanager).status()), "Alertmanager answers")
            await until(lambda: _answers(Prometheus(prometheus).holds("vector(1)")), "Prometheus answers")
            yield Started(prometheus, alertmanager)


def find(generation: str) -> MonitoringServers:
    """Return the programs of a generation; skips the test, with the reason, if they are not installed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alertdrill" / "bin"
    folder, names, remedy = {
        "old": (None, ("prometheus", "prometheus-alertmanager"), "make setup"),
        "new": (str(cache), ("prometheus", "alertmanager"), "sh lab/install-newer-monitoring.sh"),
    }[generation]
    found = [shutil.which(name, path=folder) for name in names]
    if None in found:
        pytest.skip(f"the {generation} monitoring servers are not here: {remedy}")
    prometheus, alertmanager = (Path(path) for path in found if path)
    return MonitoringServers(generation, prometheus, alertmanager)


def _settings(guard: Guard | None, port: int) -> MonitoringServer:
    if guard is None:
        return patient_server(f"http://127.0.0.1:{port}")
    client = guard.client_config()
    url = f"https://127.0.0.1:{port}{guard.prefix}"
    return MonitoringServer.model_validate({"url": url, "timeout": timedelta(minutes=1), **client})


async def _answers(asked: Any) -> bool:
    try:
        await asked
    except ServiceUnavailable:
        return False
    return True


def _start_prometheus(
    program: Path, folder: Path, told: Configuration, at: MonitoringServer, alertmanager: MonitoringServer
) -> Server:
    _write(folder / "rules.yml", {"groups": list(told.rule_groups)})
    _write(
        folder / "prometheus.yml",
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"} | dict(told.prometheus_global),
            "rule_files": ["rules.yml"],
            "scrape_configs": [_scraping("prometheus", told.guard, at), *told.scrape_configs],
            "alerting": {"alertmanagers": [_as_client(told.guard, alertmanager)]},
        },
    )
    flags = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    return _start("prometheus", program, folder, told.guard, at, [*flags, *told.prometheus_flags])


def _start_alertmanager(program: Path, folder: Path, told: Configuration, at: MonitoringServer) -> Server:
    _write(folder / "alertmanager.yml", dict(told.alertmanager))
    flags = [f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'held'}"]
    return _start("alertmanager", program, folder, told.guard, at, [*flags, *told.alertmanager_flags])


def _start(  # noqa: PLR0913, PLR0917 - what a server needs
    name: str, program: Path, folder: Path, guard: Guard | None, at: MonitoringServer, flags: list[str]
) -> Server:
    host = at.url.split("/")[2]
    command = [str(program), f"--web.listen-address={host}", *flags]
    if guard is not None:
        _write(folder / "web.yml", guard.web_config())
        command += [f"--web.config.file={folder / 'web.yml'}", f"--web.external-url={at.url}"]
        command += [f"--web.route-prefix={guard.prefix}"]
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    return Server(Spec(name, command, int(host.split(":")[1])), folder, Path(setpriv))


def _scraping(job: str, guard: Guard | None, at: MonitoringServer) -> dict[str, Any]:
    client = _as_client(guard, at)
    return {"job_name": job, "metrics_path": client.pop("path_prefix").rstrip("/") + "/metrics"} | client


def _as_client(guard: Guard | None, at: MonitoringServer) -> dict[str, Any]:
    scheme, _, host, *path = at.url.split("/")
    client = {"scheme": scheme[:-1], "path_prefix": "/" + "/".join(path), "static_configs": [{"targets": [host]}]}
    if guard is None:
        return client
    config = guard.client_config()
    return client | {"basic_auth": config["basic_auth"], "tls_config": config["tls"]}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(values), sort_keys=False))
