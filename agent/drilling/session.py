"""One run of `alertdrill drill`: the lab if requested, the drills one after another, their recordings and reports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from alertdrill.agent import on_lab
from alertdrill.agent.config import runbooks
from alertdrill.agent.config.agent import AgentConfig, missing_servers, read_agent_config, serving_config
from alertdrill.agent.config.drill import Drill, read_drill
from alertdrill.agent.config.yaml_source import Source
from alertdrill.agent.console import ConsoleLines, showing
from alertdrill.agent.drilling import dry_run
from alertdrill.agent.drilling import progress as drill_view
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.drilling.filing import Drilled, drilled
from alertdrill.agent.drilling.pace import Pace, Tries, Wish, announced, first_pace, pace, slower
from alertdrill.agent.drilling.site import Site
from alertdrill.agent.drilling.together import WorkQueue, given_scale, measured
from alertdrill.agent.errors import NOT_HEALED, USAGE, ConfigError, leaves
from alertdrill.agent.files import reserved
from alertdrill.agent.gate.proofs import add_proofs, proofs_of
from alertdrill.agent.payment_audit import PaymentAudit
from alertdrill.agent.recording.recording import RESERVED_BYTES, Recording
from alertdrill.agent.report.drill import files as report_files
from alertdrill.agent.report.drill import index, terminal
from alertdrill.agent.report.drill import table as drills_table
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.runbook import located
from alertdrill.agent.verdict.verdict import Judgement
from alertdrill.chaos.errors import FaultNotHealed
from alertdrill.lab.parts import LabParts
from alertdrill.units.shielding import is_cancelled

if TYPE_CHECKING:
    from alertdrill.lab.stack import Lab


@dataclass(frozen=True)
class DrillOptions:
    """The options of `alertdrill drill`."""

    files: list[Path]
    config: Path
    lab: bool
    # None is as fast as this machine keeps.
    time_scale: float | None
    output: Path | None
    dry_run: bool = False
    # The descriptor of a queue of drills, when several processes run them and each takes the next one.
    turns: int | None = None
    # The time scale is only the first one: the process that started this one chooses again.
    is_paced: bool = False
    attempt: int = 1
    proofs: Path | None = None

    @property
    def tries_again(self) -> bool:
        """Whether a drill that a busy machine spoiled is tried again, here or by the process that started this one."""
        return self.lab and (self.time_scale is None or self.is_paced or self.attempt > 1)


_ALONE = Wish(1, None)


async def run_drills(options: DrillOptions, console: Console) -> int:
    """Run drills one after another and return the worst exit code.

    A fault that cannot be injected ends its drill, but not those that follow; neither does the fault of an earlier run
    that cannot be undone. If the time scale is chosen here, a drill that a busy machine spoiled is tried again more slowly.
    Raises ConfigError, ServiceUnavailable, FaultNotHealed and, when there is only one drill,
    FaultNotApplied.
    """
    config, loaded = read_files(options)
    options = replace(options, output=options.output or config.recordings)
    with reserved(options.output or config.recordings, RESERVED_BYTES):
        pass
    began, command = time.monotonic(), _Command(options, config, console)
    if options.dry_run:
        await command.plan(loaded)
        return 0
    tries, attempt = command.tries, options.attempt
    scale = await command.round(loaded, options)
    while options.time_scale is None and (again := tries.again(loaded, attempt + 1)):
        scale, attempt = slower(scale), attempt + 1
        command.lines.tell(announced(tries.spoiled, scale))
        slowly = replace(options, time_scale=scale, attempt=attempt)
        await command.round([loaded[number] for number in again], slowly)
    if options.turns is None and (len(loaded) > 1 or attempt > options.attempt):
        drills_table.show(console, tries.last, len(loaded), time.monotonic() - began)
    keep_proofs(options, tries)
    return tries.exit_code


def keep_proofs(options: DrillOptions, tries: Tries) -> None:
    """Note what the drills proved, if that was asked for; raises ConfigError."""
    if options.proofs is not None:
        add_proofs(
            options.proofs, [one for recording, judgement in tries.last for one in proofs_of(recording, judgement)]
        )


class _Command:
    """One call of `run_drills`: what all its rounds share."""

    def __init__(self, options: DrillOptions, config: AgentConfig, console: Console) -> None:
        self._options = options
        self._config = config
        self._console = console
        self.lines = ConsoleLines(console)
        self.tries = Tries()

    async def plan(self, loaded: list[Drill]) -> None:
        """Print what the drills would do."""
        async with AsyncExitStack() as stack:
            here, _ = await self._opened(stack, loaded, self._options)
            for one in loaded:
                async with Site(here) as site:
                    planned = await Conductor(site, one, self.lines.tell).plan()
                self._console.print(dry_run.render(one.scaled(here.time_scale), planned))

    async def round(self, loaded: list[Drill], options: DrillOptions) -> float:
        """Run drills, at a time scale that is chosen if none is given; return the time scale."""
        async with AsyncExitStack() as stack:
            here, lab = await self._opened(stack, loaded, options)
            drills = iter(loaded) if options.turns is None else (loaded[n] for n in WorkQueue(options.turns).taken())
            if options.is_paced and lab is not None:
                chosen = await given_scale(here, lambda text: self._console.print(text, soft_wrap=True))
                if chosen is None:
                    return here.time_scale
                here = await _at_scale(here, lab, chosen, self.lines.tell)
            session = Session(here, lab, options, self._console, self.lines)
            if options.turns is None:
                folder, is_told = options.output or self._config.recordings, len(self._options.files) > 1
                stack.callback(write_index, folder, self._console, is_told=is_told)
            codes = await session.run(drills, alone=len(self._options.files) == 1)
        self.tries.add(session.done, codes)
        return here.time_scale

    async def _opened(
        self, stack: AsyncExitStack, loaded: list[Drill], options: DrillOptions
    ) -> tuple[AgentConfig, Lab | None]:
        """Start the lab if one is requested."""
        if not options.lab:
            return self._config, None
        parts = reduce(LabParts.together, (one.lab for one in loaded), LabParts())
        return await opened_lab(stack, self._config, options.config.parent, options.time_scale, self.lines.tell, parts)


async def opened_lab(  # noqa: PLR0913, PLR0917 - what a lab and its configuration are made of
    stack: AsyncExitStack,
    config: AgentConfig,
    folder: Path,
    time_scale: float | None,
    tell: Callable[[str], None],
    parts: LabParts = LabParts(),  # noqa: B008 - frozen
) -> tuple[AgentConfig, Lab]:
    """Start a lab, at a time scale that this machine can keep if none is given, and point a configuration at it.

    `folder` holds prometheus/ and alertmanager/. Raises LabError, LibraryMissing.
    """
    from alertdrill.lab.pace import spare

    has = await spare() if time_scale is None else None
    first = Pace(1, time_scale or 1.0, ()) if has is None else first_pace(has, 1, _ALONE)
    lab = await stack.enter_async_context(on_lab.started(folder, first.scale, tell, parts))
    here = on_lab.at_the_lab(config, lab.addresses, lab.ledger, first.scale, lab.webhook_token)
    if has is None:
        return here, lab
    chosen = pace(first, has, [await measured(here)], _ALONE)
    tell(chosen.words)
    return await _at_scale(here, lab, chosen.scale, tell), lab


async def _at_scale(here: AgentConfig, lab: Lab, scale: float, tell: Callable[[str], None]) -> AgentConfig:
    """Change the time scale of a lab, unless it has that already."""
    if scale != here.time_scale:
        tell(f"lab: the monitoring starts again at time scale {scale:g}")
        await lab.change_scale(scale)
    return here.model_copy(update={"time_scale": scale})


def read_files(options: DrillOptions) -> tuple[AgentConfig, list[Drill]]:
    """Read all files before anything runs; raises ConfigError with the problems of all of them."""
    problems: list[str] = []
    config, loaded = None, []
    for path in [options.config, *options.files]:
        try:
            if path is options.config:
                # A lab has an address of its own.
                config = read_agent_config(path) if options.lab else serving_config(Source(path))
            else:
                loaded.append(read_drill(path))
        except ConfigError as error:
            problems += error.problems
    if config is not None and not options.lab:
        problems += [problem for drill in loaded for problem in missing_servers(config, drill)]
    if problems or config is None:
        raise ConfigError(*problems)
    return config, loaded


class Session:
    """Drills one after another on the same servers; `done` has those with a verdict."""

    def __init__(
        self, config: AgentConfig, lab: Lab | None, options: DrillOptions, console: Console, lines: ConsoleLines
    ) -> None:
        self.done: list[tuple[Recording, Judgement]] = []
        self._config = config
        self._lab = lab
        self._output = options.output or config.recordings
        self._pages = options.config.parent / runbooks.FOLDER
        self._attempt = options.attempt
        self._tries_again = options.tries_again
        self._console = console
        self._lines = lines

    async def run(self, drills: Iterator[Drill], *, alone: bool) -> list[int]:
        """Run the drills as `run_drills` does, `alone` when there is only one; return the codes of errors."""
        codes: list[int] = []
        drill = next(drills, None)
        while drill is not None:
            audit = await PaymentAudit.begin(self._lab, self._lines.tell)
            site = Site(self._config, audit.keep)
            conductor = Conductor(site, drill, self._lines.tell)
            async with drilled(conductor, self._output, self._shown(site, conductor, drill)) as ended:
                is_stopped = is_cancelled()
                if ended.cut is not None and (is_stopped or not self._is_spoiled(ended)):
                    if is_stopped or alone or not ended.is_refused:
                        self._file_short(ended)
                        raise ended.cut
                    codes += self._told(drill, ended.cut)
                drill = next(drills, None)
                # The recording is complete, so the lab's data can be deleted while the reports are written.
                async with asyncio.TaskGroup() as tasks:
                    if drill is not None:
                        tasks.create_task(self._forget())
                    if ended.recording is not None:
                        await self._file(ended, ended.recording, audit)
        return codes

    def _is_spoiled(self, ended: Drilled) -> bool:
        """Return whether a busy machine alone cut a drill short that is tried again; its verdict then says so."""
        if not self._tries_again or ended.recording is None or not ended.is_refused:
            return False
        return judge(ended.recording).spoiled_by_machine

    def _told(self, drill: Drill, cut: BaseException) -> Iterator[int]:
        """Print why a drill was cut short, and yield the code of each error."""
        for error in leaves(cut):
            self._console.print(Text(f"alertdrill: drill {drill.name}: {error}"), soft_wrap=True)
            yield NOT_HEALED if isinstance(error, FaultNotHealed) else USAGE

    @asynccontextmanager
    async def _shown(self, site: Site, conductor: Conductor, drill: Drill) -> AsyncIterator[None]:
        """Open a drill's site, and show its progress."""
        lines, progress = self._lines, conductor.progress
        lines.tell(f"drill {drill.name}: {drill.summary}" if drill.summary else f"drill {drill.name}")
        view, line = (lambda: drill_view.view(progress)), (lambda: drill_view.line(progress))
        async with site, showing(self._console, view, line, lines.tell):
            yield

    async def _forget(self) -> None:
        """Delete from a lab's monitoring what it knows of the drill before; other servers keep theirs."""
        if self._lab is not None:
            self._lines.tell("lab: Prometheus and Alertmanager forget the drill before")
            await self._lab.forget()

    async def _file(self, ended: Drilled, recording: Recording, audit: PaymentAudit) -> None:
        try:
            recording = recording.model_copy(update={"audit": await audit.finish()})
        except asyncio.CancelledError:
            self._file_short(ended)
            raise
        self._write(ended, recording)

    def _file_short(self, ended: Drilled) -> None:
        """Write the recording and the reports of a drill that was cut short; a problem must not hide its reason."""
        if ended.recording is None:
            return
        try:
            self._write(ended, ended.recording)
        except ConfigError as error:
            self._console.print(Text(f"alertdrill: {error}"), soft_wrap=True)

    def _write(self, ended: Drilled, recording: Recording) -> None:
        recording, path = ended.write(recording.model_copy(update={"attempt": self._attempt}))
        judgement = judge(recording)
        self.done.append((recording, judgement))
        self._console.print(terminal.render(recording, located(judgement, self._pages)))
        write_reports(recording, located(judgement, self._pages, path.parent), path, self._console)


def write_index(folder: Path, console: Console, *, is_told: bool) -> None:
    """Write the index of a folder with several reports; a problem with it does not change the result of the drills."""
    try:
        path = index.write(folder)
    except ConfigError as error:
        console.print(Text(f"alertdrill: {error}"), soft_wrap=True)
    else:
        if path is not None and is_told:
            console.print(f"index {path}", soft_wrap=True)


def write_reports(recording: Recording, judgement: Judgement, path: Path, console: Console) -> None:
    """Write every report beside the recording, and print their paths; the page's path is the last line.

    Before them stands which rules cannot be replayed from the recording. Raises ConfigError that names the file which
    could not be written; what comes before it is written and printed.
    """
    for one in recording.left_out:
        console.print(Text(one.warning), soft_wrap=True)
    console.print(f"recording {path}", soft_wrap=True)
    console.print(f"report {report_files.write(recording, judgement, path)}", soft_wrap=True)
