"""Measures how fast a lab may run here: what this machine gives before a lab starts, and how late a lab's Prometheus is.

Sources: the metrics that Prometheus has of itself, and `scrape_duration_seconds` that it stores with each scrape.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import sys
from dataclasses import dataclass

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
_SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_GO_PART = re.compile(r"([\d.]+)(h|ms|m|s)")
_SECONDS_OF_UNIT = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LAST_SECONDS = 2


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
class Timing:
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


async def timing(prometheus_url: str) -> Timing:
    """Ask a lab's Prometheus how it kept its intervals in the last seconds; raises LabError."""
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            async with session.get(f"{prometheus_url}/metrics") as response:
                text = await response.text()
            # The agent's target is down until the agent starts.
            longest = f'max(max_over_time(scrape_duration_seconds{{job!="alertdrill"}}[{_LAST_SECONDS}s]))'
            async with session.get(f"{prometheus_url}/api/v1/query", params={"query": longest}) as response:
                found = (await response.json())["data"]["result"]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
        raise LabError(f"Prometheus did not answer: {error}") from error
    return read_timing(text, float(found[0]["value"][1]) if found else 0.0)


def read_timing(metrics: str, scrape_seconds: float) -> Timing:
    """Read the metrics of Prometheus in the text format."""
    late, skipped = 0.0, 0
    for sample in map(_SAMPLE.fullmatch, metrics.splitlines()):
        if sample is None:
            continue
        labels = dict(_LABEL.findall(sample["labels"] or ""))
        if sample["name"] == "prometheus_rule_group_iterations_missed_total":
            skipped += int(float(sample["value"]))
        elif sample["name"] == "prometheus_target_interval_length_seconds" and labels.get("quantile") == "0.99":
            value, due = float(sample["value"]), _go_seconds(labels["interval"])
            # Before the second scrape it is NaN.
            late = max(late, value - due) if not math.isnan(value) else late
    return Timing(late, scrape_seconds, skipped)


def _go_seconds(text: str) -> float:
    """Read a duration as Go writes it, such as `1m0s`, `1.333s` or `250ms`."""
    return sum(float(number) * _SECONDS_OF_UNIT[unit] for number, unit in _GO_PART.findall(text))
