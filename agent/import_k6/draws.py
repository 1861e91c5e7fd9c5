"""Values that differ for each transaction: the random ones of a script become entries of `data`.

Math.random() * 5                               {kind: range, from: 0, to: 5.0}
Math.floor(Math.random() * 100) + 1             {kind: range, from: 1, to: 100}, also randomIntBetween(1, 100)
users[Math.floor(Math.random() * users.length)] {kind: choice, of: […]}, also randomItem(users)
uuidv4(), crypto.randomUUID()                   {kind: uuid}
Date.now(), new Date().toISOString()            {kind: timestamp}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.values import Template, Value, YamlKeys, plain

_LONGEST_CHOICE = 1_000
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")


class Draw:
    """One value that is drawn for each transaction: its entry in `data`, and its name there as soon as it is used."""

    def __init__(self, draws: Draws, entry: YamlKeys, hint: str, leader: list[Draw] | None = None) -> None:
        self.entry = entry
        self.hint = hint
        self.name = ""
        self.note: tuple[int, str] | None = None
        self.is_of_start = draws.is_start
        self._draws = draws
        # The draws that take the same place in their choices; the first one of them has the random numbers.
        self._together = [] if leader is None else leader

    @property
    def is_text(self) -> bool:
        """Whether every value is a text, which has quotes in JSON."""
        if self.entry["kind"] == "choice":
            return all(isinstance(one, str) for one in self.entry["of"])
        return self.entry["kind"] in {"uuid", "csv"} or self.entry.get("format") == "iso"

    @property
    def template(self) -> Template:
        """The text that stands for the value in a probe file."""
        if not self.name:
            self.name = self._draws.add(self)
            if self._together and self._together[0] is not self:
                self.entry = self.entry | {"together_with": self._together[0].name}
            elif self.entry["kind"] == "choice":
                self._together.append(self)
        return Template(f"{{{{ {self.name} }}}}")

    def bounds(self) -> tuple[float, float] | None:
        """Return the ends of a range of any floats; None if it is not one."""
        is_range = self.entry["kind"] == "range" and "digits" not in self.entry and isinstance(self.entry["to"], float)
        return (self.entry["from"], self.entry["to"]) if is_range else None

    def whole_bounds(self) -> tuple[int, int] | None:
        """Return the ends of a range of whole numbers; None if it is not one."""
        is_range = self.entry["kind"] == "range" and isinstance(self.entry["to"], int)
        return (self.entry["from"], self.entry["to"]) if is_range else None

    def mean(self) -> float | None:
        """Return the mean of a range; None if it is not one."""
        ends = self.bounds() or self.whole_bounds()
        return None if ends is None else (ends[0] + ends[1]) / 2


class DataRow:
    """One of several objects, or a line of a CSV file, that is drawn for each transaction."""

    def __init__(self, draws: Draws, hint: str, rows: Sequence[Mapping[str, Value]], csv_file: str = "") -> None:
        self.hint = hint
        self._draws = draws
        self._rows = rows
        self._csv_file = csv_file
        self._is_of_start = draws.is_start
        self._columns: dict[str, Draw] = {}
        self._together: list[Draw] = []

    def column(self, line: int, key: str) -> Draw:
        """Return the value of one key; raises NotCarried."""
        if key not in self._columns:
            hint = f"{self.hint}_{key}" if self.hint else key
            draw = self._columns[key] = Draw(self._draws, self._entry(line, key), hint, self._together)
            draw.is_of_start = self._is_of_start
            if self._csv_file:
                draw.note = (line, f"the rows of {self._csv_file} are taken in order, and not at random")
        return self._columns[key]

    def _entry(self, line: int, key: str) -> YamlKeys:
        if self._csv_file:
            return {"kind": "csv", "file": self._csv_file, "column": key}
        if not all(key in row for row in self._rows):
            raise NotCarried(line, f"not every row has {key}")
        return choice(line, [row[key] for row in self._rows])


class CsvFile:
    """A CSV file with a header, and its number of rows."""

    def __init__(self, file: str, rows: int) -> None:
        self.file = file
        self.rows = rows


class Draws:
    """The `data` of a probe, as it is being imported."""

    def __init__(self) -> None:
        self.entries: dict[str, Draw] = {}
        self.taken: set[str] = {"idempotency_key"}
        self.users = 10
        # Whether what is read runs before the iterations: the script's own statements, and setup.
        self.is_start = True

    def add(self, draw: Draw) -> str:
        """Add a draw, and return its name, which was free."""
        name = self.free_name(draw.hint or "value")
        self.entries[name] = draw
        return name

    def free_name(self, hint: str) -> str:
        """Return a name for `data` or `carry` that is not in use, and take it."""
        wanted = _NOT_IN_NAMES.sub("_", hint).strip("_") or "value"
        wanted = f"_{wanted}" if wanted[0].isdigit() else wanted
        name, number = wanted, 1
        while name in self.taken:
            number += 1
            name = f"{wanted}_{number}"
        self.taken.add(name)
        return name

    def of(self, hint: str = "", **entry: Any) -> Draw:  # noqa: ANN401 - the keys of any kind of data
        """Return a new draw."""
        return Draw(self, {("from" if key == "from_" else key): value for key, value in entry.items()}, hint)

    def one_of(self, line: int, items: Sequence[Value], hint: str = "") -> Draw | DataRow:
        """Return one of several values or objects, drawn at random; raises NotCarried."""
        if items and all(isinstance(item.content, dict) for item in items):
            _require_few(line, items)
            return DataRow(self, hint, [item.content for item in items])
        return Draw(self, choice(line, items), hint)


def choice(line: int, items: Sequence[Value]) -> YamlKeys:
    """Return the entry of a choice; raises NotCarried."""
    _require_few(line, items)
    values = [plain(item) for item in items]
    if not values or not all(value is None or isinstance(value, str | int | float) for value in values):
        raise NotCarried(line, "a choice is among texts, numbers, true, false and null")
    if any(isinstance(value, Template) for value in values):
        raise NotCarried(line, "a choice is among constants")
    return {"kind": "choice", "of": values}


def _require_few(line: int, items: Sequence[Value]) -> None:
    if len(items) > _LONGEST_CHOICE:
        why = f"a choice among {len(items):,} values is too long for a probe file; write a CSV file, and {{kind: csv}}"
        raise NotCarried(line, why)
