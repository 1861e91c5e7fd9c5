"""Judges a recording in a process of its own, which writes the reports and returns the rows of the history.

The agent's own process then needs neither the modules nor the memory for it, and a stop need not wait for it.

    python -m alertdrill.agent.daemon.judging RECORDING RUNBOOKS     # the reports
    python -m alertdrill.agent.daemon.judging RECORDING              # the post-mortem alone
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.history.index import IndexedRun
from alertdrill.agent.recording.recording import Recording, read_recording
from alertdrill.chaos.machine.own_programs import own_environment, python_module
from alertdrill.units import json_text

_NICE = 10
_MOST_VALUES = 2_000_000


class NotJudged(Exception):
    """The process that judges ended without a result."""


@dataclass(frozen=True)
class Judged:
    """What the process found: the exit code, each verdict in words, the rows, the path of the report, or why it has none."""

    exit_code: int
    said: str
    run: IndexedRun
    report: str
    problem: str


async def judged(_: Recording, path: Path, runbooks: Path) -> Judged:
    """Judge the recording at a path; raises NotJudged. When it is cancelled, the process is killed."""
    out = await _printed(path, runbooks)
    try:
        found: dict[str, Any] = json_text.parse(out, _MOST_VALUES)
    except ValueError as error:
        raise NotJudged(f"what its process wrote {error}") from error
    return Judged(**found | {"run": IndexedRun(**found["run"])})


async def postmortem(path: Path) -> str:
    """Return the post-mortem of the recording at a path, as `alertdrill report --postmortem` writes it.

    Raises NotJudged. When it is cancelled, the process is killed.
    """
    return (await _printed(path)).decode(errors="replace")


async def _printed(*arguments: Path) -> bytes:
    command = python_module("alertdrill.agent.daemon.judging", *map(os.path.abspath, arguments))
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=own_environment())
    except OSError as error:
        raise NotJudged(error.strerror or str(error)) from error
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        why = err.decode(errors="replace").strip().rpartition("\n")[2]
        raise NotJudged(why or f"its process ended with code {process.returncode}")
    return out


def judged_here(recording: Recording, path: Path, runbooks: Path) -> Judged:
    """Judge a recording in this process, and write its reports beside its path."""
    from alertdrill.agent.history.index import indexed
    from alertdrill.agent.report.drill import files as report_files
    from alertdrill.agent.verdict.judge import judge
    from alertdrill.agent.verdict.runbook import located

    judgement, report, problem = judge(recording), "", ""
    try:
        report = str(report_files.write(recording, located(judgement, runbooks, path.parent), path))
    except ConfigError as error:
        problem = str(error)
    said = ", ".join(f"{one.alert} {one.outcome.value}" for one in judgement.verdicts) or "no alert expected"
    return Judged(judgement.exit_code, said, indexed(recording, judgement), report, problem)


def postmortem_here(recording: Recording) -> str:
    """Write a post-mortem in this process."""
    from alertdrill.agent.report.drill.postmortem import SLOW_SECONDS, render
    from alertdrill.agent.verdict.judge import judge

    return render(recording, judge(recording), SLOW_SECONDS)


def main(path: Path, runbooks: Path | None = None) -> None:
    """Print what `judged` returns, or without runbooks what `postmortem` does."""
    # The load has processes on this machine.
    os.nice(_NICE)
    recording = read_recording(path)
    if runbooks is None:
        sys.stdout.buffer.write(postmortem_here(recording).encode(errors="replace"))
    else:
        sys.stdout.write(json.dumps(asdict(judged_here(recording, path, runbooks))))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
