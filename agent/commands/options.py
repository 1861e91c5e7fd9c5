"""What several commands share: how one is declared, its options, and how it reports a wrong one."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from alertdrill.agent.errors import USAGE

if TYPE_CHECKING:
    from datetime import timedelta

    from rich.console import Console

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The agent's configuration.", show_default="configs/agent.yml"),
]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text (also by the variable NO_COLOR).")]


def command(*examples: str, note: str = "") -> Callable[[Callable[..., None]], TyperCommand]:
    """Make a function a command; its help ends with the examples, a line each, and the note."""
    # Typer keeps the lines of a paragraph that begins with \b.
    shown = "\n".join(["\b", "Examples:" if len(examples) > 1 else "Example:", *(f"  {one}" for one in examples)])
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

    def made(function: Callable[..., None]) -> TyperCommand:
        app.command(epilog=f"{shown}\n\n{note}")(function)
        one: Any = typer.main.get_command(app)
        assert isinstance(one, TyperCommand)  # noqa: S101 - Typer makes no group of a single command
        return one

    return made


def open_console(*, no_color: bool) -> Console:
    """Open standard output for text in colours, or without."""
    from alertdrill.agent.console import LastingConsole

    return LastingConsole(no_color=no_color or None, highlight=False)


def fail(text: str) -> NoReturn:
    """Print what is wrong with the command line or a file, and end with exit code 2."""
    typer.echo(f"alertdrill: {text}", err=True)
    raise typer.Exit(USAGE)


def finite(number: float | None) -> float | None:
    """Return an option's number; infinity and NaN, which Python reads as numbers, are refused."""
    if number is not None and not math.isfinite(number):
        raise typer.BadParameter(f"{number} is not a finite number.")
    return number


def duration_of(text: str, option: str = "--duration") -> timedelta:
    """Read an option's duration, or fail."""
    from alertdrill.units.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        fail(f"{option}: {error}")


def positive_duration_of(text: str, option: str = "--duration") -> timedelta:
    """Read an option's duration, or fail; 0 is refused."""
    duration = duration_of(text, option)
    if not duration:
        fail(f"{option}: must be longer than 0, expected a duration such as 20s")
    return duration


def named(given: Path, folder: Path) -> Path:
    """Return the file itself, or `folder/NAME.yml` for a bare name such as `database-latency`."""
    if given.suffix or len(given.parts) != 1 or given.exists() or not folder.is_dir():
        return given
    names = {path.stem: path for path in sorted(folder.glob("*.yml"))}
    if given.name in names:
        return names[given.name]
    near = difflib.get_close_matches(given.name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected a file or one of: {', '.join(names)}"
    fail(f"{given}: not found, neither here nor in {folder}, {hint}")
