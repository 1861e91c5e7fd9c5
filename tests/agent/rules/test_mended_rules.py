"""Each improved rule beside the original: promtool shows a case in which one fires and the other is silent."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

PROMETHEUS = Path(__file__).parents[3] / "configs/prometheus"
PROCESSED, ERRORS = "payment_engine_transactions_processed_total", "payment_engine_errors_total"


def _engine(metric: str, number: int, each_second: int, **labels: str) -> dict[str, str]:
    named = {"job": "payment-engine", "instance": f"engine-{number}"} | labels
    spelled = ", ".join(f'{name}="{value}"' for name, value in named.items())
    return {"series": f"{metric}{{{spelled}}}", "values": f"0+{each_second * 15}x80"}


TWO_ENGINES = [_engine(PROCESSED, 1, 1000), _engine(PROCESSED, 2, 1000)]
ERRORS_WITH_A_REASON = [_engine(PROCESSED, 1, 100), _engine(ERRORS, 1, 50, reason="database_error")]
# The exporters are up, and the engine was removed from the configuration.
NO_TARGET = [{"series": 'up{job="postgres", instance="db"}', "values": "1x80"}]


def _fired(tmp_path: Path, series: list[dict[str, str]], alerts: dict[str, int]) -> subprocess.CompletedProcess[str]:
    """Let promtool check how many alerts of each name fire 20 minutes later, with any labels."""
    counts = [
        {
            "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
            "eval_time": "20m",
            "exp_samples": [{"labels": "{}", "value": count}],
        }
        for name, count in alerts.items()
    ]
    case = {"interval": "15s", "input_series": series, "promql_expr_test": counts}
    files = [str(PROMETHEUS / name) for name in ("rules.yml", "mended-rules.yml")]
    test: dict[str, Any] = {"rule_files": files, "evaluation_interval": "15s", "tests": [case]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    command = ["promtool", "test", "rules", "test.yml"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("series", "verbatim", "mended"),
    [
        (TWO_ENGINES, "HighTPS", "HighTPSOfAllEngines"),
        (ERRORS_WITH_A_REASON, "HighErrorRate", "HighErrorRateOfJob"),
        (NO_TARGET, "SystemDown", "SystemGone"),
    ],
)
def test_the_verbatim_rule_is_silent_where_the_mended_one_fires(
    tmp_path: Path, series: list[dict[str, str]], verbatim: str, mended: str
) -> None:
    ended = _fired(tmp_path, series, {verbatim: 0, mended: 1})
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("series", "verbatim", "mended"),
    [
        ([_engine(PROCESSED, 1, 2000)], "HighTPS", "HighTPSOfAllEngines"),
        ([_engine(PROCESSED, 1, 100), _engine(ERRORS, 1, 50)], "HighErrorRate", "HighErrorRateOfJob"),
    ],
)
def test_both_fire_where_the_verbatim_one_does(
    tmp_path: Path, series: list[dict[str, str]], verbatim: str, mended: str
) -> None:
    ended = _fired(tmp_path, series, {verbatim: 1, mended: 1})
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_mended_rule_says_what_it_mends_and_keeps_its_runbook() -> None:
    known = {
        rule["alert"]: rule
        for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
        for rule in group["rules"]
    }
    for rule in yaml.safe_load((PROMETHEUS / "mended-rules.yml").read_text())["groups"][0]["rules"]:
        mends = known[rule["labels"]["mends"]]
        assert rule["alert"] not in known
        assert rule["labels"]["severity"] == mends["labels"]["severity"]
        assert rule["annotations"]["runbook_url"] == mends["annotations"]["runbook_url"]
