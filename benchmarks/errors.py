"""The benchmarks' exceptions, and how their commands report them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from alertdrill.lab.errors import LabError


class BenchmarkError(Exception):
    """A client or a server failed; the text says which and why."""


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Report an error of the block in one line, and exit with 1."""
    try:
        yield
    except (BenchmarkError, LabError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
