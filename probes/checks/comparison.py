"""The base of checks that compare a value of an answer: where the value is, and the one condition on it.

A test returns a text that explains why the check failed, or an empty text when it passed.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from alertdrill.probes.checks.answer import Answer, NotJson
from alertdrill.probes.checks.json_path import MISSING
from alertdrill.probes.data.data import Scalar
from alertdrill.probes.data.template import RefusedValue, value_text
from alertdrill.units.settings import Settings

Test = Callable[[Answer], str]
_LONGEST_EXCERPT = 80
_OPERATORS = ("equals", "contains", "matches", "exists")


def _require_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        where = "" if error.pos is None else f" at character {error.pos + 1}"
        msg = f"{text!r} is not a regular expression: {error.msg}{where}"
        raise ValueError(msg) from error
    except (OverflowError, RecursionError) as error:
        msg = f"{text!r} is not a regular expression: {error}"
        raise ValueError(msg) from error
    return text


Pattern = Annotated[str, AfterValidator(_require_pattern)]
"""A pydantic field type: a regular expression."""


def excerpt(value: object) -> str:
    """Format a value for people; a long one is cut off."""
    try:
        text = value_text(value)
    except RefusedValue:
        return f"a {type(value).__name__}"
    short = text if len(text) <= _LONGEST_EXCERPT else text[:_LONGEST_EXCERPT] + "…"
    return repr(short) if isinstance(value, str) else short


def require_value(value: object) -> object:
    """Refuse null in a file; raises ValueError."""
    if value is None:
        msg = "null means that nothing is expected; to expect JSON's null write matches: ^null$"
        raise ValueError(msg)
    return value


class NamedCheck(Settings):
    """The base of every check: a name, and a test."""

    name: str | None = Field(default=None, min_length=1)

    @property
    def title(self) -> str:
        """The name under which the check is counted: that of the file, or else a description."""
        return self.name or self._description

    @property
    @abstractmethod
    def _description(self) -> str: ...

    @abstractmethod
    def test(self) -> Test:
        """Compile the test."""


class ComparedCheck(NamedCheck):
    """A value of the answer, and the one condition on it."""

    equals: Annotated[Scalar, BeforeValidator(require_value)] = None
    contains: str | None = None
    matches: Pattern | None = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _has_one_condition(self) -> ComparedCheck:
        given = [operator for operator in _OPERATORS if getattr(self, operator) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            msg = f"expected one of equals, contains, matches and exists, found {found}"
            raise ValueError(msg)
        return self

    @property
    @abstractmethod
    def _subject(self) -> str: ...

    @abstractmethod
    def _reader(self) -> Callable[[Answer], object]:
        """Return a function that returns the value, MISSING or a NotJson."""

    @property
    def _description(self) -> str:
        if self.exists is not None:
            return f"{self._subject} {'exists' if self.exists else 'does not exist'}"
        operator = next(operator for operator in _OPERATORS if getattr(self, operator) is not None)
        return f"{self._subject} {operator} {value_text(getattr(self, operator))}"

    def _comparison(self) -> tuple[Callable[[Any], bool], str]:
        """Return a function that compares a value that exists, and a text: what is expected."""
        if self.contains is not None:
            needle = self.contains
            return (
                lambda value: needle in (value if type(value) is list else value_text(value)),
                f"it to contain {needle!r}",
            )
        if self.matches is not None:
            search = re.compile(self.matches).search
            return lambda value: search(value_text(value)) is not None, f"it to match {self.matches!r}"
        if self.exists is not None:
            exists = self.exists
            return lambda _: exists, "it to be there" if exists else "it not to be there"
        return self._equality(), excerpt(self.equals)

    def _equality(self) -> Callable[[Any], bool]:
        expected = value_text(self.equals)
        return lambda value: bool(value == expected)

    def test(self) -> Test:
        """Compile the test."""
        read, subject, absent_is_right = self._reader(), self._subject, self.exists is False
        holds, expected = self._comparison()

        def test(answer: Answer) -> str:
            value = read(answer)
            if type(value) is NotJson:
                return value.reason
            if value is MISSING:
                return "" if absent_is_right else f"{subject} is missing, expected {expected}"
            try:
                return "" if holds(value) else f"{subject} is {excerpt(value)}, expected {expected}"
            except RefusedValue as error:
                return f"{subject}: {error}"

        return test
