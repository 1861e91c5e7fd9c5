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
    kills: Annotated[int, typer.Option(help="How often an agent is killed; 0 only compares times.", min=0)] = 200,
    seed: Annotated[int, typer.Option(help="Of the instants.")] = 1,
    first: Annotated[int, typer.Option(help="Where to go on with the zones, as a run before has printed.", min=1)] = 1,
) -> None:
    """Compare the times in all zones, and kill agents around occurrences; the exit code is 1 if a promise was not kept."""
    wrong = _zones(first)
    if kills == 0:
        raise typer.Exit(1 if wrong else 0)
    with tempfile.TemporaryDirectory(prefix="alertdrill-") as folder:
        found = kill_agents(Path(folder), kills, seed)
    typer.echo(f"{found.rounds} kills, by phase: {dict(found.killed_in)}; ends: {dict(found.ended_as)}")
    typer.echo(f"{found.begun} faults began, undone by: {dict(found.mended_by)}")
    for problem in found.problems:
        typer.echo(problem, err=True)
    raise typer.Exit(1 if wrong or found.problems else 0)


def _zones(first: int) -> int:
    """Compare all expressions in one zone of each group, from a number on; return the number of differences."""
    groups, total, total_wrong = alike(), 0, 0
    for number, names in list(enumerate(groups, 1))[first - 1 :]:
        # Each has its own instants, whichever came before.
        zone, chance = ZoneInfo(names[0]), random.Random(f"2026 {names[0]}")  # noqa: S311 - a sample
        count = sum(len(expected(cron, zone)) for cron in CRONS)
        wrong = sum(len(differences(cron, zone, chance)) for cron in CRONS)
        typer.echo(
            f"{number} of {len(groups)}: {names[0]} and {len(names) - 1} like it; {count:,} times; {wrong} wrong"
        )
        total, total_wrong = total + count, total_wrong + wrong
    zones = sum(map(len, groups[first - 1 :]))
    compared = len(groups) - first + 1
    typer.echo(
        f"{zones} zones, {compared} of them different; {len(CRONS)} expressions; {total:,} times; {total_wrong} wrong"
    )
    return total_wrong


if __name__ == "__main__":
    typer.run(main)
