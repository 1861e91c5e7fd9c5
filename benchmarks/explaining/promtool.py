"""Real promtool evaluates rules on series: the independent witness of all arithmetic."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

_ANSWER = re.compile(r'\{[^}]*case="([^"]+)"[^}]*\} ([^\s,]+)')


def answers(
    directory: Path,
    rules: Sequence[dict[str, Any]],
    series: dict[str, str],
    queries: Sequence[str],
    grid: tuple[float, float],
) -> list[dict[str, float]]:
    """Evaluate rules on series for an hour and a half, and queries at its end: the values by the label `case`.

    `grid` has the scrape and the evaluation interval in seconds; all series begin at 0.
    """
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": list(rules)}]}))
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{grid[1]:g}s",
        "tests": [
            {
                "interval": f"{grid[0]:g}s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                # The expected alerts never come, so promtool prints those that did.
                "promql_expr_test": [
                    {"expr": query, "eval_time": "90m", "exp_samples": [{"labels": '{never="so"}', "value": 0}]}
                    for query in queries
                ],
            }
        ],
    }
    (directory / "test.yml").write_text(yaml.safe_dump(test))
    ended = subprocess.run(
        ["promtool", "test", "rules", "test.yml"],  # noqa: S607 - found as a user would find it
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    said = (ended.stdout + ended.stderr).split("got:")[1:]
    if len(said) != len(queries):
        raise RuntimeError(ended.stdout + ended.stderr)
    return [{case: float(value) for case, value in _ANSWER.findall(answer)} for answer in said]
