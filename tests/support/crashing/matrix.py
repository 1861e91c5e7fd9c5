"""All faults, all steps, all events, or a share of them: `python -m crashing.matrix --help`."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from crashing.cell import EVENTS, OF_THE_TARGET, Outcome, applies, at_step, undisturbed
from crashing.report import page
from crashing.targets import TARGETS, running

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Share:
    """The cells to run: every n-th step of each event, or a number of cells of each fault, drawn by a seed."""

    every: int = 1
    sample: int | None = None
    seed: int = 0

    def __str__(self) -> str:
        if self.sample is not None:
            return f"{self.sample} steps and events of each fault, drawn with the seed {self.seed}"
        return "every step" if self.every == 1 else f"one step in {self.every}, other ones for each event"


async def find_steps(fault: str) -> tuple[list[str], list[str]]:
    """Run a fault undisturbed, and return its steps and the events that can happen to it."""
    with tempfile.TemporaryDirectory(prefix="alertdrill-crash-") as made:
        async with running(fault, Path(made)) as target:
            outcome = await undisturbed(fault, target, Path(made))
            assert outcome.ended == "as planned", f"{fault}: {outcome}"
            assert not outcome.problems, f"{fault}: {outcome.problems}"
            return outcome.steps, [event for event in (*EVENTS, *OF_THE_TARGET) if applies(event, target)]


def run_cells(fault: str, cells: list[tuple[str, int]], steps: list[str]) -> list[Outcome]:
    """Run cells of a fault one after another, on a target of their own."""
    return asyncio.run(_run_cells(fault, cells, steps))


async def _run_cells(fault: str, cells: list[tuple[str, int]], steps: list[str]) -> list[Outcome]:
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="alertdrill-crash-") as made:
        async with running(fault, Path(made)) as target:
            for number, (event, at) in enumerate(cells):
                outcome = await at_step(fault, target, Path(made) / str(number), event, at)
                outcome.step = steps[at]
                outcomes.append(outcome)
                if outcome.problems:
                    sys.stderr.write(f"{outcome}\n")
                    break  # a fault that is left there would fail every later cell
    return outcomes


def _end_with(parent: int) -> None:
    """Let the kernel end this process, and so its servers, when the matrix is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before that
        os._exit(1)


def cells_of(steps: list[str], events: list[str], share: Share, fault: str) -> list[tuple[str, int]]:
    """List each event before each step, or those of them that a share has."""
    cells = [(event, at) for event in events for at in range(len(steps))]
    if share.sample is not None:
        return random.Random(f"{share.seed} {fault}").sample(cells, min(share.sample, len(cells)))  # noqa: S311
    # Each event begins one step later than the one before, so that together they cover all steps.
    return [(event, at) for event, at in cells if (at - events.index(event)) % share.every == 0]


def run_matrix(faults: list[str], share: Share, workers: int) -> tuple[list[Outcome], dict[str, list[str]]]:
    """Run the matrix of some faults, with progress on standard error."""
    outcomes: list[Outcome] = []
    found: dict[str, list[str]] = {}
    # Processes, because toxiproxy-python supports one server for each process.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _end_with, (os.getpid(),)) as pool:
        for fault in faults:
            began = time.monotonic()
            steps, events = asyncio.run(find_steps(fault))
            found[fault] = steps
            cells = cells_of(steps, events, share, fault)
            # Each part starts a target: no more of them than cells.
            parts = [cells[first::workers] for first in range(min(workers, len(cells)))]
            ran = pool.map(run_cells, [fault] * len(parts), parts, [steps] * len(parts))
            here = [outcome for part in ran for outcome in part]
            outcomes += here
            healed, seconds = sum(not outcome.problems for outcome in here), time.monotonic() - began
            sys.stderr.write(
                f"{fault}: {len(steps)} steps, {healed}/{len(cells)} ended as they must, {seconds:.0f} s\n"
            )
    return outcomes, found


def main() -> None:
    """Run it, print it, and fail when anything was not healed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only every n-th step of each event")
    parser.add_argument("--sample", type=int, help="only so many cells of each fault, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", action="append", choices=list(TARGETS), help="only this one; may be repeated")
    # A cell waits for most of its time.
    parser.add_argument("--workers", type=int, default=4 * (os.cpu_count() or 1), help="cells at once")
    parser.add_argument("--output", type=Path, help="write the page here, too")
    options = parser.parse_args()
    began = time.monotonic()
    share = Share(options.every, options.sample, options.seed)
    outcomes, steps = run_matrix(options.fault or list(TARGETS), share, options.workers)
    text = page(outcomes, steps, str(share), time.monotonic() - began)
    sys.stdout.write(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    sys.exit(any(outcome.problems for outcome in outcomes))


if __name__ == "__main__":
    main()
