"""Measures how fast a lab may run here: what this machine gives before a lab starts, and how late a lab's Prometheus is.

Sources: the metrics that Prometheus has of itself, the intervals of its targets, and `scrape_duration_seconds`, which it
stores with each scrape.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import aiohttp

from alertdrill.lab.errors import LabError
from alertdrill.units.processor_time import counters, processors, strain

_TRIED_SECONDS = 0.3
_MOST_PROCESSORS = 16
# What one processor of the machine did on which the costs of a lab were measured.
_USUAL_WORK_PER_SECOND = 42_000.0
_WORK = """
import time
began = time.perf_counter()
used, done = time.process_time(), 0
while time.perf_counter() - began < {seconds}:
    sum(range(2000))
    done += 1
used = time.process_time() - used
print(used / (time.perf_counter() - began), done / used)
"""
_TIMEOUT = aiohttp.ClientTimeout(total=60.0)
_SKIPPED = re.compile(r"^prometheus_rule_group_iterations_missed_total\{.*\} (\S+)$", re.MULTILINE)
_GO_PART = re.compile(r"([\d.]+)(h|ms|m|s)")
_SECONDS_OF_UNIT = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
MEASURED_SECONDS = 2.0
"""How far back scrapes are looked at."""
# Its job and instance.
_Target = tuple[str, str]


@dataclass(frozen=True)
class Spare:
    """What this machine gave to a short piece of work on each processor.

    `free` are the processors' worth of time, `of` all of them, `speed` the work of one beside that of a usual one, and
    `stolen` the share of time that the host took.
    """

    free: float
    of: int
    speed: float = 1.0
    stolen: float = 0.0


@dataclass(frozen=True)
class ScrapeTiming:
    """How late a lab's Prometheus was: scrapes beside their interval, the longest scrape, and skipped evaluations."""

    scrape_late_seconds: float
    scrape_seconds: float
    evaluations_skipped: int


async def spare() -> Spare:
    """Work on every processor for less than half a second, and see how much time and work that gave."""
    tried = min(processors(), _MOST_PROCESSORS)
    before = counters()
    given = await asyncio.gather(*(_work() for _ in range(tried)))
    found = strain(before, counters())
    free = sum(share for share, _ in given) * processors() / tried
    speed = sum(work for _, work in given) / tried / _USUAL_WORK_PER_SECOND
    return Spare(free, processors(), speed, max(found.stolen, found.throttled or 0.0))


async def _work() -> tuple[float, float]:
    command = [sys.executable, "-S", "-E", "-c", _WORK.format(seconds=_TRIED_SECONDS)]
    working = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        printed, _ = await working.communicate()
    finally:
        if working.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                working.kill()
            await working.wait()
    share, work = map(float, printed.split())
    return share, work


async def timing(prometheus_url: str) -> ScrapeTiming:
    """Ask a lab's Prometheus how it kept its intervals in the last seconds; raises LabError."""
    now = time.time()
    query = {"query": f"scrape_duration_seconds[{MEASURED_SECONDS:g}s]", "time": f"{now:.3f}"}
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            async with session.get(f"{prometheus_url}/metrics") as response:
                metrics = await response.text()
            async with session.get(f"{prometheus_url}/api/v1/targets", params={"state": "active"}) as response:
                targets = (await response.json())["data"]["activeTargets"]
            async with session.get(f"{prometheus_url}/api/v1/query", params=query) as response:
                found = (await response.json())["data"]["result"]
        intervals = {_target(one["labels"]): _go_seconds(one["scrapeInterval"]) for one in targets}
        # The agent's target is down until the agent starts.
        intervals = {target: interval for target, interval in intervals.items() if target[0] != "alertdrill"}
        scrapes = {_target(one["metric"]): [(at, float(seconds)) for at, seconds in one["values"]] for one in found}
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
        raise LabError(f"Prometheus did not answer: {error}") from error
    return read_timing(metrics, intervals, scrapes, now)


def _target(labels: Mapping[str, Any]) -> _Target:
    return str(labels["job"]), str(labels["instance"])


def read_timing(
    metrics: str,
    intervals: Mapping[_Target, float],
    scrapes: Mapping[_Target, Sequence[tuple[float, float]]],
    now: float,
) -> ScrapeTiming:
    """Read the metrics of Prometheus in the text format, and the scrapes of the last seconds: instant and duration."""
    late = 0.0
    for target, interval in intervals.items():
        # What was before is not known.
        instants = [now - MEASURED_SECONDS, *(at for at, _ in scrapes.get(target, ())), now]
        late = max(late, max(after - before for before, after in pairwise(instants)) - interval)
    longest = max((seconds for target in intervals for _, seconds in scrapes.get(target, ())), default=0.0)
    return ScrapeTiming(late, longest, sum(int(float(value)) for value in _SKIPPED.findall(metrics)))


def _go_seconds(text: str) -> float:
    """Read a duration as Go writes it, such as `1m0s`, `1.333s` or `250ms`."""
    return sum(float(number) * _SECONDS_OF_UNIT[unit] for number, unit in _GO_PART.findall(text))
