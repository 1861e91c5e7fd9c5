"""Figures are drawn from their values alone, small, whole without a script, and safe with any text."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.agent.report import axis, plot
from alertdrill.agent.report.plot import Axis, Band, Bar, Figure, Key, Lane, Line, Mark, PlotRow, Stack
from tests.support.drawn import DrawnRow, drawn_rows

ALONG = Axis(0, 10, "seconds", "seconds")
EVIL = "</title><script>alert(1)</script>\x1b\x00\"'"


def _drawn(row: PlotRow, along: Axis = ALONG) -> DrawnRow:
    (drawn,) = drawn_rows(plot.html(Figure("figure", [row], along)))
    return drawn


def _line(*values: float | None, is_step: bool = False) -> Line:
    return Line("line", "blue", range(len(values)), values, is_step=is_step)


@pytest.mark.parametrize("is_step", [False, True])
def test_a_line_has_gaps_where_there_is_no_value(*, is_step: bool) -> None:
    row = _drawn(PlotRow("", lines=[_line(1, None, 3, math.nan, math.inf, 2, 4, is_step=is_step)]))
    assert set(row.lines["line"]) >= {(0, 1), (2, 3), (5, 2), (6, 4)}
    (path,) = (one for one in row.svg.iter("path") if one.get("data-key") == "0")
    assert path.get("d", "").count("M") == 3


def test_a_step_lasts_until_the_next_value() -> None:
    assert _drawn(PlotRow("", lines=[_line(1, 5, is_step=True)])).lines["line"] == [(0, 1), (1, 1), (1, 5)]


def test_a_line_of_one_value_is_a_visible_dot() -> None:
    (path,) = (one for one in _drawn(PlotRow("", lines=[_line(1)])).svg.iter("path") if one.get("data-key") == "0")
    assert path.get("class") == "line blue single"
    assert path.get("d", "").endswith("h0")


def test_areas_lie_on_each_other_and_are_absent_where_nothing_is_counted() -> None:
    stack = Stack([0, 1, 2], 3, {"good": [5, 0, 5], "bad": [0, 2, 1]}, {"good": "blue", "bad": "red"})
    areas = _drawn(PlotRow("", stack=stack)).areas
    assert areas["good"] == [(0, 5), (1, 5), (2, 5), (3, 5)]
    assert areas["bad"] == [(1, 2), (2, 2), (2, 6), (3, 6)]


@given(st.lists(st.floats(0.001, 1e6) | st.none(), min_size=2, max_size=400), st.integers(1, 50))
def test_thinning_keeps_the_ends_and_the_extreme_values(values: list[float | None], columns: int) -> None:
    kept = axis.thinned(range(len(values)), values, [values], columns)
    assert kept == sorted(set(kept))
    assert len(kept) <= 2 * columns + 4
    assert {0, len(values) - 1} <= set(kept)
    known = [value for value in values if value is not None]
    chosen = [value for index in kept if (value := values[index]) is not None]
    assert (min(known, default=0), max(known, default=0)) == (min(chosen, default=0), max(chosen, default=0))


@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none(), max_size=30), is_log=st.booleans())
def test_every_axis_has_a_height_and_its_ticks_lie_on_it(*, values: list[float | None], is_log: bool) -> None:
    scale = axis.logarithmic(values) if is_log else axis.linear(values, from_zero=False)
    assert scale.height > 0
    for value in [*scale.ticks(""), *(value for value in values if scale.depth(value) is not None)]:
        depth = scale.depth(value)
        assert depth is None or -1 <= depth <= scale.height + 1


@pytest.mark.parametrize(
    ("low", "high", "unit", "ticks"),
    [
        (0, 0.9, "s", ["0s", "200ms", "400ms", "600ms", "800ms"]),
        (0, 3.2, "", ["0", "1", "2", "3"]),
        (0, 0.42, "", ["0.0", "0.1", "0.2", "0.3", "0.4"]),
        (0, 98, "%", ["0%", "20%", "40%", "60%", "80%", "100%"]),
        (0, 12_000_000, "B", ["0 B", "5 MB", "10 MB"]),
        (-3, 3, "", ["-2", "0", "2"]),
        (0, 0, "", ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, unit: axis.Unit, ticks: list[str]) -> None:
    assert list(axis.linear([low, high], from_zero=True).ticks(unit).values()) == ticks


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.002, 3], ["10ms", "100ms", "1s"]),
        ([0.02, 0.06], ["20ms", "50ms"]),
        ([0.21, 0.24], ["200ms", "220ms", "240ms", "260ms"]),
    ],
)
def test_a_logarithmic_axis_has_ticks_at_decades_and_between_them_if_it_is_short(
    values: list[float], ticks: list[str]
) -> None:
    assert list(axis.logarithmic(values).ticks("s").values()) == ticks


def test_a_clock_has_ticks_at_full_minutes_in_utc() -> None:
    ticks = Axis(0, 300, "UTC", "clock", zero=1_790_000_030).all_ticks()
    assert ticks == {10: "14:14", 70: "14:15", 130: "14:16", 190: "14:17", 250: "14:18"}


def test_more_lines_than_a_legend_can_hold_are_left_out_and_counted() -> None:
    lines = [Line(f"line {number}", "blue", [0, 1], [1, 2]) for number in range(50)]
    row = _drawn(PlotRow("many", lines=lines))
    assert len(row.lines) == 40
    assert row.title == "many; 10 more lines are not drawn"


def test_no_text_becomes_an_element() -> None:
    """Titles, names, lanes, hover texts and bands, with control characters replaced."""
    rows = [
        PlotRow(EVIL, lines=[Line(EVIL, "red", [0, 1], [1, 2])], marks=[Mark(EVIL, "red", "dot", 1, 1, EVIL)]),
        PlotRow(EVIL, bars=[Bar("", "red", 1, 2, 0, EVIL)], keys=[Key(EVIL, "red", "dot")], lanes=[Lane(EVIL)]),
    ]
    drawn = plot.html(Figure("figure", rows, ALONG, [Band(1, 2, EVIL)]))
    assert "<script" not in drawn
    assert "\x1b" not in drawn
    (first, second) = drawn_rows(drawn)
    assert [first.keys, second.labels] == [[EVIL.replace("\x1b", "\ufffd").replace("\x00", "\ufffd")]] * 2


def test_a_long_name_is_cut_and_shown_whole_by_pointing_at_it() -> None:
    drawn = plot.html(Figure("figure", [PlotRow("", lines=[Line("n" * 10_000, "red", [0, 1], [1, 2])])], ALONG))
    assert f'<span class="name"><span title="{"n" * 10_000}">{"n" * 59}…</span></span>' in drawn
    assert plot.cut("short") == "short"


def test_each_figure_can_be_drawn_when_its_axis_has_no_length() -> None:
    assert _drawn(PlotRow("", lines=[_line(1)]), Axis(3, 3, "", "seconds")).values("line")[0] == 1


def test_marks_and_labels_are_placed_in_per_cent_so_that_every_width_fits() -> None:
    row = _drawn(PlotRow("", lines=[_line(0, 1)], marks=[Mark("line", "blue", "cross", 2.5, 1, "here")]))
    (mark,) = row.svg.findall("svg[@class='mark']")
    assert mark.get("x") == "25%"
    assert re.fullmatch(r"\d[\d.]*%", mark.get("y", ""))
    (data,) = row.svg.findall("svg[@class='data']")
    assert data.get("preserveAspectRatio") == "none"


READ = """
const {runInNewContext} = require("vm"), {readFileSync} = require("fs");
const {points, depthAt} = runInNewContext(readFileSync(process.argv[1], "utf8") + ";({points, depthAt})",
  {document: {querySelectorAll: () => []}});
const asked = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(asked.map(({path, isStep, at}) => {
  const found = points({getAttribute: () => path});
  return at.map(x => depthAt(found, x, isStep, 0.1) ?? null);
})));
"""


def _read_by_the_script(row: DrawnRow, at: list[float]) -> list[list[float | None]]:
    """Return the value of each line at some instants as the script of the page reads it."""
    (data,) = row.svg.findall("svg[@class='data']")
    paths = sorted(
        (one for one in data.findall("path") if one.get("data-key")), key=lambda one: one.get("data-key", "")
    )
    asked = [{"path": one.get("d"), "isStep": one.get("class") != "line blue", "at": at} for one in paths]
    script = resources.files("alertdrill.agent.report").joinpath("plot.js")
    answer = subprocess.run(
        ["node", "-e", READ, str(script)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    top, step = float(data.get("data-top", "")), float(data.get("data-step", ""))
    found = json.loads(answer.stdout)
    return [[None if depth is None else round((top - depth) * step, 6) for depth in depths] for depths in found]


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no JavaScript engine")
def test_the_script_reads_the_values_that_were_drawn() -> None:
    """Of a line the nearest value, of steps and areas the last one, nothing in a gap or outside."""
    values = [1, 2.5, None, 4, 4, 4, 0]
    lines = [_line(*values), _line(*values, is_step=True)]
    stack = Stack([0, 1, 2, 3], 4, {"good": [3, 0, 2, 2]}, {"good": "red"})
    read = _read_by_the_script(
        _drawn(PlotRow("", lines=lines, stack=stack)), [-1, 0, 0.4, 0.9, 1.5, 2, 3.2, 4.7, 5.9, 6, 9]
    )
    assert read == [
        [None, 1, 1, 2.5, None, None, 4, 4, 0, 0, None],
        [None, 1, 1, 1, None, None, 4, 4, 4, 0, None],
        [None, 3, 3, 3, None, 2, 2, None, None, None, None],
    ]
