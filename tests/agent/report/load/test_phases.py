"""A load in phases reads the same on a terminal and on a page, and names from outside are never markup."""

from __future__ import annotations

import io
import json
import math
import re

import pytest
from rich.console import Console

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.report import plot
from alertdrill.agent.report.load import figure as load_figure
from alertdrill.agent.report.load import phase_text
from alertdrill.agent.report.load import summary as load_summary
from alertdrill.agent.scorecard.card import Reading, Score
from alertdrill.agent.scorecard.phase_result import PhaseResult
from alertdrill.probes.figures.honesty import Honesty
from alertdrill.probes.figures.summary import LoadSummary
from tests.support.drawn import DrawnRow, drawn_rows

CPU = Kpi(kpi="CPU usage", series="cpu", objective="< 80", unit="%")
P95 = Kpi(kpi="response time p95", series="a_bucket", quantile=0.95, objective="< 2", unit="seconds")
EVIL = "<script>alert(1)</script>[bold]\x1b"


def phase(name: str, rate: float, cpu: float | None, reasons: tuple[str, ...] = ()) -> PhaseResult:
    readings = () if cpu is None else (Reading(cpu),)
    scores = (Score(P95, "p95", (Reading(0.2),)), Score(CPU, "cpu", readings))
    return PhaseResult(name, rate, 10, rate, rate - 1, 0.0, 0.1, 0.2, 0.3, (), Honesty(reasons), scores)


WALK = [
    phase("baseline", 100, 12.5),
    phase("phase 1", 1500, None),
    phase(EVIL, 2000, 91, ("dropped 5 of 9 transactions, more than 1 %",)),
]


def _capacity(walk: list[PhaseResult]) -> list[DrawnRow]:
    return drawn_rows(plot.html(load_figure.capacity(walk)))


def printed(walk: list[PhaseResult], width: int = 100) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, no_color=True).print(phase_text.render(walk))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_each_phase_has_its_row_and_the_highest_is_named() -> None:
    lines = printed(WALK)
    assert "baseline 100/s 99/s 200 ms 300 ms 0.00% ✓" in lines
    assert "phase 1 1,500/s 1,499/s 200 ms 300 ms 0.00% ✓" in lines
    assert lines[-1] == "highest phase that passed: phase 1, at 1,500/s"


def test_failures_and_unknown_kpis_of_a_phase_are_named() -> None:
    text = " ".join(printed(WALK))
    assert "the load dropped 5 of 9 transactions, more than 1 %" in text
    assert "CPU usage < 80: 91" in text
    assert "phase 1: no data of CPU usage" in text
    assert "\x1b" not in text


def test_the_kpis_of_all_phases_are_in_one_row() -> None:
    lines = printed(WALK)
    assert "CPU usage 12.5 %✓ no data? 91 %✗ < 80 %" in lines


def test_six_phases_fit_into_eighty_columns_with_no_figure_cut() -> None:
    walk = [phase(f"phase {number}", 1000 + number, 61.35) for number in range(6)]
    lines = printed(walk, 80)
    assert "CPU usage 61.35 %✓ 61.35 %✓ 61.35 %✓ 61.35 %✓ 61.35 %✓ 61.35 %✓ < 80 %" in lines
    assert "…" not in " ".join(lines)


def test_it_says_when_no_phase_passed() -> None:
    assert printed(WALK[2:])[-1] == "not even the first phase passed"


def test_the_curve_has_a_point_for_each_phase_and_a_cross_where_it_did_not_pass() -> None:
    rows = _capacity(WALK)
    assert [row.keys for row in rows] == [
        ["achieved", "asked", "passed", "did not pass"],
        ["p50", "p95", "p99"],
        ["failed"],
        ["CPU usage"],
    ]
    assert [x for key, _, x, _ in rows[1].marks if key == "p95"] == [100, 1500, 2000]
    assert sorted(set(rows[3].values("CPU usage"))) == pytest.approx([12.5, 91], rel=1e-3)
    assert [(shape, text) for _, shape, _, text in rows[3].marks] == [
        ("dot", "baseline: 12.5%"),
        ("cross", f"{EVIL}: 91%".replace("\x1b", "\N{REPLACEMENT CHARACTER}")),
    ]
    assert [shape for key, shape, _, _ in rows[1].marks if key == "p95"] == ["dot", "dot", "cross"]
    assert "<script>" not in plot.html(load_figure.capacity(WALK))


@pytest.mark.parametrize("walk", [[], WALK])
def test_the_export_holds_the_phases(walk: list[PhaseResult]) -> None:
    summary = LoadSummary({}, (), 1, 1, 1)
    text = load_summary.export(summary, walk)
    assert text.count('"asked_rate"') == len(walk)
    assert ('"phases"' in text) is bool(walk)


def test_an_infinite_value_misses_its_target_and_is_shown_in_every_form() -> None:
    walk = [phase("baseline", 100, math.inf)]
    assert walk[0].failures == ("CPU usage < 80: inf",)
    assert any("+Inf" in line for line in printed(walk))
    assert _capacity(walk)[3].lines["CPU usage"] == []
    assert not re.search(r"\b(inf|nan)\b", plot.html(load_figure.capacity(walk)))
    exported = json.loads(load_summary.export(LoadSummary({}, (), 1.0, 1.0, 1.0), walk))
    assert exported["load"]["phases"][0]["kpis"]["CPU usage"] == {"value": None, "status": "red"}
