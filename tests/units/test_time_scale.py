from __future__ import annotations

import pytest

from alertdrill.units.time_scale import scale_alertmanager, scale_duration, scale_expr, scale_prometheus, scale_rules


@pytest.mark.parametrize(
    ("expr", "scaled"),
    [
        ("rate(a[5m]) > 0.05", "rate(a[10s]) > 0.05"),
        ('rate(a{x="b offset 5m [5m]"}[5m])', 'rate(a{x="b offset 5m [5m]"}[10s])'),
        ('a{x="two  spaces"} == 30', 'a{x="two  spaces"} == 30'),
        ("rate(a[5m] @ 5 offset 1m)", "rate(a[10s] @ 5 offset 2s)"),
        ("a offset -5m", "a offset -10s"),
        (
            "max_over_time(rate(a[5m])[30m:1m] @ end() offset 5m)",
            "max_over_time(rate(a[10s])[1m:2s] @ end() offset 10s)",
        ),
        ("sum_over_time((a+b)[5m:])", "sum_over_time((a+b)[10s:])"),
        ("rate(a[1ms])", "rate(a[1ms])"),
    ],
)
def test_only_durations_of_an_expression_change(expr: str, scaled: str) -> None:
    assert scale_expr(expr, 30) == scaled


def test_a_factor_of_one_leaves_an_expression_unchanged() -> None:
    assert scale_expr("rate( a [5m] )", 1) == "rate( a [5m] )"


@pytest.mark.parametrize(("text", "scaled"), [("15s", "500ms"), ("5s", "167ms"), ("0s", "0s"), ("10ms", "1ms")])
def test_a_duration_above_zero_stays_at_least_a_millisecond(text: str, scaled: str) -> None:
    assert scale_duration(text, 30) == scaled


def test_rules_keep_their_thresholds_labels_and_annotations() -> None:
    rule = {"alert": "A", "expr": "a > 300", "for": "5m", "labels": {"for": "5m"}, "annotations": {"interval": "1m"}}
    scaled = scale_rules({"groups": [{"name": "g", "interval": "30s", "rules": [rule]}]}, 30)
    assert scaled["groups"][0] == {"name": "g", "interval": "1s", "rules": [rule | {"for": "10s"}]}


def test_default_intervals_are_scaled_too() -> None:
    assert scale_prometheus({}, 30)["global"] == {"scrape_interval": "2s", "evaluation_interval": "2s"}


def test_waits_of_every_route_and_the_default_waits_are_scaled() -> None:
    config = {"route": {"receiver": "a", "routes": [{"group_wait": "30s", "routes": [{"repeat_interval": "1h"}]}]}}
    route = scale_alertmanager(config, 30)["route"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("1s", "10s", "8m")
    assert route["routes"] == [{"group_wait": "1s", "routes": [{"repeat_interval": "2m"}]}]


@pytest.mark.parametrize(
    ("interval", "scaled"), [("5s", "250ms"), ("15s", "250ms"), ("1m", "1s"), ("200ms", "200ms"), ("250ms", "250ms")]
)
def test_no_target_is_scraped_more_than_four_times_a_second(interval: str, scaled: str) -> None:
    """An interval that is shorter in the file stays as it is."""
    job = {"job_name": "shop", "scrape_interval": interval, "scrape_timeout": interval}
    (found,) = scale_prometheus({"scrape_configs": [job]}, 60)["scrape_configs"]
    assert (found["scrape_interval"], found["scrape_timeout"]) == (scaled, scaled)
