"""`alertdrill check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alertdrill.agent.commands.options import command, fail
from alertdrill.agent.errors import USAGE


@command("alertdrill check configs/", "alertdrill check agent.yml drills/ rules.yml")
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files and folders; configs/ if none.")] = None,
) -> None:
    """Check configuration, drills and rules.

    Print all errors at once, with file and line.
    """
    from alertdrill.agent.config.check import check as check_files

    given = paths or [Path("configs")]
    findings = check_files(given)
    for line in (*findings.passed_over, *findings.problems):
        typer.echo(line, err=True)
    if findings.is_empty and not findings.problems:
        fail(
            f"nothing to check in {', '.join(map(str, given))}, expected *.yml or *.yaml files of alertdrill (with the"
            " key probe, drill or kpis) or of Prometheus rules (with the key groups, or a PrometheusRule)"
        )
    read = (
        f"{len(findings.agents)} configuration(s), {findings.probes} probe file(s),"
        f" {len(findings.drills)} drill(s), {len(findings.rules)} rule file(s)"
    )
    for kind, count in (("KPI", findings.kpis), ("web.yml", findings.web_files)):
        read += f", {count} {kind} file(s)" if count else ""
    typer.echo(f"{read}: {len(findings.problems)} problem(s)")
    raise typer.Exit(USAGE if findings.problems else 0)
