"""The command line: the table of commands, and what every start does."""

from __future__ import annotations

import gc
import os
import warnings
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from alertdrill import __version__
from alertdrill.agent import interrupts

# name: (module of agent.commands, help in one line). A command's module is imported when the command runs or is asked
# for its own help; there it is a function with the command's name.
COMMANDS = {
    "run": ("run", "Run the load all the time, and drills by schedule."),
    "ctl": ("ctl", "Call the API of a running agent."),
    "drill": ("drill", "Run drills now: load, fault, verdicts, reports."),
    "lab": ("lab", "Start the embedded stack of real servers, until Ctrl-C."),
    "heal": ("heal", "Undo every fault of the ledger whose drill has ended."),
    "status": ("heal", "Show which faults are in force."),
    "toxiproxy": ("toxiproxy", "Run the embedded Toxiproxy alone, until Ctrl-C."),
    "probe": ("probe", "Run a load alone, in the manner of k6."),
    "import-k6": ("import_k6", "Turn a k6 script into a probe file."),
    "judge": ("judge", "Judge a drill again, from its recording alone."),
    "report": ("report", "Write the reports of a drill again, or its post-mortem."),
    "record": ("record", "Record a stretch of time without a drill, such as an incident."),
    "regress": ("regress", "Turn recordings into tests of alerting rules, or run these."),
    "gate": ("gate", "Fail if an alert was not proven recently."),
    "review": ("review", "Review many drills: which alerts were proven, and when."),
    "kpi": ("kpi", "Show the value, target and trend of each KPI."),
    "schedule": ("schedule", "Show every coming drill of the schedule, and why one will be skipped."),
    "history": ("history", "Show runs, proofs and the load over time, or make the database again."),
    "check": ("check", "Check configuration, drills and rules."),
    "explain": ("explain", "Explain rules: how soon and how late each may fire."),
}

_OBJECTS_BEFORE_COLLECTING = 50_000


class _Group(TyperGroup):
    """Lists commands from the table, and imports only the one that is called."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - Typer's own
        attributes["commands"] = {name: TyperCommand(name, help=text) for name, (_, text) in COMMANDS.items()}
        super().__init__(**attributes)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401 - Typer has a Click of its own
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else _imported(name), rest


def _imported(name: str) -> TyperCommand:
    module = import_module(f"alertdrill.agent.commands.{COMMANDS[name][0]}")
    command: TyperCommand = getattr(module, name.replace("-", "_"))
    return command


app = typer.Typer(
    name="alertdrill",
    cls=_Group,
    help="A fire drill for alerts: break something on purpose, and prove which alerts fire.",
    epilog="Exit codes: 0 passed, 1 an expectation was not met or the audit failed, 2 usage or configuration,"
    " 3 inconclusive, 4 a fault could not be undone, 99 a threshold was crossed, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"alertdrill {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    # A sixth of a start's CPU would go into looking through every installed package for plugins of pydantic, of which
    # there are none, and into collecting garbage among imports, where there is next to none.
    interrupts.listen()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)
    # Python warns of its own plans for patterns such as `[[a]`, in a line that names a file of this program.
    warnings.simplefilter("ignore", FutureWarning)
    app(prog_name="alertdrill")
