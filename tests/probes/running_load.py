"""A load in a process of its own, to be stopped and killed. It prints its workers' ids first, and its counts at the end."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import uvloop

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.load.arrivals import ConstantArrivals
from alertdrill.probes.load.load import Load, LoadPlan
from alertdrill.probes.load.tally import Tally
from alertdrill.probes.load.workers import Workers

ROOT = Path(__file__).parents[2]


def main(port: int, workers: int, rate: float, seconds: float) -> None:
    """Run it until it ends or is interrupted."""
    # The children of a shell's background job ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    probe = HttpProbe.model_validate({"url": f"http://127.0.0.1:{port}/", "timeout": "30s"})
    plan = LoadPlan(ConstantArrivals(rate, seconds), graceful_stop_seconds=1.0)
    reported: list[str] = []
    kept: list[Load | Workers] = []

    async def run() -> None:
        if workers:
            load = Workers(probe, plan, workers, report=reported.append)
            kept.append(load)
            running = asyncio.ensure_future(load.run())
            while len(load.process_ids) < workers:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.001)
            write({"pids": load.process_ids})
            await running
            return
        async with open_client(probe) as client:
            kept.append(Load(client, plan))
            write({"pids": []})
            await kept[0].run()

    try:
        uvloop.run(run())
    except KeyboardInterrupt:
        reported.append("interrupted")
    write(counted(kept[0].tally) | {"reported": reported, "began": kept[0].began})


def write(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def counted(tally: Tally) -> dict[str, int]:
    names = ("due", "succeeded", "failed", "dropped", "lost", "in_flight")
    return {name: getattr(tally, name) for name in names}


def adds_up(counts: dict[str, Any]) -> bool:
    return bool(counts["due"] == sum(counts[name] for name in ("succeeded", "failed", "dropped", "lost", "in_flight")))


@contextmanager
def started(*arguments: float) -> Iterator[tuple[Popen[str], list[int]]]:
    """Start one in a process group of its own; yields the process and its workers' ids."""
    code = f"import tests.probes.running_load as here; here.main(*{arguments})"
    with Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True
    ) as load:
        try:
            assert load.stdout is not None
            yield load, json.loads(load.stdout.readline())["pids"]
        finally:
            load.kill()
