"""`python -m benchmarks.regression FOLDER…`: replays the alerts of folders of rule files."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.regression.proof import Kind, Outcome, prove

_KINDS: tuple[Kind, ...] = ("written", "refused", "not simulated", "wrong")
_REASONS = {
    "reads the clock": "it reads the clock",
    "reads one fixed instant": "it reads one fixed instant",
    "cannot be read here": "its expression cannot be read",
    "none of": "no drawn series fire it",
    "more than 5 h": "its ranges and waits need more than five hours",
    "could be drawn": "no series could be drawn for a matcher",
    "no name of a metric": "a selector has no name of a metric",
    "does not reproduce": "promtool does not reproduce the recording",
    "would fail as it is": "a negative control fires",
}


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of rule files, each a collection.")],
    every: Annotated[int, typer.Option(help="Only every so many of the alerts.", min=1)] = 1,
    promtool: Annotated[
        list[str] | None, typer.Option(help="promtool; the second and later ones run the files.")
    ] = None,
    processes: Annotated[int, typer.Option(help="How many alerts at once.", min=1)] = 2,
) -> None:
    """Draw a recording for each alert, make a regress file of it, run that, and run it with damaged rules."""
    found = {folder.name: prove(folder, every, promtool or [None], processes) for folder in folders}
    typer.echo(table(found))
    for outcomes in found.values():
        for one in outcomes:
            if one.kind != "written":
                typer.echo(f"{one.file}: {one.alert}: {one.kind}: {one.why}", err=True)
    raise typer.Exit(any(one.kind == "wrong" for outcomes in found.values() for one in outcomes))


def table(found: dict[str, list[Outcome]]) -> str:
    """Return the counts of all collections, and the reasons, as Markdown."""
    lines = ["| collection | alerts | " + " | ".join(_KINDS) + " |", "| --- |" + " ---: |" * (len(_KINDS) + 1)]
    for name, outcomes in found.items():
        kinds = Counter(one.kind for one in outcomes)
        lines.append(f"| {name} | {len(outcomes)} | " + " | ".join(str(kinds[kind]) for kind in _KINDS) + " |")
    lines += ["", "| | reason | " + " | ".join(found) + " |", "| --- | --- |" + " ---: |" * len(found)]
    reasons = {
        name: Counter((o.kind, _reason(o)) for o in outcomes if o.kind != "written") for name, outcomes in found.items()
    }
    for kind, reason in sorted({key for counted in reasons.values() for key in counted}):
        lines.append(f"| {kind} | {reason} | " + " | ".join(str(one[kind, reason]) for one in reasons.values()) + " |")
    return "\n".join(lines)


def _reason(outcome: Outcome) -> str:
    known = next((told for text, told in _REASONS.items() if text in outcome.why), None)
    return known or re.sub(r"\s+", " ", outcome.why)[:80]


if __name__ == "__main__":
    typer.run(main)
