"""Conditions on a single value, such as a reply or the first column of a row.

value: 3                                   the same as {equals: 3}
value: {at_least: 1, at_most: 100}
value: {contains: OK}  or  {matches: ^OK}
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from alertdrill.probes.checks.comparison import Pattern, excerpt, require_value
from alertdrill.probes.data.data import Scalar
from alertdrill.probes.data.template import value_text
from alertdrill.probes.spelling import plain_number
from alertdrill.units.settings import Settings


class Expected(Settings):
    """All conditions on a value, which is compared as a number with a number, and otherwise as text."""

    equals: Annotated[Scalar, BeforeValidator(require_value)] = None
    contains: str | None = None
    matches: Pattern | None = None
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_bare_value(cls, value: Any) -> Any:  # noqa: ANN401 - what YAML held
        return value if isinstance(value, dict | Expected) else {"equals": value}

    @model_validator(mode="after")
    def _has_a_condition(self) -> Expected:
        if not self.words:
            msg = "expects nothing, expected a value, or one of equals, contains, matches, at_least and at_most"
            raise ValueError(msg)
        return self

    @property
    def words(self) -> str:
        """The conditions in words, to follow the name of the value: `equals 3`, `is at least 1`."""
        conditions = {
            "equals": None if self.equals is None else value_text(self.equals),
            "contains": self.contains,
            "matches": self.matches,
            "is at least": None if self.at_least is None else plain_number(self.at_least),
            "is at most": None if self.at_most is None else plain_number(self.at_most),
        }
        return " and ".join(f"{verb} {bound}" for verb, bound in conditions.items() if bound is not None)

    def holds(self, text: str) -> bool:
        """Whether a value, given as text, meets all conditions."""
        return (
            (self.equals is None or _equal(self.equals, text))
            and (self.contains is None or self.contains in text)
            and (self.matches is None or re.search(self.matches, text) is not None)
            and (self.at_least is None or _compared(text, self.at_least) >= 0)
            and (self.at_most is None or _compared(text, self.at_most) in {0, -1})
        )

    def explain(self, subject: str, text: str) -> str:
        """Return a text for people: the value, and what was expected."""
        return f"{subject} is {excerpt(text)}, expected one that {self.words}"


def _equal(expected: object, text: str) -> bool:
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        return _compared(text, expected) == 0
    return text == value_text(expected)


def _compared(text: str, bound: float) -> int:
    """Compare a number with another: -1 below it, 0 equal, 1 above it; -2 when the text is not a number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return -2
    if number.is_nan():
        return -2
    return int(number.compare(Decimal(str(bound))))
