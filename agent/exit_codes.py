"""What the exit code of a command says, and which of several is the worst."""

from __future__ import annotations

from collections.abc import Iterable

PASSED = 0
NOT_AS_EXPECTED = 1
USAGE = 2
INCONCLUSIVE = 3
NOT_HEALED = 4
THRESHOLD_CROSSED = 99
INTERRUPTED = 130

_WORST_FIRST = (NOT_HEALED, USAGE, NOT_AS_EXPECTED, INCONCLUSIVE, THRESHOLD_CROSSED, PASSED)


def worst(codes: Iterable[int]) -> int:
    """Choose among the codes of what ran to its end; 0 when there are none."""
    return min(codes, key=_WORST_FIRST.index, default=PASSED)
