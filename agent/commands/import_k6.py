"""`alertdrill import-k6`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import command, variables
from alertdrill.agent.commands.running import explained


@command(
    "alertdrill import-k6 load-test.js --output configs/probes/checkout.yml",
    "alertdrill import-k6 load-test.js --env PROFILE=stress",
)
def import_k6(
    file: Annotated[Path, typer.Argument(help="A k6 script, in JavaScript or TypeScript.", metavar="FILE.js")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The probe file; standard output if none.", metavar="FILE.yml")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(help="Import this scenario alone, of several.", metavar="NAME")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env", "-e", help="A value for __ENV.NAME, as in k6; may be given several times.", metavar="NAME=VALUE"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the probe file if it exists.")] = False,
) -> None:
    """Turn a k6 script into a probe file.

    List on standard error what was not carried over, with its line.
    """
    from alertdrill.agent.import_k6 import conversion

    with explained():
        if output is not None and not force:
            conversion.require_free(output)
        converted = conversion.convert_file(file, output, scenario, variables(env or []))
        if output is not None:
            conversion.write(output, converted.text)
    if output is None:
        typer.echo(converted.text, nl=False)
    for note in converted.notes:
        typer.echo(conversion.spell(file, note), err=True)
