"""Draws rules of every kind, each with a fault and the series that the fault makes.

The shapes are those of public rule collections; names, ranges, thresholds and waits are drawn. A series is a function
of the instant and of the fault's begin and end, all in seconds; None is an instant without a sample.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

Values = Callable[[float, float, float], float | None]
RANGES = (120, 180, 300, 600)
FORS = (0, 0, 0, 30, 60, 120, 300)
LONG_SECONDS = 1800.0


@dataclass(frozen=True)
class Drawn:
    """A rule and its fault.

    `row` is the size of the fault in the table of explain, where it has one. `is_seen` says that the window of the rule
    holds for this size of fault. `seconds` is the length of the fault, None to take the lengths that explain names.
    `recordings` are recording rules by their names. `problem` is the name of the problem that explain has to find; a rule
    without one is sound.
    """

    kind: str
    expr: str
    series: dict[str, Values]
    row: str = ""
    is_seen: bool = True
    seconds: float | None = None
    recordings: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def counted(before: float, during: float) -> Values:
    """Return a counter that grows at one rate before and after a fault, and at another one during it."""

    def value(at: float, begins: float, ends: float) -> float:
        bad = max(min(at, ends) - begins, 0.0)
        return 1000 + before * (at - bad) + during * bad

    return value


def level(before: float, during: float) -> Values:
    """Return a gauge."""
    return lambda at, begins, ends: during if begins <= at < ends else before


def jump(by: float) -> Values:
    """Return a counter that jumps once, when the fault begins."""
    return lambda at, begins, _: by if at >= begins else 0.0


def gone(during: float | None = None) -> Values:
    """Return a series that has no samples during the fault."""
    return lambda at, begins, ends: during if begins <= at < ends else 1.0


def events(every: float) -> Values:
    """Return the instant of the last of regular events, which stop during the fault."""

    def value(at: float, begins: float, ends: float) -> float:
        seen = begins if begins < at < ends else at
        return seen // every * every

    return value


def flapping(at_a_time: float) -> Values:
    """Return a value that changes at regular times, except during the fault."""

    def value(at: float, begins: float, ends: float) -> float:
        seen = begins if begins < at < ends else at
        return seen // at_a_time

    return value


def changing(step: float) -> Values:
    """Return a value that changes at regular times during the fault alone, and at its end."""
    return lambda at, begins, ends: 1 + (min(at, ends) - begins) // step + (at >= ends) if at >= begins else 0.0


def _gauge(draw: random.Random) -> Drawn:
    limit = draw.choice((0.5, 3, 80, 1e6))
    op, during = draw.choice(((">", 2 * limit), (">=", limit), ("<", 0), ("!=", limit + 1), ("==", 0)))
    before = 0.0 if op in {">", ">="} else limit if op == "!=" else 2 * limit
    wrap = draw.choice(("{}", "sum({})", "max by (instance) ({})", "avg({})"))
    compared = 0 if op == "==" else limit
    return Drawn("gauge", f"{wrap.format('g')} {op} {compared:g}", {"g": level(before, during)})


def _up(draw: random.Random) -> Drawn:
    expr = draw.choice(
        ("up == 0", "up < 1", "count(up == 0) > 0", "count by (job) (up == 0) / count by (job) (up) > 0.5")
    )
    return Drawn("up", expr.replace("up", "g_up"), {"g_up": level(1, 0)})


def _absent(draw: random.Random) -> Drawn:
    expr = draw.choice(("absent(g)", "absent(g == 1)", "absent(sum(g))", "count(g) < 1 or absent(g)"))
    return Drawn("absent", expr, {"g": gone()})


def _counted_series(draw: random.Random) -> Drawn:
    return Drawn(
        "fewer series", "count(g) < 2", {'g{a="1"}': gone(), 'g{a="2"}': level(1, 1)}, is_seen=draw.random() < 2
    )


def _rate_above(draw: random.Random) -> Drawn:
    width, limit = draw.choice(RANGES), draw.choice((0.1, 5, 1000))
    factor = draw.choice((1.1, 1.5, 2.0, 2.0, 20, 1000))
    row = f"{factor:g} times the threshold" if factor in {1.1, 1.5, 2.0} else ""
    function, compared = draw.choice((("rate", limit), ("increase", limit * width)))
    wrap = draw.choice(("{}", "sum({})", "sum by (job) ({})", "avg({})", "max({})"))
    return Drawn(
        "a rate above", f"{wrap.format(f'{function}(c[{width}s])')} > {compared:.12g}",
        {"c": counted(0, factor * limit)}, row,
    )  # fmt: skip


def _burst(draw: random.Random) -> Drawn:
    width, limit = draw.choice(RANGES), draw.choice((0, 0, 3, 10))
    times = draw.choice((2, 5, 1000))
    return Drawn("a burst", f"increase(c[{width}s]) > {limit}", {"c": jump(times * limit or 1)}, seconds=0.001)


def _rate_below(draw: random.Random) -> Drawn:
    width, limit = draw.choice(RANGES), draw.choice((0.5, 20))
    before, during = draw.choice((1.1, 2, 2, 10, 1000)), draw.choice((0.9, 0.5, 0.0))
    row = f"from 2 down to {during:g} times the threshold" if before == 2 else ""
    return Drawn("a rate below", f"rate(c[{width}s]) < {limit}", {"c": counted(before * limit, during * limit)}, row)


def _stands_still(draw: random.Random) -> Drawn:
    width = draw.choice(RANGES)
    expr = draw.choice(("rate(c[{}s]) == 0", "increase(c[{}s]) == 0", "sum(rate(c[{}s])) <= 0"))
    values = draw.choice((counted(50, 0), flapping(width / 2)))
    return Drawn("a counter stops", expr.format(width), {"c": values})


def _ratio(draw: random.Random) -> Drawn:
    width, limit = draw.choice(RANGES), draw.choice((0.01, 0.02, 0.08, 0.2))
    share = draw.choice((0.05, 0.1, 0.25, 0.5, 1.0, 1.0, 1.0))
    inside = f"rate(e[{width}s])", f"rate(n[{width}s])"
    form = draw.choice(("{} / {} > {:g}", "sum({}) / sum({}) > {:g}", "100 * sum({}) / sum({}) > {:g}", "good"))
    series = {"e": counted(0, 100 * share), "n": counted(100, 100)}
    expr = form.format(*inside, limit * (100 if form.startswith("100") else 1))
    row, is_seen = f"{share:.0%} of all", share == 1
    if form == "good":
        expr = f"1 - sum(rate(ok[{width}s])) / sum(rate(n[{width}s])) > {limit:g}"
        series = {"ok": counted(100, 100 * (1 - share)), "n": counted(100, 100)}
        row = f"{share:.0%} missing"
    return Drawn("a ratio", expr, series, row, is_seen)


def _ratio_below(draw: random.Random) -> Drawn:
    width, limit, share = draw.choice(RANGES), draw.choice((0.95, 0.9, 0.5)), draw.choice((0.25, 1.0))
    series = {"ok": counted(100, 100 * (1 - share)), "n": counted(100, 100)}
    return Drawn(
        "a ratio below", f"sum(rate(ok[{width}s])) / sum(rate(n[{width}s])) < {limit}", series,
        f"{share:.0%} missing", share == 1,
    )  # fmt: skip


def _mean_latency(draw: random.Random) -> Drawn:
    width, limit, factor = draw.choice(RANGES), draw.choice((0.25, 0.5, 2)), draw.choice((1.2, 3, 100))
    series = {"t_seconds_sum": counted(10 * 0.01, 10 * limit * factor), "t_seconds_count": counted(10, 10)}
    expr = f"rate(t_seconds_sum[{width}s]) / rate(t_seconds_count[{width}s]) > {limit}"
    return Drawn("seconds a call", expr, series)


def _quantile(draw: random.Random) -> Drawn:
    width, q, share = draw.choice(RANGES), draw.choice((0.5, 0.9, 0.95, 0.99)), draw.choice((0.1, 0.25, 1.0, 1.0))
    series = {
        'b_bucket{le="1"}': counted(100, 100 * (1 - share)),
        'b_bucket{le="2"}': counted(100, 100 * (1 - share)),
        'b_bucket{le="4"}': counted(100, 100),
        'b_bucket{le="+Inf"}': counted(100, 100),
    }
    by = draw.choice(("sum by (le) (rate(b_bucket[{}s]))", "rate(b_bucket[{}s])")).format(width)
    return Drawn("a quantile", f"histogram_quantile({q}, {by}) > 2", series, f"{share:.0%} above 2", share == 1)


def _any(draw: random.Random) -> Drawn:
    width = draw.choice(RANGES)
    expr = draw.choice(("max_over_time(g[{}s]) >= 1", "max_over_time(g[{}s]) > 0", "min_over_time(h[{}s]) < 1"))
    return Drawn("one sample", expr.format(width), {"g": level(0, 1), "h": level(1, 0)})


def _all(draw: random.Random) -> Drawn:
    width = draw.choice(RANGES[:3])
    expr = draw.choice(("min_over_time(g[{}s]) >= 1", "max_over_time(h[{}s]) == 0", "absent_over_time(v[{}s])"))
    return Drawn("every sample", expr.format(width), {"g": level(0, 1), "h": level(1, 0), "v": gone()})


def _mean(draw: random.Random) -> Drawn:
    width, limit, factor = draw.choice(RANGES), draw.choice((0.5, 10)), draw.choice((1.1, 2.0, 1000))
    op, before, during = draw.choice(((">", 0.0, factor * limit), ("<", factor * limit, 0.0)))
    return Drawn("a mean", f"avg_over_time(g[{width}s]) {op} {limit}", {"g": level(before, during)})


def _mean_of_up(draw: random.Random) -> Drawn:
    width, limit = draw.choice(RANGES), draw.choice((0.5, 0.8, 0.9, 0.99, 1))
    form = draw.choice(
        ("avg_over_time(m_up[{}s]) < {}", "1 - avg_over_time(m_up[{}s]) > {}", "min(avg_over_time(m_up[{}s])) < {}")
    )
    compared = round(1 - limit, 6) if form.startswith("1") else limit
    return Drawn("a mean of up", form.format(width, compared), {"m_up": level(1, 0)})


def _idle(draw: random.Random) -> Drawn:
    width, limit, before = draw.choice(RANGES), draw.choice((80, 90)), draw.choice((0.3, 0.6, 0.99))
    expr = f'100 - avg by (instance) (rate(cpu_seconds_total{{mode="idle"}}[{width}s])) * 100 > {limit}'
    return Drawn("idle time", expr, {'cpu_seconds_total{mode="idle"}': counted(before, draw.choice((0.0, 0.01)))})


def _changes(draw: random.Random) -> Drawn:
    width, most = draw.choice(RANGES[1:]), draw.choice((0, 0, 2))
    return Drawn("changes", f"changes(g[{width}s]) > {most}", {"g": changing(20)})


def _no_change(draw: random.Random) -> Drawn:
    width = draw.choice(RANGES)
    return Drawn("no change", f"changes(g[{width}s]) == 0", {"g": flapping(draw.choice((20, width * 0.7)))})


def _age(draw: random.Random) -> Drawn:
    limit = draw.choice((120, 300, 900))
    expr = draw.choice(("time() - g > {}", "time() - max(g) > {}", "(time() - g) / 60 > {}"))
    compared = limit / 60 if "60" in expr else limit
    return Drawn("an age", expr.format(f"{compared:g}"), {"g": events(draw.choice((1, 60, limit * 0.7)))})


def _gauges(draw: random.Random) -> Drawn:
    expr, series = draw.choice(
        (
            ("a / b < 0.1", {"a": level(50, 5), "b": level(100, 100)}),
            ("(b - a) / b * 100 > 90", {"a": level(50, 5), "b": level(100, 100)}),
            ("a != b", {"a": level(3, 2), "b": level(3, 3)}),
            ("a > on () group_left () b", {"a": level(3, 9), "b": level(5, 5)}),
            ("sum(a) / count(a) > 0.5", {'a{x="1"}': level(0, 1), 'a{x="2"}': level(0, 1)}),
            ("(a > 0) * on (instance) group_left (name) info", {'a{instance="i"}': level(0, 1), 'info{instance="i",name="n"}': level(1, 1)}),
        )
    )  # fmt: skip
    return Drawn("gauges", expr, series)


def _both(draw: random.Random) -> Drawn:
    ratio = _ratio(draw)
    while not ratio.is_seen or "100 *" in ratio.expr:
        ratio = _ratio(draw)
    guard, series = draw.choice(
        (
            ("sum(rate(n[5m])) > 10", {"n": counted(100, 100)}),
            ("sum(changes(v[5m])) == 0", {"v": level(1, 1)}),
            ("sum(g) > 0", {"g": level(0, 1)}),
            ("sum(g) > 0", {"g": level(1, 1)}),
            ("sum(avg_over_time(g[3m])) < 5", {"g": level(1, 1)}),
        )
    )
    return Drawn("two conditions", f"sum({ratio.expr}) and {guard}", ratio.series | series)


def _burn_rate(draw: random.Random) -> Drawn:
    short, long, limit = draw.choice((120, 300)), draw.choice((600, 900)), draw.choice((0.0144, 0.06, 0.2))
    sides = [f"sum(rate(e[{width}s])) / sum(rate(n[{width}s]))" for width in (short, long)]
    series = {"e": counted(0, 100), "n": counted(100, 100)}
    if draw.random() < 0.5:
        return Drawn("a burn rate", f"{sides[0]} > {limit} and {sides[1]} > {limit}", series)
    recordings = tuple((f"job:err:rate{width}s", side) for width, side in zip((short, long), sides, strict=True))
    names = [name for name, _ in recordings]
    return Drawn(
        "a recorded burn rate", f"{names[0]} > {limit} and {names[1]} > {limit}", series, recordings=recordings
    )


def _recorded(draw: random.Random) -> Drawn:
    inner = draw.choice((_ratio, _rate_above, _gauge, _mean_of_up, _quantile))(draw)
    value, op, limit = inner.expr.rpartition(" ")[0].rpartition(" ")[0], *inner.expr.rsplit(" ", 2)[1:]
    return replace(
        inner,
        kind="a recorded value",
        expr=f"job:value:any {op} {limit}",
        recordings=(("job:value:any", value),),
        row="",
    )


def _either(draw: random.Random) -> Drawn:
    series = {"e": counted(0, 20), "g": level(0, 1)}
    still = {"e": counted(0, 0), "g": level(0, 0)}
    which = draw.choice(("e", "g", "eg"))
    shown = {name: (series if name in which else still)[name] for name in series}
    return Drawn("one of two", "rate(e[5m]) > 10 or g > 0", shown)


def _unless(draw: random.Random) -> Drawn:
    series: dict[str, Values] = {"g": level(0, 1), "off": level(0, 0)}
    if draw.random() < 0.4:
        series = {"g": level(1, 1), "off": level(1, 0)}
    if draw.random() < 0.3:
        return Drawn("unless", "g > 0 unless v", {"g": level(1, 1), "v": gone()})
    return Drawn("unless", "g > 0 unless off > 0", series)


def _mixed(draw: random.Random) -> Drawn:
    width = draw.choice(RANGES)
    expr, series = draw.choice(
        (
            (f"rate(e[{width}s]) / (rate(e[{width}s]) + rate(ok[{width}s])) > 0.2", {"e": counted(0, 50), "ok": counted(100, 50)}),
            (f"rate(c[{width}s]) * 8 / g > 0.8", {"c": counted(1, 20), "g": level(100, 100)}),
            (f"avg_over_time(g[{width}s]) / max_over_time(h[5m]) > 0.8", {"g": level(1, 10), "h": level(10, 10)}),
            (f"count(avg_over_time(m_up[{width}s]) < 0.5) / count(m_up) >= 0.5", {"m_up": level(1, 0)}),
            (f"max_over_time(g[{width}s]) < 0.5 * scalar(sum(h))", {"g": level(10, 1), "h": level(10, 10)}),
            (f"sum(rate(a[{width}s]) + rate(b[60s])) > 10", {"a": counted(1, 20), "b": counted(1, 1)}),
            ("(sum(v) or vector(0)) == 0", {"v": gone()}),
            (f"(sum(rate(v[{width}s])) or vector(0)) == 0", {"v": counted(5, 0)}),
            (f"rate(c[{width}s]) == 0 and rate(n[60s]) > 0", {"c": counted(5, 0), "n": counted(9, 9)}),
        )
    )  # fmt: skip
    return Drawn("other shapes", expr, series)


def _never(draw: random.Random) -> Drawn:
    width, limit = draw.choice(RANGES), draw.choice((0.5, 3))
    bad_code = {'e{code="500"}': counted(0, 50), 'e{code="200"}': counted(100, 50)}
    problem, expr, series = draw.choice(
        (
            ("never_fires", "count(g == 1) == 0", {"g": level(1, 0)}),
            ("never_fires", "count by (job) (g) < 1", {"g": gone()}),
            ("never_fires", f"sum(rate(c[{width}s])) < 0", {"c": counted(5, 0)}),
            ("never_fires", f"increase(c[{width}s]) * {limit} < 0", {"c": counted(5, 0)}),
            ("never_fires", "time() - timestamp(v) > 600", {"v": gone()}),
            ("never_fires", f"g > {limit} and g < {limit / 2}", {"g": level(9, 0)}),
            ("never_fires", f"g > {limit} unless g > {limit / 2}", {"g": level(0, 9)}),
            ("never_fires", "sum by (job) (g == 0) > 0", {"g": level(1, 0)}),
            ("never_fires", f"changes(g[{width}s]) == 0.5", {"g": changing(20)}),
            (
                "never_fires", f"histogram_quantile(0.9, sum by (job) (rate(b_bucket[{width}s]))) > 1",
                {'b_bucket{le="1"}': counted(9, 0), 'b_bucket{le="+Inf"}': counted(9, 9)},
            ),
            ("sets_unpaired", f'rate(e{{code="500"}}[{width}s]) > 1 and sum by (pod) (g) > 0', bad_code | {"g": level(1, 1)}),
        )
    )  # fmt: skip
    return Drawn("never true", expr, series, problem=problem, seconds=LONG_SECONDS)


def _always(draw: random.Random) -> Drawn:
    expr, series = draw.choice(
        (
            ("1 - clamp_max(sum(rate(c[5m])) * 300 or vector(0), 1)", {"c": counted(50, 0)}),
            ("(sum(g) > 5) or vector(0)", {"g": level(0, 9)}),
            ("scalar(g)", {"g": level(0, 9)}),
            ("sum(g) > bool 5 or vector(1)", {"g": level(0, 9)}),
            ("absent(count(g) < 1)", {"g": level(0, 9)}),
        )
    )
    return Drawn("always true", expr, series, problem="always_fires", seconds=LONG_SECONDS)


def _self_ratio(draw: random.Random) -> Drawn:
    width, share = draw.choice(RANGES), draw.choice((0.001, 0.01))
    expr = draw.choice(
        (
            'rate(e{{code="500"}}[{0}s]) / rate(e[{0}s]) > 0.05',
            '100 * rate(e{{code=~"5.."}}[{0}s]) / rate(e[{0}s]) > 5',
            'sum by (code) (rate(e{{code="500"}}[{0}s])) / sum by (code) (rate(e[{0}s])) > 0.05',
        )
    ).format(width)
    series = {'e{code="500"}': counted(0, 100 * share), 'e{code="200"}': counted(100, 100 * (1 - share))}
    return Drawn("a ratio with itself", expr, series, problem="self_ratio", seconds=LONG_SECONDS)


KINDS: dict[str, Callable[[random.Random], Drawn]] = {
    one.__name__: one
    for one in (
        _gauge, _up, _absent, _counted_series, _rate_above, _burst, _rate_below, _stands_still, _ratio, _ratio_below,
        _mean_latency, _quantile, _any, _all, _mean, _mean_of_up, _idle, _changes, _no_change, _age, _gauges, _both,
        _burn_rate, _recorded, _either, _unless, _mixed,
        _never, _always, _self_ratio,
    )
}  # fmt: skip


_ERRORS = re.compile(r"\be\b(?=[\[{]|$)")


def draw_one(draw: random.Random) -> Drawn:
    """Draw a rule and its fault."""
    drawn = KINDS[draw.choice(sorted(KINDS))](draw)
    # By this name explain knows that they are a part of all.
    return replace(
        drawn,
        expr=_ERRORS.sub("errors", drawn.expr),
        series={_ERRORS.sub("errors", name): values for name, values in drawn.series.items()},
        recordings=tuple((name, _ERRORS.sub("errors", expr)) for name, expr in drawn.recordings),
    )
