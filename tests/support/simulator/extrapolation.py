"""`rate` and `increase` of one counter: promql/functions.go, extrapolatedRate, operation by operation."""

from __future__ import annotations

from itertools import pairwise

from simulator.storage import Version
from simulator.values import Millis


def extrapolated(
    points: list[tuple[Millis, float]], at: Millis, window: Millis, version: Version, *, per_second: bool
) -> float | None:
    """Extrapolate a counter's growth to a whole window; None for fewer than two samples.

    Before 2.52 the counter's zero point was computed before the distance to the window's start was limited. This could
    lengthen the half interval that is added (prometheus/prometheus#13725).
    """
    if len(points) < 2:
        return None
    (first_at, first), (last_at, last) = points[0], points[-1]
    growth = last - first
    for (_, before), (_, after) in pairwise(points):
        if after < before:
            growth += before
    to_begin = (first_at - (at - window)) / 1000
    to_end = (at - last_at) / 1000
    sampled = (last_at - first_at) / 1000
    spacing = sampled / (len(points) - 1)
    threshold = spacing * 1.1
    to_zero = sampled * (first / growth) if growth > 0 and first >= 0 else to_begin
    if version is Version.V2:
        to_begin = min(to_zero, to_begin)
        reach = sampled + (to_begin if to_begin < threshold else spacing / 2)
    else:
        to_begin = to_begin if to_begin < threshold else spacing / 2
        reach = sampled + min(to_zero, to_begin)
    reach += to_end if to_end < threshold else spacing / 2
    factor = reach / sampled
    if per_second:
        factor /= window // 1000 + window % 1000 * 1_000_000 / 1e9
    return growth * factor
