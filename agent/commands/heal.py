"""`alertdrill heal` and `alertdrill status`: undo the faults in the ledger, give one up, or only show them."""

from __future__ import annotations

from typing import Annotated

import typer

from alertdrill.agent.commands.options import ConfigOption, NoColor, command, fail, open_console, positive_duration_of
from alertdrill.agent.commands.running import run

_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be undone, or given up.")]
_Force = Annotated[bool, typer.Option("--force", help="Undo the faults of drills that still run, too.")]
_Within = Annotated[
    str | None, typer.Option(help="End after this time; the rest stays in the ledger.", metavar="DURATION")
]
_GiveUp = Annotated[
    str | None,
    typer.Option("--give-up", metavar="ENTRY", help="Try once more to undo this entry, and end it if that fails."),
]
_Because = Annotated[
    str | None, typer.Option("--because", metavar="TEXT", help="Why it is given up; kept in the record.")
]


@command(
    "alertdrill heal --dry-run",
    "alertdrill heal --config configs/agent.yml",
    "alertdrill heal --force --within 10s",
    'alertdrill heal --give-up alertdrill-0123456789ab --because "its server was removed"',
)
def heal(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: ConfigOption = None,
    dry_run: _DryRun = False,
    force: _Force = False,
    within: _Within = None,
    give_up: _GiveUp = None,
    because: _Because = None,
) -> None:
    """Undo every fault of the ledger whose drill has ended.

    A fault that has lasted longer than its at_most is undone, too. A fault that cannot be undone any more can be given
    up: a record of it stays in the ledger, and later drills go on.
    """
    import asyncio

    from alertdrill.agent import on_lab
    from alertdrill.agent.config.agent import read_agent_config
    from alertdrill.agent.drilling import healing
    from alertdrill.chaos.errors import FaultNotHealed
    from alertdrill.chaos.safety.ledger import Ledger
    from alertdrill.units.text import one_line

    seconds = None if within is None else positive_duration_of(within, "--within").total_seconds()
    reason = one_line(because or "")
    if give_up is None and because is not None:
        fail("--because needs --give-up ENTRY; `alertdrill status` shows the entries")
    if give_up is not None:
        _require_to_give_up(reason, within, force=force)

    async def undo() -> int:
        agent = read_agent_config(on_lab.configuration(config))
        ledger = Ledger(agent.ledger)
        if give_up is not None:
            return await healing.give_up(ledger, give_up, reason, typer.echo, dry_run=dry_run)
        try:
            async with asyncio.timeout(seconds):
                return await healing.heal(ledger, typer.echo, dry_run=dry_run, force=force, command=agent.heal_command)
        except TimeoutError as error:
            left = f"not everything was undone within {within}, the rest stays in {ledger.directory}"
            raise FaultNotHealed(f"{left}: run `{agent.heal_command}` again") from error

    raise typer.Exit(run(undo, undoes=False))


def _require_to_give_up(reason: str, within: str | None, *, force: bool) -> None:
    """Fail if the other options do not go with `--give-up`."""
    if not reason:
        fail('--give-up needs --because "…": why this entry is given up')
    if within is not None:
        fail("--give-up and --within exclude each other: an entry is given up at once")
    if force:
        fail("--give-up and --force exclude each other: a fault of a running drill is not given up")


@command("alertdrill status", "alertdrill status --json", "alertdrill status --given-up")
def status(
    config: ConfigOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the ledger as JSON.")] = False,
    given_up: Annotated[bool, typer.Option("--given-up", help="Show the faults that were given up instead.")] = False,
    no_color: NoColor = False,
) -> None:
    """Show which faults are in force.

    Show which drill each fault belongs to, and how long it still lasts.
    """
    from alertdrill.agent import on_lab
    from alertdrill.agent.config.agent import read_agent_config
    from alertdrill.agent.drilling import healing
    from alertdrill.chaos.safety.ledger import Ledger

    async def show() -> int:
        agent = read_agent_config(on_lab.configuration(config))
        ledger = Ledger(agent.ledger)
        if json:
            typer.echo(f"alertdrill: the ledger is {ledger.directory}", err=True)
        console = open_console(no_color=no_color)
        if given_up:
            return healing.status_given_up(ledger, console, as_json=json)
        return healing.status(ledger, console, as_json=json, command=agent.heal_command)

    raise typer.Exit(run(show, undoes=False))
