"""The loop: it feeds a target, and finds tracebacks, hangs, growth and wrong results."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from alertdrill.agent.errors import ConfigError, ServiceUnavailable
from tools.fuzz.files import K6Scripts, LedgerEntries, Recordings, YamlFiles
from tools.fuzz.servers import AiohttpAnswers, AlertmanagerAnswers, LeanAnswers, PrometheusAnswers, WebhookCalls
from tools.fuzz.target import Target, crooked

TARGETS: dict[str, type[Target]] = {
    "webhook": WebhookCalls,
    "prometheus": PrometheusAnswers,
    "alertmanager": AlertmanagerAnswers,
    "recording": Recordings,
    "ledger": LedgerEntries,
    "yaml": YamlFiles,
    "k6": K6Scripts,
    "lean": LeanAnswers,
    "aiohttp": AiohttpAnswers,
}
"""Each target by its name."""
_LONGEST_SECONDS = 2.0
_HOPELESS_SECONDS = 10.0
_MOST_MEBIBYTES = 256.0
_TOLD_EVERY = 20_000
# In memory where the system has such a folder: each input is a file.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


@dataclass(frozen=True)
class Order:
    """What to feed: a target, and its inputs from the number `first` on. Inputs with a finding are kept in `folder`."""

    target: str
    inputs: int
    seconds: float = 1800.0
    seed: int = 1
    first: int = 0
    folder: Path = Path("fuzz-findings")


class Hanging(BaseException):
    """An input takes so much processor time that it is given up."""


def fuzz(order: Order) -> list[str]:
    """Feed a target; return a line for each finding, and print what was done."""
    began, findings, count = time.monotonic(), [], 0
    with _folder() as folder, TARGETS[order.target](folder) as target, _giving_up():
        _forget_peak()
        grown_from = _peak_mebibytes()
        while count < order.inputs and time.monotonic() - began < order.seconds:
            findings += _one(order, target, order.first + count)
            count += 1
            if count % _TOLD_EVERY == 0:
                _say(f"{order.target}: {count:,} inputs, {len(findings)} findings so far")
    if (grown := _peak_mebibytes() - grown_from) > _MOST_MEBIBYTES:
        findings.append(f"{order.target}: grew by {grown:.0f} MiB")
    rate = count / max(time.monotonic() - began, 1e-9)
    did = f"{count:,} inputs, {rate:.0f} a second, {time.process_time():.0f} s of the processor"
    _say(f"{order.target}: {did}, grew by {grown:.0f} MiB, {len(findings)} findings")
    return findings


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Path(folder)


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
    again = f"python -m tools.fuzz {order.target} --seed {order.seed} --first {number} --inputs 1"
    return f"{order.target}: {problem} (kept in {path}, again: {again})"


def _forget_peak() -> None:
    """Let the peak of this process begin at what it has now; where the system cannot, it stays."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Feed the targets named on the command line, or all; exit code 1 when there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=sys.modules["tools.fuzz"].__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="target", help=", ".join(TARGETS))
    parser.add_argument("--inputs", type=int, default=200_000, help="for each target")
    parser.add_argument("--seconds", type=float, default=1800.0, help="the longest time for one target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="the folder for inputs to keep")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="targets at the same time")
    given = parser.parse_args()
    orders = [
        Order(name, given.inputs, given.seconds, given.seed, given.first, given.findings)
        for name in given.targets or TARGETS
    ]
    # Each target has a process of its own, whose growth is that target's alone.
    with ProcessPoolExecutor(given.processes, max_tasks_per_child=1) as processes:
        found = [line for lines in processes.map(fuzz, orders) for line in lines]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.exit(bool(found))
