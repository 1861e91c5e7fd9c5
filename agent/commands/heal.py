"""`alertdrill heal` and `alertdrill status`: undo the faults in the ledger, or only show them."""

from __future__ import annotations

from typing import Annotated

import typer

from alertdrill.agent.commands.options import ConfigOption, NoColor, command, open_console
from alertdrill.agent.commands.running import run


@command("alertdrill heal --dry-run", "alertdrill heal --config configs/agent.yml")
def heal(
    config: ConfigOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which faults would be undone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Undo the faults of drills that still run, too.")] = False,
) -> None:
    """Undo every fault of the ledger whose drill has ended.

    A fault that has lasted longer than its at_most is undone, too.
    """
    from alertdrill.agent import on_lab
    from alertdrill.agent.drilling import healing

    async def undo() -> int:
        ledger = healing.ledger_of(on_lab.configuration(config))
        return await healing.heal(ledger, typer.echo, dry_run=dry_run, force=force)

    raise typer.Exit(run(undo, undoes=False))


@command("alertdrill status", "alertdrill status --json")
def status(
    config: ConfigOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the ledger as JSON.")] = False,
    no_color: NoColor = False,
) -> None:
    """Show which faults are in force.

    Show which drill each fault belongs to, and how long it still lasts.
    """
    from alertdrill.agent import on_lab
    from alertdrill.agent.drilling import healing

    async def show() -> int:
        ledger = healing.ledger_of(on_lab.configuration(config))
        if json:
            typer.echo(f"alertdrill: the ledger is {ledger.directory}", err=True)
        return healing.status(ledger, open_console(no_color=no_color), as_json=json)

    raise typer.Exit(run(show, undoes=False))
