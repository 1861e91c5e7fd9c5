"""Notes on a script for its user: parts that were not carried over, and why; parts whose meaning changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError


class NotCarried(Exception):
    """A part of the script has no counterpart, or no constant value; the reader of that part notes it."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line
        self.why = why


class UnusableScript(Exception):
    """The script cannot be converted: it is not JavaScript, or has no options or no request."""

    def __init__(self, line: int | None, why: str, column: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.file: str = getattr(line, "file", "")
        self.place = "".join(f":{number}" for number in (line, column) if number is not None)


@dataclass(frozen=True, slots=True)
class Note:
    """One line for the user; `line` is the line in the script, from 1."""

    line: int
    text: str
    is_loss: bool


class Notes:
    """The notes on one script."""

    def __init__(self) -> None:
        self._notes: list[Note] = []
        self._variables: dict[tuple[int, str], str] = {}
        self._reasons: set[tuple[int, str]] = set()

    def say(self, line: int, text: str) -> None:
        """Note how something was carried over."""
        self._notes.append(Note(line, text, is_loss=False))

    def not_carried(self, line: int, what: str, why: str) -> None:
        """Note that something was not carried over."""
        self._reasons.add((line, why))
        self._notes.append(_loss(line, what, why))

    def variable(self, line: int, name: str, why: str) -> None:
        """Note that a variable has no constant value, unless another note has the same line and reason."""
        self._variables.setdefault((line, why), name)

    def lost(self, what: str, reason: NotCarried, hint: str = "") -> None:
        """Note that something was not carried over, with the line and the reason of the exception."""
        self._reasons.add((reason.line, reason.why))
        self.not_carried(reason.line, what, f"{reason.why}; {hint}" if hint else reason.why)

    def say_once(self, line: int, text: str) -> None:
        """Note how something was carried over, unless the same was noted before."""
        if not any(note.text == text for note in self._notes):
            self.say(line, text)

    def in_order(self) -> tuple[Note, ...]:
        """Return the notes by the script's lines, each once."""
        variables = self._variables.items()
        unused = [_loss(line, name, why) for (line, why), name in variables if (line, why) not in self._reasons]
        return tuple(sorted(dict.fromkeys([*self._notes, *unused]), key=_place))


def _place(note: Note) -> tuple[str, int]:
    return getattr(note.line, "file", ""), note.line


def _loss(line: int, what: str, why: str) -> Note:
    return Note(line, f"{what} is not carried over: {why}", is_loss=True)


@contextmanager
def refusal_as_not_carried(line: int) -> Iterator[None]:
    """Convert the ValueError of a probe file's model or template to NotCarried, with the line of the script."""
    try:
        yield
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise NotCarried(line, why[:1].lower() + why[1:]) from error
    except ValueError as error:
        raise NotCarried(line, str(error)) from error
