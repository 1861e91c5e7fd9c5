"""The remarks on the shipped rules, proven on the rules themselves with real promtool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from benchmarks.explaining.promtool import answers

RULES = Path(__file__).parents[3] / "configs/prometheus/rules.yml"
SCRAPE = EVALUATION = 15.0
SAMPLES = int(5400 / SCRAPE)
STARTS_AT = 1200.0
FIRED = 'count by (alertname, case) (max_over_time(ALERTS{alertstate="firing"}[2h]))'
LATE = 'count by (alertname, case) (ALERTS{alertstate="firing"})'

ERRORS = "payment_engine_errors_total"
PROCESSED = "payment_engine_transactions_processed_total"
BUCKET = "payment_engine_transactions_response_time_seconds_bucket"
Rate = Callable[[float], float]


def _counter(rate: Rate) -> str:
    """Integrate a rate second by second, and return its value at each scrape."""
    total, shown = 0.0, []
    for second in range(int(SAMPLES * SCRAPE)):
        if second % SCRAPE == 0:
            shown.append(f"{total:.3f}")
        total += rate(second)
    return " ".join(shown)


def _during(seconds: float, rate: float, otherwise: float = 0.0) -> Rate:
    return lambda at: rate if STARTS_AT <= at < STARTS_AT + seconds else otherwise


def _always(rate: float) -> Rate:
    return lambda _: rate


def _slow(seconds: float, share: float) -> dict[str, str]:
    fast = _during(seconds, 100 * (1 - share), otherwise=100)
    return {f'{BUCKET}{{le="2"}}': _counter(fast), f'{BUCKET}{{le="+Inf"}}': _counter(_always(100))} | {
        f'{BUCKET}{{le="5"}}': _counter(_always(100))
    }


def _failing(seconds: float, share: float, traffic: Rate | None = None) -> dict[str, str]:
    errors = _counter(_during(seconds, 100 * share))
    return {ERRORS: errors, PROCESSED: _counter(traffic or _always(100))}


GONE = f"1x{int(STARTS_AT / SCRAPE)} stale"
DOWN = f"1x{int(STARTS_AT / SCRAPE)} 0x{SAMPLES}"
# The series of each situation, and the alerts that fire in it.
CLAIMS: dict[str, tuple[dict[str, str], set[str]]] = {
    "fifty times as many errors as promised": (_failing(3600, 0.05), set()),
    "just more than that": (_failing(3600, 0.051), {"HighErrorRate"}),
    "all fails for 46 s": (_failing(46, 1.0), {"HighErrorRate"}),
    "a tenth fails for 134 s": (_failing(134, 0.1), set()),
    "a tenth fails for 181 s": (_failing(181, 0.1), {"HighErrorRate"}),
    "a total outage": (_failing(0, 1.0, _during(3600, 0, otherwise=100)), set()),
    "errors with one label more": (
        {f'{ERRORS}{{reason="db"}}': _counter(_always(100)), PROCESSED: _counter(_always(100))},
        set(),
    ),
    "the promised load": ({PROCESSED: _counter(_always(2000))}, {"HighTPS"}),
    "a target that is down": ({'up{job="payment-engine"}': DOWN}, {"SystemDown"}),
    "a target that left the configuration": ({'up{job="payment-engine"}': GONE}, set()),
    "all slow for 14 s": (_slow(14, 1.0), set()),
    "all slow for 61 s": (_slow(61, 1.0), {"HighResponseTime"}),
    "a tenth slow for 284 s": (_slow(284, 0.1), set()),
    "a tenth slow for 331 s": (_slow(331, 0.1), {"HighResponseTime"}),
    "a twentieth slow for an hour": (_slow(3600, 0.05), set()),
    "fewer hits than promised": ({"payment_engine_resources_cache_hit_rate": f"91x{SAMPLES}"}, set()),
    "memory at the promise": ({"payment_engine_resources_memory_usage": f"85x{SAMPLES}"}, set()),
}


def _labelled(series: dict[str, str], case: str) -> Iterator[tuple[str, str]]:
    for name, values in series.items():
        metric, _, labels = name.rstrip("}").partition("{")
        yield f'{metric}{{{labels}{"," if labels else ""}case="{case}"}}', values


def _promtool(rules: list[dict[str, object]], series: dict[str, str]) -> tuple[set[str], set[str]]:
    """Return which cases fired at all, and which fire at the end, as `alert/case`."""
    joined = "label_join({}, 'case', '/', 'alertname', 'case')"
    with TemporaryDirectory() as folder:
        queries = [joined.format(query) for query in (FIRED, LATE)]
        at_all, at_the_end = answers(Path(folder), rules, series, queries, (SCRAPE, EVALUATION))
    return set(at_all), set(at_the_end)


@lru_cache
def _fired() -> set[str]:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    series = dict(pair for case, (one, _) in CLAIMS.items() for pair in _labelled(one, case))
    return _promtool(rules, series)[0]


@pytest.mark.parametrize("case", CLAIMS)
def test_the_shipped_rules_do_what_the_page_says(case: str) -> None:
    assert {one.partition("/")[0] for one in _fired() if one.endswith(f"/{case}")} == CLAIMS[case][1]


def test_an_error_rate_that_fires_ends_when_all_traffic_does() -> None:
    """The worse the outage, the quieter the alert: after the length of the range there is nothing to divide by."""
    errors = _counter(_during(600, 50))
    traffic = _counter(lambda at: 100 if at < STARTS_AT + 600 else 0)
    rule = {"alert": "A", "expr": "rate(e[5m]) / rate(n[5m]) > 0.05", "for": "1m"}
    at_all, at_the_end = _promtool([rule], dict(_labelled({"e": errors, "n": traffic}, "x")))
    assert (at_all, at_the_end) == ({"A/x"}, set())


@pytest.mark.parametrize(
    ("expr", "values", "fires"),
    [
        ("increase(e[5m]) > 0", f"_x80 1x{SAMPLES - 81}", False),  # the first increment creates the series
        ("increase(e[5m]) > 0", f"0x80 1x{SAMPLES - 81}", True),
        ("e > 10", f"0+1x{SAMPLES}", True),  # a counter passes any number, and stays there
        ("rate(e[10s]) > 0", f"0+1x{SAMPLES}", False),  # one sample in the range, or none
        ("e > bool 10", f"1x{SAMPLES}", True),
        ("e > 10", f"1x{SAMPLES}", False),
        ("sum by (case) (rate(e[5m])) / rate(e[5m]) > 0", f"0+1x{SAMPLES}", False),  # `instance` on one side
    ],
)
def test_a_remark_on_an_expression_is_right(expr: str, values: str, *, fires: bool) -> None:
    series = dict(_labelled({'e{instance="i"}': values}, "x"))
    assert bool(_promtool([{"alert": "A", "expr": expr}], series)[0]) == fires


def test_no_quantile_exceeds_the_largest_bound() -> None:
    """All take longer than the largest bound: then `> 5` does not hold, and `>= 5` does."""
    series = {f'b{{le="{bound}"}}': f"0+{rate}x{SAMPLES}" for bound, rate in (("5", 0), ("+Inf", 100))}
    rules = [
        {"alert": name, "expr": f"histogram_quantile(0.95, rate(b[5m])) {comparison} 5"}
        for name, comparison in (("Above", ">"), ("At", ">="))
    ]
    assert _promtool(rules, dict(_labelled(series, "x")))[0] == {"At/x"}
