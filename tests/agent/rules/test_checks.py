"""Every check on a rule, by a table: a rule that it is about, and one that it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.checks.table import CHECKS, remarks_on, unwatched
from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.prospect import prospect
from alertdrill.agent.rules.remark import CheckedRule, Remark, RuleContext
from alertdrill.agent.rules.routing import routes
from alertdrill.agent.rules.timing import Timing
from tests.agent.rules.test_shape import RULES, UNKNOWN

KPIS = Kpis.model_validate(
    {
        "kpis": [
            {"kpi": "p95", "series": "b_bucket", "quantile": 0.95, "objective": "< 2"},
            {"kpi": "p99", "series": "b_bucket", "quantile": 0.99, "objective": "< 5"},
            {"kpi": "errors", "series": "e_total", "of": "n_total", "objective": "< 0.001"},
            {"kpi": "load", "series": "n_total", "per": "second", "objective": ">= 2000"},
            {"kpi": "hits", "series": "hit_rate", "objective": "> 95"},
            {"kpi": "memory", "series": "memory_usage", "objective": "< 85"},
        ],
        "buckets": {"b_bucket": [0.5, 1, 2, 5]},
    }
)
ROUTES = """
route:
  receiver: team
  routes:
    - {matchers: [severity="critical"], receiver: on-call, group_interval: 1m}
    - {matchers: [severity="info"], receiver: daily, group_interval: 24h}
"""
COMPLETE = {"summary": "s", "description": "d", "runbook_url": "https://example.org"}
SUM_RATIO = "sum by (job) (rate(e_total[5m])) / sum by (job) (rate(n_total[5m])) > 0.0005"
QUANTILE = "histogram_quantile(0.95, sum by (le) (rate(b_bucket[5m])))"


def rule(expr: str, for_: float = 60, severity: str | None = "critical", **values: Any) -> RuleRecord:
    return RuleRecord(
        alert=values.get("alert", "A"),
        group="g",
        expr=expr,
        for_seconds=for_,
        keep_firing_for_seconds=values.get("keep", 0),
        interval_seconds=15,
        labels={} if severity is None else {"severity": severity},
        annotations=values.get("annotations", COMPLETE),
        health="ok",
    )


def remarks(
    one: RuleRecord, others: tuple[RuleRecord, ...] = (), labels: Mapping[str, Any] | None = None
) -> list[Remark]:
    timing = Timing(15, 15, one.for_seconds, one.keep_firing_for_seconds)
    ways = tuple(routes(ROUTES, one.labels))
    known = RuleContext(rules=(one, *others), kpis=KPIS, alertmanager=ROUTES, labels=labels or {})
    return list(remarks_on(CheckedRule(prospect(one, timing, ways), known, ways)))


def said(name: str, one: RuleRecord, *others: RuleRecord, **labels: Any) -> Remark | None:
    found = [remark for remark in remarks(one, others, labels) if remark.name == name]
    assert len(found) <= 1
    return found[0] if found else None


SPEAKS: list[tuple[str, RuleRecord, str, str]] = [
    ("unreadable", rule("rate(x[5m+1m]) > 3"), "note", "its window follows from `for` 1m and the intervals alone"),
    ("no_comparison", rule("rate(x[5m])"), "problem", "it fires for each of its series"),
    ("no_comparison", rule("vector(1)"), "note", "it always fires"),
    ("bool", rule("x > bool 3"), "problem", "`> bool` returns 0 or 1"),
    (
        "unpaired",
        rule("sum(rate(a[5m])) / rate(b[5m]) > 1"),
        "problem",
        "the right side of `/` has the label `instance`",
    ),
    ("unpaired", rule("sum by (x) (a) > sum by (y) (b)"), "problem", "the left side of `>` has the label `x`"),
    ("unpaired", rule("sum by (x) (a) / on (job) b > 1"), "problem", "the right side of `/` has the label `job`"),
    ("one_label_more", rule("rate(a[5m]) / rate(b[5m]) > 0.5"), "weakness", "leaves 0 pairs"),
    ("counter_without_rate", rule("errors_total > 1800"), "problem", "once past 1800 it stays there"),
    ("exact_equality", rule("usage_percent == 50"), "weakness", "`== 50` on a measured value"),
    ("exact_equality", rule("a == 0.5"), "weakness", "`== 0.5`"),
    ("nothing_by_nothing", rule(SUM_RATIO), "weakness", "once nothing was counted for 5m, as in a total outage"),
    ("series_absent", rule('up{job="a"} == 0'), "weakness", "resolves within 46.5s"),
    ("series_absent", rule("depth > 3"), "weakness", "if depth is missing, it is silent: 0 of 1 rules"),
    ("first_increment", rule('rate(a_total{code=~"5.."}[5m]) > 1'), "note", "its rate starts 1 scrape (15s) later"),
    ("first_increment", rule("increase(failures_total[5m]) > 0"), "weakness", "1 single event never fires it"),
    ("bucket_bound", rule(f"{QUANTILE} > 5"), "problem", "no quantile exceeds the largest bound 5"),
    ("bucket_bound", rule(f"{QUANTILE} > 3"), "weakness", "between 2 and 5 the quantile is a guess"),
    ("for_short", rule("depth > 3", for_=0), "weakness", "1 bad sample fires it"),
    ("for_short", rule("depth > 3", for_=15), "note", "shorter than 2 scrapes (30s): 2 bad samples fire it"),
    ("range_short", rule("increase(a[20s]) > 3"), "problem", "holds 1 or 2 scrapes of 15s: growth needs 2 of them"),
    ("range_short", rule("rate(a[30s]) > 3"), "weakness", "1 failed scrape(s) may leave it without a value"),
    (
        "for_lost_at_restart",
        rule("depth > 3", for_=590),
        "note",
        "grace period of 10m: a restart while it is pending costs up to 10m",
    ),
    (
        "blind_to_short",
        rule("depth > 3", for_=300),
        "weakness",
        "if shorter than 4m45s, and for certain only from 5m30s on",
    ),
    ("blind_to_short", rule("depth > 3", for_=300, severity="info"), "note", "if shorter than 4m45s"),
    ("lingers", rule(SUM_RATIO), "note", "never within on-call's group_interval of 1m"),
    ("recorded", rule("job:errors:rate5m > 3"), "note", "up to 1 evaluation (15s)"),
    ("objective", rule("rate(e_total[5m]) / rate(n_total[5m]) > 0.05"), "problem", "0.05 is 50 times the promise"),
    ("objective", rule("memory_usage > 85"), "note", "the threshold 85 is the promise itself"),
    ("objective", rule("memory_usage > 90"), "weakness", "from 85 to 90 the promise is broken and nobody is notified"),
    ("objective", rule("hit_rate < 90"), "weakness", "from 90 to 95 the promise is broken and nobody is notified"),
    ("objective", rule(f"{QUANTILE} > 2"), "note", "the threshold 2 is the promise itself"),
    ("good_fires", rule("rate(n_total[5m]) > 1800"), "problem", "2000 > 1800"),
    ("good_fires", rule("memory_usage < 90"), "problem", "85 < 90"),
    ("no_route", rule("depth > 3", severity=None), "note", "no label `severity`"),
    (
        "no_route",
        rule("depth > 3", severity="page"),
        "weakness",
        "0 routes are for severity 'page': it falls to the root, team",
    ),
    ("told_late", rule("depth > 3", severity="info"), "note", "daily's group_interval is 1d"),
    ("no_runbook", rule("depth > 3", annotations={"summary": "s"}), "note", "it has summary, and no runbook_url"),
    ("no_description", rule("depth > 3", annotations={"summary": "s"}), "note", "only a summary"),
]
SILENT: list[tuple[str, RuleRecord]] = [
    ("unreadable", rule("depth > 3")),
    ("no_comparison", rule("absent(up)")),
    ("no_comparison", rule("count(up == 0)")),
    ("no_comparison", rule("a and b")),
    ("bool", rule("x > 3")),
    ("unpaired", rule(SUM_RATIO)),
    ("unpaired", rule("rate(a[5m]) / rate(b[5m]) > 1")),
    ("unpaired", rule("sum(rate(a[5m])) / scalar(b) > 1")),
    ("unpaired", rule("a * on (instance) group_left (name) info > 1")),
    ("unpaired", rule("sum by (job) (a) / ignoring (instance) b > 1")),
    ("unpaired", rule("sum by (x) (job:a:rate5m) / job:b:rate5m > 1")),
    ("unpaired", rule("(sum(a) - sum(b)) / count(c) > 1")),
    ("one_label_more", rule(SUM_RATIO)),
    ("one_label_more", rule("rate(a[5m]) / on (job) rate(b[5m]) > 1")),
    ("counter_without_rate", rule("rate(errors_total[5m]) > 3")),
    ("exact_equality", rule("up == 0")),
    ("exact_equality", rule("jobs_failed == 1")),
    ("exact_equality", rule("rate(a[5m]) == 0")),
    ("nothing_by_nothing", rule("a / b > 0.5")),
    ("series_absent", rule("up == 0 or absent(up)")),
    ("first_increment", rule("rate(a_total[5m]) > 1")),
    ("bucket_bound", rule(f"{QUANTILE} > 2")),
    ("bucket_bound", rule("histogram_quantile(0.95, rate(other_bucket[5m])) > 3")),
    ("for_short", rule("depth > 3", for_=30)),
    ("for_short", rule("rate(a[5m]) > 3", for_=0)),
    ("range_short", rule("rate(a[1m]) > 3")),
    ("for_lost_at_restart", rule("depth > 3", for_=600)),
    ("for_lost_at_restart", rule("depth > 3", for_=0)),
    ("blind_to_short", rule("depth > 3", for_=60)),
    ("lingers", rule("depth > 3")),
    ("recorded", rule("depth > 3")),
    ("objective", rule(SUM_RATIO)),
    ("objective", rule("histogram_quantile(0.9, rate(b_bucket[5m])) > 9")),
    ("good_fires", rule("rate(n_total[5m]) > 2200")),
    ("good_fires", rule("rate(n_total[5m]) < 1800")),
    ("no_route", rule("depth > 3")),
    ("told_late", rule("depth > 3")),
    ("no_runbook", rule("depth > 3")),
    ("no_description", rule("depth > 3")),
]


@pytest.mark.parametrize(("name", "one", "severity", "text"), SPEAKS)
def test_a_check_speaks_with_a_number_and_a_remedy(name: str, one: RuleRecord, severity: str, text: str) -> None:
    remark = said(name, one)
    assert remark is not None
    assert text in remark.text
    assert remark.severity == severity
    assert remark.remedy


@pytest.mark.parametrize(("name", "one"), SILENT)
def test_a_check_is_silent_where_all_is_well(name: str, one: RuleRecord) -> None:
    assert said(name, one) is None


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_shown_speaking_and_silent(name: str) -> None:
    assert name in {one for one, *_ in SPEAKS}
    assert name in {one for one, *_ in SILENT}


@pytest.mark.parametrize("expr", [*(one[0] for one in RULES), *UNKNOWN])
def test_no_expression_is_too_odd_for_the_checks(expr: str) -> None:
    found = remarks(rule(expr, annotations={}))
    assert "no_runbook" in {remark.name for remark in found}


def test_the_worst_remark_comes_first() -> None:
    found = [remark.severity for remark in remarks(rule("rate(e_total[5m]) / rate(n_total[5m]) > 0.05"))]
    assert found == sorted(found, key=["problem", "weakness", "note"].index)
    assert {"problem", "weakness", "note"} == set(found)


@pytest.mark.parametrize("other", ["up == 0", 'absent(depth{job="a"})', "up == 0 or absent(depth)"])
def test_another_rule_may_watch_for_absent_series(other: str) -> None:
    assert said("series_absent", rule("depth > 3"), rule(other, alert="B")) is None


def test_an_absent_rule_guards_the_one_for_targets_that_are_down() -> None:
    assert said("series_absent", rule('up{job="a"} == 0'), rule('absent(up{job="a"})', alert="B")) is None


A, B = "rate(a[5m])", "rate(b[5m])"


@pytest.mark.parametrize(
    ("left", "right", "text"),
    [
        (
            {"job": "x", "reason": "y"},
            {"job": "x"},
            "0 pairs: `/` has 1 series by job, reason on the left, 1 series by job",
        ),
        ({"job": "x"}, {"job": "y"}, "0 pairs: `/` has 1 series by job on the left, 1 series by job on the right"),
    ],
)
def test_labels_that_a_server_shows_prove_that_nothing_pairs(
    left: dict[str, str], right: dict[str, str], text: str
) -> None:
    remark = said("unpaired", rule(f"{A} / {B} > 0.5"), **{A: ({"__name__": "a"} | left,), B: (right,)})
    assert remark is not None
    assert text in remark.text


def test_labels_that_a_server_shows_prove_that_something_pairs() -> None:
    shown: dict[str, Any] = {A: ({"job": "x"},), B: ({"job": "x"}, {"job": "y"})}
    one = rule(f"{A} / {B} > 0.5")
    assert said("unpaired", one, **shown) is None
    assert said("one_label_more", one, **shown) is None


def test_buckets_that_a_server_shows_count_before_those_written_down() -> None:
    shown: dict[str, Any] = {"b_bucket": ({"le": "1"}, {"le": "3"}, {"le": "9"}, {"le": "+Inf"})}
    assert said("bucket_bound", rule(f"{QUANTILE} > 3"), **shown) is None
    assert said("bucket_bound", rule(f"{QUANTILE} > 2"), **shown) is not None


def test_promises_that_no_rule_watches_are_listed() -> None:
    rules = [rule(f"{QUANTILE} > 2"), rule("rate(n_total[5m]) > 1800"), rule("memory_usage > 85"), rule(SUM_RATIO)]
    assert [kpi.name for kpi in unwatched(KPIS.kpis, (classify(one.expr) for one in rules))] == ["p99", "load", "hits"]
