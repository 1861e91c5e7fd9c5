"""The kinds of check: their settings in YAML, and the test that each makes of an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from alertdrill.probes.checks.answer import Answer, NotJson
from alertdrill.probes.checks.comparison import ComparedCheck, NamedCheck, Test
from alertdrill.probes.checks.json_path import MISSING, compile_path
from alertdrill.units.duration import Duration, format_duration

_STATUS = re.compile(r"[1-5](\d\d|xx)")


def _as_statuses(value: object) -> object:
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        msg = "is an empty list, expected at least one status"
        raise ValueError(msg)
    for item in items:
        if not _STATUS.fullmatch(str(item)):
            msg = f"{item!r} is not a status, expected a number such as 201, a range such as 2xx, or a list of them"
            raise ValueError(msg)
    return tuple(str(item) for item in items)


def _numbers(status: str) -> range:
    first = int(status.replace("x", "0"))
    return range(first, first + (100 if "x" in status else 1))


def _require_path(text: str) -> str:
    compile_path(text)
    return text


class StatusCheck(NamedCheck):
    """The status is one of several numbers or ranges such as `2xx`."""

    status: Annotated[tuple[str, ...], BeforeValidator(_as_statuses)]

    @property
    def _description(self) -> str:
        return f"status is {' or '.join(self.status)}"

    @property
    def accepted(self) -> frozenset[int]:
        """Every accepted status."""
        return frozenset(number for item in self.status for number in _numbers(item))

    def test(self) -> Test:
        """Compile the test."""
        accepted, expected = self.accepted, " or ".join(self.status)
        return lambda answer: "" if answer.status in accepted else f"status {answer.status}, expected {expected}"


class TimeCheck(NamedCheck):
    """The answer takes less than a time, which begins when the request could be sent, as in k6's `timings.duration`."""

    time: Duration = Field(gt=timedelta(0))

    @property
    def _description(self) -> str:
        return f"response time < {format_duration(self.time)}"

    def test(self) -> Test:
        """Compile the test."""
        limit_seconds, expected = self.time.total_seconds(), format_duration(self.time)
        return lambda answer: (
            "" if answer.seconds < limit_seconds else f"took {answer.seconds:.3f} s, expected less than {expected}"
        )


class HeaderCheck(ComparedCheck):
    """A header of the answer; upper and lower case do not matter in its name."""

    header: str = Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

    @property
    def _subject(self) -> str:
        return f"header {self.header}"

    def _reader(self) -> Callable[[Answer], object]:
        key = self.header.lower().encode()

        def read(answer: Answer) -> object:
            value = answer.headers.get(key)
            return MISSING if value is None else value.decode(errors="replace")

        return read


class JsonCheck(ComparedCheck):
    """The value at a path in an answer of JSON; `contains` looks for a part of a text or an item of a list."""

    path: Annotated[str, AfterValidator(_require_path)] = Field(alias="json")

    @property
    def _subject(self) -> str:
        return f"json {self.path}"

    def _reader(self) -> Callable[[Answer], object]:
        find = compile_path(self.path)

        def read(answer: Answer) -> object:
            document = answer.document()
            return document if type(document) is NotJson else find(document)

        return read

    def _equality(self) -> Callable[[Any], bool]:
        expected, is_bool = self.equals, isinstance(self.equals, bool)
        # In Python True equals 1, in JSON it does not.
        return lambda value: bool(value == expected) and (type(value) is bool) is is_bool


class BodyCheck(ComparedCheck):
    """The body of an answer as text."""

    @property
    def _subject(self) -> str:
        return "body"

    def _reader(self) -> Callable[[Answer], object]:
        return lambda answer: answer.body.decode(errors="replace")
