"""`alertdrill regress`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.ci_reports import CommentOption, FormatOption, ReportOption, RunForm, asked_for, tell
from alertdrill.agent.commands.options import NoColor, command, fail, open_console
from alertdrill.agent.commands.running import explained
from alertdrill.agent.errors import INCONCLUSIVE, NOT_AS_EXPECTED

if TYPE_CHECKING:
    from rich.console import Console

    from alertdrill.agent.commands.ci_reports import ReportOutputs
    from alertdrill.agent.regression.changed import Selection
    from alertdrill.agent.regression.making import Maker
    from alertdrill.agent.regression.replaying import Result

_RUN = "run"
_FOLDER = Path("regress")


class ExportForm(StrEnum):
    """The form of exported tests."""

    PROMTOOL = "promtool"


_Files = Annotated[
    list[str],
    typer.Argument(
        help="Recordings; or the word run, and regress files or folders.", metavar="RECORDING… | run [FILE]…"
    ),
]
_Changed = Annotated[
    str | None,
    typer.Option(help="run: only files for which a rule or route changed since this revision.", metavar="BASE"),
]


@command(
    "alertdrill regress recordings/*.recording.json.gz --rules rules.yml -o regress",
    "alertdrill regress run",
    "alertdrill regress run --changed origin/main --report junit=regress.xml",
    "alertdrill regress run regress/checkout.QueueGrows.regress.yml --update",
    "alertdrill regress run --export promtool -o promtool-tests",
    note="Exit codes: 0 all contracts hold, or all files are written; 1 a contract does not hold; 2 usage or configuration;"
    " 3 a rule cannot be judged, or a recording cannot be replayed.",
)
def regress(  # noqa: PLR0913, PLR0917 - one parameter for each option
    files: _Files,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the written files.", show_default="regress")
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="Rule file with the alerts; by default the one that Prometheus read.")
    ] = None,
    alertmanager: Annotated[
        Path | None, typer.Option(help="alertmanager.yml: which receiver each alert must reach.")
    ] = None,
    alert: Annotated[str | None, typer.Option(help="Only this alert.", metavar="NAME")] = None,
    redact: Annotated[
        list[str] | None, typer.Option(help="Write hashes for the values of this label.", metavar="LABEL")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="run: write the snapshots as they are now.")] = False,
    export: Annotated[ExportForm | None, typer.Option(help="run: write tests for promtool alone.")] = None,
    changed: _Changed = None,
    form: FormatOption = RunForm.TEXT,
    report: ReportOption = None,
    comment: CommentOption = False,
    promtool: Annotated[str | None, typer.Option(help="The promtool to use.", metavar="PROGRAM")] = None,
    no_color: NoColor = False,
) -> None:
    """Turn recordings into tests of alerting rules, or run these.

    With recordings: write one file for each alert that fired, which `regress run` replays without any server.
    """
    console = open_console(no_color=no_color)
    if files[0] == _RUN:
        with explained():
            outputs = asked_for(report, form, wants_comment=comment)
            run = _Run(console, form, outputs, promtool, alertmanager, update=update)
            paths = _paths(files[1:] or [str(_FOLDER)], alert)
            code = run.of(paths, changed) if export is None else _export(paths, output or _FOLDER / export, console)
        raise typer.Exit(code)
    if update or export or changed is not None or report or comment or form is not RunForm.TEXT:
        fail("--update, --export, --changed, --format, --report and --comment are for `alertdrill regress run`")
    with explained():
        code = _make(files, output or _FOLDER, rules or [], alertmanager, alert, redact or [], promtool, console)
    raise typer.Exit(code)


def _make(  # noqa: PLR0913, PLR0917 - one parameter for each option
    files: list[str],
    output: Path,
    rules: list[Path],
    alertmanager: Path | None,
    alert: str | None,
    redact: list[str],
    program: str | None,
    console: Console,
) -> int:
    from alertdrill.agent.recording.recording import read_recording
    from alertdrill.agent.recording.redaction import redacted
    from alertdrill.agent.regression.making import Maker, MakingOptions
    from alertdrill.agent.regression.promtool import find_promtool

    promtool = find_promtool(program)
    options = MakingOptions(output=output, rules=rules, alertmanager=alertmanager)
    is_refused = False
    for name in files:
        recording = read_recording(Path(name))
        if redact:
            recording = redacted(recording, redact)
        is_refused |= _make_files(Maker(Path(name), recording, promtool, options), alert, console)
    return INCONCLUSIVE if is_refused else 0


def _make_files(maker: Maker, alert: str | None, console: Console) -> bool:
    """Write the files of a recording, and return whether one could not be made."""
    from alertdrill.agent.files import write_whole
    from alertdrill.agent.regression.conversion import NotReplayable

    is_refused = False
    expected = maker.expectations(alert)
    if not expected:
        typer.echo(f"alertdrill: {maker.path}: the drill expects no alert, so there is nothing to replay", err=True)
    for expectation in expected:
        try:
            made = maker.made(expectation)
        except NotReplayable as error:
            typer.echo(f"alertdrill: {maker.path}: {error}", err=True)
            is_refused = True
            continue
        write_whole(made.path, made.text)
        before, after = made.series
        size = f"{len(made.text.splitlines())} lines, {after} of {before} series"
        console.print(f"{made.path}: {made.told} ({size})", soft_wrap=True)
    return is_refused


@dataclass(frozen=True)
class _Run:
    """How files are run, and where their results go."""

    console: Console
    form: RunForm
    outputs: ReportOutputs
    program: str | None
    alertmanager: Path | None
    update: bool

    def of(self, paths: list[Path], base: str | None) -> int:
        """Run files, or only those that are changed since a base; return the exit code."""
        from alertdrill.agent.regression import changed
        from alertdrill.agent.regression.promtool import find_promtool
        from alertdrill.agent.regression.replaying import run
        from alertdrill.agent.report.ci.checks import of_results

        choice = None if base is None else changed.changed(paths, base, self.alertmanager)
        chosen = paths if choice is None else choice.chosen
        # Without files there is nothing that promtool could do.
        results = run(chosen, find_promtool(self.program), self.alertmanager) if chosen else []
        self._print(results, choice)
        tell(of_results(results, [choice.told] if choice is not None and choice.skipped else []), self.outputs)
        if self.update:
            _update(results, self.console)
        return _code(results)

    def _print(self, results: list[Result], choice: Selection | None) -> None:
        skipped = choice.skipped if choice is not None else ()
        if self.form is RunForm.JSON:
            typer.echo(_as_json(results, skipped), nl=False)
            return
        for result in results:
            _print(result, self.console)
        if choice is not None and skipped:
            self.console.print(choice.told, soft_wrap=True)
            for path in skipped:
                self.console.print(f"       {path}", soft_wrap=True)


def _as_json(results: list[Result], skipped: Sequence[Path]) -> str:
    import json

    values = {"version": 1, "passes": not _code(results), "skipped": [str(path) for path in skipped]}
    values["files"] = [result.as_json() for result in results]
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _paths(given: list[str], alert: str | None) -> list[Path]:
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.regression.regress_file import SUFFIX

    found: list[Path] = []
    for name in map(Path, given):
        is_folder = name.is_dir() or not (name.suffix or name.exists())
        found += sorted(name.rglob(f"*{SUFFIX}")) if is_folder else [name]
    if alert is not None:
        found = [path for path in found if path.name.endswith(f".{alert}{SUFFIX}")]
    if not found:
        raise ConfigError(
            f"{', '.join(given)}: no file ends with {SUFFIX}: make some with `alertdrill regress RECORDING`"
        )
    return found


def _print(result: Result, console: Console) -> None:
    from rich.text import Text

    name, style = ("FAILED", "red") if result.failures or result.error else ("ok", "green")
    lines = [result.error] if result.error else [*result.failures, *result.differences]
    head = Text(f"{name:6} ", style=style)
    console.print(head + Text(f"{result.path}"), soft_wrap=True)
    for line in lines or [result.held_text]:
        console.print(Text(f"       {result.file.regress} {line}"), soft_wrap=True)
    for note in result.notes:
        console.print(Text(f"       {note}", style="dim"), soft_wrap=True)


def _update(results: list[Result], console: Console) -> None:
    from alertdrill.agent.config.yaml_source import read_text
    from alertdrill.agent.files import write_whole
    from alertdrill.agent.regression.regress_file import with_snapshot

    for result in results:
        if result.error or result.snapshot == result.file.snapshot:
            continue
        write_whole(result.path, with_snapshot(read_text(result.path), result.snapshot))
        console.print(f"updated {result.path}", soft_wrap=True)


def _export(paths: list[Path], output: Path, console: Console) -> int:
    from alertdrill.agent.files import write_whole
    from alertdrill.agent.regression.exporting import exported

    for name, text in exported(paths, output):
        write_whole(output / name, text)
        console.print(f"{output / name}", soft_wrap=True)
    return 0


def _code(results: list[Result]) -> int:
    from alertdrill.agent.errors import worst

    return worst(INCONCLUSIVE if result.error else NOT_AS_EXPECTED if result.failures else 0 for result in results)
