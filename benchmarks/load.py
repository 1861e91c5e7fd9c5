"""What the load costs and how late it sends: `make bench`.

Runs the shipped transaction against the lab's payment engine, one rate after another in one go, and
prints a table. CPU is user + system time of this process, the client, for each transaction.
"""

from __future__ import annotations

import asyncio
import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from agent import config as configs
from agent.conductor import running
from lab.stack import Lab
from probes.arrivals import ConstantArrivals
from probes.load import Load

_CONFIGS = Path(__file__).parents[1] / "configs"
_RATES = (50, 100, 200, 400)
_SECONDS = 10.0


@dataclass(frozen=True)
class _Result:
    rate: int
    achieved: float
    failed: int
    dropped: int
    cpu_microseconds: float
    lateness_ms: tuple[float, float]
    latency_ms: tuple[float, float]


async def _measure(config: configs.AgentConfig, rate: int) -> _Result:
    async with config.probe.opened() as client:
        load = Load(client, ConstantArrivals(rate))
        before = _cpu_seconds()
        async with running(load):
            await asyncio.sleep(_SECONDS)
        tally, cpu = load.tally, _cpu_seconds() - before
    latency = [(tally.latency_seconds(percentile) or 0.0) * 1e3 for percentile in (50, 99)]
    lateness = [tally.lateness_seconds(percentile) * 1e3 for percentile in (50, 99)]
    return _Result(
        rate,
        tally.due / _SECONDS,
        tally.failed,
        tally.dropped,
        cpu / tally.due * 1e6,
        (lateness[0], lateness[1]),
        (latency[0], latency[1]),
    )


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _main() -> None:
    config = configs.load(_CONFIGS / "agent.yml")
    async with Lab(_CONFIGS) as lab:
        here = config.relocated(lab.addresses)
        results = [await _measure(here, rate) for rate in _RATES]
    columns = ("rate/s", "achieved/s", "failed", "dropped", "CPU µs each", "late p50/p99 ms", "latency p50/p99 ms")
    table = Table(*columns, title=f"{os.cpu_count()} cores, Python {platform.python_version()}, {_SECONDS:g} s each")
    for r in results:
        late = f"{r.lateness_ms[0]:.2f} / {r.lateness_ms[1]:.2f}"
        latency = f"{r.latency_ms[0]:.1f} / {r.latency_ms[1]:.1f}"
        cells = (r.rate, f"{r.achieved:.1f}", r.failed, r.dropped, f"{r.cpu_microseconds:.0f}", late, latency)
        table.add_row(*map(str, cells))
    Console(width=110).print(table)


if __name__ == "__main__":
    uvloop.run(_main())
