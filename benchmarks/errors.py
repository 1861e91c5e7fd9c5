"""What can go wrong with a benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from alertdrill.lab.errors import LabError


class BenchmarkError(Exception):
    """A client or a server did not do its part; the text says which and why."""


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Tell an error of the block in a line, and end with 1."""
    try:
        yield
    except (BenchmarkError, LabError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
