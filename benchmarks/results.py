"""results.json: all measurements, in one section for each of versus, growth and soak."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from benchmarks.errors import BenchmarkError
from benchmarks.measure import Usage
from benchmarks.reports import Figures

RESULTS = "results.json"


@dataclass(frozen=True)
class Circumstances:
    """When and on which machine a section was measured; `load_before` is the load average before the runs."""

    date: str
    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    load_before: float
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Two lines for a page: time and machine, and the versions."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"{self.date}, {self.cpu}, {self.cores} cores, {self.memory_gib:.1f} GiB, {self.kernel},"
            f" load average before {self.load_before:.2f}.\n{versions}.\n"
        )


@dataclass(frozen=True)
class Run:
    """One run of one client; `counted` is the number of requests that the server counted, None if it does not count."""

    figures: Figures
    usage: Usage
    counted: int | None = None

    @property
    def cpu_us(self) -> float:
        """User + system time for each transaction, in microseconds."""
        return self.usage.cpu_seconds / self.figures.transactions * 1e6


@dataclass(frozen=True)
class Versus:
    """The clients side by side: each client's runs in the order of the rounds, and the reasons for missing ones."""

    circumstances: Circumstances
    rate: int
    seconds: int
    commands: dict[str, str]
    notes: dict[str, str]
    missing: dict[str, str]
    runs: dict[str, list[Run]]


@dataclass(frozen=True)
class Growth:
    """alertdrill alone: by rate in transactions a second, and by the answers' delay in milliseconds.

    `start_up_cpu_seconds` is the CPU time of a run of one second with one transaction.
    """

    circumstances: Circumstances
    command: str
    seconds: int
    start_up_cpu_seconds: float
    delay_rate: int
    by_rate: dict[int, Run]
    by_delay_ms: dict[int, Run]

    def cpu_us(self, run: Run) -> float:
        """User + system time for each transaction without the start, in microseconds."""
        return max(0.0, run.usage.cpu_seconds - self.start_up_cpu_seconds) / run.figures.transactions * 1e6


@dataclass(frozen=True)
class Soak:
    """A long run of alertdrill alone: samples are (seconds since the start, resident KiB)."""

    circumstances: Circumstances
    command: str
    rate: int
    minutes: float
    run: Run
    slope_kib_per_minute: float
    samples: list[tuple[float, int]]

    @property
    def step(self) -> tuple[float, int]:
        """The largest growth between two samples after the first minute: (seconds since the start, KiB)."""
        settled = [sample for sample in self.samples if sample[0] >= 60]
        steps = [(after[0], after[1] - before[1]) for before, after in pairwise(settled)]
        return max(steps, key=lambda step: step[1], default=(0.0, 0))

    @property
    def slope_after_step_kib_per_minute(self) -> float | None:
        """The slope of the samples from one minute after the step on; None for fewer than two samples."""
        after = [sample for sample in self.samples if sample[0] > self.step[0] + 60]
        if len(after) < 2:
            return None
        seconds, kib = zip(*after, strict=True)
        return statistics.linear_regression(seconds, kib).slope * 60


@dataclass(frozen=True)
class Results:
    """All sections measured so far."""

    versus: Versus | None = None
    growth: Growth | None = None
    soak: Soak | None = None


_ADAPTER = TypeAdapter(Results)


def read(folder: Path) -> Results:
    """Read a folder's results.json; without a file all sections are None. Raises BenchmarkError."""
    path = folder / RESULTS
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return Results()
    except ValidationError as error:
        raise BenchmarkError(f"{path} does not have this benchmark's format, remove it: {error.errors()[0]}") from error


def save(folder: Path, **sections: Any) -> Results:  # noqa: ANN401 - the fields of Results
    """Replace sections of a folder's results.json, and return all of them."""
    results = replace(read(folder), **sections)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).write_bytes(_ADAPTER.dump_json(results, indent=1) + b"\n")
    return results


def circumstances(versions: dict[str, str]) -> Circumstances:
    """Describe the machine and its current load."""
    return Circumstances(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        cpu=_field("/proc/cpuinfo", "model name") or platform.machine(),
        cores=os.cpu_count() or 1,
        memory_gib=int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]) / 1024**2,
        kernel=f"{platform.system()} {platform.release()}",
        load_before=os.getloadavg()[0],
        versions={"Python": platform.python_version()} | versions,
    )


def _field(path: str, name: str) -> str | None:
    for line in Path(path).read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
