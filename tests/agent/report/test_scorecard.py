"""A score card has the same content in each form, and text from outside is never markup."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.console import Console

from alertdrill.agent.config.kpis import Kpi
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import KpiRecord, KpiValueRecord
from alertdrill.agent.report.drill import html, terminal
from alertdrill.agent.report.drill import json as json_report
from alertdrill.agent.report.scorecard import as_html, as_json, as_markdown, as_text, trend_words, value_words
from alertdrill.agent.scorecard.card import Card, KpiTrend, Reading, Score
from alertdrill.agent.verdict.judge import judge

P95 = Kpi(kpi="p95", series="a_bucket", quantile=0.95, objective="< 2", yellow_from=1.5, unit="seconds")
RATIO = Kpi(kpi="error rate", series="a", of="b", objective="< 0.001", unit="ratio")
CPU = Kpi(kpi="CPU usage", series="cpu", objective="< 80", unit="%")
AMOUNT = Kpi(kpi="amount a day", series="a", increase="1d", by=("currency",))
EVIL = "<script>alert(1)</script>[bold]\x1b"
CARD = Card(
    1_790_000_000,
    300,
    (
        Score(P95, "p95_query", (Reading(1.6, trend=KpiTrend(-0.1, 3)),)),
        Score(RATIO, "ratio_query", (Reading(0.05),)),
        Score(CPU, "cpu_query", (), EVIL),
        Score(AMOUNT, "amount_query", (Reading(1234567.8, {"currency": "EUR"}), Reading(99.5, {"currency": EVIL}))),
    ),
)


def printed(card: Card) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=120, no_color=True).print(as_text(card))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("kpi", "value", "text"),
    [
        (P95, 0.024, "24 ms"),
        (RATIO, 0.0005, "0.05 %"),
        (CPU, 12.345, "12.35 %"),
        (AMOUNT, 1234567.8, "1,234,568"),
        (AMOUNT, 99.5, "99.5"),
        (RATIO, math.inf, "+Inf"),
        (P95, -math.inf, "-Inf"),
    ],
)
def test_a_value_is_shown_in_its_unit(kpi: Kpi, value: float, text: str) -> None:
    assert value_words(kpi, value) == text


@pytest.mark.parametrize(
    ("trend", "text"),
    [(None, "no earlier run"), (KpiTrend(-0.1, 3), "↓ 100 ms (3 runs)"), (KpiTrend(0, 1), "→ (1 run)")],
)
def test_a_trend_is_an_arrow_and_its_size(trend: KpiTrend | None, text: str) -> None:
    assert trend_words(P95, trend) == text


def test_the_terminal_shows_value_target_and_trend() -> None:
    lines = printed(CARD)
    assert "! p95 1.60 s < 2.00 s ↓ 100 ms (3 runs)" in lines
    assert "✗ error rate 5 % < 0.1 % no earlier run" in lines
    assert 'amount a day {currency="EUR"} 1,234,568 no earlier run' in lines
    assert lines[-1] == "0 green, 1 yellow, 1 red, 1 without data"


def test_a_kpi_without_data_has_its_reason() -> None:
    assert any(line.startswith("? CPU usage no data: <script>") for line in printed(CARD))
    assert not any("\x1b" in line for line in printed(CARD))


def test_json_has_every_figure() -> None:
    answer = json.loads(as_json(CARD))
    assert (answer["exit_code"], answer["window_seconds"]) == (1, 300)
    p95, _, cpu, amount = answer["kpis"]
    assert (p95["status"], p95["expr"], p95["yellow_from"]) == ("yellow", "p95_query", 1.5)
    assert p95["values"] == [{"labels": {}, "value": 1.6, "status": "yellow", "trend": {"difference": -0.1, "runs": 3}}]
    assert (cpu["status"], cpu["values"], cpu["problem"]) == ("unknown", [], EVIL)
    assert (amount["status"], amount["objective"]) == ("untargeted", None)


def test_markdown_is_one_table_that_text_from_outside_cannot_break() -> None:
    lines = as_markdown(CARD).splitlines()
    assert "| p95 | ! yellow | 1.60 s | \\< 2.00 s | ↓ 100 ms (3 runs) |" in lines
    assert all("<script" not in line.replace("\\<", "") for line in lines)
    assert {line.count(" |") for line in lines[2:]} == {5}


def test_the_page_loads_nothing_and_escapes_text_from_outside() -> None:
    page = as_html(CARD)
    assert "<script>" not in page
    assert "1,234,568" in page
    assert "yellow from 1.50 s" in page
    assert "broken" in page


def with_kpis(recording: Recording) -> Recording:
    values = [KpiValueRecord(phase="baseline", value=0.02), KpiValueRecord(phase="fault", value=2.5)]
    return recording.model_copy(update={"kpis": [KpiRecord(kpi=P95, values=values), KpiRecord(kpi=CPU, values=[])]})


def test_a_drill_shows_each_kpi_over_its_phases(passed: Recording) -> None:
    """The baseline is beside the fault; a value that was not measured has no colour."""
    recording = with_kpis(passed)
    out = io.StringIO()
    Console(file=out, width=80, no_color=True).print(terminal.render(recording, judge(recording)))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "KPI baseline fault recovery target" in lines
    assert "p95 20 ms ✓ 2.50 s ✗ no data ? < 2.00 s" in lines
    assert "CPU usage no data ? no data ? no data ? < 80 %" in lines


def test_the_page_and_the_json_of_a_drill_show_kpis_too(passed: Recording) -> None:
    recording = with_kpis(passed)
    page = html.render(recording, judge(recording))
    assert '<td class="right number bad" title="red">2.50 s ✗</td>' in page
    answer = json.loads(json_report.render(recording, judge(recording)))["kpis"]
    assert [one["status"] for one in answer[0]["values"]] == ["green", "red"]


def test_a_recording_without_the_key_has_no_kpis(passed: Recording) -> None:
    values = passed.model_dump(mode="json", by_alias=True)
    del values["kpis"]
    assert Recording.model_validate(values).kpis == []
