"""A number of labs and a time scale, or `auto` for either."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from alertdrill.agent.cli import app


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time-scale", "0.5"], "Invalid value for '--time-scale': 0.5 is not in the range x>=1"),
        (["--time-scale", "nan"], "Invalid value for '--time-scale': nan is not a finite number"),
        (["--time-scale", "inf"], "Invalid value for '--time-scale': inf is not a finite number"),
        (["--time-scale", "fast"], "Invalid value for '--time-scale': 'fast' is not a number"),
        (["--time-scale", ""], "Invalid value for '--time-scale': '' is not a number"),
        (["--parallel", "0"], "Invalid value for '--parallel': '0' is not in the range 1<=x<=64"),
        (["--parallel", "65"], "Invalid value for '--parallel': '65' is not in the range 1<=x<=64"),
        (["--parallel", "1.5"], "Invalid value for '--parallel': '1.5' is not in the range 1<=x<=64"),
        (["--parallel", "Auto"], "Invalid value for '--parallel': 'Auto' is not in the range 1<=x<=64"),
    ],
)
def test_an_option_that_is_neither_a_number_nor_auto_is_refused(options: list[str], said: str) -> None:
    ran = CliRunner().invoke(app, ["drill", "control", "--lab", *options], env={"COLUMNS": "200"})
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert said in ran.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--time-scale", "auto"], "--time-scale needs --lab: servers of your own keep their own durations"),
        (["--parallel", "auto"], "--parallel needs --lab, and no --dry-run: servers of your own are drilled one drill"),
        (["--parallel", "auto", "--lab", "--dry-run"], "--parallel needs --lab, and no --dry-run"),
    ],
)
def test_auto_needs_a_lab(options: list[str], said: str) -> None:
    ran = CliRunner().invoke(app, ["drill", "control", *options])
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert said in ran.stderr
