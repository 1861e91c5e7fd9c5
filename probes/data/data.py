"""The `data:` of a probe: the sources of the values of `{{ name }}`.

The same seed gives the same values. The shards of several workers give different values: each takes every n-th number
or row, so that together they give what one worker alone would give. All other values come from random numbers, of
which each shard has its own stream.
"""

from __future__ import annotations

import csv
import difflib
import math
import time
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate, count, cycle
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from alertdrill.probes.data.number_range import Range, Values, random_stream, stream_seed
from alertdrill.units.settings import Settings

_UUID_FREE_BITS = ~(0xF << 76 | 0b11 << 62) & (1 << 128) - 1
_UUID_VERSION_4 = 0x4 << 76 | 0b10 << 62


def _require_scalar(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    msg = (
        f"{value!r} is a {type(value).__name__}, expected a text, a number, true, false or null; quote it to send text"
    )
    raise ValueError(msg)


Scalar = Annotated[Any, BeforeValidator(_require_scalar)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Uuid(Settings):
    """A random UUID of version 4 (RFC 9562, section 5.4), made of 122 random bits."""

    kind: Literal["uuid"] = "uuid"

    def values(self, seed: int, shard: int, shards: int) -> Values:
        """Return the function that gives the values of one shard."""
        del shards
        bits = random_stream(seed, shard).getrandbits

        def value() -> str:
            digits = f"{bits(128) & _UUID_FREE_BITS | _UUID_VERSION_4:032x}"
            return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

        return value


class Sequence(Settings):
    """Whole numbers in order, from `start` on."""

    kind: Literal["sequence"] = "sequence"
    start: int = 1

    def values(self, seed: int, shard: int, shards: int) -> Values:
        """Return the function that gives the values of one shard; each number belongs to exactly one shard."""
        del seed
        return count(self.start + shard, shards).__next__


class Choice(Settings):
    """One of several values, chosen at random by weight; without weights all are equally likely.

    With `together_with: NAME` the value has the same place in `of` as that of the entry NAME: a user and a password.
    """

    kind: Literal["choice"] = "choice"
    of: tuple[Scalar, ...]
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    together_with: Name | None = None

    @model_validator(mode="after")
    def _has_choices(self) -> Choice:
        if not self.of:
            msg = "has nothing to choose from, expected at least one value in of"
            raise ValueError(msg)
        if self.weights is not None and len(self.weights) != len(self.of):
            msg = f"has {len(self.weights)} weights for {len(self.of)} values, expected one for each"
            raise ValueError(msg)
        if self.weights is not None and not 0 < sum(self.weights) < math.inf:
            msg = "has only weights of 0, expected at least one above"
            raise ValueError(msg)
        return self

    def values(self, seed: int, shard: int, shards: int) -> Values:
        """Return the function that gives the values of one shard."""
        del shards
        of, uniform = self.of, random_stream(seed, shard).random
        if self.weights is None:
            size = len(of)
            return lambda: of[int(uniform() * size)]
        # Values of weight 0 are left out, so that rounding cannot choose one of them.
        likely = [(value, weight) for value, weight in zip(of, self.weights, strict=True) if weight > 0]
        chosen, bounds = [value for value, _ in likely], list(accumulate(weight for _, weight in likely))
        total, last = bounds[-1], len(bounds) - 1
        return lambda: chosen[bisect(bounds, uniform() * total, 0, last)]


class Timestamp(Settings):
    """The time of the transaction: `2026-11-24T02:38:54.123Z`, or Unix time in whole seconds or milliseconds."""

    kind: Literal["timestamp"] = "timestamp"
    format: Literal["iso", "unix", "unix_ms"] = "iso"

    def values(
        self,
        seed: int,
        shard: int,
        shards: int,
        clock: Callable[[], float] = time.time,
    ) -> Values:
        """Return the function that gives the values; `clock` returns Unix time in seconds."""
        del seed, shard, shards
        if self.format == "iso":
            return _iso(clock)
        scale = 1 if self.format == "unix" else 1000
        return lambda: int(clock() * scale)


class CsvRows(Settings):
    """One column of a CSV file with a header row: its rows in order, and again from the start."""

    kind: Literal["csv"] = "csv"
    file: Path
    column: str

    @field_validator("file")
    @classmethod
    def _relative_to_its_file(cls, file: Path, info: ValidationInfo) -> Path:
        return (Path(info.context["directory"] if info.context else ".") / file).absolute()

    @model_validator(mode="after")
    def _has_rows(self) -> CsvRows:
        self._require_row(next(read_column(self.file, self.column), None))
        return self

    def _require_row(self, value: str | None) -> None:
        if value is None:
            msg = f"{self.file} has no rows below its header, expected at least one"
            raise ValueError(msg)

    def values(self, seed: int, shard: int, shards: int) -> Values:
        """Read the file, and return the function that gives the values of one shard: every n-th row.

        Raises ValueError when the file has changed since it was checked and can no longer be used.
        """
        del seed
        rows = tuple(read_column(self.file, self.column))
        self._require_row(next(iter(rows), None))
        turns = len(rows) // math.gcd(len(rows), shards)
        return cycle([rows[(shard + turn * shards) % len(rows)] for turn in range(turns)]).__next__


AnyData = Annotated[Uuid | Sequence | Choice | Range | Timestamp | CsvRows, Field(discriminator="kind")]


def rows(
    data: Mapping[str, AnyData], names: Iterable[str], seed: int, shard: int = 0, shards: int = 1
) -> Callable[[], dict[str, object]]:
    """Return a function that gives the next value of each name, for one transaction.

    Each name has a random stream of its own, so that another entry in the file does not change its values. Raises
    ValueError as `CsvRows.values` does.
    """
    drawn = [(name, data[name].values(stream_seed(seed, _stream(data, name)), shard, shards)) for name in sorted(names)]
    return lambda: {name: value() for name, value in drawn}


def _stream(data: Mapping[str, AnyData], name: str) -> str:
    """Return the name whose random stream an entry uses."""
    entry = data[name]
    return name if not isinstance(entry, Choice) or entry.together_with is None else entry.together_with


def require_together(data: Mapping[str, AnyData]) -> None:
    """Raise ValueError where an entry is to be chosen together with one that has other choices."""
    for name, entry in data.items():
        if not isinstance(entry, Choice) or entry.together_with is None:
            continue
        other = data.get(entry.together_with)
        is_alike = isinstance(other, Choice) and (len(other.of), other.weights) == (len(entry.of), entry.weights)
        if not is_alike or (isinstance(other, Choice) and other.together_with is not None):
            msg = f"data.{name} is together_with {entry.together_with!r}, expected a choice of as many values there"
            raise ValueError(msg)


def _iso(clock: Callable[[], float]) -> Values:
    last, prefix = -1, ""

    def value() -> str:
        nonlocal last, prefix
        second, millisecond = divmod(int(clock() * 1000), 1000)
        if second != last:
            last, prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{prefix}.{millisecond:03d}Z"

    return value


def read_column(path: Path, column: str) -> Iterator[str]:
    """Read the values of a column, row after row; empty lines are skipped.

    Raises ValueError when the file cannot be read, is empty, has no such column or has a row that is too short.
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
