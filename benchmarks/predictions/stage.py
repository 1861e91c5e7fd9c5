"""Starts a Prometheus and an Alertmanager with the rules of the cases, and the exporter that they scrape."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from alertdrill.lab.ports import free_ports
from alertdrill.lab.server import Server, Spec
from alertdrill.units.time_scale import scale_alertmanager, scale_prometheus
from benchmarks.predictions.cases import SCRAPE_SECONDS, Case, shown
from benchmarks.predictions.exporter import Clock, StepExporter
from benchmarks.servers import find

_GROUP_WAIT, _GROUP_INTERVAL = "300ms", "1s"


@dataclass(frozen=True)
class Programs:
    """The programs of the two servers; any version can be tested."""

    prometheus: Path
    alertmanager: Path

    @classmethod
    def installed(cls) -> Programs:
        """Find the installed programs; raises BenchmarkError."""
        return cls(find("prometheus", "prometheus"), find("prometheus-alertmanager", "prometheus-alertmanager"))

    @property
    def major(self) -> int:
        """The major version of Prometheus: 2, or 3 for all later ones; they differ in the PromQL that they can read."""
        ended = subprocess.run([self.prometheus, "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"version (\d+)", ended.stdout + ended.stderr)
        return 3 if found and int(found[1]) >= 3 else 2


@dataclass
class Stage:
    """The running servers; `clock` begins and ends the fault, `listen` is the address of the webhook receivers."""

    directory: Path
    clock: Clock
    listen: str
    servers: dict[str, Server]
    specs: dict[str, Spec]

    def url(self, name: str) -> str:
        """Return the URL of a server."""
        return f"http://127.0.0.1:{self.specs[name].port}"

    async def restart(self, name: str) -> None:
        """Kill a server and start it again on the same data."""
        self.servers[name].kill()
        self.servers[name] = Server(self.specs[name], self.directory, find("setpriv", "util-linux"))
        await self.servers[name].wait_ready()


@asynccontextmanager
async def staged(cases: Sequence[Case], programs: Programs, slowness: int) -> AsyncIterator[Stage]:
    """Run all servers during the block, with all intervals and waits a number of times as long."""
    directory = _made_directory()
    exporter_port, prometheus, alertmanager, webhooks = free_ports(4)
    clock = Clock(slowness)
    listen = f"127.0.0.1:{webhooks}"
    _write(
        directory / "prometheus.yml", scale_prometheus(_prometheus_config(exporter_port, alertmanager), 1 / slowness)
    )
    _write(directory / "rules.yml", {"groups": _groups(cases)})
    _write(
        directory / "alertmanager.yml", scale_alertmanager(_alertmanager_config(listen, exporter_port), 1 / slowness)
    )
    specs = {
        "prometheus": _prometheus(programs.prometheus, directory, prometheus),
        "alertmanager": _alertmanager(programs.alertmanager, directory, alertmanager),
    }
    stage = Stage(directory, clock, listen, {}, specs)
    exporter = StepExporter(shown(), clock, 10 * SCRAPE_SECONDS * slowness)
    try:
        async with exporter.serving(exporter_port):
            for name in ("alertmanager", "prometheus"):
                stage.servers[name] = Server(specs[name], directory, find("setpriv", "util-linux"))
                await stage.servers[name].wait_ready()
            yield stage
    finally:
        await asyncio.gather(*(server.stop() for server in stage.servers.values()))
        shutil.rmtree(directory, ignore_errors=True)


def _made_directory() -> Path:
    return Path(tempfile.mkdtemp(prefix="alertdrill-predictions-")).resolve()


def _groups(cases: Sequence[Case]) -> list[dict[str, Any]]:
    written = [case for case in cases if case.expr]
    intervals = dict.fromkeys(case.interval for case in written)
    return [
        {
            "name": f"every-{interval}",
            "interval": interval,
            "rules": [c.rule for c in written if c.interval == interval],
        }
        for interval in intervals
    ]


def _prometheus_config(exporter: int, alertmanager: int) -> dict[str, Any]:
    scrape = f"{round(SCRAPE_SECONDS * 1000)}ms"
    target = [{"targets": [f"127.0.0.1:{exporter}"]}]
    jobs = {"service": "/metrics", "refusing": "/refusing", "hanging": "/hanging", "late": "/late"}
    return {
        "global": {"scrape_interval": scrape, "scrape_timeout": scrape, "evaluation_interval": "500ms"},
        "rule_files": ["rules.yml"],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}],
            "alert_relabel_configs": [{"source_labels": ["way"], "regex": "dropped", "action": "drop"}],
        },
        "scrape_configs": [
            {"job_name": job, "metrics_path": path, "static_configs": target} for job, path in jobs.items()
        ],
    }


def _alertmanager_config(listen: str, exporter: int) -> dict[str, Any]:
    def way(name: str, receiver: str, **settings: object) -> dict[str, Any]:
        return {"matchers": [f'way="{name}"'], "receiver": receiver, **settings}

    def receiver(name: str, url: str) -> dict[str, Any]:
        return {"name": name, "webhook_configs": [{"url": url, "send_resolved": True}]}

    called = ("pager", "slow", "shared", "daily", "never")
    return {
        "route": {
            "receiver": "pager",
            "group_by": ["alertname", "part"],
            "group_wait": _GROUP_WAIT,
            "group_interval": _GROUP_INTERVAL,
            "repeat_interval": "1h",
            "routes": [
                way("slow", "slow", group_wait="2s", group_interval="2s"),
                way("shared", "shared", group_by=["way"], group_interval="3s"),
                way("elsewhere", "daily"),
                way("never", "never", group_wait="1h"),
                way("broken", "broken"),
                way("outside", "outside"),
                way("muted", "pager", mute_time_intervals=["round-the-clock"]),
            ],
        },
        "receivers": [
            *(receiver(name, f"http://{listen}/api/v1/webhook/{name}") for name in called),
            receiver("broken", f"http://127.0.0.1:{exporter}/broken"),
            {"name": "outside", "slack_configs": [{"api_url": f"http://127.0.0.1:{exporter}/outside", "channel": "x"}]},
        ],
        "time_intervals": [
            {"name": "round-the-clock", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]}
        ],
        "inhibit_rules": [
            {"source_matchers": ['alertname="DownFor0"'], "target_matchers": ['way="inhibited"']},
        ],
    }


def _prometheus(program: Path, directory: Path, port: int) -> Spec:
    arguments = [
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    return Spec("prometheus", [str(program), *arguments], port, health="/-/ready")


def _alertmanager(program: Path, directory: Path, port: int) -> Spec:
    arguments = [
        f"--config.file={directory / 'alertmanager.yml'}",
        f"--storage.path={directory / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    return Spec("alertmanager", [str(program), *arguments], port, health="/-/ready")


def _write(path: Path, config: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def only(cases: Sequence[Case], names: set[str]) -> list[Case]:
    """Return the cases with these names, or all cases if there are no names."""
    return [replace(case) for case in cases if not names or case.alert in names]
