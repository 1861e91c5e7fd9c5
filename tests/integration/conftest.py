"""A lab that stays up for all tests of a run, started as a user would start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import yaml
from toxiproxy import Toxiproxy

from tests.support import monitoring_servers as servers
from tests.support import waiting
from tests.support.monitoring_servers import MonitoringServers

ROOT = Path(__file__).parents[2]
ALERTDRILL = [sys.executable, "-m", "alertdrill"]
SCALE = "30"
# How long another process may take on a busy machine, before it counts as hung.
LONGEST_SECONDS = 300
wait_until = partial(waiting.wait_until, seconds=LONGEST_SECONDS, every_seconds=0.1)
# Enough for every rule; test_wheel.py and test_strategy_drills.py run the shipped drill with its own load.
DRILL_RATE = 40


@dataclass
class KeptLab:
    """A running `alertdrill lab`: its configuration file and its servers' process ids."""

    config: Path
    pids: dict[str, int]
    process: subprocess.Popen[str] = field(repr=False)

    def settings(self) -> dict[str, object]:
        return dict(yaml.safe_load(self.config.read_text()))

    def toxic_names(self) -> list[str]:
        """Ask the independent witness which toxics there are."""
        server = Toxiproxy()
        host, port = str(self.settings()["toxiproxy"]["url"]).removeprefix("http://").split(":")  # type: ignore[index]
        server.update_api_consumer(host, int(port))
        return [str(name) for proxy in server.proxies().values() for name in proxy.toxics()]


def start_lab() -> KeptLab:
    process = subprocess.Popen(
        # A lab whose tests were killed must not stay.
        ["setpriv", "--pdeathsig", "INT", *ALERTDRILL, "lab", "--time-scale", SCALE, "--no-color"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert process.stdout is not None
    pids: dict[str, int] = {}
    for line in process.stdout:
        row = re.match(r"[│|] (\S+)\s+[│|].*[│|]\s*(\d+)\s*[│|]", line)
        if row:
            pids[row[1]] = int(row[2])
        found = re.search(r"--config (\S+)", line)
        if found:
            return KeptLab(Path(found[1]), pids, process)
    raise AssertionError("the lab ended without saying where its configuration is")


@pytest.fixture(scope="package", autouse=True)
def _fewer_connections() -> Iterator[None]:
    """Let labs start and end faster, but have as many connections as payments may wait for a slow database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALERTDRILL_LAB_CONNECTIONS", "100")
        yield


@pytest.fixture
def all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the labs of a test have all 500 connections."""
    monkeypatch.delenv("ALERTDRILL_LAB_CONNECTIONS")


@pytest.fixture(scope="package")
def lab() -> Iterator[KeptLab]:
    kept = start_lab()
    yield kept
    kept.process.send_signal(signal.SIGINT)
    assert kept.process.wait(LONGEST_SECONDS) == 130
    wait_until(lambda: not kept.config.parent.exists(), "the lab's folder is gone")


@pytest.fixture
def quiet(lab: KeptLab) -> None:
    """The lab is kept for many tests: what an earlier one broke off may still be felt."""
    from tests.integration.drilling import until_quiet

    until_quiet(lab)


@pytest.fixture
def drill_file(tmp_path: Path) -> Callable[..., Path]:
    """Write the shipped drill with less load, and with some keys replaced."""

    def write(**changes: object) -> Path:
        values = yaml.safe_load((ROOT / "configs/drills/database-latency.yml").read_text())
        path = tmp_path / "drill.yml"
        path.write_text(yaml.safe_dump(values | {"load": {"rate": DRILL_RATE}} | changes))
        return path

    return write


def ended_by_no_alert(within: str = "12h") -> dict[str, object]:
    """Return what to change in a drill whose alerts are not under test: on a busy machine none of them ends it.

    The alert that it waits for needs ten times its connections.
    """
    groups = yaml.safe_load((ROOT / "configs/prometheus/rules.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    expected = "DatabaseConnectionsExhausted"
    return {
        "expect": [{"alert": expected, "within": within}],
        "allow": sorted(alerts - {expected}),
        "abort_if": [],
    }


@pytest.fixture
def alertdrill() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command to its end."""
    return run_alertdrill


def run_alertdrill(*arguments: object, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ALERTDRILL, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )


@pytest.fixture(scope="session", params=["old", "new"])
def monitoring_servers(request: pytest.FixtureRequest) -> MonitoringServers:
    """The programs of Debian's and of the newer Prometheus and Alertmanager, one after the other."""
    return servers.find(request.param)
