"""One run of `alertdrill drill`: the lab if requested, the drills one after another, their recordings and reports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from alertdrill.agent import on_lab
from alertdrill.agent.config import runbooks
from alertdrill.agent.config.agent import AgentConfig, read_agent_config, read_serving_config
from alertdrill.agent.config.drill import Drill, read_drill
from alertdrill.agent.console import Lines, showing
from alertdrill.agent.drilling import dry_run
from alertdrill.agent.drilling import progress as drill_view
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.drilling.site import Site
from alertdrill.agent.drilling.work_queue import WorkQueue
from alertdrill.agent.errors import USAGE, ConfigError, leaves, worst
from alertdrill.agent.files import ReservedSpace, reserved
from alertdrill.agent.payment_audit import PaymentAudit
from alertdrill.agent.recording.recording import RESERVED_BYTES, Recording, recording_path, write_into
from alertdrill.agent.report.drill import files as report_files
from alertdrill.agent.report.drill import table as drills_table
from alertdrill.agent.report.drill import terminal
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.runbook import located
from alertdrill.agent.verdict.verdict import Judgement
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.lab.parts import LabParts

if TYPE_CHECKING:
    from alertdrill.lab.stack import Lab


@dataclass(frozen=True)
class DrillOptions:
    """The options of `alertdrill drill`."""

    files: list[Path]
    config: Path
    lab: bool
    time_scale: float
    output: Path | None
    dry_run: bool = False
    # The descriptor of a queue of drills, when several processes run them and each takes the next one.
    turns: int | None = None


async def run_drills(options: DrillOptions, console: Console) -> int:
    """Run drills one after another and return the worst exit code.

    A fault that cannot be injected ends its drill, but not those that follow. Raises ConfigError, ServiceUnavailable,
    FaultNotHealed and, when there is only one drill, FaultNotApplied.
    """
    config, loaded = read_files(options)
    output = options.output or config.recordings
    with reserved(output, RESERVED_BYTES):
        pass
    lines, began = Lines(console), time.monotonic()
    parts = reduce(LabParts.together, (one.lab for one in loaded), LabParts())
    async with AsyncExitStack() as stack:
        here, lab = config, None
        if options.lab:
            started = on_lab.started(options.config.parent, options.time_scale, lines.tell, parts)
            lab = await stack.enter_async_context(started)
            here = on_lab.at_the_lab(config, lab.addresses, lab.ledger, options.time_scale, lab.webhook_token)
        if options.dry_run:
            for one in loaded:
                async with Site(here) as site:
                    planned = await Conductor(site, one, lines.tell).plan()
                console.print(dry_run.render(one.scaled(here.time_scale), planned))
            return 0
        pages = options.config.parent / runbooks.FOLDER
        session = Session(here, lab, output, pages, console, lines)
        drills = iter(loaded) if options.turns is None else (loaded[n] for n in WorkQueue(options.turns).taken())
        code = await session.run(drills, alone=len(loaded) == 1)
    if len(loaded) > 1 and options.turns is None:
        drills_table.show(console, session.done, len(loaded), time.monotonic() - began)
    return code


def read_files(options: DrillOptions) -> tuple[AgentConfig, list[Drill]]:
    """Read all files before anything runs; raises ConfigError with the problems of all of them."""
    problems: list[str] = []
    config, loaded = None, []
    for path in [options.config, *options.files]:
        try:
            if path is options.config:
                # A lab has an address of its own.
                config = read_agent_config(path) if options.lab else read_serving_config(path)
            else:
                loaded.append(read_drill(path))
        except ConfigError as error:
            problems += error.problems
    if problems or config is None:
        raise ConfigError(*problems)
    return config, loaded


class Session:
    """Drills one after another on the same servers; `done` has those with a verdict, `pages` is the runbooks' folder."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that a drill works with
        self, config: AgentConfig, lab: Lab | None, output: Path, pages: Path, console: Console, lines: Lines
    ) -> None:
        self.done: list[tuple[Recording, Judgement]] = []
        self._config = config
        self._lab = lab
        self._output = output
        self._pages = pages
        self._console = console
        self._lines = lines

    async def run(self, drills: Iterator[Drill], *, alone: bool) -> int:
        """Run the drills as `run_drills` does; `alone` when there is only one."""
        codes: list[int] = []
        drill = next(drills, None)
        while drill is not None:
            audit = await PaymentAudit.begin(self._lab, self._lines.tell)
            with reserved(self._output, RESERVED_BYTES) as space:
                recording, cut = await self._conducted(drill, audit)
                if cut is not None and (alone or not _is_not_applied(cut)):
                    self._report_short(recording, space)
                    raise cut
                if cut is not None:
                    for error in leaves(cut):
                        self._console.print(Text(f"alertdrill: drill {drill.name}: {error}"), soft_wrap=True)
                    codes.append(USAGE)
                drill = next(drills, None)
                # The recording is complete, so the lab's data can be deleted while the reports are written.
                async with asyncio.TaskGroup() as tasks:
                    if drill is not None:
                        tasks.create_task(self._forget())
                    if recording is not None:
                        await self._report(recording, audit, space)
        return worst([*codes, *(judgement.exit_code for _, judgement in self.done)])

    async def _conducted(self, drill: Drill, audit: PaymentAudit) -> tuple[Recording | None, BaseException | None]:
        """Run a drill; return its recording, None if its load never began, and the error that cut it short."""
        lines, site = self._lines, Site(self._config, audit.keep)
        conductor = Conductor(site, drill, lines.tell)
        progress = conductor.progress
        lines.tell(f"drill {drill.name}: {drill.summary}" if drill.summary else f"drill {drill.name}")
        view, line = (lambda: drill_view.view(progress)), (lambda: drill_view.line(progress))
        try:
            async with site, showing(self._console, view, line, lines.tell):
                await conductor.run()
        except (Exception, asyncio.CancelledError, BaseExceptionGroup) as error:  # noqa: BLE001 - raised by the caller
            return conductor.recording, error
        return conductor.recording, None

    async def _forget(self) -> None:
        """Delete from a lab's monitoring what it knows of the drill before; other servers keep theirs."""
        if self._lab is not None:
            self._lines.tell("lab: Prometheus and Alertmanager forget the drill before")
            await self._lab.forget()

    async def _report(self, recording: Recording, audit: PaymentAudit, space: ReservedSpace) -> None:
        try:
            recording = recording.model_copy(update={"audit": await audit.finish()})
        except asyncio.CancelledError:
            self._report_short(recording, space)
            raise
        self._write(recording, space)

    def _report_short(self, recording: Recording | None, space: ReservedSpace) -> None:
        """Write the recording and the reports of a drill that was cut short; a problem must not hide its reason."""
        if recording is None:
            return
        try:
            self._write(recording, space)
        except ConfigError as error:
            self._console.print(Text(f"alertdrill: {error}"), soft_wrap=True)

    def _write(self, recording: Recording, space: ReservedSpace) -> None:
        path = recording_path(self._output, recording)
        try:
            # First of all: whatever fails after this can be repeated from the recording.
            recording = write_into(space, recording, path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
        judgement = judge(recording)
        self.done.append((recording, judgement))
        self._console.print(terminal.render(recording, located(judgement, self._pages)))
        write_reports(recording, located(judgement, self._pages, path.parent), path, self._console)


def _is_not_applied(error: BaseException) -> bool:
    """Return whether a drill ended because a fault could not be injected, and for no other reason."""
    return all(isinstance(one, FaultNotApplied) for one in leaves(error))


def write_reports(recording: Recording, judgement: Judgement, path: Path, console: Console) -> None:
    """Write every report beside the recording, and print their paths; the page's path is the last line.

    Raises ConfigError that names the file which could not be written; what comes before it is written and printed.
    """
    console.print(f"recording {path}", soft_wrap=True)
    console.print(f"report {report_files.write(recording, judgement, path)}", soft_wrap=True)
