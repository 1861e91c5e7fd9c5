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
from alertdrill.agent.console import ConsoleLines, showing
from alertdrill.agent.drilling.pace import LabTiming, Pace, Tries, Wish, announced, first_pace, pace, slower
from alertdrill.agent.drilling.session import DrillOptions, keep_proofs, read_files, write_index
from alertdrill.agent.drilling.together import END, MEASURE, MEASURED, PREFIX, READY, WorkQueue, read_measured
from alertdrill.agent.errors import USAGE
from alertdrill.agent.files import reserved
from alertdrill.agent.recording.recording import RESERVED_BYTES, read_recording
from alertdrill.agent.report.drill import table as drills_table
from alertdrill.agent.verdict.judge import judge
from alertdrill.chaos.machine.own_programs import python_module
from alertdrill.lab.pace import Spare, spare
from alertdrill.units.shielding import to_the_end

_EVENT = re.compile(r" *\d+\.\d s  (?P<text>.*)")
# Enough for a traceback.
_LINES_KEPT = 40
_KNOWN_CODES = {0, 1, 2, 3, 4}
_CODES_OF_VERDICTS = {0, 1, 3}


@dataclass
class LabProcess:
    """One of the labs: the last lines that its process printed, and the recordings that it has written."""

    drill: str = "lab"
    doing: str = "is starting"
    problems: list[str] = field(default_factory=list)
    printed: deque[str] = field(default_factory=lambda: deque(maxlen=_LINES_KEPT))
    written: list[Path] = field(default_factory=list)
    code: int | None = None
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    is_measured: asyncio.Event = field(default_factory=asyncio.Event)
    timing: LabTiming | None = None
    input: asyncio.StreamWriter | None = None

    @property
    def code_of_error(self) -> int | None:
        """Its exit code, unless that only says how its drills were judged."""
        if self.code in _CODES_OF_VERDICTS and not self.unexplained:
            return None
        return self.code if self.code is not None and self.code in _KNOWN_CODES else USAGE

    @property
    def unexplained(self) -> list[str]:
        """Its last lines, if it crashed, or ended without giving a reason."""
        is_bug = self.code not in _KNOWN_CODES or any(
            "Traceback (most recent call last)" in line for line in self.printed
        )
        return list(self.printed) if is_bug or not (self.code == 0 or self.problems or self.written) else []

    def answer(self, text: str) -> None:
        """Send its process a line, if that still runs."""
        if self.input is not None and self.code is None:
            self.input.write(f"{text}\n".encode())

    def end(self, code: int | None) -> None:
        """Note that its process has ended: nobody need wait for it."""
        self.code = code
        self.doing = "is done" if code == 0 else f"ended with exit code {code}"
        self.is_ready.set()
        self.is_measured.set()

    def read(self, line: str) -> str:
        """Read a line that its process printed; return the event that is worth showing, or an empty text."""
        self.printed.append(line)
        if line == PREFIX + READY:
            self.is_ready.set()
        elif line.startswith(PREFIX + MEASURED):
            self.timing = read_measured(line.removeprefix(PREFIX + MEASURED))
            self.is_measured.set()
        elif line.startswith("recording "):
            self.written.append(Path(line.removeprefix("recording ")))
        elif line.startswith("alertdrill: "):
            self.problems.append(line.removeprefix("alertdrill: "))
        if (event := _EVENT.fullmatch(line)) is None:
            return ""
        self.doing = event["text"]
        if named := re.match(r"drill ([a-z0-9-]+)", self.doing):
            self.drill = named[1]
        return "" if "transactions/s" in self.doing else self.doing


async def run_parallel(options: DrillOptions, labs: int | None, console: Console) -> int:
    """Run drills on several labs at once, print one table, and return the worst exit code; raises ConfigError.

    Without a number of labs or a time scale, this machine is measured, and what it can keep is chosen. Then a drill that
    a busy machine spoiled is tried again, alone and more slowly.
    """
    config, loaded = read_files(options)
    output = options.output or config.recordings
    lines, began, tries = ConsoleLines(console), time.monotonic(), Tries()
    by_path = dict(zip(options.files, loaded, strict=True))
    options = replace(options, files=longest_first(options.files, loaded), output=output)
    wish = Wish(labs and min(labs, len(loaded)), options.time_scale)
    has = await spare() if None in {labs, options.time_scale} else None
    first = Pace(wish.labs or 1, wish.scale or 1.0, ()) if has is None else first_pace(has, len(loaded), wish)
    with reserved(output, first.labs * RESERVED_BYTES):
        pass
    run = _Run(console, lines, wish, has, tries)
    scale = await run.round(options, first)
    drills = [by_path[path] for path in options.files]
    while options.time_scale is None and (again := tries.again(drills, attempt := run.attempt + 1)):
        scale = slower(scale)
        lines.tell(announced(tries.spoiled, scale))
        slowly = replace(options, files=[options.files[number] for number in again], time_scale=scale, attempt=attempt)
        await run.round(slowly, Pace(1, scale, ()))
    drills_table.show(console, tries.last, len(loaded), time.monotonic() - began)
    console.print(f"recordings and reports in {output}", soft_wrap=True)
    write_index(output, console, is_told=True)
    keep_proofs(options, tries)
    return tries.exit_code


@dataclass
class _Run:
    """One call of `run_parallel`: what all its rounds share."""

    console: Console
    lines: ConsoleLines
    wish: Wish
    spare: Spare | None
    tries: Tries
    attempt: int = 1

    async def round(self, options: DrillOptions, first: Pace) -> float:
        """Run drills on labs of their own, and return the time scale; the labs of the first try may choose it."""
        self.attempt = options.attempt
        is_paced = options.time_scale is None
        processes = [LabProcess() for _ in range(first.labs)]
        options = replace(options, time_scale=first.scale, is_paced=is_paced)
        with WorkQueue.of(len(options.files)) as queue:
            command = _command(replace(options, turns=queue.descriptor))
            view = showing(self.console, lambda: _view(processes), lambda: "", self.lines.tell)
            async with view, asyncio.TaskGroup() as tasks:
                for process in processes:
                    tasks.create_task(_run(process, command, queue, self.lines, is_paced=is_paced))
                chosen = tasks.create_task(self._pace(processes, first, is_paced=is_paced))
        self._end(processes)
        return chosen.result()

    async def _pace(self, labs: list[LabProcess], first: Pace, *, is_paced: bool) -> float:
        """Choose the pace when all labs have started, if it is to be chosen; print it, and return the time scale."""
        chosen = first
        if is_paced and self.spare is not None:
            await asyncio.gather(*(lab.is_ready.wait() for lab in labs))
            for lab in labs:
                lab.answer(MEASURE)
            await asyncio.gather(*(lab.is_measured.wait() for lab in labs))
            chosen = pace(first, self.spare, [lab.timing for lab in labs if lab.timing is not None], self.wish)
        if chosen.why and self.attempt == 1:
            self.lines.tell(chosen.words)
        if chosen.warning:
            self.lines.warn(f"warning: {chosen.warning}")
        running = [lab for lab in labs if lab.code is None]
        for number, lab in enumerate(running if is_paced else ()):
            lab.answer(f"{chosen.scale:g}" if number < chosen.labs else END)
        return chosen.scale

    def _end(self, processes: list[LabProcess]) -> None:
        """Print what went wrong in a round, and judge its drills."""
        for process in processes:
            for line in [*(f"alertdrill: {problem}" for problem in process.problems), *process.unexplained]:
                self.console.print(Text(line), soft_wrap=True)
        written = sorted(path for process in processes for path in process.written)
        judged = [(recording, judge(recording)) for recording in map(read_recording, written)]
        self.tries.add(judged, [code for one in processes if (code := one.code_of_error) is not None])


def longest_first(files: Sequence[Path], loaded: Sequence[Drill]) -> list[Path]:
    """Order drills from the longest to the shortest, so that all labs end at about the same time."""
    return [path for path, _ in sorted(zip(files, loaded, strict=True), key=lambda one: -one[1].longest)]


async def _run(lab: LabProcess, command: list[str], queue: WorkQueue, lines: ConsoleLines, *, is_paced: bool) -> None:
    async with _process(command, queue, is_paced=is_paced) as process:
        assert process.stdout is not None  # noqa: S101 - it was started with a pipe
        lab.input = process.stdin
        async for line in process.stdout:
            if event := lab.read(line.decode(errors="replace").rstrip("\n")):
                lines.tell(f"{lab.drill}: {event}")
    lab.end(process.returncode)


def _command(options: DrillOptions) -> list[str]:
    from alertdrill.lab.programs import ends_with_this_process, find_programs

    # When this process ends, even by SIGKILL, the kernel interrupts the labs, and they undo their faults.
    command = [*ends_with_this_process(find_programs()["setpriv"], "INT"), *python_module("alertdrill", "drill")]
    command += ["--lab", "--time-scale", f"{options.time_scale:g}", "--config", str(options.config)]
    command += ["--output", str(options.output), "--turns", str(options.turns), "--attempt", str(options.attempt)]
    command += ["--no-color", *(["--paced"] if options.is_paced else [])]
    return [*command, *map(str, options.files)]


@asynccontextmanager
async def _process(
    command: list[str], queue: WorkQueue, *, is_paced: bool
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command for the length of the block; when the block ends first, interrupt the command and wait for it."""
    # In a session of its own, so that Ctrl-C reaches only this process, which then interrupts the labs.
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if is_paced else None,
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
