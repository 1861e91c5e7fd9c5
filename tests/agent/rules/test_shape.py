"""The shapes of common rules: those of node exporter, Kubernetes and other well-known collections."""

from __future__ import annotations

import pytest

from alertdrill.agent.rules.classify import classify
from alertdrill.agent.rules.shape import Levels, Shape, bad_seconds

INFO = " * on(instance) group_left(nodename) node_uname_info"
RULES = [
    ("up == 0", "up", "==", 0, 0),
    ('count(up{job="a"} == 0) by (job)', "up", "==", 0, 0),
    ('absent(up{job="kubelet"} == 1)', "absent", "", 0, 0),
    ("absent_over_time(a[10m])", "all", "==", 0, 600),
    ("kube_cronjob_spec_suspend != 0", "gauge", "!=", 0, 0),
    ("sum by (node) (a) > 3", "gauge", ">", 3, 0),
    ("(node_filesystem_avail_bytes * 100) / node_filesystem_size_bytes < 10", "gauges", "<", 0, 0),
    ("spec_replicas != status_replicas", "gauges", "!=", 0, 0),
    ("replicas != ready > 0", "gauges", ">", 0, 0),
    ("count(up == 0) / count(up) > 0.5", "gauges", ">", 0, 0),
    ("(node_md_state > 0)" + INFO, "gauge", ">", 0, 0),
    ("(increase(oom_kill[1m]) > 0)" + INFO, "rate", ">", 0, 60),
    ("sum(increase(a[5m])) by (x) / sum(increase(b[5m])) by (x) > 25/100", "ratio", ">", 0.25, 300),
    ("1 - rate(good_total[5m]) / rate(all_total[5m]) > 0.05", "ratio", "<", 0.95, 300),
    ("(sum(rate(a[1m])) by (job) / sum(rate(b[1m])) by (job)) * 100 > 3", "ratio", ">", 0.03, 60),
    ("sum by (instance) (rate(a[2m])) / 1024 / 1024 > 100", "rate", ">", 100 * 1024 * 1024, 120),
    ('100 - (avg by(instance) (rate(cpu{mode="idle"}[2m])) * 100) > 80', "mean", "<", 0.2, 120),
    ("changes(process_start_time_seconds[15m]) > 2", "mean", ">", 2 / 900, 900),
    ("avg_over_time(up[5m]) < 0.9", "mean", "<", 0.9, 300),
    ('max_over_time(waiting{reason="CrashLoopBackOff"}[5m]) >= 1', "any", ">=", 1, 300),
    ("max_over_time(probe_success[5m]) == 0", "all", "==", 0, 300),
    ("min_over_time(a[5m]) < 1", "any", "<", 1, 300),
    ("time() - last_success > 3600", "age", ">", 3600, 0),
    ("last_success < time() - 3600", "age", ">", 3600, 0),
    ("time() - 3600 >= last_success", "age", ">=", 3600, 0),
    ("max(last_success) + 0 < time()", "age", ">", 0, 0),
    ("histogram_quantile(0.99, sum(rate(x_bucket[10m])) without (pod)) / 1e+06 > 1", "quantile", ">", 0.01, 600),
    ("rate(a[5m]) > 3 or b > 2", "either", "", 0, 300),
    ("a / b < 0.1 and c == 0", "both", "", 0, 0),
    ("a > 1 unless on(x) b", "unless", "", 0, 0),
]
UNKNOWN = [
    "a > bool 1",
    "predict_linear(a[6h], 4 * 3600) < 0",
    "rate(a[5m]) == 3",
    "rate(a[5m]) / rate(b[1h]) > 2",
    "(rate(a[5m]) + 1) / rate(b[5m]) > 0.1",
    "rate(a[5m]) / (rate(b[5m]) - 1) > 0.1",
    "a - a offset 10m > 1",
    "max_over_time(rate(a[5m])[1h:1m]) > 1",
    "vector(1)",
    "rate(a[5m+1m]) > 3",
    "a offset 10m > 1",
    "time() - (last_success + 600) > 0",
    "last_success + 600 < time()",
    "last_success < time() * 2",
    "rate(a[5m] offset 1h) > 1",
    "absent(a offset 1h)",
]


@pytest.mark.parametrize(("expr", "kind", "comparison", "threshold", "seconds"), RULES)
def test_a_common_rule_has_its_shape(expr: str, kind: str, comparison: str, threshold: float, seconds: float) -> None:
    shape = classify(expr)
    assert (shape.kind, shape.comparison, shape.range_seconds) == (kind, comparison, seconds)
    assert shape.threshold == pytest.approx(threshold)


@pytest.mark.parametrize("expr", UNKNOWN)
def test_an_expression_without_a_formula_is_not_guessed_at(expr: str) -> None:
    assert classify(expr).kind == "other"


def test_arithmetic_in_a_threshold_is_done() -> None:
    shape = classify("sum(a:burn1h) > (14.4 * 0.001)")
    assert (shape.kind, shape.threshold) == ("gauge", pytest.approx(0.0144))


@pytest.mark.parametrize(
    ("shape", "levels", "seconds"),
    [
        (Shape("ratio", ">", 0.05, 300), Levels(0, 1), 15),
        (Shape("ratio", ">", 0.05, 300), Levels(0, 0.05), None),
        (Shape("ratio", ">=", 0.05, 300), Levels(0, 0.05), 300),
        (Shape("ratio", "<", 0.95, 300), Levels(1, 0.5), 30),
        (Shape("rate", ">", 1800, 300), Levels(1700, 2000), 100),
        (Shape("rate", ">", 1800, 300), Levels(1900, 2000), 0),
        (Shape("rate", "==", 0, 60), Levels(5, 0), 60),
        (Shape("rate", "<", 0, 60), Levels(5, 0), None),
        (Shape("rate", ">", 0, 60), Levels(0, 1), 0),
        (Shape("quantile", ">", 0.05, 300), Levels(0, 1), 15),
    ],
)
def test_how_much_of_a_range_must_be_bad(shape: Shape, levels: Levels, seconds: float | None) -> None:
    needed = bad_seconds(shape, levels)
    assert needed == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("threshold", ["Inf", "-Inf", "NaN", "1e999", "1e308 * 1e308", "0 / 0"])
@pytest.mark.parametrize("value", ["rate(errors_total[5m])", "queue_length", "sum(rate(a[1m])) / sum(rate(b[1m]))"])
def test_of_a_threshold_that_is_no_finite_number_nothing_is_known(value: str, threshold: str) -> None:
    assert classify(f"{value} > {threshold}").kind in {"other", "gauges"}
