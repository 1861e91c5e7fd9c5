from __future__ import annotations

import shutil
from pathlib import Path

from alertdrill.agent.config.check import check

CONFIGS = Path(__file__).parents[3] / "configs"


def test_the_shipped_files_have_no_problem() -> None:
    findings = check([CONFIGS])
    assert findings.problems == []
    assert (findings.agent, len(findings.drills), len(findings.rules)) == (1, 9, 3)


def test_an_unknown_alert_is_reported_with_the_nearest_name(tmp_path: Path) -> None:
    shutil.copytree(CONFIGS, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "drills/database-latency.yml"
    path.write_text(path.read_text().replace("alert: HighResponseTime", "alert: HighResponseTimes"))
    (problem,) = check([tmp_path]).problems
    assert problem.startswith(f"{path}:17: expect[0].alert: ")
    assert problem.endswith("did you mean HighResponseTime?")


def test_invalid_promql_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text("groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: rate(x)\n")
    (problem,) = check([tmp_path]).problems
    assert problem.startswith(f"{path}:5: groups[0].rules[0].expr: is not PromQL")


def test_errors_of_several_files_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("drill: a\n")
    (tmp_path / "b.yml").write_text("groups: 3\n")
    problems = check([tmp_path, tmp_path / "c.yml"]).problems
    assert {problem.split(":")[0] for problem in problems} == {str(tmp_path / f"{name}.yml") for name in "abc"}


RESOURCE = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
spec:
  groups:
    - name: a
      rules:
        - alert: A
          expr: EXPR
"""


def test_a_prometheus_rule_is_checked_like_any_rule_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RESOURCE.replace("EXPR", "up == 0"))
    assert len(check([tmp_path]).rules) == 1
    path.write_text(RESOURCE.replace("EXPR", "rate(x)"))
    (problem,) = check([tmp_path]).problems
    assert problem.startswith(f"{path}:8: spec.groups[0].rules[0].expr: is not PromQL")


def test_kpis_are_checked(tmp_path: Path) -> None:
    (tmp_path / "kpis.yml").write_text("kpis: [{kpi: a, series: b, objectiv: '< 1'}]\n")
    problems = check([tmp_path]).problems
    assert f"{tmp_path}/kpis.yml:1: kpis[0].objectiv: unknown key, did you mean objective?" in problems
