"""Several processes make one load: no transaction is made twice, and a missing one is reported as lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest

from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import LoadPlan
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.load.worker import watch
from alertdrill.probes.load.workers import Workers, WorkersDied
from tests.probes.hostile_server import HostileServer, is_silent
from tests.probes.meeting import eventually, on_loop
from tests.probes.running_load import adds_up, counted, started
from tests.support.waiting import wait_until


@pytest.fixture(autouse=True, scope="module")
def _tracker() -> None:
    """Start multiprocessing's resource tracker, which stays and keeps a file open."""
    resource_tracker.ensure_running()


def http(port: int, **settings: Any) -> HttpProbe:
    return HttpProbe.model_validate({"url": f"http://127.0.0.1:{port}/", "timeout": "30s"} | settings)


def state(pid: int) -> str:
    """Return the letter of a process's state; Z when there is none."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "Z"


def is_there(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    return state(pid) != "Z"


async def undisturbed(run: Callable[[], Awaitable[Workers]], was_in_time: Callable[[], bool] = lambda: True) -> Workers:
    """Run a load again if a process of it stood still for a second, which dropped transactions show."""
    for _ in range(3):
        workers = await run()
        if not workers.tally.dropped and was_in_time():
            break
    return workers


def test_two_workers_send_the_arrivals_of_one_with_different_data() -> None:
    """151 transactions cannot be divided evenly; a key used twice would be one payment."""
    acknowledged: list[str] = []
    requests: list[bytes] = []

    async def run() -> Workers:
        acknowledged.clear()
        with HostileServer() as server:
            probe = http(server.port, idempotency_key=True, seed=7)
            workers = Workers(probe, LoadPlan(ConstantArrivals(100.3, 1.5)), 2, acknowledged.extend)
            await workers.run()
            requests[:] = server.requests
        return workers

    async def main() -> None:
        workers = await undisturbed(run)
        keys = [re.search(rb"Idempotency-Key: (\S+)", request) for request in requests]
        assert counted(workers.tally) | {"due": 151, "succeeded": 151} == counted(workers.tally)
        assert workers.tally.latencies.count == workers.tally.lateness.count == 151
        assert [second.due for second in workers.tally.seconds][:1] == [101]
        assert len({key[1] for key in keys if key}) == 151
        assert sorted(acknowledged) == sorted(key[1].decode() for key in keys if key)

    on_loop("uvloop", main)


def test_a_dead_worker_is_reported_and_its_share_is_lost() -> None:
    reported: list[str] = []
    plan = LoadPlan(ConstantArrivals(80.4, 4.5))
    killed_at: list[float] = []

    async def run() -> Workers:
        reported.clear()
        with HostileServer() as server:
            workers = Workers(http(server.port), plan, 2, report=reported.append)
            running = asyncio.ensure_future(workers.run())
            await eventually(lambda: len(workers.tally.seconds) >= 1)
            with contextlib.suppress(ProcessLookupError):
                os.kill(workers.process_ids[0], signal.SIGKILL)
            killed_at.append(time.monotonic() - workers.began)
            await running
        return workers

    async def main() -> None:
        # This process may have stood still until the load had ended.
        workers = await undisturbed(run, lambda: killed_at[-1] < 4)
        counts = counted(workers.tally)
        assert counts["due"] == plan.arrivals.total == 362
        assert adds_up(counts)
        # It sent for at least a second, and not after it was killed. Its share is 181.
        share, other = (plan.shard(index, 2).arrivals for index in (0, 1))
        assert share.total == 181
        had_answers = workers.tally.seconds[0].succeeded - other.due_by(1.0)
        assert 0 < 181 - share.due_by(killed_at[-1]) <= counts["lost"] <= 181 - had_answers
        assert counts["succeeded"] == 362 - counts["lost"]
        assert [second.target_rate for second in workers.tally.seconds] == [80.4] * 4
        assert reported == [
            f"worker 1 of 2 (process {workers.process_ids[0]}) died; its share of the load is counted as lost"
        ]

    on_loop("uvloop", main)


def test_unanswered_transactions_of_a_dead_worker_are_lost_too() -> None:
    async def run() -> Workers:
        with HostileServer(*[is_silent] * 1000) as server:
            workers = Workers(http(server.port), LoadPlan(ConstantArrivals(20.0, 2.0), graceful_stop_seconds=5.0), 2)
            running = asyncio.ensure_future(workers.run())
            await eventually(lambda: len(workers.tally.seconds) >= 1)
            assert workers.tally.in_flight == workers.tally.due - workers.tally.dropped
            os.kill(workers.process_ids[1], signal.SIGKILL)
            await running
        return workers

    async def main() -> None:
        assert counted((await undisturbed(run)).tally) == {
            "due": 40, "succeeded": 0, "failed": 20, "dropped": 0, "lost": 20, "in_flight": 0
        }  # fmt: skip

    on_loop("uvloop", main)


@pytest.mark.parametrize("when", ["starting", "sending"])
def test_a_load_whose_workers_all_died_raises_workers_died(when: str) -> None:
    async def main() -> None:
        with HostileServer() as server:
            workers = Workers(http(server.port), LoadPlan(ConstantArrivals(50.0)), 2)
            running = asyncio.ensure_future(workers.run())
            await eventually(lambda: len(workers.process_ids) == 2 and (when == "starting" or bool(server.requests)))
            for pid in workers.process_ids:
                os.kill(pid, signal.SIGKILL)
            had_begun = time.monotonic() >= workers.began
            with pytest.raises(WorkersDied, match="every worker of the load died"):
                await running
            counts = counted(workers.tally)
            assert adds_up(counts)
            assert had_begun or when == "starting"
            assert counts["lost"] > 0 if had_begun else counts["lost"] == 0 or math.isfinite(workers.began)

    on_loop("uvloop", main)


def test_a_cancelled_load_has_counted_all_transactions_due_until_then() -> None:
    """One worker is suspended and cannot answer: it is killed, and its share is lost."""

    async def main() -> None:
        with HostileServer() as server:
            plan = LoadPlan(ConstantArrivals(100.0))
            workers = Workers(http(server.port), plan, 2)
            running = asyncio.ensure_future(workers.run())
            await eventually(lambda: len(workers.tally.seconds) >= 1)
            os.kill(workers.process_ids[0], signal.SIGSTOP)
            await eventually(lambda: state(workers.process_ids[0]) == "T")
            suspended = time.monotonic() - workers.began
            await asyncio.sleep(0.4)
            cancelled = time.monotonic() - workers.began
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            ended = time.monotonic() - workers.began
            counts, share = counted(workers.tally), plan.shard(0, 2).arrivals
            assert adds_up(counts)
            # The other worker has sent its share of the first second at least.
            assert share.due_by(cancelled) + 50 <= counts["due"] <= plan.arrivals.due_by(ended)
            assert 15 <= share.due_by(cancelled) - share.due_by(suspended) <= counts["lost"]
            assert workers.tally.latencies.count == counts["succeeded"]
            assert not any(is_there(pid) for pid in workers.process_ids)

    on_loop("uvloop", main)


@pytest.mark.parametrize("when", ["starting", "sending"])
def test_a_signal_reaches_all_processes_and_only_the_parent_handles_it(when: str) -> None:
    with HostileServer() as server, started(server.port, 2, 50, 60) as (load, pids):
        wait_until(lambda: when == "starting" or bool(server.requests), "it sends")
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        os.killpg(load.pid, signal.SIGINT)
        output, errors = load.communicate(timeout=300)
        assert errors == ""
        counts = json.loads(output)
        assert counts["reported"] == ["interrupted"]
        assert adds_up(counts)
        assert not any(is_there(pid) for pid in pids)


@pytest.mark.parametrize("when", ["starting", "sending"])
def test_workers_end_when_their_parent_was_killed(when: str) -> None:
    with HostileServer() as server, started(server.port, 2, 50, 60) as (load, pids):
        wait_until(lambda: when == "starting" or bool(server.requests), "it sends")
        load.kill()
        wait_until(lambda: not any(is_there(pid) for pid in pids), "its workers end")


def test_a_stopped_process_drops_late_transactions_and_continues_as_planned() -> None:
    """Stopped (SIGSTOP) for two seconds: transactions due in the first of them are more than a second late."""
    for _ in range(3):
        with HostileServer() as server, started(server.port, 0, 100, 5) as (load, _):
            wait_until(lambda: len(server.requests) >= 30, "thirty are sent")
            load.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, load.pid, os.WSTOPPED | os.WNOWAIT)
            # In pieces: between them the server reads what was sent before, also when this process stood still.
            for _ in range(20):
                time.sleep(0.1)
            sent_before, continued_at = len(server.read_at), time.monotonic()
            load.send_signal(signal.SIGCONT)
            output, errors = load.communicate(timeout=300)
            assert errors == ""
        counts = json.loads(output)
        assert counts["due"] == 500
        assert adds_up(counts)
        instants = [counts["began"], *server.read_at, counts["began"] + 5]
        if sum(later - one > 0.5 for one, later in pairwise(instants)) == 1:
            # Nothing but this stop kept it from being sent.
            break

    def dropped_at(instant: float) -> int:
        """Count what was not sent before the stop and is more than a second late at an instant."""
        return ConstantArrivals(100.0, 5.0).due_by(instant - counts["began"] - 1) - sent_before

    # The process went on between its continuation and the instant at which the server read its next request.
    assert 90 <= dropped_at(continued_at) <= counts["dropped"] <= dropped_at(server.read_at[sent_before])
    assert counts["succeeded"] == len(server.requests) == 500 - counts["dropped"]


def test_further_tallies_count_whole_seconds_of_their_own_and_none_twice() -> None:
    async def run() -> Workers:
        with HostileServer() as server:
            workers = Workers(http(server.port), LoadPlan(ConstantArrivals(40.0)), 2)
            running = asyncio.ensure_future(workers.run())
            first, second = Tally(), Tally()
            async with workers.counting(first):
                begun = time.monotonic() - workers.began
                await asyncio.sleep(1.2)
            async with workers.counting(second):
                left = time.monotonic() - workers.began
            running.cancel()
            await asyncio.wait([running])
            offsets = [[one.offset for one in tally.seconds] for tally in (first, second)]
            assert offsets[0][0] <= begun
            assert len(offsets[0]) >= 2
            assert offsets[0] == list(range(offsets[0][0], offsets[0][-1] + 1))
            assert offsets[1][0] > offsets[0][-1]
            assert [first.due, second.due] == [40 * len(one) for one in offsets]
            # One second, unless this process stood still before the block could end.
            assert len(offsets[1]) == 1 or left >= offsets[1][0] + 1
        return workers

    async def main() -> None:
        await undisturbed(run)

    on_loop("uvloop", main)


def test_a_count_ends_when_the_workers_have_died() -> None:
    async def main() -> None:
        with HostileServer() as server:
            workers = Workers(http(server.port), LoadPlan(ConstantArrivals(40.0)), 1)
            running = asyncio.ensure_future(workers.run())
            tally = Tally()
            async with workers.counting(tally):
                os.kill(workers.process_ids[0], signal.SIGKILL)
                with pytest.raises(WorkersDied):
                    await running
            assert tally.due == tally.lost + tally.succeeded + tally.failed + tally.dropped
            assert not workers.is_sending

    on_loop("uvloop", main)


def test_one_load_begins_at_the_instant_at_which_another_ends_without_a_gap() -> None:
    """Both rates are whole, so each due time of the two is known."""

    async def run() -> Workers:
        tally = Tally()
        with HostileServer() as server:
            before = Workers(http(server.port), LoadPlan(ConstantArrivals(40.0)), 2)
            after = Workers(
                http(server.port), LoadPlan(ConstantArrivals(60.0)), 1, start_at=lambda: before.end_at_a_second(0.5)
            )
            before.tally = after.tally = tally
            first = asyncio.ensure_future(before.run())
            await before.begun()
            second = asyncio.ensure_future(after.run())
            await first
            assert before.tally.due >= 40
            await eventually(lambda: sum(one.target_rate == 60 for one in tally.seconds) >= 2)
            second.cancel()
            await asyncio.wait([second])
            assert after.began == before.began + round(after.began - before.began)
            whole = [one for one in tally.seconds if one.due]
            assert {one.due - one.target_rate for one in whole} == {0}
            assert sum(one.target_rate == 40 for one in whole) == round(after.began - before.began)
            assert tally.due == tally.succeeded + tally.failed + tally.dropped + tally.lost + tally.in_flight
            assert not before.is_running
        return after

    async def main() -> None:
        await undisturbed(run)

    on_loop("uvloop", main)


def test_a_load_that_is_replaced_before_its_first_second_sends_nothing() -> None:
    """As after two changes of the configuration at once."""

    async def in_three_seconds() -> float:
        return time.monotonic() + 3.0

    async def main() -> None:
        with HostileServer() as server:
            workers = Workers(http(server.port), LoadPlan(ConstantArrivals(40.0)), 2, start_at=in_three_seconds)
            running = asyncio.ensure_future(workers.run())
            await workers.begun()
            ended = await workers.end_at_a_second(0.5)
            await running
            assert workers.tally.due == len(server.requests) == 40 * round(ended - workers.began)

    on_loop("uvloop", main)


def test_a_worker_that_stood_still_names_a_later_second_from_which_nothing_is_sent() -> None:
    """A load that begins at the first second would send its transactions a second time."""

    async def main() -> None:
        with HostileServer() as server:
            workers = Workers(http(server.port), LoadPlan(ConstantArrivals(40.0)), 1)
            running = asyncio.ensure_future(workers.run())
            await eventually(lambda: workers.tally.due >= 40)
            (pid,) = workers.process_ids
            os.kill(pid, signal.SIGSTOP)
            wanted = workers.second_after(0.1)
            ending = asyncio.ensure_future(workers.end_at_a_second(0.1))
            await eventually(lambda: time.monotonic() > workers.began + wanted + 0.3)
            os.kill(pid, signal.SIGCONT)
            ended = round(await ending - workers.began)
            await running
            assert ended > wanted
            assert workers.tally.due == 40 * ended
            assert len(server.requests) == workers.tally.due - workers.tally.dropped

    on_loop("uvloop", main)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_message_that_comes_in_pieces_is_received_whole(loop: str) -> None:
    """The counts of a second may be larger than what a pipe holds at once; half of them is no sign of a dead worker."""
    message = b"x" * 8_000_000

    async def main() -> None:
        ours, theirs = multiprocessing.Pipe()
        received: asyncio.Queue[bytes] = asyncio.Queue()
        watch(ours, lambda: received.put_nowait(ours.recv()))
        watch(theirs, lambda: None)
        await asyncio.to_thread(theirs.send, message)
        assert await received.get() == message
        for end in (ours, theirs):
            asyncio.get_running_loop().remove_reader(end.fileno())
            end.close()

    on_loop(loop, main)
