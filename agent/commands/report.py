"""`alertdrill report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import NoColor, command, duration_of, open_console
from alertdrill.agent.commands.running import explained

if TYPE_CHECKING:
    from rich.console import Console

    from alertdrill.agent.recording.recording import Recording

_EXAMPLE = "alertdrill report recordings/database-latency-20260102T030405Z.recording.json.gz"


@command(_EXAMPLE, f"{_EXAMPLE} --postmortem", "alertdrill report slow-database --config agent.yml")
def report(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: Annotated[
        Path, typer.Argument(help="A recording; with --config also a drill's name or a run's id.", metavar="RECORDING")
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="agent.yml, whose history has the newest recording.", metavar="FILE"),
    ] = None,
    postmortem: Annotated[bool, typer.Option("--postmortem", help="The post-incident document, as Markdown.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder of the reports (that of the recording), or the post-mortem's file."
        ),
    ] = None,
    slow: Annotated[str, typer.Option(help="A transaction this long counts as slow in a post-mortem.")] = "2s",
    probe: Annotated[
        Path | None,
        typer.Option(help="The probe file of the drill: what its transactions carried.", metavar="FILE.yml"),
    ] = None,
    runbooks: Annotated[Path, typer.Option(help="Folder of runbooks.")] = Path("configs/runbooks"),
    no_color: NoColor = False,
) -> None:
    """Write the reports of a drill again, or its post-mortem."""
    slow_seconds = duration_of(slow, "--slow").total_seconds()
    from alertdrill.agent.recording.recording import read_recording

    console = open_console(no_color=no_color)
    with explained():
        if config is not None and not file.exists():
            file = _found(config, str(file))
        recording = read_recording(file)
        if postmortem:
            _write_postmortem(_with_money(recording, probe), slow_seconds, output, console)
        else:
            _write_reports(recording, (output or file.parent) / file.name, runbooks, console)


def _found(config: Path, name: str) -> Path:
    """Return the newest recording of a drill, or that of a run; raises ConfigError."""
    from alertdrill.agent.config.agent import read_agent_config
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.history.database import opened
    from alertdrill.agent.history.index import catch_up, recording_of

    agent = read_agent_config(config)
    with opened(agent.history, agent.recordings) as database:
        catch_up(database, agent.recordings)
        path = recording_of(database, name)
    if path is None:
        raise ConfigError(
            f"{name}: is neither a file nor a drill or run in the history, expected one of `alertdrill history`"
        )
    return agent.recordings / path


def _write_reports(recording: Recording, path: Path, runbooks: Path, console: Console) -> None:
    from alertdrill.agent.report.drill import files as report_files
    from alertdrill.agent.report.drill import terminal
    from alertdrill.agent.verdict.judge import judge
    from alertdrill.agent.verdict.runbook import located

    judgement = judge(recording)
    console.print(terminal.render(recording, located(judgement, runbooks)))
    written = report_files.write(recording, located(judgement, runbooks, path.parent), path)
    console.print(f"report {written}", soft_wrap=True)
    report_files.require_libraries()


def _with_money(recording: Recording, probe: Path | None) -> Recording:
    """Add the amounts of money that the transactions of a probe file carry."""
    if probe is None:
        return recording
    from alertdrill.agent.config.probe import read_probe_file
    from alertdrill.agent.recording.money import carried

    money = carried(read_probe_file(probe).probe)
    return recording.model_copy(update={"load": recording.load.model_copy(update={"money": money})})


def _write_postmortem(recording: Recording, slow_seconds: float, output: Path | None, console: Console) -> None:
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.files import write_whole
    from alertdrill.agent.report.drill import postmortem
    from alertdrill.agent.verdict.judge import judge

    text = postmortem.render(recording, judge(recording), slow_seconds)
    if output is None:
        console.out(text, end="", highlight=False)
        return
    try:
        write_whole(output, text)
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror or error}") from error
    console.print(f"post-mortem {output}", soft_wrap=True)
