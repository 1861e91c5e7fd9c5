"""`alertdrill judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import NoColor, command, open_console
from alertdrill.agent.commands.running import explained


@command("alertdrill judge recordings/database-latency-20260102T030405Z.recording.json.gz")
def judge(
    file: Annotated[Path, typer.Argument(help="A recording.", metavar="RECORDING")],
    json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
    no_color: NoColor = False,
) -> None:
    """Judge a drill again, from its recording alone."""
    from alertdrill.agent.recording.recording import read_recording
    from alertdrill.agent.report.drill import json as json_report
    from alertdrill.agent.report.drill import terminal
    from alertdrill.agent.verdict.judge import judge as judge_recording

    with explained():
        recording = read_recording(file)
    judgement = judge_recording(recording)
    if json:
        typer.echo(json_report.render(recording, judgement))
    else:
        open_console(no_color=no_color).print(terminal.render(recording, judgement))
    raise typer.Exit(judgement.exit_code)
