"""Errors, named by who must act, and exit codes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from traceback import extract_tb

from alertdrill.units.text import shown


class ConfigError(Exception):
    """The user must correct a file or an option; `problems` holds one line for each error."""

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(map(shown, problems))
        super().__init__("\n".join(self.problems))


class ServiceUnavailable(Exception):
    """A server that the command needs does not answer, or answers wrongly."""


def leaves(error: BaseException) -> list[BaseException]:
    """List the errors of a group and of the groups inside it; an error that is not a group is listed itself."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for one in error.exceptions for leaf in leaves(one)]


def place_of(error: BaseException) -> str:
    """Return the kind of an error that nobody expected, and where it was raised.

    Its text is left out, because it may hold anything, also a secret.
    """
    first = leaves(error)[0]
    frames = extract_tb(first.__traceback__)
    return type(first).__name__ + (f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "")


PASSED = 0
NOT_AS_EXPECTED = 1
USAGE = 2
INCONCLUSIVE = 3
NOT_HEALED = 4
THRESHOLD_CROSSED = 99
INTERRUPTED = 130

_WORST_FIRST = (NOT_HEALED, USAGE, NOT_AS_EXPECTED, INCONCLUSIVE, THRESHOLD_CROSSED, PASSED)


def worst(codes: Iterable[int]) -> int:
    """Return the worst of several exit codes; 0 when there are none."""
    return min(codes, key=_WORST_FIRST.index, default=PASSED)
