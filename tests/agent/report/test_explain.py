"""The three forms of an explanation: for a terminal, as Markdown, for a program."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.report.explain import as_json, as_markdown, as_text
from alertdrill.agent.rules.explanation import Explanation, LocatedRule, explain
from alertdrill.agent.rules.remark import RuleContext
from alertdrill.agent.rules.timing import Timing

EVIL = "<script>alert(1)</script>[bold]|\x1b[31m"
KPIS = Kpis.model_validate({"kpis": [{"kpi": "p99", "series": "b_bucket", "quantile": 0.99, "objective": "< 5"}]})


def given(expr: str, alert: str = "Errors", for_: float = 60) -> LocatedRule:
    rule = RuleRecord(
        alert=alert,
        group="g",
        expr=expr,
        for_seconds=for_,
        keep_firing_for_seconds=0,
        interval_seconds=15,
        labels={"severity": "page"},
        annotations={},
        health="ok",
    )
    return LocatedRule(rule, Timing(15, 15, for_), "rules.yml:7", ("scrape interval 15s: as given",))


@pytest.fixture
def explanation() -> Explanation:
    """A ratio, an expression without a closed form, and a promise that no rule watches."""
    rules = [given("rate(errors[5m]) / rate(requests[5m]) > 0.05"), given("predict_linear(a[6h], 3600) < 0", "Full")]
    everything = tuple(one.rule for one in rules)
    return explain(
        rules, RuleContext(rules=everything, kpis=KPIS, alertmanager="route: {receiver: pager, group_wait: 0s}")
    )


@pytest.fixture
def hostile() -> Explanation:
    """A rule with markup in every text."""
    return explain(
        [given(f'a{{x="{EVIL}"}} > 1', EVIL)], RuleContext(alertmanager=f"route: {{receiver: '{EVIL[:-5]}'}}")
    )


def _print(explanation: Explanation, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, no_color=True).print(*as_text(explanation), sep="")
    return out.getvalue()


def test_a_page_shows_each_milestone_with_its_arithmetic(explanation: Explanation) -> None:
    text = " ".join(_print(explanation, 200).split())
    assert "firing 1m 1m45s pending + ceil(for 60 s / interval 15 s) evaluations = pending + 60 s" in text
    assert "pager notified 1m 6m45s firing + group_wait 0 s of a new group" in text
    assert "resolved 4m30s 5m15s" in text
    assert "shortest fault that fires it: any length with luck, 45s for certain" in text


def test_a_page_shows_what_each_size_of_fault_needs(explanation: Explanation) -> None:
    text = " ".join(_print(explanation, 120).split())
    assert "must be bad = 300 s * 0.05 / e:" in text
    assert "5% of all never fires" in text
    assert "10% of all 150 s 2m15s … 3m 3m15s … 4m 2m15s … 3m" in text


def test_an_unknown_instant_is_a_question_mark(explanation: Explanation) -> None:
    text = " ".join(_print(explanation, 120).split())
    assert "pending 0s ? when the expression turns true is not known: it has no closed form" in text


def test_a_promise_without_a_rule_is_named(explanation: Explanation) -> None:
    assert "no rule watches: p99 < 5" in _print(explanation)
    assert "- p99 \\< 5" in as_markdown(explanation)


@pytest.mark.parametrize("width", [80, 100])
def test_a_pipe_gets_plain_text_that_fits(explanation: Explanation, width: int) -> None:
    text = _print(explanation, width)
    assert not {"\x1b", "\x00"} & set(text)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_foreign_text_is_neither_markup_nor_escape_code(hostile: Explanation) -> None:
    text = _print(hostile, 200)
    assert "\x1b" not in text
    assert "[bold]" in text


def test_markdown_has_a_table_of_the_window_and_one_of_the_faults(explanation: Explanation) -> None:
    lines = as_markdown(explanation).splitlines()
    assert "## Errors" in lines
    assert "| 10% of all | 150 s | 2m15s … 3m | 3m15s … 4m | 2m15s … 3m |" in lines
    assert any(line.startswith("| firing | 1m | 1m45s | pending + ceil") for line in lines)


def test_markdown_keeps_foreign_text_from_being_markup(hostile: Explanation) -> None:
    page = as_markdown(hostile)
    outside_code = re.sub(r"`[^`]*`", "", "".join(page.split("```")[::2]))
    assert "\x1b" not in page
    assert "script" in outside_code
    assert "<" not in outside_code.replace("\\<", "")
    for line in outside_code.splitlines():
        if line.startswith("|") and "told" in line:
            assert line.replace("\\|", "").count("|") == 5


def test_json_has_numbers_and_null_for_unknown_ones(explanation: Explanation) -> None:
    answer = json.loads(as_json(explanation))
    errors, full = answer["rules"]
    windows = {leg["name"]: (leg["earliest"], leg["latest"]) for leg in errors["window"]}
    assert windows["firing"] == (60, 105)
    assert errors["shortest_fault"] == [0, 45]
    assert errors["faults"][0] == {
        "fault": "5% of all", "bad_seconds": None, "pending": None, "firing": None, "shortest_fault": None
    }  # fmt: skip
    assert full["window"][0]["latest"] is None
    assert full["shortest_fault"] is None
    assert {"name", "severity", "text", "remedy"} == set(errors["remarks"][0])
    assert answer["unwatched"] == [{"kpi": "p99", "objective": "< 5"}]
