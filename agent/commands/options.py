"""What several commands share: how one is declared, its options, and how it reports a wrong one."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
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
    """Open standard output for text in colours, or without; in a file or a pipe nothing is wrapped or cut."""
    from alertdrill.agent.console import LastingConsole, widened

    return widened(LastingConsole(no_color=no_color or None, highlight=False))


def fail(text: str) -> NoReturn:
    """Print what is wrong with the command line or a file, and end with exit code 2."""
    typer.echo(f"alertdrill: {text}", err=True)
    raise typer.Exit(USAGE)


def variables(given: Sequence[str]) -> dict[str, str]:
    """Return the values of `--env NAME=VALUE`."""
    variables = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            fail(f"--env: {text!r} is not a variable, expected NAME=VALUE such as TOKEN=abc")
        variables[name] = value
    return variables


def finite(number: float | None) -> float | None:
    """Return an option's number; infinity and NaN, which Python reads as numbers, are refused."""
    if number is not None and not math.isfinite(number):
        raise typer.BadParameter(f"{number} is not a finite number.")
    return number


AUTO = "auto"
_MOST_LABS = 64


def at_least_one(text: str | None) -> str | None:
    """Check an option that is a number from 1 on, or `auto`."""
    if text is None or text == AUTO:
        return text
    try:
        number = finite(float(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number, expected one from 1 on, or auto.") from None
    if number is None or number < 1:
        raise typer.BadParameter(f"{text} is not in the range x>=1, expected a number, or auto.")
    return text


def labs_at_once(text: str) -> str:
    """Check an option that is a number of labs, or `auto`."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_LABS))
    if text != AUTO and not (is_number and 1 <= int(text) <= _MOST_LABS):
        raise typer.BadParameter(f"{text!r} is not in the range 1<=x<={_MOST_LABS}, expected a number, or auto.")
    return text


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
