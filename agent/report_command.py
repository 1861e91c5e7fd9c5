"""`alertdrill report` from its options to what is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from alertdrill.agent.config.probe import read_probe_file
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.recording.money import carried
from alertdrill.agent.recording.recording import Recording, read_recording
from alertdrill.agent.report.drill import files as report_files
from alertdrill.agent.report.drill import postmortem, terminal
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.runbook import located


@dataclass(frozen=True)
class Options:
    """What `alertdrill report` was asked for; `output` is a folder, or the file of a post-mortem."""

    file: Path
    output: Path | None
    postmortem: bool
    slow: timedelta
    probe: Path | None
    runbooks: Path


def show(options: Options, console: Console) -> None:
    """Write the reports of a recording again, or its post-mortem; raises ConfigError."""
    recording = read_recording(options.file)
    if options.postmortem:
        _write_postmortem(recording, options, console)
    else:
        _write_reports(recording, options, console)


def _write_reports(recording: Recording, options: Options, console: Console) -> None:
    path = (options.output or options.file.parent) / options.file.name
    judgement = judge(recording)
    console.print(terminal.render(recording, located(judgement, options.runbooks)))
    written = report_files.write(recording, located(judgement, options.runbooks, path.parent), path)
    console.print(f"report {written}", soft_wrap=True)


def _write_postmortem(recording: Recording, options: Options, console: Console) -> None:
    if options.probe is not None:
        money = carried(read_probe_file(options.probe).probe)
        recording = recording.model_copy(update={"load": recording.load.model_copy(update={"money": money})})
    text = postmortem.render(recording, judge(recording), options.slow.total_seconds())
    if options.output is None:
        console.out(text, end="", highlight=False)
        return
    try:
        write_whole(options.output, text)
    except OSError as error:
        raise ConfigError(f"{options.output} cannot be written: {error.strerror or error}") from error
    console.print(f"post-mortem {options.output}", soft_wrap=True)
