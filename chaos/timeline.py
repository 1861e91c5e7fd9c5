"""The faults of a drill in time: repeated and growing faults are split, and contradictions found. Pure.

Latencies of one proxy add up (https://github.com/Shopify/toxiproxy#latency). So a latency that grows in steps becomes
several faults, each a share of it, that begin one after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import combinations

from alertdrill.chaos.fault import Fault


def spread(faults: Iterable[Fault]) -> list[Fault]:
    """Return every repetition and every step of the faults, in the order in which they begin."""
    once = (one for fault in faults for one in repetitions(fault))
    return sorted((step for one in once for step in one.steps()), key=lambda fault: fault.at)


def repetitions(fault: Fault) -> list[Fault]:
    """Return a fault once for each repetition."""
    if fault.repeat is None:
        return [fault]
    starts = [fault.at + number * fault.repeat.every for number in range(fault.repeat.times)]
    return [fault.model_copy(update={"at": start, "repeat": None}) for start in starts]


def contradictions(faults: Sequence[Fault]) -> list[str]:
    """Return one line for each two faults that cannot be in force together."""
    found = []
    for one, other in combinations(faults, 2):
        reason = one.contradicts(other) or other.contradicts(one)
        if reason and overlap(one, other):
            found.append(f"{one.kind} and {other.kind} on {other.target} overlap: {reason}")
    return list(dict.fromkeys(found))


def overlap(one: Fault, other: Fault) -> bool:
    """Return whether two faults are in force at one instant, or one begins as the other ends: an undo takes time.

    A fault that lasts until the alerts fire has no known end.
    """
    return one.at <= _end(other) and other.at <= _end(one)


def most_at_once(faults: Sequence[Fault]) -> int:
    """Count the faults that are in force at the worst instant."""
    return max((sum(other.at <= fault.at < _end(other) for other in faults) for fault in faults), default=0)


def last_end(faults: Iterable[Fault]) -> timedelta:
    """Return when the last fault with a duration ends; zero if there is none."""
    ends = (_end(one) for fault in faults for one in repetitions(fault) if isinstance(one.lasts, timedelta))
    return max(ends, default=timedelta(0))


def _end(fault: Fault) -> timedelta:
    return fault.at + fault.lasts if isinstance(fault.lasts, timedelta) else timedelta.max
