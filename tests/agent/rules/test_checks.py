"""Every check on a rule, by a table: a rule that it is about, and one that it is not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.checks.table import CHECKS, remarks_on, unwatched
from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.prospect import prospect
from alertdrill.agent.rules.remark import CheckedRule, Remark, RuleContext
from alertdrill.agent.rules.routing import routes
from alertdrill.agent.rules.timing import Timing
from alertdrill.units.promql import parse
from benchmarks.explaining.promtool import answers
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
# What is known of some alerts besides their rules.
SCRAPES = {"RarelyScraped": 420}
LIMITS = {"Limited": 2}
COPIES = {"Twice": 2}
TYPES = {"Counted": {"errors_total": "counter"}, "Measured": {"region_count": "gauge"}}
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
        labels=({} if severity is None else {"severity": severity}) | values.get("labels", {}),
        annotations=values.get("annotations", COMPLETE),
        health="ok",
    )


def remarks(
    one: RuleRecord, others: tuple[RuleRecord, ...] = (), labels: Mapping[str, Any] | None = None
) -> list[Remark]:
    scrape = SCRAPES.get(one.alert, 15)
    timing = Timing(scrape, 15, one.for_seconds, one.keep_firing_for_seconds, is_guess=one.alert == "Guessed")
    ways = tuple(routes(ROUTES, one.labels))
    known = RuleContext((one, *others), KPIS, ROUTES, TYPES.get(one.alert, {}), frozenset({"recorded"}), labels or {})
    return list(
        remarks_on(
            CheckedRule(prospect(one, timing, ways), known, ways, LIMITS.get(one.alert, 0), COPIES.get(one.alert, 1))
        )
    )


def said(name: str, one: RuleRecord, *others: RuleRecord, **labels: Any) -> Remark | None:
    found = [remark for remark in remarks(one, others, labels) if remark.name == name]
    assert len(found) <= 1
    return found[0] if found else None


SPEAKS: list[tuple[str, RuleRecord, str, str]] = [
    ("unreadable", rule("rate(x[5m+1m]) > 3"), "note", "its window follows from `for` 1m and the intervals alone"),
    ("no_comparison", rule("rate(x[5m])"), "problem", "it fires for each of its series"),
    ("no_comparison", rule("disk_broken"), "note", "which is right only if the series exists only while something"),
    ("no_comparison", rule("sum(rate(x[5m]) > 1) or rate(y[5m])"), "problem", "whatever their value"),
    (
        "no_comparison",
        rule("rate(a[5m]) / rate(b[5m]) or rate(c[5m]) / rate(d[5m]) > 0.05"),
        "problem",
        "`> 0.05` is about the last side of `or` alone",
    ),
    ("no_comparison", rule("rate(x[5m]) >= 0"), "problem", "`rate(x[5m]) >= 0` holds for every value there"),
    ("always_fires", rule("(count(x) or vector(0)) >= 0"), "problem", "it has a result at every instant"),
    ("unanchored", rule('rate(http_requests_total{status!~"2|3"}[5m]) > 1'), "weakness", "no HTTP status is 2"),
    ("always_fires", rule("vector(1)"), "note", "it always fires"),
    ("always_fires", rule("(sum(depth) > 5) or vector(0)"), "problem", "it has a result at every instant"),
    ("always_fires", rule("1 - clamp_max(sum(rate(a[5m])) or vector(0), 1)"), "problem", "a value of 0 is a result"),
    ("always_fires", rule("scalar(depth)"), "problem", "it has a result at every instant"),
    ("never_fires", rule("count by (queue) (worker) == 0"), "problem", "is a whole number, never below 1, so `== 0`"),
    ("never_fires", rule("sum(increase(a[5m])) < 0"), "problem", "is never below 0, so `< 0` never holds"),
    ("never_fires", rule("sum by (job) (ok == 0) > 0"), "problem", "is always 0, so `> 0` never holds"),
    ("never_fires", rule("up == 2"), "problem", "a whole number, from 0 to 1, so `== 2` never holds"),
    ("never_fires", rule("time() - timestamp(a) > 301"), "problem", "never above 300, so `> 301` never holds"),
    ("never_fires", rule("histogram_quantile(0.9, sum(rate(a_bucket[5m]))) > 1"), "problem", "has no label `le`"),
    ("never_fires", rule("a > 9 and b > 1 and a <= 9"), "problem", "`a > 9` and `a <= 9` never hold at once"),
    ("never_fires", rule("a > 5 unless a >= 5"), "problem", "`unless` leaves out all that `a > 5` finds"),
    ("never_fires", rule("count(a) == 0 or absent(a)"), "weakness", "one side of `or` never fires it"),
    ("never_fires", rule("day_of_week() == 7"), "problem", "a whole number, from 0 to 6, so `== 7` never holds"),
    ("never_fires", rule("depth % 100 > 100"), "problem", "so `> 100` never holds"),
    (
        "never_fires",
        rule("histogram_quantile(0.9, sum without (le) (rate(a_bucket[5m]))) > 1"),
        "problem",
        "no label `le`",
    ),
    ("never_fires", rule('count_values("v", a) == 0'), "problem", "never below 1, so `== 0`"),
    ("never_fires", rule("timestamp(a) < time() - 600"), "problem", "never above 300 s, so `> 600` never holds"),
    ("never_fires", rule("time() > max(timestamp(a)) + 300"), "problem", "never above 300 s, so `> 300` never holds"),
    ("never_fires", rule("sum(a) > sum(a)"), "problem", "both sides of `>` are `sum(a)`, so it never holds"),
    ("never_fires", rule("rate(a[5m]) / (rate(a[5m])) > 1.2"), "problem", "is always 1, so `> 1.2` never holds"),
    ("never_fires", rule("a or vector(0) > 5"), "weakness", "one side of `or` never fires it"),
    ("quantile_range", rule("histogram_quantile(95, sum by (le) (rate(b_bucket[5m]))) > 2"), "problem", "always +Inf"),
    (
        "value_in_label",
        rule("a > 3", labels={"t": "{{ $v := $value }}{{ printf `%.1f` $v }}"}),
        "problem",
        "never fire",
    ),
    ("unanchored", rule('rate(http_requests_total{code=~"50"}[5m]) > 1'), "problem", "no HTTP status is 50"),
    ("self_ratio", rule('rate(a_total{code="500"}[5m]) / rate(a_total[5m]) > 0.1'), "problem", "divided by itself"),
    (
        "self_ratio",
        rule('100 * sum by (code) (rate(a{code=~"5.."}[5m])) / sum by (code) (rate(a[5m])) > 3'),
        "problem",
        "both sides keep the label code, so the value is 1",
    ),
    (
        "self_ratio",
        rule('increase(a{code="500"}[5m]) > 0.05 * increase(a[5m])'),
        "problem",
        "compared with itself: both sides keep the label code, so it is not a share of the others",
    ),
    ("self_ratio", rule('0.05 * a < a{code="500"}'), "problem", "compared with itself"),
    ("self_ratio", rule('rate(a{code="5"}[5m]) / (rate(a[5m]) > 0) > 0.1'), "problem", "divided by itself"),
    ("self_ratio", rule('avg_over_time(a{b="1"}[5m]) / avg_over_time(a[5m]) > 0.1'), "problem", "divided by itself"),
    ("value_in_label", rule("depth > 3", labels={"title": "{{ $value }}"}), "problem", "it may never fire"),
    ("value_in_label", rule("depth > 3", 0, labels={"title": "{{ .Value }}"}), "weakness", "the one before it ends"),
    ("label_lost", rule("sum(depth) > 3", labels={"pod": "{{ $labels.pod }}"}), "weakness", "the result has no label"),
    (
        "label_lost",
        rule(
            'absent(a{job="x"})', annotations=COMPLETE | {"description": "{{ $labels.instance }} of {{ .Labels.job }}"}
        ),
        "weakness",
        "`$labels.instance` is always empty in description: the result has job",
    ),
    (
        "label_lost",
        rule("sum without (pod) (depth) > 3", labels={"pod": "{{ $labels.pod }}"}),
        "weakness",
        "always empty in pod: the expression takes that label away",
    ),
    ("sets_unpaired", rule("sum without (instance) (a) > 1 and b > 1"), "problem", "right side of `and` has the label"),
    ("sets_unpaired", rule("rate(a[5m]) > 1 and sum by (job) (b) > 1"), "problem", "left side of `and` has the label"),
    ("sets_unpaired", rule("a > 1 unless sum(b) > 1"), "weakness", "`unless` leaves nothing out"),
    ("unanchored", rule('rate(http_requests_total{code=~"5"}[5m]) > 1'), "problem", "no HTTP status is 5"),
    ("unanchored", rule('rate(a{path=~"/api"}[5m]) > 1'), "note", "it is the same as `=`, not a beginning"),
    ("unanchored", rule('rate(http_requests_total{status=~"^5"}[5m]) > 1'), "problem", "no HTTP status is ^5"),
    ("unanchored", rule('rate(http_requests_total{status=~"5*|404"}[5m]) > 1'), "problem", "no HTTP status is 5*"),
    ("literal_pattern", rule('rate(http_requests_total{code="5.."}[5m]) > 1'), "problem", "no HTTP status is 5.."),
    (
        "literal_pattern",
        rule('rate(http_requests_total{code!="500|503"}[5m]) > 1'),
        "weakness",
        "no HTTP status is 500|",
    ),
    ("literal_pattern", rule('rate(a{path="/api/.*"}[5m]) > 1'), "note", "a regular expression needs `=~`"),
    ("scalar_of_many", rule("depth > scalar(most)"), "weakness", "NaN unless there is exactly 1 series"),
    ("absent_of_many", rule('absent(up{job=~"a|b"})'), "weakness", "it fires only once none of a, b is left"),
    (
        "absent_of_many",
        rule('absent(up{instance=~"(10.0.0.1:9|db\\\\.c:9)"})'),
        "weakness",
        "none of 10.0.0.1:9, db.c:9 is",
    ),
    (
        "counter_without_rate",
        rule("errors_total > 1800", alert="Counted"),
        "problem",
        "errors_total is a counter: once",
    ),
    ("mean_of_counter", rule("sum_over_time(errors_total[5m]) > 5", alert="Counted"), "problem", "which is a counter"),
    ("range_short", rule("increase(a[20s]) > 3", alert="Guessed"), "note", "the interval is a default"),
    ("mean_of_counter", rule("sum_over_time(errors_total[5m]) > 5"), "note", "which by its name is a counter"),
    ("group_limit", rule("depth > 3", alert="Limited"), "note", "the group's limit is 2"),
    ("repeated", rule("depth > 3", alert="Twice"), "note", "the same rule stands 2 times in its group"),
    ("scrape_beyond_lookback", rule("up == 0", 360, alert="RarelyScraped"), "problem", "`for` of 6m is never over"),
    ("exact_equality", rule("increase(restarts_total[10m]) == 1"), "weakness", "and `== 1` does not hold"),
    ("exact_equality", rule("increase(restarts_total[10m]) != 1"), "weakness", "as 1.017, and `!= 1` holds even so"),
    ("exact_equality", rule("wait_seconds == 60"), "note", "as its name says: 60.06 is not equal"),
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
    (
        "counter_without_rate",
        rule("errors_total > 1800"),
        "note",
        "a counter by its name: once past 1800 it stays there",
    ),
    ("exact_equality", rule("usage_percent == 50"), "note", "`== 50` on a measured value, as its name says"),
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
    ("always_fires", rule("(sum(depth) or vector(0)) > 5")),
    ("always_fires", rule("depth > 5 or vector(0) > 1")),
    ("never_fires", rule("count(a) > 0")),
    ("never_fires", rule("(count(a) or vector(0)) == 0")),
    ("never_fires", rule("sum(rate(a[5m])) <= 0")),
    ("never_fires", rule("delta(a[5m]) < 0")),
    ("never_fires", rule("histogram_quantile(0.9, sum without (pod) (rate(a_bucket[5m]))) > 1")),
    ("never_fires", rule("timestamp(a) < time() - 120")),
    ("never_fires", rule("timestamp(a) > time() - 600")),
    ("never_fires", rule("timestamp(a) + 600 > time()")),
    ("never_fires", rule("a > a offset 5m")),
    ("never_fires", rule("a != a")),
    ("never_fires", rule("a / on () a > 2")),
    ("never_fires", rule("time() - timestamp(a) > 120")),
    ("never_fires", rule("time() - timestamp(a offset 1h) > 3700")),
    ("never_fires", rule("histogram_quantile(0.9, sum(rate(native[5m]))) > 1")),
    ("never_fires", rule("a > 9 and on (job) a <= 9")),
    ("never_fires", rule("a >= 9 and a <= 9")),
    ("never_fires", rule("absent(up == 2)")),
    ("quantile_range", rule("quantile(0.95, depth) > 2")),
    ("value_in_label", rule("a > 3", labels={"t": "{{ $v := $value }}{{ if gt $v 9.0 }}large{{ end }}"})),
    ("self_ratio", rule('sum(rate(a{code="500"}[5m])) / sum(rate(a[5m])) > 0.1')),
    ("self_ratio", rule('sum by (job) (rate(a{code="500"}[5m])) / sum by (job) (rate(a[5m])) > 0.1')),
    ("self_ratio", rule('rate(a{code="500"}[5m]) / ignoring (code) rate(b[5m]) > 0.1')),
    ("self_ratio", rule('rate(a{code="500"}[5m]) / rate(a[10m]) > 0.1')),
    ("self_ratio", rule('sum(a{code="500"}) > 0.05 * sum(a)')),
    ("self_ratio", rule('a{code="500"} > 0.05 * a offset 5m')),
    ("self_ratio", rule('rate(a{code="500"}[5m]) / (rate(a[5m]) > 5) > 0.1')),
    ("value_in_label", rule("depth > 3", labels={"size": "{{ if gt $value 9.0 }}large{{ else }}small{{ end }}"})),
    ("value_in_label", rule("up == 0", labels={"value": "{{ $value }}"})),
    ("label_lost", rule("sum by (pod) (depth) > 3", labels={"pod": "{{ $labels.pod }}"})),
    ("label_lost", rule("depth > 3", labels={"pod": "{{ $labels.pod }}"})),
    ("label_lost", rule("sum(a) * on () group_right () b > 3", labels={"pod": "{{ $labels.pod }}"})),
    ("sets_unpaired", rule("rate(a[5m]) > 1 and on (job) sum by (job) (b) > 1")),
    ("sets_unpaired", rule("recorded > 1 and sum by (job) (b) > 1")),
    ("unpaired", rule("recorded / sum by (job) (b) > 1")),
    ("unanchored", rule('rate(http_requests_total{code=~"5..", job=~"shop"}[5m]) > 1')),
    ("unanchored", rule('rate(exits_total{code=~"1"}[5m]) > 1 and a{path=~"/api.*"}')),
    ("unanchored", rule('rate(http_requests_total{status=~"^5..$|4[0-9]+|5xx|000"}[5m]) > 1')),
    ("literal_pattern", rule('rate(http_requests_total{code="5xx", host="a.b.c", query="what?"}[5m]) > 1')),
    ("scalar_of_many", rule("depth > scalar(max(most))")),
    ("absent_of_many", rule('absent(up{job=~"a.*"})')),
    ("absent_of_many", rule('absent(up{job=~"a[12]|b"})')),
    ("mean_of_counter", rule("sum_over_time(errors[5m]) > 5")),
    ("group_limit", rule("depth > 3")),
    ("repeated", rule("depth > 3")),
    ("scrape_beyond_lookback", rule("rate(a[30m]) == 0", 360, alert="RarelyScraped")),
    ("exact_equality", rule("changes(replicas[10m]) == 1")),
    ("exact_equality", rule("a > b and changes(replicas[10m]) == 0")),
    ("exact_equality", rule("avg_over_time(a[5m]) == 0")),
    ("exact_equality", rule("ready_ratio != 1")),
    ("exact_equality", rule("rate(a[5m]) / rate(b[5m]) == 1")),
    ("counter_without_rate", rule("(disk_total - disk_used) / disk_total < 0.1 and disk_total > 0")),
    ("counter_without_rate", rule("region_count > 5000", alert="Measured")),
    ("counter_without_rate", rule("validator_count < 2")),
    ("no_comparison", rule('ALERTS{alertstate="firing"}')),
    (
        "first_increment",
        rule("increase(failures_total[5m]) > 0 or (failures_total > 0 unless failures_total offset 5m)"),
    ),
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


@pytest.mark.parametrize(
    ("name", "expr", "remedy"),
    [
        ("never_fires", "a or vector(0) > 5", "(a or vector(0)) > 5"),
        ("no_comparison", "a or vector(0) > 5", "(a or vector(0)) > 5"),
        ("no_comparison", "a / b or (c / d) < 3", "(a / b or (c / d)) < 3"),
    ],
)
def test_a_comparison_of_the_last_operand_alone_is_put_right(name: str, expr: str, remedy: str) -> None:
    remark = said(name, rule(expr))
    assert remark is not None
    assert remark.remedy == f"a comparison binds tighter than `or`: `{remedy}`"


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


def test_the_page_names_every_check() -> None:
    page = (Path(__file__).parents[3] / "docs/explain.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(\w+)`", page.partition("## Findings")[2])) >= set(CHECKS)


@pytest.mark.parametrize("expr", [*(one[0] for one in RULES), *UNKNOWN])
def test_no_expression_is_too_odd_for_the_checks(expr: str) -> None:
    found = remarks(rule(expr, annotations={}))
    assert "no_runbook" in {remark.name for remark in found}


def test_the_worst_remark_comes_first() -> None:
    found = [remark.severity for remark in remarks(rule("rate(e_total[5m]) / rate(n_total[5m]) > 0.05"))]
    assert found == sorted(found, key=["problem", "weakness", "note"].index)
    assert {"problem", "weakness", "note"} == set(found)


def test_a_rule_on_the_targets_of_another_job_guards_nothing() -> None:
    printer = rule('up{job="printer"} == 0', alert="B")
    assert said("series_absent", rule('sum(depth{job="a"}) == 0'), printer) is not None
    assert said("series_absent", rule('sum(depth{job="printer"}) == 0'), printer) is None
    assert said("series_absent", rule('depth{job="a"} > 3'), rule('count(up{job=~"a|b"} == 0) > 1', alert="B")) is None
    assert said("series_absent", rule("printer_depth > 3"), printer) is None


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


def _expressions(remark: Remark, expr: str) -> list[str]:
    """Return what a remedy says in PromQL, whole."""
    quoted = [one for one in re.findall(r"`([^`]+)`", remark.remedy) if "…" not in one]
    whole = [one for one in quoted if re.match(r"(absent|sum|rate|increase|scalar|time|up|\()", one)]
    return [*whole, *(f"{expr} {one}" for one in quoted if one.startswith("or "))]


def test_promtool_takes_every_expression_of_a_remedy(tmp_path: Path) -> None:
    told = ((one.expr, remark) for _, one, *_ in SPEAKS for remark in remarks(one))
    found = sorted({text for expr, remark in told for text in _expressions(remark, expr)})
    assert len(found) > 20
    rules = [{"alert": f"A{number}", "expr": text} for number, text in enumerate(found)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    ended = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_name_of_any_characters_is_quoted_within_braces() -> None:
    """Prometheus takes such names since 3.0."""
    remark = said("series_absent", rule('{"queue.depth", "service.name"="shop"} > 5'))
    assert remark is not None
    (expr,) = _expressions(remark, "")[:1]
    assert expr == 'absent({"queue.depth", "service.name"="shop"})'
    assert parse(expr)


def test_the_remedy_for_a_first_increment_is_silent_at_a_rollout(tmp_path: Path) -> None:
    """A new process starts its counter at 0, and another one with its first error."""
    remark = said("first_increment", rule("increase(failures_total[5m]) > 0"))
    assert remark is not None
    (expr,) = _expressions(remark, "increase(failures_total[5m]) > 0")
    series = {'failures_total{case="fine"}': "_x40 0x300", 'failures_total{case="failing"}': "_x40 1x300"}
    asked = ['max by (case) (max_over_time(ALERTS{alertstate="firing"}[2h]))']
    (fired,) = answers(tmp_path, [{"alert": "A", "expr": expr}], series, asked, (15, 15))
    assert set(fired) == {"failing"}
