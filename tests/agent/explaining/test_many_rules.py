from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from alertdrill.agent.config.check import check
from alertdrill.agent.explaining.from_files import ExplainOptions, from_files

ROOT = Path(__file__).parents[3]
RULE = """\
  - alert: Alert{number}
    expr: >-
      sum by (job) (rate(http_requests_total{{job="a",status=~"5..",path="/p{number}"}}[5m]))
      / sum by (job) (rate(http_requests_total{{job="a"}}[5m])) > 0.05
    for: 5m
    labels: {{severity: critical}}
    annotations: {{summary: "Größe {{{{ $value }}}} über dem Wert"}}
"""


Rules = Callable[[int], Path]


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    def written(count: int) -> Path:
        path = tmp_path / f"{count}.yml"
        path.write_text("groups:\n- name: g\n  rules:\n" + "".join(RULE.format(number=n) for n in range(count)))
        return path

    return written


@contextmanager
def counting() -> Iterator[list[int]]:
    """Count the calls of Python functions, which no other process on this machine changes."""
    calls = [0]

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        if event in {"call", "c_call"}:
            calls[0] += 1

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def test_the_work_grows_like_the_number_of_rules(rules: Rules) -> None:
    work = {}
    for count in (300, 600, 1200):
        with counting() as calls:
            from_files(ExplainOptions(paths=[rules(count)]))
        work[count] = calls[0]
    assert work[1200] - work[600] == pytest.approx(2 * (work[600] - work[300]), rel=0.02)


def test_one_rule_of_many_is_explained_alone_and_says_the_same(rules: Rules) -> None:
    path = rules(600)
    with counting() as whole:
        everything = from_files(ExplainOptions(paths=[path]))
    with counting() as alone:
        (only,) = from_files(ExplainOptions(paths=[path], rule="Alert5")).rules
    assert only == everything.rules[5]
    assert alone[0] < whole[0] / 2


def test_the_work_of_a_check_grows_like_the_number_of_rules(rules: Rules) -> None:
    work = {}
    for count in (300, 600, 1200):
        path = rules(count)
        with counting() as calls:
            assert check([path]).problems == []
        work[count] = calls[0]
    assert work[1200] - work[600] == pytest.approx(2 * (work[600] - work[300]), rel=0.02)


DEEP = {
    "parentheses": "(" * 99_999 + "up" + ")" * 99_999,
    "conditions": " or ".join(["up == 0"] * 9_999),
    "deepest": " or ".join(["up == 0"] * 100),
    "deepest sum": "up" + " + 1" * 198 + " > 3",
    "deepest ratio": "rate(a[5m])" + " / rate(b[5m])" * 190 + " > 3",
    "deepest call": "abs(" * 198 + "up" + ")" * 198 + " > 3",
    "deepest sign": "-" * 198 + "up > 3",
    "deepest condition": "(" * 190 + "sum(rate(a[5m])) / sum(rate(b[5m])) > 3" + ")" * 190,
}


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Processor seconds: a hang ends here, however busy the machine is.
    limited = ["sh", "-c", 'ulimit -t 30; exec "$@"', "sh", sys.executable, "-m", "alertdrill", *arguments]
    return subprocess.run(limited, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)


def test_rules_that_are_nested_deep_are_explained_with_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "deep.yml"
    rules = [{"alert": name, "expr": expr} for name, expr in DEEP.items()]
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    ended = _command("explain", str(path), "--format", "json")
    assert (ended.returncode, ended.stderr) == (0, "")
    found = {
        one["alert"]: [remark for remark in one["remarks"] if remark["name"] == "unreadable"]
        for one in json.loads(ended.stdout)["rules"]
    }
    assert {name for name, remarks in found.items() if remarks} == {"parentheses", "conditions"}
    assert "it has more than 1,000 brackets and operators" in found["parentheses"][0]["text"]


def test_rules_that_are_nested_too_deep_are_a_problem_each(tmp_path: Path) -> None:
    path = tmp_path / "deep.yml"
    rules = [{"alert": name, "expr": expr} for name, expr in DEEP.items()]
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    ended = _command("check", str(path))
    assert ended.returncode == 2
    assert [line.removeprefix(f"{path}:1: ") for line in ended.stderr.splitlines()] == [
        "groups[0].rules[0].expr: is not PromQL: it has more than 1,000 brackets and operators",
        "groups[0].rules[1].expr: is not PromQL: it has more than 1,000 brackets and operators",
    ]


def test_a_route_that_matches_without_end_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: " + "a" * 60 + ", expr: up == 0}]}]")
    (tmp_path / "alertmanager.yml").write_text("route: {receiver: a, routes: [{matchers: ['alertname=~\"(a+)+b\"']}]}")
    ended = _command("explain", str(tmp_path / "rules.yml"))
    assert ended.returncode == 2
    problem = "'(a+)+b' is not a regular expression that can be read here: it has too many ways to match"
    assert ended.stderr == f"alertdrill: {tmp_path / 'alertmanager.yml'}: route: cannot be read: {problem}\n"


def test_a_selector_that_matches_without_end_names_no_job(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'up{job=~\"(a+)+b\"} == 0'}]}]")
    (tmp_path / "prometheus.yml").write_text("scrape_configs: [{job_name: " + "a" * 60 + "}]")
    ended = _command("explain", str(tmp_path / "rules.yml"))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "for no selector names a job of it" in " ".join(ended.stdout.split())
