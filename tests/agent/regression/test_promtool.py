"""The real promtool: it reads what is written, and its answers are read as they are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.regression.case import InputSeries
from alertdrill.agent.regression.promtool import InstantQuery, Job, Promtool, QueryResult, find_promtool
from alertdrill.agent.regression.spelling import Value, parse_values

ODD = 'a "quoted" {text}, with \\ and =, é'
NUMBERS = [
    1e-7,
    -5e-5,
    1e22,
    123456789.125,
    0.1 + 0.2,
    1 / 3,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
]


def _job(lines: list[InputSeries], *exprs: str, rules: list[dict[str, Any]] | None = None, count: int = 1) -> Job:
    at = tuple(15_000 * number for number in range(count))
    file = {"groups": [{"name": "g", "rules": rules or []}]}
    return Job(file, 15_000, tuple(lines), tuple(InstantQuery(expr, at) for expr in exprs))


def _line(values: list[Value], offset: int = 0, step: int = 15_000, **labels: str) -> InputSeries:
    return InputSeries(tuple(sorted({"__name__": "queue", **labels}.items())), offset, step, tuple(values))


def test_every_number_and_label_comes_back() -> None:
    lines = [_line([number], number=str(index), odd=ODD) for index, number in enumerate(NUMBERS)]
    (answer,) = find_promtool().run([_job([*lines, _line([math.nan], number="nan", odd=ODD)], "queue")])
    assert not answer.error
    found = {dict(labels)["number"]: value for labels, value in answer.vectors[0][0].items()}
    assert math.isnan(found.pop("nan"))
    assert found == {str(index): number for index, number in enumerate(NUMBERS)}
    assert {dict(labels)["odd"] for labels in answer.vectors[0][0]} == {ODD}


def test_runs_of_decimals_are_the_same_floats_in_promtool() -> None:
    text = "5+0.1x30 _x3 9-0.3x20 stale _ 7"
    values = parse_values(text)
    (answer,) = find_promtool().run([_job([_line(values)], "queue", count=len(values))])
    seen = [next(iter(vector.values()), None) for vector in answer.vectors[0]]
    held: Value = None
    for value, here in zip(values, seen, strict=True):
        # What is missing is found again in the five minutes before, until the series is stale.
        held = held if value is None else value
        assert here == (None if held == "stale" else held)


def test_series_of_several_phases_are_on_one_grid() -> None:
    lines = [_line([1.0, 2.0], 4_000, 15_000, of="a"), _line([3.0, 4.0, 5.0], 500, 10_000, of="b")]
    (answer,) = find_promtool().run([_job(lines, "queue", count=3)])
    found = [{dict(labels)["of"]: value for labels, value in vector.items()} for vector in answer.vectors[0]]
    assert found == [{}, {"a": 1, "b": 4}, {"a": 2, "b": 5}]


def test_one_rule_that_cannot_be_evaluated_does_not_hide_the_others() -> None:
    lines = [_line([1.0], of="a"), _line([1.0], of="b")]
    wrong = _job(lines, "ALERTS", rules=[{"alert": "A", "expr": "queue > on () queue"}])
    right = _job(lines, "count(ALERTS)", rules=[{"alert": "A", "expr": "queue > 0"}])
    first, second, third = find_promtool().run([wrong, right, _job(lines, "queue + on () queue")])
    assert "many-to-many" in first.error
    assert second == QueryResult((({(): 2.0},),))
    assert third.error


def test_nothing_is_run_for_no_jobs() -> None:
    assert find_promtool().run([]) == []


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="/no/promtool: is not a program"):
        find_promtool("/no/promtool")
    monkeypatch.setenv("ALERTDRILL_PROMTOOL", "no-such-promtool")
    with pytest.raises(ConfigError, match="no-such-promtool: is not a program"):
        find_promtool()
    monkeypatch.delenv("ALERTDRILL_PROMTOOL")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"promtool is not installed: download Prometheus from prometheus\.io, and name"
    ):
        find_promtool()


@pytest.mark.parametrize(("version", "is_refused"), [("2.31.2", True), ("2.42.0", False), ("3.16.0-rc.0", False)])
def test_an_old_promtool_is_refused_with_where_to_get_one(tmp_path: Path, version: str, is_refused: bool) -> None:  # noqa: FBT001
    program = tmp_path / "promtool"
    program.write_text(f"#!/bin/sh\necho 'promtool, version {version} (branch: HEAD)'\n")
    program.chmod(0o755)
    if not is_refused:
        assert find_promtool(str(program)).version == version
        return
    with pytest.raises(ConfigError, match=r"2\.31\.2, which is too old, expected 2\.42 or newer: download Prometheus"):
        find_promtool(str(program))


def test_another_program_is_no_promtool() -> None:
    with pytest.raises(ConfigError, match="echo: did not run the tests: test rules"):
        Promtool("echo").run([_job([_line([1.0])], "queue")])


def test_the_heading_of_a_newer_promtool_is_read(tmp_path: Path) -> None:
    newer = tmp_path / "promtool"
    newer.write_text(
        f"#!/bin/sh\n{find_promtool().path} \"$@\" 2>&1 | sed 's/^Unit Testing:  /Processing test file: /'\n"
    )
    newer.chmod(0o755)
    jobs = [_job([_line([number])], "queue") for number in (5.0, 6.0)]
    assert Promtool(str(newer)).run(jobs) == find_promtool().run(jobs)
