"""Whether the schedule loses or doubles an occurrence: `python -m benchmarks.schedule`, whose figures are in SCHEDULE.md."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from tests.support.killed_agents import kill_agents
from tests.support.wall_times import CRONS, alike, differences, expected


def main(
    kills: Annotated[int, typer.Option(help="How often an agent is killed.", min=0)] = 200,
    seed: Annotated[int, typer.Option(help="Of the instants.")] = 1,
) -> None:
    """Compare the times in all zones, and kill agents around occurrences; the exit code is 1 if a promise was not kept."""
    wrong = _zones()
    with tempfile.TemporaryDirectory(prefix="alertdrill-") as folder:
        found = kill_agents(Path(folder), kills, seed)
    typer.echo(f"{found.rounds} kills, by phase: {dict(found.killed_in)}; ends: {dict(found.ended_as)}")
    typer.echo(f"{found.begun} faults began, undone by: {dict(found.mended_by)}")
    for problem in found.problems:
        typer.echo(problem, err=True)
    raise typer.Exit(1 if wrong or found.problems else 0)


def _zones() -> int:
    """Compare all expressions in one zone of each group; return the number of differences."""
    chance, count, wrong = random.Random(2026), 0, 0  # noqa: S311 - a sample
    groups = alike()
    for first, *_ in groups:
        zone = ZoneInfo(first)
        count += sum(len(expected(cron, zone)) for cron in CRONS)
        wrong += sum(len(differences(cron, zone, chance)) for cron in CRONS)
    zones = sum(map(len, groups))
    typer.echo(
        f"{zones} zones, {len(groups)} of them different; {len(CRONS)} expressions; {count:,} times; {wrong} wrong"
    )
    return wrong


if __name__ == "__main__":
    typer.run(main)
