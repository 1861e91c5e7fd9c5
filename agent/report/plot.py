"""Draws figures as SVG: rows with lines, areas, bars and marks above one common horizontal axis.

A figure is complete without a script. The script of the page (`plot.js`) reads the values from the paths, and adds a
line through all rows with the values at that instant, hover texts, zooming, and hiding of lines.
Only places are in per cent of the width, so a figure fits a narrow screen and a wide one, and its text keeps its size.
Colours are names of CSS variables in `plot.css`. Long lines are thinned (see `axis.py`).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from hashlib import sha256
from importlib import resources
from typing import Literal

from markupsafe import Markup

from alertdrill.agent.report import axis
from alertdrill.agent.report.axis import AxisScale, Unit, Values
from alertdrill.agent.report.words import printable, shortened

Tone = Literal["blue", "sky", "violet", "red", "orange", "green", "teal", "magenta", "ochre", "grey", "window"]
Shape = Literal["dot", "ring", "check", "cross", "down", "down-open", "square", "line", "dashes"]
TONES: tuple[Tone, ...] = ("teal", "magenta", "ochre", "grey", "violet", "blue", "orange", "green")
"""Colours for lines without a meaning of their own, in this order."""
COUNTS: Mapping[str, Tone] = {"succeeded": "blue", "failed": "red", "dropped": "grey"}
QUANTILES: Mapping[str, Tone] = {"p50": "sky", "p95": "blue", "p99": "violet"}

# About 9 bytes each.
_MOST_POINTS = 15_000
_MOST_COLUMNS = 1000
_FEWEST_COLUMNS, _MOST_LINES, _MOST_LABELS, _MOST_DESCRIBED = 60, 40, 6, 12
_LONGEST_NAME, _LONGEST_TITLE, _LONGEST_TEXT = 60, 150, 400
# The height of a lane and the space above the first one in steps of their row, and the heights of rows in rem.
_LANE, _ABOVE_LANES, _LANE_REM, _ROW_REM = 100, 40, 1.5, 10
_SHAPES: Mapping[Shape, str] = {
    "dot": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "ring": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "check": "M-5 0L-1.5 4L5.5-5",
    "cross": "M-4-4L4 4M-4 4L4-4",
    "down": "M-5-4H5L0 5z",
    "down-open": "M-5-4H5L0 5z",
    "square": "M-5-5H5V5H-5z",
    "line": "M-7 0H7",
    "dashes": "M-7 0H7",
}


@dataclass(frozen=True)
class Line:
    """A line through values at instants, with gaps where a value is None; `is_step` keeps each until the next one.

    A threshold is dashed, and its name has its value.
    """

    name: str
    tone: Tone
    at: Sequence[float]
    values: Values
    is_step: bool = False
    is_dashed: bool = False
    is_threshold: bool = False


@dataclass(frozen=True)
class Stack:
    """Areas on top of each other in steps: the counts by name, the lowest first; the last ones last until `until`."""

    at: Sequence[float]
    until: float
    counts: Mapping[str, Sequence[float]]
    tones: Mapping[str, Tone]


@dataclass(frozen=True)
class Bar:
    """A bar in a lane from one instant to another; `text` is shown by pointing at it."""

    key: str
    tone: Tone
    start: float
    end: float
    lane: int
    text: str
    thickness: float = 0.6


@dataclass(frozen=True)
class Mark:
    """A shape at a place; in a row with lanes, y is the number of the lane."""

    key: str
    tone: Tone
    shape: Shape
    x: float
    y: float | None
    text: str


@dataclass(frozen=True)
class Key:
    """An entry of a legend; clicking on it hides what has its name as `key`."""

    name: str
    tone: Tone
    shape: Shape


@dataclass(frozen=True)
class Lane:
    """A line of a row of lanes; a head is the first of a group."""

    name: str
    is_head: bool = True


@dataclass(frozen=True)
class PlotRow:
    """One plot above the common axis. With `lanes`, their names are its vertical axis.

    `limits` are dashed lines without an entry in the legend; `note` says what is not drawn.
    """

    title: str
    note: str = ""
    lines: Sequence[Line] = ()
    stack: Stack | None = None
    marks: Sequence[Mark] = ()
    bars: Sequence[Bar] = ()
    keys: Sequence[Key] = ()
    lanes: Sequence[Lane] = ()
    unit: Unit = ""
    limits: Sequence[tuple[float, Tone]] = ()
    is_log: bool = False
    from_zero: bool = True


@dataclass(frozen=True)
class Band:
    """A time that is shaded in all rows; its text is above the first row."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Axis:
    """The horizontal axis. `ticks` replaces its round numbers; `zero` is the Unix time of 0 on a `clock`."""

    start: float
    end: float
    title: str
    kind: Literal["after", "seconds", "rate", "percentile", "clock"]
    ticks: Mapping[float, str] | None = None
    zero: float = 0.0

    @property
    def span(self) -> float:
        """The length of the axis."""
        return self.end - self.start

    def percent(self, x: float) -> str:
        """Return the place of a value, in per cent of the width."""
        return f"{100 * (x - self.start) / self.span:.6g}%"

    def all_ticks(self) -> Mapping[float, str]:
        """Return the text of each tick by its place."""
        if self.ticks is not None:
            return self.ticks
        if self.kind == "clock":
            return axis.clock_ticks(self.start, self.end, self.zero)
        step = axis.round_step(self.span / 7)
        return {x: axis.text(x, step, "") for x in axis.multiples(self.start, self.end, step)}


@dataclass(frozen=True)
class Figure:
    """Rows above one axis; `name` is its id on the page."""

    name: str
    rows: Sequence[PlotRow]
    axis: Axis
    bands: Sequence[Band] = ()
    most_points: int = _MOST_POINTS


def html(figure: Figure) -> Markup:
    """Draw a figure."""
    along = figure.axis if figure.axis.span > 0 else replace(figure.axis, end=figure.axis.start + 1)
    figure = replace(figure, axis=along, rows=[_without_too_many_lines(row) for row in figure.rows])
    columns = _columns(figure)
    return Markup(
        '<figure class="plot{}" id="{}" data-start="{}" data-end="{}" data-kind="{}" data-zero="{}">\n'
        '{}{}<div class="row foot"><div class="x">{}</div><p class="x-title">{}</p></div>\n</figure>\n'
    ).format(
        " with-lanes" if any(row.lanes for row in figure.rows) else "",
        figure.name,
        along.start,
        along.end,
        along.kind,
        along.zero,
        _labels(figure),
        _joined(_Drawing(figure, number, row, columns).html() for number, row in enumerate(figure.rows)),
        _joined(_placed(along, x, label) for x, label in along.all_ticks().items()),
        along.title,
    )


def cut(text: str, longest: int = 80) -> Markup:
    """Format a text from outside; one that is too long is cut, and pointing at it shows the whole."""
    if len(text) <= longest:
        return Markup.escape(printable(text))
    return Markup('<span title="{}">{}</span>').format(printable(text), shortened(text, longest))


@cache
def style() -> Markup:
    """Return the style sheet of figures."""
    return _resource("plot.css")


@cache
def script() -> Markup:
    """Return the script of figures."""
    return _resource("plot.js")


@cache
def policy(*, has_figures: bool) -> Markup:
    """Return the Content-Security-Policy of a page: it loads nothing, and runs no script but that of figures."""
    whole = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    hashed = b64encode(sha256(script().encode()).digest()).decode()
    # Base64 has no characters of HTML.
    return Markup(f"{whole}; script-src 'sha256-{hashed}'" if has_figures else whole)  # noqa: S704 - see above


def _resource(name: str) -> Markup:
    text = resources.files("alertdrill.agent.report").joinpath(name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of this package


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def _without_too_many_lines(row: PlotRow) -> PlotRow:
    left_out = len(row.lines) - _MOST_LINES
    if left_out <= 0:
        return row
    return replace(row, lines=row.lines[:_MOST_LINES], note=f"{left_out} more lines are not drawn")


def _columns(figure: Figure) -> int:
    """Return how many columns of points each line has, so that the figure has no more points than it may."""
    layers = [len(row.stack.counts) for row in figure.rows if row.stack]
    in_a_column = 2 * sum(len(row.lines) for row in figure.rows) + sum(count * (count + 1) for count in layers)
    return max(_FEWEST_COLUMNS, min(_MOST_COLUMNS, figure.most_points // max(in_a_column, 1)))


def _labels(figure: Figure) -> Markup:
    """Draw the texts of the bands above the first row, at their beginnings."""
    if not figure.bands:
        return Markup()
    labels = _joined(
        Markup('<p style="--x:{}" data-x="{}">{}</p>').format(
            figure.axis.percent(band.start), band.start, cut(band.text, _LONGEST_TITLE)
        )
        for band in figure.bands[:_MOST_LABELS]
    )
    left_out = len(figure.bands) - _MOST_LABELS
    more = Markup("<p>and {} more</p>").format(left_out) if left_out > 0 else Markup()
    return Markup('<div class="row"><div class="labels">{}{}</div></div>\n').format(labels, more)


def _placed(along: Axis, x: float, label: str) -> Markup:
    return Markup('<span style="--x:{}" data-x="{}">{}</span>').format(along.percent(x), _number(x), label)


def _number(value: float) -> str:
    return f"{round(value, 6):g}" if value == int(value) and abs(value) < 1e5 else f"{round(value, 6)}"


@dataclass(frozen=True)
class _Drawing:
    """One row of a figure on its way to SVG."""

    figure: Figure
    number: int
    row: PlotRow
    columns: int

    def html(self) -> Markup:
        row, name = self.row, f"{self.figure.name}-{self.number}"
        note = f"; {row.note}" if row.note else ""
        height = _LANE_REM * self._scale.height / _LANE if row.lanes else _ROW_REM
        return Markup(
            '<div class="row" style="--height:{}rem"><p class="row-title">{}{}</p><div class="y">{}</div>\n'
            '<svg class="area" role="img" aria-labelledby="{}-title {}-text">'
            '<title id="{}-title">{}</title><desc id="{}-text">{}</desc>\n{}{}\n{}</svg>\n'
            '<div class="keys">{}</div></div>\n'
        ).format(
            height, cut(row.title, _LONGEST_TITLE), note, self._y_labels(),
            name, name, name, shortened(row.title, _LONGEST_TITLE) + note, name, self._description(), self._grid(), self._data(), self._marks(),
            _joined(_key(index, key) for index, key in enumerate(self._keys)),
        )  # fmt: skip

    @cached_property
    def _scale(self) -> AxisScale:
        row = self.row
        if row.lanes:
            return AxisScale(0, -_LANE * len(row.lanes) - _ABOVE_LANES, 1)
        values = [value for line in row.lines for value in line.values]
        values += [mark.y for mark in row.marks]
        values += [sum(counts) for counts in zip(*row.stack.counts.values(), strict=True)] if row.stack else []
        values += [limit for limit, _ in row.limits]
        if row.is_log:
            return axis.logarithmic(values)
        # A mark at zero needs space below it.
        return axis.linear(values, from_zero=row.from_zero, has_margin_below=bool(row.marks))

    @cached_property
    def _keys(self) -> list[Key]:
        stack = self.row.stack
        lines = [
            Key(line.name, line.tone, "dashes" if line.is_dashed or line.is_threshold else "line")
            for line in self.row.lines
        ]
        layers = [Key(name, stack.tones[name], "square") for name in stack.counts] if stack else []
        return [*lines, *layers, *self.row.keys]

    @cached_property
    def _key_numbers(self) -> dict[str, int]:
        return {key.name: index for index, key in reversed(list(enumerate(self._keys)))}

    @cached_property
    def _decimals(self) -> int:
        return axis.decimals_of(self.figure.axis.span)

    def _percent_down(self, value: float | None) -> str | None:
        depth = self._lane_depth(value) if self.row.lanes and value is not None else self._scale.depth(value)
        return None if depth is None else f"{100 * depth / self._scale.height:.5g}%"

    def _lane_depth(self, lane: float) -> int:
        return round((lane + 0.5) * _LANE) + _ABOVE_LANES

    def _y_labels(self) -> Markup:
        if self.row.lanes:
            return _joined(
                Markup('<span class="{}" style="--y:{}" title="{}">{}</span>').format(
                    "head" if lane.is_head else "",
                    self._percent_down(number),
                    printable(lane.name),
                    shortened(lane.name, _LONGEST_NAME),
                )
                for number, lane in enumerate(self.row.lanes)
            )
        return _joined(
            Markup('<span style="--y:{}">{}</span>').format(self._percent_down(value), label)
            for value, label in self._scale.ticks(self.row.unit).items()
        )

    def _description(self) -> str:
        stack = self.row.stack
        values: dict[str, Values] = {shortened(line.name, _LONGEST_NAME): line.values for line in self.row.lines}
        values |= stack.counts if stack else {}
        shown = dict(list(values.items())[:_MOST_DESCRIBED])
        hovered = [*(bar.text for bar in self.row.bars), *(mark.text for mark in self.row.marks)]
        texts = [text.replace("\n", ", ") for text in hovered[:_MOST_DESCRIBED]]
        return "; ".join(
            filter(None, [axis.described(shown, self.row.unit), *(shortened(text, _LONGEST_TEXT) for text in texts)])
        )

    def _grid(self) -> Markup:
        along = self.figure.axis
        down = _joined(
            Markup('<line x1="{}" x2="{}" y2="100%" data-x="{}"/>').format(place, place, _number(x))
            for x in along.all_ticks()
            for place in [along.percent(x)]
        )
        levels = [] if self.row.lanes else [("grid", value) for value in self._scale.ticks(self.row.unit)]
        levels += [] if self.row.lanes else [("faint grid", value) for value in self._scale.minor_lines()]
        levels += [(f"limit {tone}", value) for value, tone in self.row.limits]
        across = _joined(
            Markup('<line class="{}" x2="100%" y1="{}" y2="{}"/>').format(kind, place, place)
            for kind, value in levels
            for place in [self._percent_down(value)]
        )
        return Markup('<g class="x-grid">{}</g>{}').format(down, across)

    def _data(self) -> Markup:
        along, scale = self.figure.axis, self._scale
        return Markup(
            '<svg class="data" width="100%" height="100%" viewBox="{} 0 {} {}" preserveAspectRatio="none"'
            ' data-top="{}" data-step="{}" data-unit="{}"{}>\n{}{}{}{}</svg>'
        ).format(
            _number(along.start), _number(along.span), scale.height, scale.top, scale.step, self.row.unit,
            Markup(' data-log=""') if scale.is_log else "",
            self._bands(), _joined(self._bar(bar) for bar in self.row.bars),
            _joined(self._areas()), _joined(self._lines()),
        )  # fmt: skip

    def _bands(self) -> Markup:
        bands, height = self.figure.bands, self._scale.height
        if not bands:
            return Markup()
        shades = "".join(
            f"M{_number(band.start)} 0H{_number(band.end)}V{height}H{_number(band.start)}z" for band in bands
        )
        edges = "".join(f"M{_number(at)} 0V{height}" for band in bands for at in (band.start, band.end))
        return Markup('<path class="band" d="{}"/><path class="edges" d="{}"/>\n').format(shades, edges)

    def _bar(self, bar: Bar) -> Markup:
        thick = round(_LANE * bar.thickness)
        return Markup(
            '<rect class="{}" data-key="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>\n'
        ).format(
            bar.tone, self._key_numbers.get(bar.key, ""), _number(bar.start),
            self._lane_depth(bar.lane) - thick // 2, _number(bar.end - bar.start), thick, shortened(bar.text, _LONGEST_TEXT),
        )  # fmt: skip

    def _areas(self) -> Iterator[Markup]:
        """Draw each area down to the base, the highest first, so that those below it cover it."""
        stack = self.row.stack
        if stack is None or not stack.at:
            return
        heights = list(_heights(stack.counts))
        kept = axis.thinned(stack.at, heights[-1], list(stack.counts.values()), self.columns)
        at = [*(stack.at[index] for index in kept), stack.until]
        for number, (name, counts) in reversed(list(enumerate(stack.counts.items()))):
            # Where there is nothing of a kind there is no line of its colour.
            tops = [heights[number][index] if counts[index] else None for index in kept]
            yield self._area(len(self.row.lines) + number, stack.tones[name], at, tops)

    def _area(self, key: int, tone: Tone, at: Sequence[float], tops: Values) -> Markup:
        depths, base = [self._scale.depth(top) for top in tops], self._scale.depth(0.0) or 0
        runs = axis.runs(at, depths, self._decimals)
        drawn = "".join(axis.area_path(run, base, self._decimals) for run in runs)
        return Markup('<path class="fill {}" data-key="{}" d="{}"/>\n').format(tone, key, drawn)

    def _lines(self) -> Iterator[Markup]:
        """Draw the lines, the first one last: p99 would hide the quantiles below it."""
        for number, line in reversed(list(enumerate(self.row.lines))):
            yield self._line(number, line)

    def _line(self, key: int, line: Line) -> Markup:
        kept = axis.thinned(line.at, line.values, [line.values], self.columns)
        at, depths = [line.at[index] for index in kept], [self._scale.depth(line.values[index]) for index in kept]
        spell = axis.step_path if line.is_step else axis.line_path
        drawn = "".join(spell(run, self._decimals) for run in axis.stretches(at, depths, self._decimals))
        kind = f"{'step' if line.is_step else 'line'} {line.tone}"
        kind += " dashed threshold" if line.is_threshold else " dashed" if line.is_dashed else ""
        # A line of one point would be invisible.
        kind += " single" if len(kept) == 1 else ""
        return Markup('<path class="{}" data-key="{}" d="{}"/>\n').format(kind, key, drawn)

    def _marks(self) -> Markup:
        places = ((mark, self._percent_down(mark.y)) for mark in self.row.marks)
        return _joined(self._mark(mark, place) for mark, place in places if place is not None)

    def _mark(self, mark: Mark, place: str) -> Markup:
        # The circle is invisible; it makes a small shape easier to point at.
        return Markup(
            '<svg class="mark" x="{}" y="{}" data-x="{}" data-key="{}"><title>{}</title>'
            '<circle class="around" r="9"/><path class="{} {}" d="{}"/></svg>\n'
        ).format(
            self.figure.axis.percent(mark.x), place, _number(mark.x), self._key_numbers.get(mark.key, ""),
            shortened(mark.text, _LONGEST_TEXT), mark.shape, mark.tone, _SHAPES[mark.shape],
        )  # fmt: skip


def _heights(counts: Mapping[str, Sequence[float]]) -> Iterator[list[float]]:
    """Yield the top of each area: its counts and all below it."""
    below: Sequence[float] = ()
    for one in counts.values():
        below = [count + lower for count, lower in zip(one, below or [0] * len(one), strict=True)]
        yield below


def _key(number: int, key: Key) -> Markup:
    return Markup(
        '<button type="button" class="key" disabled="" aria-pressed="true" data-key="{}">'
        '<svg viewBox="-8 -8 16 16" aria-hidden="true"><path class="{} {}" d="{}"/></svg>'
        '<span class="name">{}</span><output></output></button>\n'
    ).format(number, key.shape, key.tone, _SHAPES[key.shape], cut(key.name, _LONGEST_NAME))
