"""The loop: it feeds a target, and finds tracebacks, hangs, growth and wrong results."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from alertdrill.agent.errors import ConfigError, ServiceUnavailable
from tools.fuzz.files import K6Scripts, LedgerEntries, Recordings, YamlFiles
from tools.fuzz.servers import AiohttpAnswers, AlertmanagerAnswers, LeanAnswers, PrometheusAnswers, WebhookCalls
from tools.fuzz.target import Target, crooked

TARGETS: dict[str, type[Target]] = {
    "k6": K6Scripts,
    "recording": Recordings,
    "aiohttp": AiohttpAnswers,
    "yaml": YamlFiles,
    "ledger": LedgerEntries,
    "alertmanager": AlertmanagerAnswers,
    "prometheus": PrometheusAnswers,
    "webhook": WebhookCalls,
    "lean": LeanAnswers,
}
"""Each target by its name; the slowest first, so that no processor waits for it at the end."""
# A process begins in a second, and its memory shows growth only over many inputs.
_INPUTS_OF_A_PROCESS = 50_000
_LONGEST_SECONDS = 2.0
_HOPELESS_SECONDS = 10.0
_MOST_MEBIBYTES = 256.0
# In memory where the system has such a folder: each input is a file.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


@dataclass(frozen=True)
class Order:
    """What to feed: a target, and its inputs from the number `first` on. Inputs with a finding are kept in `folder`.

    At `ends_at`, by the machine's monotonic clock, it ends with fewer inputs.
    """

    target: str
    inputs: int
    ends_at: float = math.inf
    seed: int = 1
    first: int = 0
    folder: Path = Path("fuzz-findings")

    def again(self, number: int) -> str:
        """Return the command that repeats one input."""
        return f"again: python -m tools.fuzz {self.target} --seed {self.seed} --first {number} --inputs 1"


@dataclass(frozen=True)
class Fed:
    """What became of an order: how many inputs were read, in what time of the processor, with a line for each finding."""

    target: str
    inputs: int
    processor_seconds: float
    grown_mebibytes: float
    findings: tuple[str, ...]


class Hanging(BaseException):
    """An input takes so much processor time that it is given up."""


def fuzz(order: Order, reaches: Callable[[int], object] = lambda _: None) -> Fed:
    """Feed a target; `reaches` is called with the number of each input before it is read."""
    findings, count = [], 0
    with _folder() as folder, _no_environment(), TARGETS[order.target](folder) as target, _giving_up():
        _forget_peak()
        grown_from, began = _peak_mebibytes(), time.process_time()
        while count < order.inputs and time.monotonic() < order.ends_at:
            reaches(order.first + count)
            findings += _one(order, target, order.first + count)
            count += 1
        grown, took = _peak_mebibytes() - grown_from, time.process_time() - began
    if grown > _MOST_MEBIBYTES:
        findings.append(f"{order.target}: grew by {grown:.0f} MiB")
    return Fed(order.target, count, took, grown, tuple(findings))


def fuzz_apart(order: Order) -> Fed:
    """Feed a target in a process of its own, whose growth is its alone; a process that dies is a finding."""
    context = get_context("spawn")
    number = context.Value("q", order.first, lock=False)
    receives, sends = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(order, number, sends))
    process.start()
    sends.close()
    try:
        fed: Fed = receives.recv()
    except EOFError:
        process.join()
        died = f"{order.target}: the process died, exit code {process.exitcode} ({order.again(number.value)})"
        fed = Fed(order.target, number.value - order.first, 0.0, 0.0, (died,))
    process.join()
    _say(f"{order.target}: {fed.inputs:,} inputs from {order.first:,} on, {len(fed.findings)} findings")
    return fed


def _send(order: Order, number: Any, sends: Connection) -> None:  # noqa: ANN401 - ctypes
    sends.send(fuzz(order, lambda reached: setattr(number, "value", reached)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def _no_environment() -> Iterator[None]:
    """Hide the variables of the environment: no input is for a proxy."""
    hidden = dict(os.environ)
    os.environ.clear()
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def _giving_up() -> Iterator[None]:
    """Raise Hanging in an input that takes `_HOPELESS_SECONDS` of processor time."""

    def give_up(_: int, __: FrameType | None) -> None:
        raise Hanging(f"took more than {_HOPELESS_SECONDS:g} s")

    before = signal.signal(signal.SIGPROF, give_up)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _one(order: Order, target: Target, number: int) -> list[str]:
    draw = random.Random(f"{order.seed}:{order.target}:{number}")  # noqa: S311 - an input, not a secret
    content = target.make(draw)
    # The processor's time: another process may have this machine for a while.
    signal.setitimer(signal.ITIMER_PROF, _HOPELESS_SECONDS)
    began = time.process_time()
    try:
        problem = target.read(draw, content)
    except (ConfigError, ServiceUnavailable) as error:
        problem = crooked(getattr(error, "problems", (str(error),)))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        problem = f"{type(error).__name__}: {str(error)[:200]!r}"
    took = time.process_time() - began
    if not problem and took > _LONGEST_SECONDS:
        problem = f"took {took:.1f} s"
    return [_told(order, number, problem, content)] if problem else []


def _told(order: Order, number: int, problem: str, content: bytes) -> str:
    order.folder.mkdir(parents=True, exist_ok=True)
    path = order.folder / f"{order.target}-{order.seed}-{number}"
    path.write_bytes(content)
    return f"{order.target}: {problem} (kept in {path}, {order.again(number)})"


def _forget_peak() -> None:
    """Let the peak of this process begin at what it has now; where the system cannot, it stays."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _orders(given: argparse.Namespace) -> Iterator[Order]:
    """Divide the inputs among processes: if the time ends, all targets have had about the same number."""
    ends_at = time.monotonic() + given.seconds
    for at in range(0, given.inputs, _INPUTS_OF_A_PROCESS):
        for name in given.targets or TARGETS:
            count = min(_INPUTS_OF_A_PROCESS, given.inputs - at)
            yield Order(name, count, ends_at, given.seed, given.first + at, given.findings)


def table(fed: Iterable[Fed]) -> list[str]:
    """Return the figures of all targets as a table in Markdown."""
    lines = ["| target | inputs | inputs a second of processor time | growth | findings |", "| --- " * 5 + "|"]
    by_target: dict[str, list[Fed]] = {}
    for one in fed:
        by_target.setdefault(one.target, []).append(one)
    for target, of in by_target.items():
        inputs, seconds = sum(one.inputs for one in of), sum(one.processor_seconds for one in of)
        grown, findings = max(one.grown_mebibytes for one in of), sum(len(one.findings) for one in of)
        rate = inputs / max(seconds, 1e-9)
        lines.append(f"| {target} | {inputs:,} | {rate:,.0f} | {grown:.0f} MiB | {findings} |")
    return lines


def main() -> None:
    """Feed the targets named on the command line, or all; exit code 1 when there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=sys.modules["tools.fuzz"].__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="target", help=", ".join(TARGETS))
    parser.add_argument("--inputs", type=int, default=200_000, help="for each target")
    parser.add_argument("--seconds", type=float, default=1800.0, help="the longest time for all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="the folder for inputs to keep")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes at the same time")
    given = parser.parse_args()
    with ThreadPoolExecutor(given.processes) as processes:
        fed = list(processes.map(fuzz_apart, _orders(given)))
    found = [line for one in fed for line in one.findings]
    sys.stdout.write("".join(f"{line}\n" for line in [*table(fed), *found]))
    sys.exit(bool(found))
