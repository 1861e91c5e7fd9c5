"""Drills on several labs at once: each lab is a process of its own, and runs its share one after another."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from agent import drill as drills
from agent import recording as recordings
from agent.exit_codes import USAGE, worst
from agent.live import Lines, showing
from agent.report import drills_table
from agent.session import Options, require_writable
from agent.session import read as read_files
from agent.verdict.judge import judge
from chaos.applied import to_the_end

_EVENT = re.compile(r" *\d+\.\d s  (?P<text>.*)")
_KNOWN_CODES = {0, 1, 2, 3, 4}


@dataclass
class Share:
    """What one lab has to do: its files, what it said last, and the recordings that it has written."""

    files: list[Path]
    seconds: float = 0.0
    drill: str = "lab"
    doing: str = "is starting"
    problems: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    code: int | None = None

    def heed(self, line: str) -> str:
        """Take a line that its process printed; tell what is worth a line of our own."""
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


async def run_parallel(options: Options, labs: int, console: Console) -> int:
    """Run drills on so many labs at once, print one table, and tell the worst exit code; raises ConfigError."""
    config, loaded = read_files(options)
    output = options.output or config.recordings
    require_writable(output)
    lines, began = Lines(console), time.monotonic()
    shares = shared_out(list(zip(options.files, loaded, strict=True)), labs)
    async with showing(console, lambda: _view(shares), lambda: "", lines.tell), asyncio.TaskGroup() as tasks:
        for share in shares:
            tasks.create_task(_run(share, options, output, lines))
    for problem in (problem for share in shares for problem in share.problems):
        console.print(Text(f"alertdrill: {problem}"), soft_wrap=True)
    written = sorted(path for share in shares for path in share.written)
    judged = [(recording, judge(recording)) for recording in map(recordings.load, written)]
    drills_table.show(console, judged, len(options.files), time.monotonic() - began)
    console.print(f"recordings and reports in {output}", soft_wrap=True)
    return worst(code if (code := share.code) in _KNOWN_CODES and code is not None else USAGE for share in shares)


def shared_out(files: Sequence[tuple[Path, drills.Drill]], labs: int) -> list[Share]:
    """Give each drill, the longest first, to the lab that has the least to do."""
    shares = [Share([]) for _ in range(min(labs, len(files)))]
    for path, drill in sorted(files, key=lambda one: -one[1].longest.total_seconds()):
        share = min(shares, key=lambda one: one.seconds)
        share.files.append(path)
        share.seconds += drill.longest.total_seconds()
    return shares


async def _run(share: Share, options: Options, output: Path, lines: Lines) -> None:
    async with _process(_command(share, options, output)) as process:
        assert process.stdout is not None  # noqa: S101 - it was started with a pipe
        async for line in process.stdout:
            if event := share.heed(line.decode(errors="replace").rstrip("\n")):
                lines.tell(f"{share.drill}: {event}")
    share.code = process.returncode
    share.doing = "is done" if share.code == 0 else f"ended with exit code {share.code}"


def _command(share: Share, options: Options, output: Path) -> list[str]:
    from lab.programs import find_programs

    # Whatever ends us, even SIGKILL, interrupts our labs, and they mend what they broke.
    command = [str(find_programs()["setpriv"]), "--pdeathsig", "INT", "--", sys.executable, "-m", "agent", "drill"]
    command += ["--lab", "--time-scale", f"{options.time_scale:g}", "--config", str(options.config)]
    return [*command, "--output", str(output), "--no-color", *map(str, share.files)]


@asynccontextmanager
async def _process(command: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command for the length of the block; one that is left early is interrupted, and waited for."""
    # A session of its own, so that Ctrl-C reaches us alone, and we tell it.
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True
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
    # What it still says must be read, or it would wait for ever to say it.
    await process.communicate()


def _view(shares: list[Share]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for share in shares:
        table.add_row(Text(share.drill, style="bold"), Text(share.doing), Text(f"{len(share.written)} done", "dim"))
    return table
