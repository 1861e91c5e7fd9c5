from __future__ import annotations

import pytest

from lab.scale import scale, scale_expr


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("rate(a[5m]) > 0.05", "rate(a[10s]) > 0.05"),
        ('histogram_quantile(0.95, rate(a{x="y"}[5m])) > 2', 'histogram_quantile(0.95, rate(a{x="y"}[10s])) > 2'),
        ("a offset 5m > 1", "a offset 10s > 1"),
        ("rate(a[5m] offset 1h)", "rate(a[10s] offset 2m)"),
        ("max_over_time(rate(a[5m])[10m:1m] offset -1h)", "max_over_time(rate(a[10s])[20s:2s] offset -2m)"),
        ("max_over_time(a[10m:])", "max_over_time(a[20s:])"),
        ("up == 0", "up == 0"),
    ],
)
def test_ranges_steps_and_offsets_are_divided_and_thresholds_stay(expr: str, expected: str) -> None:
    assert scale_expr(expr, 30) == expected


def test_durations_are_divided_at_every_depth_and_nothing_else() -> None:
    config = {
        "global": {"scrape_interval": "15s"},
        "route": {"group_wait": "30s", "routes": [{"repeat_interval": "1h", "receiver": "5m"}]},
        "groups": [{"rules": [{"for": "30s", "expr": "a[5m]", "labels": {"for": "30s"}}]}],
    }
    assert scale(config, 30) == {
        "global": {"scrape_interval": "500ms"},
        "route": {"group_wait": "1s", "routes": [{"repeat_interval": "2m", "receiver": "5m"}]},
        "groups": [{"rules": [{"for": "1s", "expr": "a[10s]", "labels": {"for": "30s"}}]}],
    }


def test_at_scale_one_every_word_stays() -> None:
    config = {"groups": [{"rules": [{"expr": "rate( a[5m] ) > 1", "for": "60s"}]}]}
    assert scale(config, 1) == config
