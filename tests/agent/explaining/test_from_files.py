"""`alertdrill explain` from files, up to its output."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from alertdrill.agent.config.kpis import read_kpis
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.explaining.from_files import ExplainOptions, from_files
from alertdrill.agent.rules.explanation import ExplainedRule
from alertdrill.lab.engine.metrics import EngineMetrics

ROOT = Path(__file__).parents[3]
RULES = """\
groups:
  - name: a
    rules:
      - record: job:x:rate5m
        expr: sum by (job) (rate(x[5m]))
      - alert: Errors
        expr: rate(x{job="web"}[5m]) > 3
        for: 1m
        labels: {severity: page}
      - alert: Newer
        expr: rate(x[5m+1m]) > 3
        for: 45s
  - name: b
    interval: 30s
    query_offset: 5s
    labels: {team: shop}
    rules:
      - alert: Depth
        expr: depth{job=~"w.*|db"} > 3
        keep_firing_for: 2m
"""
PROMETHEUS = """\
global: {scrape_interval: 20s, evaluation_interval: 25s, external_labels: {a: b}}
scrape_configs:
  - {job_name: web, scrape_interval: 5s, static_configs: []}
  - {job_name: db, scrape_interval: 40s}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


def _explained(path: Path, **options: object) -> dict[str, ExplainedRule]:
    explanation = from_files(ExplainOptions(paths=[path], **options))  # each test names its own
    return {one.located.rule.alert: one for one in explanation.rules}


def test_each_alerting_rule_is_explained_where_it_stands(rules: Path) -> None:
    found = _explained(rules)
    assert {name: one.located.place for name, one in found.items()} == {
        "Errors": f"{rules}:6",
        "Newer": f"{rules}:10",
        "Depth": f"{rules}:18",
    }
    assert found["Depth"].located.rule.labels == {"team": "shop"}


def test_intervals_come_from_prometheus_yml_beside_the_rules(rules: Path) -> None:
    (rules.parent / "prometheus.yml").write_text(PROMETHEUS)
    found = _explained(rules)
    scrapes = {name: (one.located.timing.scrape, one.located.timing.interval) for name, one in found.items()}
    # The interval of the named job; of several matching jobs the longest; if no job is named, the global one.
    assert scrapes == {"Errors": (5, 25), "Newer": (20, 25), "Depth": (40, 30)}
    assert found["Depth"].located.timing.query_offset == 5
    assert found["Errors"].located.basis[0] == f"scrape interval 5s: job web of {rules.parent / 'prometheus.yml'}"
    assert "for no selector names a job of it, and some job has 5s" in found["Newer"].located.basis[0]


def test_without_prometheus_yml_options_stand_in_and_defaults_after_them(rules: Path) -> None:
    given = _explained(rules, scrape_interval=timedelta(seconds=7), evaluation_interval=timedelta(seconds=9))
    assert (given["Errors"].located.timing.scrape, given["Errors"].located.timing.interval) == (7, 9)
    assert given["Errors"].located.basis[:2] == ("scrape interval 7s: as given", "evaluation interval 9s: as given")
    default = _explained(rules)["Errors"].located
    assert (default.timing.scrape, default.timing.interval) == (60, 60)
    assert "Prometheus' default, for there is no prometheus.yml" in default.basis[0]


def test_routes_come_from_alertmanager_yml_in_a_folder_next_to_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    found = _explained(tmp_path / "configs/prometheus/rules.yml")
    assert [leg.name for leg in found["HighErrorRate"].prospect.legs] == [
        "pending",
        "firing",
        "on-call notified",
        "resolved",
        "on-call notified of the end",
    ]


def test_without_alertmanager_yml_routes_are_not_known(rules: Path) -> None:
    found = _explained(rules)["Errors"]
    assert [leg.name for leg in found.prospect.legs] == ["pending", "firing", "resolved"]
    assert found.located.basis[2] == "routes: not known, for there is no alertmanager.yml"


def test_a_rule_that_our_parser_cannot_read_is_reported_and_the_rest_explained(rules: Path) -> None:
    found = _explained(rules)
    remark = next(one for one in found["Newer"].remarks if one.name == "unreadable")
    assert "unexpected character inside brackets: '+'" in remark.text
    firing = found["Newer"].prospect.legs[1]
    assert firing.earliest == 60  # ceil(45 s / 60 s) evaluations
    assert found["Errors"].prospect.shape.kind == "rate"


def test_a_prometheus_rule_of_kubernetes_is_read(tmp_path: Path, rules: Path) -> None:
    inside = "\n".join("  " + line for line in RULES.splitlines())
    path = tmp_path / "resource.yaml"
    head = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: a}\nspec:\n"
    path.write_text(head + inside + "\n")
    given = timedelta(minutes=1)
    found, plain = (_explained(one, scrape_interval=given, evaluation_interval=given) for one in (path, rules))
    assert {name: one.prospect.legs for name, one in found.items()} == {
        name: one.prospect.legs for name, one in plain.items()
    }
    assert found["Errors"].located.place == f"{path}:10"


def test_the_defaults_of_a_prometheus_rule_are_those_of_the_operator(tmp_path: Path) -> None:
    path = tmp_path / "resource.yaml"
    rule = "{alert: A, expr: 'increase(e[1m]) > 0'}"
    head = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: a}\n"
    path.write_text(f"{head}spec: {{groups: [{{name: g, rules: [{rule}]}}]}}\n")
    located = _explained(path)["A"].located
    assert (located.timing.scrape, located.timing.interval, located.timing.is_guess) == (30, 30, True)
    assert located.basis[0] == "scrape interval 30s: the Prometheus operator's default, for there is no prometheus.yml"


@pytest.mark.parametrize(
    "text",
    [
        '{"status": "success", "data": {"hits_total": [{"type": "gauge", "help": ""}], "errors": [{"type": "counter"}]}}',
        "# HELP hits_total h\n# TYPE hits_total gauge\nhits_total 5\n# TYPE errors counter\nerrors_total 5\n",
    ],
)
def test_types_of_metrics_come_from_a_file(tmp_path: Path, rules: Path, text: str) -> None:
    rules.write_text(
        "groups: [{name: g, rules: [{alert: A, expr: hits_total > 5}, {alert: B, expr: errors_total > 5}]}]"
    )
    metadata = tmp_path / "metadata"
    metadata.write_text(text)
    known, guessed = _explained(rules, metadata=metadata), _explained(rules)
    assert [_severities(found, "counter_without_rate") for found in (known, guessed)] == [
        {"B": "problem"},
        {"A": "note", "B": "note"},
    ]
    metadata.write_text("hits_total 5\n")
    with pytest.raises(ConfigError, match="has no types, expected the answer of /api/v1/metadata or the text"):
        _explained(rules, metadata=metadata)


def _severities(found: dict[str, ExplainedRule], name: str) -> dict[str, str]:
    return {alert: one.severity for alert, rule in found.items() for one in rule.remarks if one.name == name}


def test_a_rule_that_cannot_work_has_no_window(rules: Path) -> None:
    rules.write_text("groups: [{name: g, rules: [{alert: A, expr: count(x) == 0, for: 5m, labels: {severity: page}}]}]")
    (rule,) = _explained(rules).values()
    assert [(leg.name, leg.latest) for leg in rule.prospect.legs] == [("pending", math.inf)]
    assert rule.prospect.shortest is None
    assert {one.name for one in rule.remarks} == {"never_fires", "no_runbook", "no_description"}


RECORDED = """\
groups:
  - name: a
    interval: 30s
    rules:
      - {record: "job:err:ratio5m", expr: "sum(rate(err[5m])) / sum(rate(all[5m]))", labels: {of: shop}}
      - {record: "job:err:ratio5m", expr: "sum(rate(err[1h])) / sum(rate(all[1h]))", labels: {of: bank}}
      - {alert: Same, expr: 'max without (x) (job:err:ratio5m{of="shop"} > 0.1)'}
      - {alert: Either, expr: 'job:err:ratio5m > 0.1'}
  - name: b
    interval: 30s
    rules:
      - {alert: Other, expr: 'job:err:ratio5m{of="shop"} > 0.1'}
      - {alert: Gone, expr: 'job:err:ratio1d > 0.1'}
      - {alert: InARange, expr: 'avg_over_time(job:err:ratio5m[10m]) > 0.1'}
"""


def test_a_recorded_series_is_explained_by_the_expression_of_its_rule(rules: Path) -> None:
    """A tenth of five minutes must be bad; a rule of another group comes up to an evaluation later."""
    rules.write_text(RECORDED)
    found = _explained(rules)
    windows = {name: (one.prospect.legs[0].earliest, one.prospect.legs[0].latest) for name, one in found.items()}
    assert windows == {
        "Same": (0, 30 + 60 + 30),
        "Other": (0, 30 + 60 + 30 + 30),
        "Either": (0, math.inf),
        "Gone": (0, math.inf),
        "InARange": (0, math.inf),
    }
    assert "for_short" not in {remark.name for remark in found["Same"].remarks}
    for name in ("Either", "Gone", "InARange"):
        assert "recorded" in {remark.name for remark in found[name].remarks}


def test_rule_files_below_a_folder_are_found_among_others(tmp_path: Path, rules: Path) -> None:
    (rules.parent / "prometheus.yml").write_text(PROMETHEUS)
    assert set(_explained(tmp_path)) == {"Errors", "Newer", "Depth"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("rules.yml", RULES.replace("for: 1m", "for: 1"), "8: groups[0].rules[1].for: 1 has no unit"),
        (
            "rules.yml",
            RULES.replace("alert: Errors", "alrt: Errors"),
            "groups[0].rules[1].alrt: unknown key, did you mean",
        ),
        ("prometheus.yml", "global: {scrape_interval: 5}", "1: global.scrape_interval: 5 has no unit"),
        ("alertmanager.yml", "route: {group_wait: soon}", "1: route: cannot be read: 'soon' is not a duration"),
        (
            "kpis.yml",
            "kpis: [{kpi: a, series: b, objective: fast}]",
            "1: kpis[0].objective: 'fast' is not an objective",
        ),
        ("kpis.yml", "kpis: [{kpi: a, series: b, objective: '< 1', of: c, quantile: 0.9}]", "has of and quantile"),
        ("kpis.yml", "buckets: {a: [2, 1]}", "buckets: the bounds of a do not ascend"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(rules: Path, name: str, text: str, expected: str) -> None:
    (rules.parent / name).write_text(text)
    with pytest.raises(ConfigError) as error:
        from_files(ExplainOptions(paths=[rules]))
    assert expected in error.value.problems[0].removeprefix(f"{rules.parent / name}:")


def test_a_file_of_recording_rules_alone_says_so(tmp_path: Path) -> None:
    path = tmp_path / "recording.yml"
    path.write_text("groups: [{name: a, rules: [{record: b, expr: c}]}]\n")
    ended = _run(str(path))
    assert (ended.returncode, ended.stdout.strip()) == (0, "no alerting rules")


def test_a_single_alert_can_be_selected(rules: Path) -> None:
    assert set(_explained(rules, rule="Depth")) == {"Depth"}
    with pytest.raises(ConfigError, match=r"--rule: no rule makes the alert 'Dept', did you mean Depth\?"):
        _explained(rules, rule="Dept")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alertdrill", "explain", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_page_of_the_shipped_rules_is_up_to_date() -> None:
    """`make docs` writes the page again."""
    made = _run("configs/prometheus/rules.yml", "--format", "markdown")
    assert made.returncode == 0, made.stderr
    assert made.stdout == (ROOT / "docs/seed-rules.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["configs/prometheus/rules.yml"], 0),
        (["configs/prometheus/rules.yml", "--strict"], 1),
        (["configs/prometheus/rules.yml", "--strict", "--rule", "HighMemoryUsage"], 0),
        (["configs/prometheus/rules.yml", "--config", "configs/agent.yml"], 2),
        (["configs/prometheus/rules.yml", "--scrape-interval", "5"], 2),
        (["configs/prometheus/rules.yml", "--evaluation-interval", "0s"], 2),
        (["configs/alertmanager"], 2),
        ([], 2),
    ],
)
def test_a_problem_changes_the_exit_code_only_when_strict(arguments: list[str], code: int) -> None:
    ended = _run(*arguments)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert bool(ended.stderr) == (code == 2)


def test_the_shipped_buckets_are_those_of_the_engine() -> None:
    shown = re.findall(r'transactions_response_time_seconds_bucket{le="([^"+]+)"}', EngineMetrics().render().decode())
    known = read_kpis(ROOT / "configs/kpis.yml").buckets
    assert [*map(float, shown)] == [*known["payment_engine_transactions_response_time_seconds_bucket"]]


def test_a_program_gets_json() -> None:
    answer = json.loads(_run("configs/prometheus/rules.yml", "--format", "json").stdout)
    assert len(answer["rules"]) == 8
    assert [one["kpi"] for one in answer["unwatched"]] == [
        "transactions a second",
        "response time p99",
        "CPU usage",
    ]


def test_a_rule_that_stands_twice_in_its_group_is_told(tmp_path: Path) -> None:
    one = "{alert: A, expr: depth > 3, for: 1m}"
    path = tmp_path / "rules.yml"
    path.write_text(
        f"groups:\n- {{name: a, rules: [{one}, {one}, {one.replace('1m', '2m')}]}}\n- {{name: b, rules: [{one}]}}\n"
    )
    rules = from_files(ExplainOptions(paths=[path])).rules
    assert [any(remark.name == "repeated" for remark in rule.remarks) for rule in rules] == [True, True, False, False]
