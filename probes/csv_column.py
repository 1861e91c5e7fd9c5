"""One column of a file of comma-separated values with a header row."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator
from pathlib import Path


def read_column(path: Path, column: str) -> Iterator[str]:
    """Read the values of a column, row after row; empty lines are no rows.

    Raises ValueError when the file cannot be read, is empty, has no such column or a row too short for it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _values(path, csv.reader(file, strict=True), column)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ValueError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text: {error.reason}"
        raise ValueError(msg) from error
    except csv.Error as error:
        msg = f"{path} is not comma-separated: {error}"
        raise ValueError(msg) from error


def _values(path: Path, lines: Iterator[list[str]], column: str) -> Iterator[str]:
    header = next(lines, [])
    index = _index(path, header, column)
    for number, row in enumerate(lines, start=1):
        if len(row) > index:
            yield row[index]
        elif row:
            msg = f"{path} has {len(row)} columns in row {number} below its header, expected {len(header)}"
            raise ValueError(msg)


def _index(path: Path, header: list[str], column: str) -> int:
    if column in header:
        return header.index(column)
    if not header:
        msg = f"{path} is empty, expected a header row with {column!r}"
        raise ValueError(msg)
    near = difflib.get_close_matches(column, header, n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(header)}"
    msg = f"{path} has no column {column!r}, {hint}"
    raise ValueError(msg)
