"""The command line: the commands together, and what every start does."""

from __future__ import annotations

import gc
import os
from typing import Annotated

import typer

from alertdrill import __version__
from alertdrill.agent.commands import drilling, loading, reading, telling

app = typer.Typer(
    name="alertdrill",
    help="A fire drill for alerts: break something on purpose, and prove which alerts fire.",
    epilog="Exit codes: 0 passed, 1 an expectation was not met or the audit failed, 2 usage or configuration,"
    " 3 inconclusive, 4 a fault could not be undone, 99 a threshold was crossed, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_OBJECTS_BEFORE_COLLECTING = 50_000


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


for _commands in (drilling, loading, telling, reading):
    app.add_typer(_commands.app)


def main() -> None:
    """Run the command line."""
    # A sixth of a start's CPU would go into looking through every installed package for plugins of pydantic, of which
    # there are none, and into collecting garbage among imports, where there is next to none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)
    app(prog_name="alertdrill")
