"""Several processes make one load: no transaction is made twice, and a missing one is reported as lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest

from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Plan
from alertdrill.probes.load.workers import Workers, WorkersDied
from tests.probes.hostile_server import HostileServer, is_silent
from tests.probes.meeting import eventually, on_loop
from tests.probes.running_load import adds_up, counted, started


@pytest.fixture(autouse=True, scope="module")
def _tracker() -> None:
    """Start multiprocessing's resource tracker, which stays and keeps a file open."""
    resource_tracker.ensure_running()


def http(port: int, **settings: Any) -> HttpProbe:
    return HttpProbe.model_validate({"url": f"http://127.0.0.1:{port}/", "timeout": "1s"} | settings)


def is_there(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_two_workers_send_the_arrivals_of_one_with_different_data() -> None:
    """151 transactions cannot be divided evenly; a key used twice would be one payment."""
    acknowledged: list[str] = []

    async def main() -> None:
        with HostileServer() as server:
            probe = http(server.port, idempotency_key=True, seed=7)
            workers = Workers(probe, Plan(ConstantArrivals(100.3, 1.5)), 2, acknowledged.extend)
            await workers.run()
            keys = [re.search(rb"Idempotency-Key: (\S+)", request) for request in server.requests]
            assert counted(workers.tally) | {"due": 151, "succeeded": 151} == counted(workers.tally)
            assert workers.tally.latencies.count == workers.tally.lateness.count == 151
            assert [second.due for second in workers.tally.seconds][:1] == [101]
            assert len({key[1] for key in keys if key}) == 151
            assert sorted(acknowledged) == sorted(key[1].decode() for key in keys if key)

    on_loop("uvloop", main)


def test_a_dead_worker_is_reported_and_its_share_is_lost() -> None:
    reported: list[str] = []

    async def main() -> None:
        with HostileServer() as server:
            plan = Plan(ConstantArrivals(80.4, 2.5))
            workers = Workers(http(server.port), plan, 2, report=reported.append)
            running = asyncio.ensure_future(workers.run())
            await eventually(lambda: len(workers.tally.seconds) >= 1, 10)
            os.kill(workers.process_ids[0], signal.SIGKILL)
            await running
            counts = counted(workers.tally)
            assert counts["due"] == plan.arrivals.total == 201
            assert adds_up(counts)
            # It sent for at least a second, and its share is a hundred.
            assert 20 < counts["lost"] < 101 - 39
            assert counts["succeeded"] == 201 - counts["lost"]
            assert [second.target_rate for second in workers.tally.seconds] == [80.4, 80.4]
            assert reported == [
                f"worker 1 of 2 (process {workers.process_ids[0]}) died; its share of the load is counted as lost"
            ]

    on_loop("uvloop", main)


def test_unanswered_transactions_of_a_dead_worker_are_lost_too() -> None:
    async def main() -> None:
        with HostileServer(*[is_silent] * 1000) as server:
            probe = http(server.port, timeout="30s")
            workers = Workers(probe, Plan(ConstantArrivals(20.0, 2.0), graceful_stop_seconds=0.2), 2)
            running = asyncio.ensure_future(workers.run())
            await eventually(lambda: len(workers.tally.seconds) >= 1, 10)
            assert workers.tally.in_flight == 20
            os.kill(workers.process_ids[1], signal.SIGKILL)
            await running
            assert counted(workers.tally) == {
                "due": 40, "succeeded": 0, "failed": 0, "dropped": 0, "lost": 20, "in_flight": 20
            }  # fmt: skip

    on_loop("uvloop", main)


@pytest.mark.parametrize("when", ["starting", "sending"])
def test_a_load_whose_workers_all_died_raises_workers_died(when: str) -> None:
    async def main() -> None:
        with HostileServer() as server:
            workers = Workers(http(server.port), Plan(ConstantArrivals(50.0)), 2)
            running = asyncio.ensure_future(workers.run())
            await eventually(
                lambda: len(workers.process_ids) == 2 and (when == "starting" or bool(server.requests)), 10
            )
            for pid in workers.process_ids:
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(WorkersDied, match="every worker of the load died"):
                await running
            counts = counted(workers.tally)
            assert adds_up(counts)
            assert (counts["lost"] > 0) == (when == "sending")

    on_loop("uvloop", main)


def test_a_cancelled_load_has_counted_all_transactions_due_until_then() -> None:
    """One worker is suspended and cannot answer: it is killed, and its share is lost."""

    async def main() -> None:
        with HostileServer() as server:
            workers = Workers(http(server.port), Plan(ConstantArrivals(100.0)), 2)
            running = asyncio.ensure_future(workers.run())
            await eventually(lambda: len(workers.tally.seconds) >= 1, 10)
            os.kill(workers.process_ids[0], signal.SIGSTOP)
            await asyncio.sleep(0.4)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            counts = counted(workers.tally)
            assert adds_up(counts)
            assert 120 < counts["due"] < 400
            assert counts["lost"] >= 15
            assert workers.tally.latencies.count == counts["succeeded"]
            assert not any(is_there(pid) for pid in workers.process_ids)

    on_loop("uvloop", main)


@pytest.mark.parametrize("after_seconds", [0.0, 1.2])
def test_ctrl_c_reaches_all_processes_and_only_the_parent_handles_it(after_seconds: float) -> None:
    """Both while they start and while they send."""
    with HostileServer() as server, started(server.port, 2, 50, 60) as (load, pids):
        time.sleep(after_seconds)
        os.killpg(load.pid, signal.SIGINT)
        output, errors = load.communicate(timeout=15)
        assert errors == ""
        counts = json.loads(output)
        assert counts["reported"] == ["interrupted"]
        assert adds_up(counts)
        assert not any(is_there(pid) for pid in pids)


@pytest.mark.parametrize("after_seconds", [0.0, 1.2])
def test_workers_end_when_their_parent_was_killed(after_seconds: float) -> None:
    with HostileServer() as server, started(server.port, 2, 50, 60) as (load, pids):
        time.sleep(after_seconds)
        load.kill()
        deadline = time.monotonic() + 10
        while any(is_there(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_stopped_process_drops_late_transactions_and_continues_as_planned() -> None:
    """Stopped (SIGSTOP) for two seconds: transactions due in the first of them are more than a second late."""
    with HostileServer() as server, started(server.port, 0, 100, 3) as (load, _):
        deadline = time.monotonic() + 10
        while len(server.requests) < 30:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        load.send_signal(signal.SIGSTOP)
        time.sleep(2.0)
        load.send_signal(signal.SIGCONT)
        output, errors = load.communicate(timeout=15)
        assert errors == ""
        counts = json.loads(output)
        assert counts["due"] == 300
        assert adds_up(counts)
        assert 80 <= counts["dropped"] <= 150
        assert counts["succeeded"] == len(server.requests) == 300 - counts["dropped"]
