"""A real agent goes through bad luck: its target is away, its folder of recordings is gone, its processes stand still."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from alertdrill.agent.errors import NOT_HEALED
from alertdrill.agent.schedule.journal import Journal
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.ports import free_ports
from tests.agent.daemon.test_run import Running, run_on, running, start, written
from tests.probes.hostile_server import HostileServer
from tests.support.breakable import breakable
from tests.support.gone_folder import replaced_by_a_file
from tests.support.killed_agents import DRILL, quiet_prometheus
from tests.support.left_behind import leave
from tests.support.toxiproxy_server import toxiproxy_server
from tests.support.waiting import wait_until

SUCCEEDED = 'alertdrill_transactions_total{outcome="succeeded"}'
FAILED = 'alertdrill_transactions_total{outcome="failed"}'
SKIPPED = 'alertdrill_occurrences_total{entry="@api",reason="target",state="skipped"}'
LIVE = ("/-/healthy", "/-/ready", "/metrics", "/api/v1/status", "/api/v1/load")
OF_THE_HISTORY = ("/", "/runs", "/alerts", "/schedule", "/api/v1/runs", "/api/v1/occurrences", "/api/v1/alerts")
PAUSE = '{"for": "2h", "reason": "a try"}'


def goes_on(agent: Running, outcome: str, more: int = 20) -> None:
    agent.until_metric(outcome, agent.metric(outcome) + more)


def series(agent: Running) -> set[str]:
    """Return the names and labels of all series."""
    lines = agent.ask("/metrics")[1].splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def end(agent: Running) -> list[str]:
    """End an agent, and return its log."""
    agent.process.send_signal(signal.SIGTERM)
    out, err = agent.process.communicate(timeout=300)
    assert agent.process.returncode == 0, err
    return out.splitlines()


@pytest.mark.servers
def test_while_the_target_is_away_the_load_goes_on_and_neither_log_nor_metrics_nor_memory_grow(tmp_path: Path) -> None:
    """As many failures as a slow load has in hours; its Prometheus is away as well."""
    (port,) = free_ports(1)
    with running(tmp_path, port, rate=100) as agent:
        agent.until("/-/ready")
        agent.until_metric(FAILED, 200)
        before, pids = series(agent), (agent.process.pid, agent.worker)
        memory = [resident_bytes(pid) for pid in pids]
        goes_on(agent, FAILED, 1_500)
        assert series(agent) == before
        for pid, then in zip(pids, memory, strict=True):
            assert resident_bytes(pid) - then < 8 * 2**20
        assert agent.worker == pids[1]
        agent.until("/-/ready")
        with HostileServer(port=port):
            goes_on(agent, SUCCEEDED)
            agent.until("/-/ready")
            lines = end(agent)
    assert len(lines) < 20, lines


@pytest.mark.servers
def test_while_prometheus_is_away_every_drill_is_skipped_and_nothing_grows(tmp_path: Path) -> None:
    """As many drills as an hourly schedule has in four days."""
    with HostileServer() as server, running(tmp_path, server.port) as agent:
        agent.until("/-/ready")
        for _ in range(10):
            skipped_drill(agent)
        agent.until_metric(SKIPPED, 10)
        before, memory = series(agent), resident_bytes(agent.process.pid)
        for _ in range(96):
            skipped_drill(agent)
        goes_on(agent, SUCCEEDED)
        assert series(agent) == before
        assert resident_bytes(agent.process.pid) - memory < 8 * 2**20
        assert (agent.metric("alertdrill_worker_deaths_total"), agent.ask("/-/ready")[0]) == (0, 200)
        lines = end(agent)
    # Its begin, why it cannot begin, and its end.
    assert len(lines) < 20 + 3 * 106
    # Since when the schedule is watched; and of each drill its begin and its end.
    assert len((tmp_path / "kept/occurrences.jsonl").read_bytes().splitlines()) == 1 + 2 * 106


def skipped_drill(agent: Running) -> None:
    """Start a drill, and wait until it is skipped."""
    deadline = time.monotonic() + 60
    # Calls that come too fast are refused.
    while (answer := agent.ask("/api/v1/starts", post=True, body='{"drill": "slow"}'))[0] != 202:
        assert answer[0] == 503, answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    path = f"/api/v1/starts/{json.loads(answer[1])['id']}"
    while (found := json.loads(agent.ask(path)[1]))["state"] == "running":
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    assert (found["state"], found["reason"]) == ("skipped", "target")


@pytest.mark.servers
def test_without_a_folder_for_recordings_the_agent_lives_on_and_starts_no_drill(tmp_path: Path) -> None:
    with HostileServer() as server, running(tmp_path, server.port) as agent:
        agent.until("/-/ready")
        goes_on(agent, SUCCEEDED)
        with replaced_by_a_file(tmp_path / "kept"):
            status, text = agent.ask("/api/v1/starts", post=True, body='{"drill": "slow"}')
            assert (status, json.loads(text)["title"]) == (503, "the journal of occurrences cannot be written")
            assert agent.ask("/api/v1/pause", post=True, body=PAUSE)[0] == 503
            for path in LIVE:
                agent.until(path)
            for path in OF_THE_HISTORY:
                assert agent.ask(path)[0] in {200, 503}, path
            goes_on(agent, SUCCEEDED)
        assert agent.ask("/api/v1/pause", post=True, body=PAUSE)[0] == 200
        for path in OF_THE_HISTORY:
            agent.until(path)
        goes_on(agent, SUCCEEDED)
        lines = end(agent)
    assert len(lines) < 20, lines


@pytest.mark.servers
def test_after_all_its_processes_stood_still_the_load_goes_on(tmp_path: Path) -> None:
    """So it is when a machine was suspended, or a container frozen."""
    with HostileServer() as server, running(tmp_path, server.port) as agent:
        agent.until("/-/ready")
        goes_on(agent, SUCCEEDED)
        worker, pids = agent.worker, (agent.process.pid, agent.worker)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        # Longer than a worker may be silent.
        time.sleep(7)
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
        goes_on(agent, SUCCEEDED, 100)
        assert agent.until("/-/ready") == "alertdrill is ready.\n"
        assert (agent.worker, agent.metric("alertdrill_worker_deaths_total")) == (worker, 0)
        assert end(agent)[-1].endswith("stopped")


@pytest.mark.servers
def test_an_agent_whose_worker_stands_still_is_not_healthy_until_it_goes_on(tmp_path: Path) -> None:
    with HostileServer() as server, running(tmp_path, server.port) as agent:
        agent.until("/-/ready")
        goes_on(agent, SUCCEEDED)
        worker = agent.worker
        os.kill(worker, signal.SIGSTOP)
        try:
            agent.until("/-/healthy", 503)
            said = re.compile(r"a worker of the load has told nothing for \d+ s\n")
            for path in ("/-/healthy", "/-/ready"):
                status, text = agent.ask(path)
                assert (status, bool(said.fullmatch(text))) == (503, True), text
        finally:
            os.kill(worker, signal.SIGCONT)
        agent.until("/-/healthy")
        agent.until("/-/ready")
        goes_on(agent, SUCCEEDED)
        assert (agent.worker, agent.metric("alertdrill_worker_deaths_total")) == (worker, 0)


async def leave_a_fault_of_a_toxiproxy_that_ends(folder: Path) -> str:
    """Let an agent that was killed have left a fault in the ledger; return its id."""
    async with toxiproxy_server(folder) as toxiproxy:
        return await leave(Ledger(folder / "ledger", "slow"), toxiproxy)


@pytest.mark.servers
async def test_an_agent_that_cannot_undo_what_one_before_left_is_healthy_but_not_ready(tmp_path: Path) -> None:
    await leave_a_fault_of_a_toxiproxy_that_ends(tmp_path)
    with HostileServer() as server, running(tmp_path, server.port) as agent:
        goes_on(agent, SUCCEEDED)
        # On a busy machine its load may also be silent for a moment.
        agent.until("/-/healthy")
        wait_until(lambda: agent.ask("/-/ready")[1].startswith("1 fault(s) are not healed; run `"), "it says why")
        assert agent.ask("/-/ready")[0] == 503
        assert agent.metric("alertdrill_faults_unhealed") == 1
        lines = end(agent)
    assert any("ending with 1 fault(s) that are not healed" in line for line in lines), lines


@pytest.mark.servers
async def test_an_agent_that_must_find_nothing_broken_ends_with_a_code_of_its_own(tmp_path: Path) -> None:
    left = await leave_a_fault_of_a_toxiproxy_that_ends(tmp_path)
    config, _ = written(tmp_path, free_ports(1)[0])
    process = start(config, "--require-clean")
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == NOT_HEALED, err
    assert f"alertdrill: {left} is not healed: " in err
    assert "listening" not in out


def ends(folder: Path) -> list[tuple[str, str]]:
    """Return what became of the occurrences, with the reasons."""
    return [(one.state, one.reason) for one in Journal(folder / "kept").records.values()]


@pytest.mark.servers
def test_with_a_database_that_is_away_from_the_start_on_drills_run_and_are_recorded(tmp_path: Path) -> None:
    (closed,) = free_ports(1)
    with breakable() as server, quiet_prometheus(tmp_path) as prometheus:
        config, listen = written(tmp_path, server.server_port)
        lines = [one for one in config.read_text().splitlines() if not one.startswith(("alertmanager", "toxiproxy"))]
        history = f"history: {{url: 'postgresql://shop@127.0.0.1:{closed}/shop', agent: shop}}\n"
        config.write_text("\n".join([*lines, history]).replace('127.0.0.1:1"', f'127.0.0.1:{prometheus}"'))
        (tmp_path / "slow.drill").write_text(DRILL.format(name="slow", server=server.server_port))
        with run_on(config, listen) as agent:
            agent.until("/-/ready")
            agent.until_metric('alertdrill_history_writes_total{result="failed"}', 1)
            assert agent.ask("/api/v1/starts", post=True, body='{"drill": "slow"}')[0] == 202
            wait_until(lambda: ends(tmp_path) != [("running", "")], "the drill is over", 180)
            assert ends(tmp_path) == [("done", "")]
            assert (server.begun["slow"], server.broken) == (1, set())
            agent.until("/-/ready")
            goes_on(agent, SUCCEEDED)
            lines = end(agent)
    assert len(list((tmp_path / "kept").glob("*.recording.json.gz"))) == 1
    assert sum("the history cannot be written" in line for line in lines) == 1
