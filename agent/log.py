"""The log of `alertdrill run`: one line for each event, as text, as logfmt or as JSON.

A part of the agent gets a function that takes a text. A `LogLine` is such a text with a level and further values, so that
only those who have more to say than a text know of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from alertdrill.units.text import one_line, utc_text

Tell = Callable[[str], None]
_MOST_ALIKE, _WINDOW_SECONDS, _MOST_SHAPES = 20, 60.0, 1_000
_LONGEST_LINE = 4_000
_PLAIN = re.compile(r"[\w.:/@%+-]+")


class LogFormat(StrEnum):
    """How a line is written."""

    TEXT = "text"
    LOGFMT = "logfmt"
    JSON = "json"


class LogLevel(StrEnum):
    """How grave an event is, the least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_RANKS = {level: rank for rank, level in enumerate(LogLevel)}


class LogLine(str):
    """A text with its level, and values such as the name of a drill."""

    __slots__ = ("level", "values")

    def __new__(cls, text: str, level: LogLevel = LogLevel.INFO, **values: str) -> Self:
        """Make a line; a text that is a line already keeps its level, and adds its values."""
        made = super().__new__(cls, text)
        made.level = text.level if isinstance(text, LogLine) else level
        made.values = values | text.values if isinstance(text, LogLine) else values
        return made

    level: LogLevel
    values: dict[str, str]


def leveled(tell: Tell, level: LogLevel = LogLevel.INFO, **values: str) -> Tell:
    """Return a function that tells each text with a level and values, unless it is a line with its own."""
    return lambda text: tell(LogLine(text, level, **values))


@dataclass
class _Alike:
    """Lines that differ only in their numbers, within one window of time."""

    until: float
    text: str
    count: int = 0

    @property
    def left_out(self) -> int:
        return max(self.count - _MOST_ALIKE, 0)


class Log:
    """Writes lines of a level and above; `now` is the time of a line, and `steady` counts seconds.

    Of lines that are alike only the first twenty in a minute are written; then a line says how many were left out.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        now: Callable[[], datetime],
        steady: Callable[[], float],
        form: LogFormat = LogFormat.TEXT,
        level: LogLevel = LogLevel.INFO,
    ) -> None:
        self._write = write
        self._now = now
        self._steady = steady
        self._form = form
        self._level = level
        self._alike: dict[str, _Alike] = {}

    def __call__(self, text: str) -> None:
        """Write a line for an event."""
        line = LogLine(text)
        if _RANKS[line.level] < _RANKS[self._level]:
            return
        self._tell_left_out()
        if self._is_one_too_many(line):
            return
        self._put(line)

    def _put(self, line: LogLine) -> None:
        self._write(spelled(self._form, utc_text(self._now()), line))

    def _is_one_too_many(self, line: LogLine) -> bool:
        shape = re.sub(r"\d+", "0", line)
        one = self._alike.get(shape)
        if one is None:
            if len(self._alike) >= _MOST_SHAPES:
                self._alike.pop(next(iter(self._alike)))
            one = self._alike[shape] = _Alike(self._steady() + _WINDOW_SECONDS, line)
        one.count += 1
        return one.count > _MOST_ALIKE

    def _tell_left_out(self) -> None:
        now = self._steady()
        for shape, one in list(self._alike.items()):
            if one.until > now:
                # The others began later.
                return
            del self._alike[shape]
            if one.left_out:
                self._put(
                    LogLine(f"{one.left_out} more lines were left out that are like: {one.text}", LogLevel.WARNING)
                )


def spelled(form: LogFormat, instant: str, line: LogLine) -> str:
    """Write a line in one of the forms."""
    text = one_line(line)[:_LONGEST_LINE]
    if form is LogFormat.TEXT:
        return f"{instant} {'' if line.level in {LogLevel.DEBUG, LogLevel.INFO} else f'{line.level}: '}{text}"
    values = {"ts": instant, "level": str(line.level), "msg": text} | {
        key: one_line(value) for key, value in line.values.items()
    }
    if form is LogFormat.JSON:
        return json.dumps(values, ensure_ascii=False)
    return " ".join(f"{key}={_quoted(value)}" for key, value in values.items())


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
