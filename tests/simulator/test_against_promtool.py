"""The simulator is right: promtool computes the same values, states and instants, to the last bit.

ALERTDRILL_CASES is the number of cases; `make verdicts` draws four hundred.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from simulator import MUTANTS, RIGHT, Case, Truth
from simulator.drawn import KINDS, draw_many, plain_cases
from simulator.promtool import sees_all, write_test
from tests.support.promtools import BOTH, version_of

COUNT = int(os.environ.get("ALERTDRILL_CASES", "200"))
# Mutants whose mistake promtool can see: it has no offset of a group, and no Alertmanager.
MACHINES = [name for name, engine in MUTANTS.items() if engine.machine is not RIGHT.machine]


@pytest.fixture(scope="module", params=BOTH)
def promtool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def drawn(promtool: str) -> dict[Case, Truth]:
    return {case: case.run() for case in draw_many(plain_cases(version=version_of(promtool)), COUNT)}


def _failures(promtool: str, tests: list[Path]) -> dict[str, str]:
    """Run all test files at once; return promtool's message on each that fails."""
    ended = subprocess.run(
        [promtool, "test", "rules", *(test.name for test in tests)],
        cwd=tests[0].parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    # 2.42 writes `Unit Testing:  case1.test.yml`, and 3.16 `Processing test file: case1.test.yml`.
    reports = re.split(r"^(?:Unit Testing|Processing test file):\s+", ended.stdout, flags=re.MULTILINE)[1:]
    assert ended.stdout.count("SUCCESS") + len([report for report in reports if "FAILED" in report]) == len(tests)
    return {report.split()[0]: report[:2000] for report in reports if "FAILED" in report}


def test_promtool_agrees_on_every_value_and_every_state_of_hundreds_of_drawn_cases(
    tmp_path: Path, promtool: str, drawn: dict[Case, Truth]
) -> None:
    assert len(drawn) == COUNT
    tests = [write_test(case, truth, tmp_path, f"case{index}") for index, (case, truth) in enumerate(drawn.items())]
    assert _failures(promtool, tests) == {}
    assert {case.kind for case, truth in drawn.items() if truth.fired() and sees_all(truth)} == set(KINDS)


@pytest.mark.parametrize("name", MACHINES)
def test_promtool_refuses_what_a_wrong_engine_makes_of_them(
    name: str, tmp_path: Path, promtool: str, drawn: dict[Case, Truth]
) -> None:
    """Without this, promtool's agreement would prove nothing."""
    tests: list[Path] = []
    for case in filter(lambda case: sees_all(drawn[case]), drawn):
        wrong = case.run(MUTANTS[name])
        if (wrong.alerts, wrong.for_state) != (drawn[case].alerts, drawn[case].for_state):
            tests.append(write_test(case, wrong, tmp_path, f"case{len(tests)}"))
        if len(tests) == 6:
            break
    assert set(_failures(promtool, tests)) == {test.name for test in tests}
