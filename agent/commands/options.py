"""What several commands share: options, and how they speak and fail."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from alertdrill.agent.errors import USAGE

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.console import Console

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The agent's configuration.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text (also by the variable NO_COLOR).")]


def open_console(*, no_color: bool) -> Console:
    """Open standard output for text in colours, or without."""
    from alertdrill.agent.console import LastingConsole

    return LastingConsole(no_color=no_color or None, highlight=False)


def fail(text: str) -> NoReturn:
    """Say what is wrong with the command line or a file, and end with the exit code of that."""
    typer.echo(f"alertdrill: {text}", err=True)
    raise typer.Exit(USAGE)


def finite(number: float | None) -> float | None:
    """Pass an option's number on, or fail: infinity and NaN, which Python reads as numbers, are none here."""
    if number is not None and not math.isfinite(number):
        raise typer.BadParameter(f"{number} is no number that can be, expected a finite one.")
    return number


def duration_of(text: str, option: str = "--duration") -> timedelta:
    """Read an option's duration, or fail."""
    from alertdrill.units.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        fail(f"{option}: {error}")
