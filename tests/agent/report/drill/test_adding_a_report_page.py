"""The example of docs/adding-a-report.md works as the page shows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report.drill.files import REPORTS, Report
from alertdrill.agent.verdict.judge import judge

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "adding-a-report.md").read_text(encoding="utf-8")
MODULE, ROW, TEST = re.findall(r"```(?:python|text)\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_writes_a_line_for_each_milestone(passed: Recording) -> None:
    names: dict[str, Any] = {}
    exec(compile(MODULE, "milestones.py", "exec"), names)  # noqa: S102 - the page's own code
    lines = names["render"](passed, judge(passed)).splitlines()
    assert lines[0] == "drill,alert,milestone,seconds_after_fault"
    assert lines[1].startswith("slow-database,OrdersSlow,condition,")


def test_the_row_fits_into_the_table() -> None:
    (row,) = eval(f"[{ROW.strip()}]", {"Report": Report})  # noqa: S307 - the page's own code
    assert type(row) is type(REPORTS[0])
    assert row.suffix not in {one.suffix for one in REPORTS}


def test_the_test_is_python() -> None:
    assert "def test_each_milestone_has_a_line" in TEST
    compile(TEST, "test_milestones.py", "exec")
