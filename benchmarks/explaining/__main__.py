"""`python -m benchmarks.explaining`: draws rules, and compares what explain says of them with promtool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.explaining.proof import Proof, prove


def main(
    rules: Annotated[int, typer.Option(help="How many rules to draw.")] = 5000,
    seed: Annotated[int, typer.Option(help="The same number draws the same rules.")] = 1,
    output: Annotated[Path | None, typer.Option(help="Write the table as Markdown.")] = None,
) -> None:
    """Draw rules of every kind with a fault each, and list what explain foretold wrongly."""
    proof = prove(rules, seed)
    text = _markdown(proof, seed)
    if output is None:
        typer.echo(text)
    else:
        output.write_text(text, encoding="utf-8")
    for line in proof.contradictions:
        typer.echo(line, err=True)
    raise typer.Exit(bool(proof.contradictions))


def _markdown(proof: Proof, seed: int) -> str:
    rows = "\n".join(f"| {kind} | {proof.drawn[kind]} | {fired} |" for kind, fired in sorted(proof.fired.items()))
    return (
        "# Is what explain foretells true?\n\n"
        "`make explain-proof` draws rules of every kind that explain knows, each with a fault, and simulates them with"
        " `promtool test rules`.\n"
        "Pending, firing and resolved must be inside the windows that explain computed before, a fault shorter than the"
        " shortest must not fire, and one longer than the one that fires for certain must.\n\n"
        f"{proof.rules:,} rules (seed {seed}), {sum(proof.fired.values()):,} of them fired, {proof.broken} have a"
        f" problem and no window, {proof.unknown} others have a window without an end, **{len(proof.contradictions)} contradictions**.\n\n"
        f"| kind | rules | fired |\n| --- | ---: | ---: |\n{rows}\n"
    )


if __name__ == "__main__":
    typer.run(main)
