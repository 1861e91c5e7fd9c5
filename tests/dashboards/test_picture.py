"""A dashboard is drawn from Prometheus's answers as a small page that loads nothing."""

from __future__ import annotations

import math
import random
import re
from html import unescape

import pytest

from dashboards.catalogue import DASHBOARDS
from dashboards.panel import Dashboard, Panel, Query, Row, Thresholds
from dashboards.picture import format_value, html_page
from dashboards.prometheus_queries import PanelSeries
from tests.support.drawn import DrawnRow, drawn_rows

START = 1_790_000_000.0
EVIL = "<script>alert(1)</script>"
QUERY = (Query("up", "{{job}}"),)


def _page(panel: Panel, *lines: PanelSeries) -> str:
    return html_page(Dashboard("uid", "title", "text", (Row("row", (panel,)),)), {panel.title: lines})


def _drawn(panel: Panel, *lines: PanelSeries) -> DrawnRow:
    page = _page(panel, *lines)
    (figure,) = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)
    (row,) = drawn_rows(figure)
    return row


def _noise(name: str, chance: random.Random) -> PanelSeries:
    return PanelSeries(name, [(START + at / 2, chance.random() * 1000) for at in range(241)])


@pytest.mark.parametrize("spec", DASHBOARDS, ids=lambda spec: spec.uid)
def test_every_dashboard_is_a_small_page(spec: Dashboard) -> None:
    chance = random.Random(3)  # noqa: S311 - made data
    answers = {
        panel.title: [_noise(f"{query.legend} {n}", chance) for query in panel.queries for n in range(4)]
        for panel in spec.panels
    }
    page = html_page(spec, answers)
    assert len(page.encode()) <= 250_000
    assert page.count("<script>") == 1
    assert "default-src 'none'" in page
    assert not re.search(r"src=|https?://", re.sub(r"<script>.*</script>", "", page, flags=re.DOTALL))
    names = re.findall(r'<figure class="plot" id="([^"]*)"', page)
    assert len(names) == len(set(names)) > 0


def test_a_line_has_the_unit_of_its_panel_and_gaps_where_there_is_no_value() -> None:
    panel = Panel("share", "text", "percentunit", QUERY, Thresholds(yellow=0.4, red=0.6))
    row = _drawn(panel, PanelSeries("one", [(START, 0.25), (START + 1, math.nan), (START + 2, 0.5)]))
    assert {(x, round(y, 6)) for x, y in row.lines["one"]} == {(0, 25), (2, 50)}
    assert row.labels[-1].endswith("%")
    assert len([line for line in row.svg.iter("line") if line.get("class", "").startswith("limit")]) == 2


def test_the_lines_of_a_stack_lie_on_each_other() -> None:
    panel = Panel("stack", "text", "ops", QUERY, form="stack")
    row = _drawn(
        panel, PanelSeries("a", [(START, 1), (START + 5, 1)]), PanelSeries("b", [(START + 5, 2), (START + 9, 2)])
    )
    assert max(top for _, top in row.areas["b"]) == 3


def test_text_from_prometheus_stays_text() -> None:
    page = _page(Panel(EVIL, EVIL, "short", QUERY), PanelSeries(EVIL, [(START, 1), (START + 1, 2)]))
    assert EVIL not in page
    assert EVIL in unescape(page)


@pytest.mark.parametrize("lines", [(), (PanelSeries("empty", []),)])
def test_a_panel_without_data_says_so(lines: tuple[PanelSeries, ...]) -> None:
    assert '<div class="none">no data</div>' in _page(Panel("p", "text", "s", QUERY), *lines)


def test_a_number_has_the_colour_of_its_limit() -> None:
    panel = Panel("p", "text", "s", QUERY, Thresholds(yellow=1, red=2), form="stat")
    assert '<div class="number orange">1.5 s</div>' in _page(panel, PanelSeries("a", [(START, 9), (START + 1, 1.5)]))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (math.nan, "s", "none"), (0.123, "percentunit", "12.3 %"), (12_345, "bytes", "12.3 kB"), (5, "ops", "5/s"),
        (1500, "s", "1.5e+03 s"), (7, "short", "7"),
    ],
)  # fmt: skip
def test_a_value_has_three_digits_and_its_unit(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text
