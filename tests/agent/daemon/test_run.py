"""The whole agent as a process, with a server to send to; no drill runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.agent.daemon.configured import read_configured
from alertdrill.agent.errors import ConfigError
from alertdrill.lab.ports import free_ports
from tests.probes.hostile_server import HostileServer
from tests.support.processes import children, command_line

AGENT = """\
probe: {{kind: http, url: "http://127.0.0.1:{port}/", timeout: 5s}}
prometheus: {{url: "http://127.0.0.1:1"}}
alertmanager: {{url: "http://127.0.0.1:1"}}
toxiproxy: {{url: "http://127.0.0.1:1"}}
listen: 127.0.0.1:{listen}
ledger: ledger
recordings: kept
load: {{rate: 40}}
web: {{enable_lifecycle: true}}
schedule:
  time_zone: Europe/Berlin
  entries: [{{name: yearly, drills: ["*.drill"], cron: "0 10 1 1 *"}}]
"""
DRILL = "drill: slow\nload: {rate: 40}\nexpect: [{alert: Slow}]\n"


@dataclass
class Running:
    """A running agent, with its file and the address it serves at."""

    process: subprocess.Popen[str]
    config: Path
    url: str

    def ask(
        self, path: str, *, post: bool = False, body: str = "", more: dict[str, str] | None = None
    ) -> tuple[int, str]:
        headers = ({"Content-Type": "application/json"} if body else {}) | (more or {})
        request = Request(self.url + path, data=body.encode() if post else None, headers=headers)  # noqa: S310 - http
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, ConnectionError):
            return 0, ""

    def metric(self, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.ask("/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else -1.0

    @property
    def worker(self) -> int:
        """The process id of the load's worker that was started last."""
        return max(one for one in children(self.process.pid) if "spawn_main" in command_line(one))

    def until(self, path: str, status: int = 200) -> str:
        deadline = time.monotonic() + 180
        while (found := self.ask(path))[0] != status:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found[1]

    def until_metric(self, name: str, least: float) -> None:
        self._until(name, lambda value: value >= least)

    def until_metric_is(self, name: str, value: float) -> None:
        self._until(name, lambda found: found == value)

    def _until(self, name: str, holds: Callable[[float], bool]) -> None:
        deadline = time.monotonic() + 180
        while not holds(self.metric(name)):
            assert time.monotonic() < deadline, name
            time.sleep(0.1)


def start(config: Path, *words: str) -> subprocess.Popen[str]:
    main = "from alertdrill.agent.cli import main; main()"
    command = [sys.executable, "-c", main, "run", "--config", str(config), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def written(folder: Path, port: int) -> tuple[Path, int]:
    (listen,) = free_ports(1)
    (folder / "slow.drill").write_text(DRILL)
    config = folder / "agent.yml"
    config.write_text(AGENT.format(port=port, listen=listen))
    return config, listen


@contextmanager
def running(folder: Path, port: int, more: str = "", rate: int = 40) -> Iterator[Running]:
    """Run an agent until the end of the block; `more` are lines of its schedule."""
    config, listen = written(folder, port)
    config.write_text(config.read_text().replace("load: {rate: 40}", f"load: {{rate: {rate}}}") + more)
    with run_on(config, listen) as agent:
        yield agent


@contextmanager
def run_on(config: Path, listen: int) -> Iterator[Running]:
    """Run an agent on its files until the end of the block."""
    process = start(config)
    try:
        yield Running(process, config, f"http://127.0.0.1:{listen}")
    finally:
        process.kill()
        process.wait()


def a_call_starts_a_drill_once(agent: Running) -> None:
    """Its Prometheus is away, so the drill cannot begin."""
    call, key = '{"drill": "slow", "reason": "a try", "by": "Ada"}', {"Idempotency-Key": "one"}
    assert agent.ask("/api/v1/starts?dry_run=true", post=True, body=call)[0] == 502
    status, text = agent.ask("/api/v1/starts", post=True, body=call, more=key)
    assert status == 202, text
    (first, again) = json.loads(text), json.loads(agent.ask("/api/v1/starts", post=True, body=call, more=key)[1])
    assert first["id"] == again["id"]
    assert agent.ask("/api/v1/starts", post=True, body='{"drill": "slow"}', more=key)[0] == 422
    deadline = time.monotonic() + 180
    while (found := json.loads(agent.ask(f"/api/v1/starts/{first['id']}")[1]))["state"] == "running":
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert (found["state"], found["reason"], found["asked"]) == ("skipped", "target", "by Ada: a try")
    words = ["ctl", "start", "slow", "--key", "one", "--reason", "a try", "--by", "Ada", "--server", agent.url]
    ended = CliRunner().invoke(app, [*words, "--wait"])
    assert (ended.exit_code, ended.output) == (2, f"started as {first['id']}: skipped, {found['why']}\n")
    (kept,) = json.loads(agent.ask("/api/v1/occurrences")[1])["items"]
    assert (kept["entry"], kept["asked"]) == ("@api", "by Ada: a try")
    with urlopen(f"{agent.url}/api/v1/events", timeout=60) as events:  # noqa: S310 - http
        while b"event: load" not in events.readline():
            pass


def another_agent_for_the_same_target_is_refused(agent: Running, port: int) -> None:
    """It has a folder of its own, and so a ledger and recordings of its own, and its own address."""
    folder = agent.config.parent / "another"
    folder.mkdir()
    with run_on(*written(folder, port)) as second:
        told = second.process.communicate(timeout=300)
        assert second.process.returncode == 2
    refusal = f"alertdrill: an agent uses this machine:{port} already (process {agent.process.pid}): end it first\n"
    assert told == ("", refusal)


@pytest.mark.servers
def test_an_agent_from_its_start_to_its_end(tmp_path: Path) -> None:
    with HostileServer() as server, running(tmp_path, server.port) as agent:
        assert agent.until("/-/healthy") == "alertdrill is healthy.\n"
        assert agent.until("/-/ready") == "alertdrill is ready.\n"
        agent.until_metric('alertdrill_transactions_total{outcome="succeeded"}', 20)
        agent.until_metric_is('alertdrill_worker_up{worker="1"}', 1)
        assert agent.metric("alertdrill_faults_unhealed") == 0
        assert agent.metric('alertdrill_schedule_next_run_timestamp_seconds{entry="yearly"}') > time.time()

        second = start(agent.config)
        assert second.wait(300) == 2
        refusal = second.communicate()[1]
        assert refusal.startswith("alertdrill: an agent uses ")
        assert f" already (process {agent.process.pid}): end it first" in refusal
        another_agent_for_the_same_target_is_refused(agent, server.port)

        agent.config.write_text(agent.config.read_text() + "guard: {}\n")
        status, text = agent.ask("/-/reload", post=True)
        assert status == 400
        assert "agent.yml:13: guard: unknown key, did you mean guards?" in text
        assert agent.metric("alertdrill_config_last_reload_successful") == 0
        agent.config.write_text(agent.config.read_text().replace("guard: {}\n", "").replace("rate: 40", "rate: 80"))
        agent.process.send_signal(signal.SIGHUP)
        agent.until_metric("alertdrill_target_transactions_per_second", 80)
        assert agent.metric("alertdrill_config_last_reload_successful") == 1

        before = agent.metric('alertdrill_transactions_total{outcome="succeeded"}')
        os.kill(agent.worker, signal.SIGKILL)
        agent.until_metric("alertdrill_worker_deaths_total", 1)
        # Its last second may be counted only now: this is more than that.
        agent.until_metric('alertdrill_transactions_total{outcome="succeeded"}', before + 100)
        agent.until_metric_is('alertdrill_worker_up{worker="1"}', 1)
        agent.until("/-/ready")

        call = '{"for": "2h", "reason": "the release", "by": "Ada"}'
        assert agent.ask("/api/v1/pause", post=True, body=call)[0] == 200
        assert agent.metric("alertdrill_paused_until_timestamp_seconds") > time.time()
        status, text = agent.ask("/api/v1/pause", post=True, body='{"for": "8d", "reason": "holidays"}')
        refusal = json.loads(text)
        assert (status, refusal["title"], refusal["detail"][:6]) == (400, "it is not a pause", "for: I")
        assert agent.ask("/api/v1/resume", post=True)[0] == 415
        assert agent.ask("/api/v1/resume", post=True, body="{}")[0] == 200
        assert agent.metric("alertdrill_paused_until_timestamp_seconds") == 0

        a_call_starts_a_drill_once(agent)

        agent.process.send_signal(signal.SIGTERM)
        out, err = agent.process.communicate(timeout=300)
        assert agent.process.returncode == 0, err
        assert out.rstrip().endswith("stopped")
        assert "ending; nothing is broken" in out
        assert (tmp_path / "kept" / "history.db").exists()
        shown = CliRunner().invoke(app, ["history", "load", "--every", "all", "--json", "--config", str(agent.config)])
        (load,) = json.loads(shown.stdout)
        assert load["succeeded"] >= 20
        assert load["due"] >= load["succeeded"] + load["failed"] + load["dropped"] + load["lost"]
        assert 40 <= load["target_rate"] <= 80
        assert 0 < load["p50_seconds"] <= load["p99_seconds"]


def test_until_the_server_listens_nothing_is_imported_that_only_drills_and_verdicts_need() -> None:
    """Importing it takes longer than all that comes before."""
    later = ["drilling.conductor", "drilling.observer", "recording.recording", "verdict", "report", "history"]
    code = f"""
import sys
import alertdrill.agent.commands.run, alertdrill.agent.daemon.starting
found = [name for name in {later} if "alertdrill.agent." + name in sys.modules]
assert not found, found
import alertdrill.agent.daemon.agent
found = [name for name in ["verdict.judge", "report.drill.json"] if "alertdrill.agent." + name in sys.modules]
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], check=True)


DAMAGES = {
    "probe": ("kind: http", "kind: htp"),
    "load": ("load: {rate: 40}\n", ""),
    "drills": ("*.drill", "*.dril"),
    "cron": ("0 10 1 1 *", "0 10 1 1"),
    "zone": ("Europe/Berlin", "Europe/Berlyn"),
    "yaml": ("entries: [", "entries: [["),
    "listen": ("web:", "listen: 1\nweb:"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_configuration_is_refused_with_file_and_line(tmp_path: Path, damage: str) -> None:
    config, _ = written(tmp_path, 1)
    read_configured(config)
    before, after = DAMAGES[damage]
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))
    with pytest.raises(ConfigError) as told:
        read_configured(config)
    assert all(re.match(rf"{re.escape(str(config))}:\d+: ", one) for one in told.value.problems)


def test_what_a_reload_cannot_change_is_named(tmp_path: Path) -> None:
    config, _ = written(tmp_path, 1)
    before = read_configured(config)
    config.write_text(config.read_text().replace("ledger: ledger", "ledger: other").replace("rate: 40", "rate: 50"))
    after = read_configured(config)
    assert before.fixed_changes(after) == ["ledger"]
    assert not before.has_the_load_of(after)
    assert before.sha256 != after.sha256
    config.write_text("# a comment\n" + config.read_text())
    assert read_configured(config).sha256 == after.sha256
