"""The faults of a drill on its time line: what repeats and what grows is spread out, and what contradicts is found.

Pure. Latencies of one proxy add up (https://github.com/Shopify/toxiproxy#latency), so that one which grows in steps
is as many faults, each a share of it, one after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import combinations

from alertdrill.chaos.fault import Fault


def spread(faults: Iterable[Fault]) -> list[Fault]:
    """Write out every fault as often as it comes, and each of its steps, in the order in which they begin."""
    once = (one for fault in faults for one in repetitions(fault))
    return sorted((step for one in once for step in one.steps()), key=lambda fault: fault.at)


def repetitions(fault: Fault) -> list[Fault]:
    """Write out a fault as often as it comes."""
    if fault.repeat is None:
        return [fault]
    starts = [fault.at + number * fault.repeat.every for number in range(fault.repeat.times)]
    return [fault.model_copy(update={"at": start, "repeat": None}) for start in starts]


def contradictions(faults: Sequence[Fault]) -> list[str]:
    """Say which faults cannot be in force together, a line each."""
    found = []
    for one, other in combinations(faults, 2):
        reason = one.contradicts(other) or other.contradicts(one)
        if reason and overlap(one, other):
            found.append(f"{one.kind} and {other.kind} on {other.target} overlap: {reason}")
    return list(dict.fromkeys(found))


def overlap(one: Fault, other: Fault) -> bool:
    """Tell whether two faults are in force at one instant, or one begins as the other ends, which takes its time.

    One until the alerts fire may last as long as any.
    """
    return one.at <= _end(other) and other.at <= _end(one)


def most_at_once(faults: Sequence[Fault]) -> int:
    """Count the faults that are in force at the worst instant."""
    return max((sum(other.at <= fault.at < _end(other) for other in faults) for fault in faults), default=0)


def _end(fault: Fault) -> timedelta:
    return fault.at + fault.lasts if isinstance(fault.lasts, timedelta) else timedelta.max
