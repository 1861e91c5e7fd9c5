"""`histogram_quantile` of one classic histogram: promql/quantile.go, bucketQuantile, operation by operation."""

from __future__ import annotations

from math import inf, isinf, nan

from simulator.storage import Version

_TOLERANCE = 1e-12


def bucket_quantile(q: float, buckets: list[tuple[float, float]], version: Version) -> float:
    """Interpolate a quantile, 0 < q <= 1, in cumulative buckets of distinct bounds: pairs of upper bound and count."""
    buckets = sorted(buckets)
    if not isinf(buckets[-1][0]) or len(buckets) < 2:
        return nan
    bounds = [bound for bound, _ in buckets]
    counts = _monotonic([count for _, count in buckets], version)
    if counts[-1] == 0:
        return nan
    rank = q * counts[-1]
    index = next((index for index, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if index == len(counts) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    begin, end, count = 0.0, bounds[index], counts[index]
    if index > 0:
        begin = bounds[index - 1]
        count -= counts[index - 1]
        rank -= counts[index - 1]
    return begin + (end - begin) * (rank / count)


def _monotonic(counts: list[float], version: Version) -> list[float]:
    """Never let a count fall; 3.x also treats counts that differ only by rounding as equal."""
    mended, reached = [], -inf
    for count in counts:
        if count > reached and not (version is Version.V3 and _almost_equal(reached, count)):
            reached = count
        mended.append(reached)
    return mended


def _almost_equal(left: float, right: float) -> bool:
    """util/almost/almost.go, Equal, for values that are not negative."""
    if isinf(left):
        return False
    if left == 0 or right == 0:
        return abs(left - right) < _TOLERANCE * 2.2250738585072014e-308
    return abs(left - right) / (abs(left) + abs(right)) < _TOLERANCE
