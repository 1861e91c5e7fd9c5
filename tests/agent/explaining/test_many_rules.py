from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from alertdrill.agent.config.check import check
from alertdrill.agent.explaining.from_files import ExplainOptions, from_files

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
