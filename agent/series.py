"""Drills one after another on the same servers: each conducted, audited, judged and told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.console import Lines, showing
from alertdrill.agent.drilling import view as drill_view
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.errors import USAGE, ConfigError, leaves, worst
from alertdrill.agent.payment_audit import PaymentAudit
from alertdrill.agent.recording.recording import Recording, recording_path, write_recording
from alertdrill.agent.report.drill import files as report_files
from alertdrill.agent.report.drill import terminal
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.runbook import located
from alertdrill.agent.verdict.verdict import Judgement
from alertdrill.chaos.errors import FaultNotApplied

if TYPE_CHECKING:
    from alertdrill.lab.stack import Lab


class Series:
    """Drills on servers or on a lab; `done` are those that came to a verdict, `pages` is the runbooks' folder."""

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

    async def run(self, turns: Iterator[Drill], *, alone: bool) -> int:
        """Run the drills and tell the worst exit code.

        A fault that cannot be injected ends its drill, and not those that follow. Raises ConfigError,
        ServiceUnavailable, FaultNotHealed and, of a drill that is alone, FaultNotApplied.
        """
        codes: list[int] = []
        drill = next(turns, None)
        while drill is not None:
            audit = await PaymentAudit.begin(self._lab, self._lines.tell)
            recording = None
            try:
                recording = await self._conducted(drill, audit)
            except* FaultNotApplied as group:
                if alone:
                    raise
                for error in leaves(group):
                    self._console.print(Text(f"alertdrill: drill {drill.name}: {error}"), soft_wrap=True)
                codes.append(USAGE)
            drill = next(turns, None)
            # What the drill needs to know of Prometheus was fetched, so that it may forget while the reports are written.
            async with asyncio.TaskGroup() as tasks:
                if drill is not None:
                    tasks.create_task(self._forget())
                if recording is not None:
                    await self._tell(recording, audit)
        return worst([*codes, *(judgement.exit_code for _, judgement in self.done)])

    async def _conducted(self, drill: Drill, audit: PaymentAudit) -> Recording:
        lines = self._lines
        conductor = Conductor(self._config, drill, lines.tell, audit.keep)
        progress = conductor.progress
        lines.tell(f"drill {drill.name}: {drill.summary}" if drill.summary else f"drill {drill.name}")
        view, line = (lambda: drill_view.view(progress)), (lambda: drill_view.line(progress))
        async with showing(self._console, view, line, lines.tell):
            return await conductor.run()

    async def _forget(self) -> None:
        """Have a lab's monitoring forget the drill before; servers of one's own remember what they like."""
        if self._lab is not None:
            self._lines.tell("lab: Prometheus and Alertmanager forget the drill before")
            await self._lab.forget()

    async def _tell(self, recording: Recording, audit: PaymentAudit) -> None:
        recording = recording.model_copy(update={"audit": await audit.finish()})
        judgement = judge(recording)
        self.done.append((recording, judgement))
        self._console.print(terminal.render(recording, located(judgement, self._pages)))
        path = recording_path(self._output, recording)
        write_reports(recording, located(judgement, self._pages, path.parent), path, self._console)


def write_reports(recording: Recording, judgement: Judgement, path: Path, console: Console) -> None:
    """Write the recording and every report beside it; the page's path is the last line.

    Raises ConfigError that names the one file which could not be written, after what could be was told.
    """
    try:
        write_recording(recording, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    console.print(f"recording {path}", soft_wrap=True)
    console.print(f"report {report_files.write(recording, judgement, path)}", soft_wrap=True)
