"""`python -m benchmarks.judging`: makes a recording, reads and judges it several times, and writes the page."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from alertdrill import __version__
from alertdrill.agent.recording.recording import Recording, read_recording, write_recording
from alertdrill.agent.verdict.judge import judge
from benchmarks import results
from benchmarks.errors import BenchmarkError, exit_on_error
from benchmarks.judging.page import LARGEST_MB, LONGEST_SECONDS, Measured, Size, render
from benchmarks.judging.service import BOUNDS
from benchmarks.judging.two_hours import recording

_PAGE = Path(__file__).parents[1] / "JUDGING.md"
_EXPECTED = {"HighResponseTime": "passed", "LowCacheHitRate": "passed"}


def main(
    rounds: Annotated[int, typer.Option(help="How often to read and judge it.", min=1)] = 5,
    output: Annotated[Path, typer.Option(help="File for the page.")] = _PAGE,
) -> None:
    """Measure, write the page, and fail when a goal is missed."""
    with exit_on_error():
        measured = _measured(rounds)
        text = render(measured)
        output.write_text(text, encoding="utf-8")
        typer.echo(text)
        if not measured.is_good:
            raise BenchmarkError(f"expected under {LARGEST_MB:g} MB and {LONGEST_SECONDS:g} s")


def _measured(rounds: int) -> Measured:
    here = results.circumstances({"alertdrill": __version__})
    made = recording()
    with tempfile.TemporaryDirectory(prefix="alertdrill-judging-") as directory:
        path = Path(directory) / "two-hours.recording.json.gz"
        write_recording(made, path)
        took = tuple(_round(path) for _ in range(rounds))
        return Measured(here, _size(made), path.stat().st_size, took)


def _round(path: Path) -> tuple[float, float]:
    began = time.perf_counter()
    read = read_recording(path)
    was_read = time.perf_counter()
    judgement = judge(read)
    judged = time.perf_counter()
    outcomes = {verdict.alert: verdict.outcome.value for verdict in judgement.verdicts}
    if {alert: outcome for alert, outcome in outcomes.items() if outcome != "missed"} != _EXPECTED:
        raise BenchmarkError(f"expected {_EXPECTED} and all others missed, got {outcomes}")
    return was_read - began, judged - was_read


def _size(made: Recording) -> Size:
    series = [one for record in made.watched for part in record.parts for one in part.series]
    samples = sum(len(one.values) for one in series)
    return Size(len(made.drill.expect), len(made.load.seconds), len(BOUNDS), samples)


if __name__ == "__main__":
    typer.run(main)
