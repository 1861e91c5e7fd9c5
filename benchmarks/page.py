"""Renders results as RESULTS.md and its plot."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.plot import Chart, svg
from benchmarks.reports import Percentiles
from benchmarks.results import Growth, Results, Run, Soak, Versus
from benchmarks.runs import ABSENT, megabytes, spelled

PAGE = "RESULTS.md"
PLOT = "growth.svg"

# The goals for alertdrill's CPU time, as a share of each other client's CPU time.
_GOALS = {"k6": 0.35, "vegeta": 0.6, "hey": 1.0}

_VERSUS_COLUMNS = (
    "client",
    "CPU µs each",
    "memory MB",
    "largest process MB",
    "rate/s",
    "failed",
    "dropped",
    "late p50 / p99 ms",
    "latency p50 / p99 ms",
    "from due time p50 / p99 ms",
    "nginx counted",
)
_ALONE_COLUMNS = (
    "CPU µs each",
    "memory MB",
    "rate/s",
    "failed",
    "dropped",
    "late p50 / p99 ms",
    "latency p50 / p99 ms",
)

_HEAD = """\
# What the load costs
Written by `make bench` and `make soak` from [results.json](results.json); do not edit.

- **CPU µs each** is the user + system time of the client's processes for each transaction, from `os.wait4`: the client itself and all descendants whose parent waited for them. Start-up is included.
- **memory** is the largest sum of the resident memory of the client's processes, sampled from /proc ten times a second (in the soak every ten seconds); shared pages count once for each process. **largest process** is the kernel's peak of the largest one.
- **rate**, **failed**, **dropped**, **late** and **latency** are each client's own figures, n/a if it has none. **latency** counts from the actual send, **from due time** from the instant in the schedule, and **late** is the difference between these two instants. **nginx counted** is the server's count.
- Client and server run on the same machine, over its loopback interface.
"""

_VERSUS_HEAD = """\
## Side by side
A POST of 176 bytes, {rate}/s for {seconds} s, to one nginx worker that answers 201 with 70 bytes of JSON. One client after another, {rounds} rounds, in reversed order every second round.
CPU and nginx's count are shown for every round, the other figures for the worst round.
"""

_GROWTH_HEAD = """\
## How it grows
alertdrill alone, {seconds} s for each row.
A run of one second with one transaction takes {start_up:.2f} s of CPU: this is the start-up.

![CPU for each transaction]({plot})
"""

_SOAK_HEAD = """\
## Long run
alertdrill alone, {rate}/s for {minutes:g} minutes on the same nginx.
The slope is that of a least-squares line through its resident memory, without the first tenth. The largest step is the largest growth between two samples, which are ten seconds apart.
A stall of the machine causes such a step: requests then pile up in flight, and the process keeps the memory they needed.
The slow, even growth is the time line of the load's page, half a KiB for each second. It keeps the last four to six hours, at most 11 MiB.
"""


def write(folder: Path, results: Results) -> None:
    """Write RESULTS.md into a folder, and the plot if the growth was measured."""
    (folder / PAGE).write_text(render(results), encoding="utf-8")
    if results.growth:
        (folder / PLOT).write_text(_plot(results.growth), encoding="utf-8")


def render(results: Results) -> str:
    """Return the page as Markdown, without the sections that were not measured."""
    parts = [_HEAD]
    if results.versus:
        parts.append(_versus(results.versus))
    if results.growth:
        parts.append(_growth(results.growth))
    if results.soak:
        parts.append(_soak(results.soak))
    return "\n".join(parts)


def _versus(versus: Versus) -> str:
    rows = [[name, *_versus_cells(runs)] for name, runs in versus.runs.items() if runs]
    rounds = max((len(runs) for runs in versus.runs.values()), default=0)
    notes = [f"- {name}: {versus.notes[name]}." for name in versus.runs]
    absent = [f"- **{name} was left out**: {why}." for name, why in versus.missing.items()]
    return "\n".join(
        [
            _VERSUS_HEAD.format(rate=versus.rate, seconds=versus.seconds, rounds=rounds),
            versus.circumstances.words,
            _table(_VERSUS_COLUMNS, rows),
            "\n" + "\n".join(notes + absent),
            _ratios(versus.runs),
            _commands(versus.commands),
        ]
    )


def _versus_cells(runs: list[Run]) -> list[str]:
    return [
        " / ".join(f"{run.cpu_us:.0f}" for run in runs),
        f"{max(megabytes(run.usage.tree_kib) for run in runs):.0f}",
        f"{max(megabytes(run.usage.process_kib) for run in runs):.0f}",
        f"{min(run.figures.rate for run in runs):.1f}",
        str(max(run.figures.failed for run in runs)),
        _worst_count(run.figures.dropped for run in runs),
        _worst(runs, lambda run: run.figures.lateness),
        _worst(runs, lambda run: run.figures.latency),
        _worst(runs, lambda run: run.figures.latency_from_due),
        " / ".join(ABSENT if run.counted is None else str(run.counted) for run in runs),
    ]


def _ratios(runs: dict[str, list[Run]]) -> str:
    ours = _mean_cpu_us(runs.get("alertdrill", []))
    if ours is None:
        return ""
    theirs = {name: _mean_cpu_us(runs.get(name, [])) for name in _GOALS}
    rows = [[name, f"{ours / cpu:.2f}", f"≤ {_GOALS[name]:.2f}"] for name, cpu in theirs.items() if cpu]
    return "\n" + _table(("alertdrill's CPU for one of", "measured", "goal"), rows)


def _mean_cpu_us(runs: list[Run]) -> float | None:
    return statistics.fmean(run.cpu_us for run in runs) if runs else None


def _growth(growth: Growth) -> str:
    columns = ("without start-up", "of a core", *_ALONE_COLUMNS)
    by_rate = [[f"{rate}/s", *_growth_cells(growth, run)] for rate, run in growth.by_rate.items()]
    by_delay = [[f"{delay} ms", *_growth_cells(growth, run)] for delay, run in growth.by_delay_ms.items()]
    return "\n".join(
        [
            _GROWTH_HEAD.format(seconds=growth.seconds, start_up=growth.start_up_cpu_seconds, plot=PLOT),
            growth.circumstances.words,
            _table(("target rate", *columns), by_rate),
            f"\nAt {growth.delay_rate}/s, on a server in Python that answers after a delay:\n",
            _table(("delay", *columns), by_delay),
            _commands({"alertdrill": growth.command}),
        ]
    )


def _growth_cells(growth: Growth, run: Run) -> list[str]:
    cpu_us = growth.cpu_us(run)
    return [f"{cpu_us:.0f}", f"{cpu_us * run.figures.rate / 1e6:.0%}", *_alone_cells(run)]


def _alone_cells(run: Run) -> list[str]:
    figures = run.figures
    return [
        f"{run.cpu_us:.0f}",
        f"{megabytes(run.usage.tree_kib):.0f}",
        f"{figures.rate:.1f}",
        str(figures.failed),
        _worst_count([figures.dropped]),
        _worst([run], lambda one: one.figures.lateness),
        _worst([run], lambda one: one.figures.latency),
    ]


def _plot(growth: Growth) -> str:
    label = "µs of CPU for each transaction, without start-up"
    by_rate = {f"{rate:,}": growth.cpu_us(run) for rate, run in growth.by_rate.items()}
    by_delay = {
        f"{growth.delay_rate * delay // 1000:,} ({delay} ms)": growth.cpu_us(run)
        for delay, run in growth.by_delay_ms.items()
    }
    return svg(
        [
            Chart("CPU by rate", "transactions a second", label, by_rate),
            Chart(f"CPU by what is in flight, {growth.delay_rate:,}/s", "in flight (answers' delay)", label, by_delay),
        ]
    )


def _soak(soak: Soak) -> str:
    after = soak.slope_after_step_kib_per_minute
    slopes = [
        f"{soak.slope_kib_per_minute:+.1f}",
        f"{soak.step[1]:+,} at {soak.step[0]:.0f} s",
        "n/a" if after is None else f"{after:+.1f}",
    ]
    cells = [[*slopes, *_alone_cells(soak.run)]]
    return "\n".join(
        [
            _SOAK_HEAD.format(rate=soak.rate, minutes=soak.minutes),
            soak.circumstances.words,
            _table(("memory's slope KiB/min", "largest step KiB", "slope after it KiB/min", *_ALONE_COLUMNS), cells),
            _commands({"alertdrill": soak.command}),
        ]
    )


def _commands(commands: dict[str, str]) -> str:
    lines = "\n".join(f"# {name}\n{command}" for name, command in commands.items())
    return f"\n```sh\n{lines}\n```\n"


def _table(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    ruled = [list(columns), ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in ruled)


def _worst(runs: list[Run], which: Callable[[Run], Percentiles | None]) -> str:
    known = [one for one in map(which, runs) if one is not None]
    return spelled(known) if known else ABSENT


def _worst_count(counts: Iterable[int | None]) -> str:
    known = [count for count in counts if count is not None]
    return str(max(known)) if known else ABSENT
