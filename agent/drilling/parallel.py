"""Runs drills on several labs at once: each lab is a process, which takes the next drill from a queue."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.console import Lines, showing
from alertdrill.agent.drilling.session import DrillOptions, read_files
from alertdrill.agent.drilling.work_queue import WorkQueue
from alertdrill.agent.errors import USAGE, worst
from alertdrill.agent.files import reserved
from alertdrill.agent.recording.recording import RESERVED_BYTES, read_recording
from alertdrill.agent.report.drill import table as drills_table
from alertdrill.agent.verdict.judge import judge
from alertdrill.chaos.machine.own_programs import python_module
from alertdrill.units.shielding import to_the_end

_EVENT = re.compile(r" *\d+\.\d s  (?P<text>.*)")
# Enough for a traceback.
_LINES_KEPT = 40
_KNOWN_CODES = {0, 1, 2, 3, 4}


@dataclass
class LabProcess:
    """One of the labs: the last lines that its process printed, and the recordings that it has written."""

    drill: str = "lab"
    doing: str = "is starting"
    problems: list[str] = field(default_factory=list)
    printed: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES_KEPT))
    written: list[Path] = field(default_factory=list)
    code: int | None = None

    @property
    def unexplained(self) -> list[str]:
        """Its last lines, if it crashed, or ended without giving a reason."""
        is_bug = self.code not in _KNOWN_CODES or any(
            "Traceback (most recent call last)" in line for line in self.printed
        )
        return list(self.printed) if is_bug or not (self.code == 0 or self.problems or self.written) else []

    def read(self, line: str) -> str:
        """Read a line that its process printed; return the event that is worth showing, or an empty text."""
        self.printed.append(line)
        if line.startswith("recording "):
            self.written.append(Path(line.removeprefix("recording ")))
        elif line.startswith("alertdrill: "):
            self.problems.append(line.removeprefix("alertdrill: "))
        if (event := _EVENT.fullmatch(line)) is None:
            return ""
        self.doing = event["text"]
        if named := re.match(r"drill ([a-z0-9-]+)", self.doing):
            self.drill = named[1]
        return "" if "transactions/s" in self.doing else self.doing


async def run_parallel(options: DrillOptions, labs: int, console: Console) -> int:
    """Run drills on several labs at once, print one table, and return the worst exit code; raises ConfigError."""
    config, loaded = read_files(options)
    output = options.output or config.recordings
    with reserved(output, labs * RESERVED_BYTES):
        pass
    lines, began = Lines(console), time.monotonic()
    files = longest_first(options.files, loaded)
    processes = [LabProcess() for _ in range(min(labs, len(files)))]
    with WorkQueue.of(len(files)) as queue:
        command = _command(replace(options, files=files, output=output, turns=queue.descriptor))
        async with showing(console, lambda: _view(processes), lambda: "", lines.tell), asyncio.TaskGroup() as tasks:
            for process in processes:
                tasks.create_task(_run(process, command, queue, lines))
    for process in processes:
        for line in [*(f"alertdrill: {problem}" for problem in process.problems), *process.unexplained]:
            console.print(Text(line), soft_wrap=True)
    written = sorted(path for process in processes for path in process.written)
    judged = [(recording, judge(recording)) for recording in map(read_recording, written)]
    drills_table.show(console, judged, len(files), time.monotonic() - began)
    console.print(f"recordings and reports in {output}", soft_wrap=True)
    return worst(code if (code := one.code) in _KNOWN_CODES and code is not None else USAGE for one in processes)


def longest_first(files: Sequence[Path], loaded: Sequence[Drill]) -> list[Path]:
    """Order drills from the longest to the shortest, so that all labs end at about the same time."""
    return [path for path, _ in sorted(zip(files, loaded, strict=True), key=lambda one: -one[1].longest)]


async def _run(lab: LabProcess, command: list[str], queue: WorkQueue, lines: Lines) -> None:
    async with _process(command, queue) as process:
        assert process.stdout is not None  # noqa: S101 - it was started with a pipe
        async for line in process.stdout:
            if event := lab.read(line.decode(errors="replace").rstrip("\n")):
                lines.tell(f"{lab.drill}: {event}")
    lab.code = process.returncode
    lab.doing = "is done" if lab.code == 0 else f"ended with exit code {lab.code}"


def _command(options: DrillOptions) -> list[str]:
    from alertdrill.lab.programs import find_programs

    # When this process ends, even by SIGKILL, the kernel interrupts the labs, and they undo their faults.
    command = [str(find_programs()["setpriv"]), "--pdeathsig", "INT", "--", *python_module("alertdrill", "drill")]
    command += ["--lab", "--time-scale", f"{options.time_scale:g}", "--config", str(options.config)]
    command += ["--output", str(options.output), "--turns", str(options.turns), "--no-color"]
    return [*command, *map(str, options.files)]


@asynccontextmanager
async def _process(command: list[str], queue: WorkQueue) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command for the length of the block; when the block ends first, interrupt the command and wait for it."""
    # In a session of its own, so that Ctrl-C reaches only this process, which then interrupts the labs.
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        pass_fds=(queue.descriptor,),
    )
    try:
        yield process
        await process.wait()
    finally:
        await to_the_end(_ended(process))


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    # Drain its output, or it blocks on a full pipe.
    await process.communicate()


def _view(labs: Sequence[LabProcess]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for lab in labs:
        table.add_row(Text(lab.drill, style="bold"), Text(lab.doing), Text(f"{len(lab.written)} done", "dim"))
    return table
