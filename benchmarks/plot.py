"""Line charts as SVG images for Markdown pages; those of reports need a browser's style sheet."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 44, 48
_TICKS = 4


@dataclass(frozen=True)
class Chart:
    """One line over named points with equal distances; values are at least 0."""

    title: str
    x_label: str
    y_label: str
    points: dict[str, float]


def svg(charts: list[Chart]) -> str:
    """Draw charts side by side."""
    drawn = "\n".join(
        f'<g transform="translate({index * _WIDTH} 0)">\n{_draw(chart)}\n</g>' for index, chart in enumerate(charts)
    )
    width = _WIDTH * len(charts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}"'
        f' role="img" font-family="system-ui, sans-serif" font-size="12" fill="#333">\n'
        f"<title>{escape(', '.join(chart.title for chart in charts))}</title>\n"
        # A white background, because the page may be dark.
        f'<rect width="100%" height="100%" fill="#fff"/>\n{drawn}\n</svg>\n'
    )


def _draw(chart: Chart) -> str:
    top = _round_up(max(chart.points.values(), default=1.0))
    places = [(_x(index, len(chart.points)), _y(value, top)) for index, value in enumerate(chart.points.values())]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [_text(_LEFT, 20, chart.title, 'font-weight="600"'), _text(_LEFT, 36, chart.y_label, 'fill="#777"')]
    parts += [_grid(top * step / _TICKS, top) for step in range(_TICKS + 1)]
    parts += [f'<polyline points="{line}" fill="none" stroke="#2563eb" stroke-width="2"/>']
    for (x, y), (name, value) in zip(places, chart.points.items(), strict=True):
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#2563eb"/>',
            _text(x, y - 8, f"{value:.0f}", 'text-anchor="middle"'),
            _text(x, _HEIGHT - _BOTTOM + 18, name, 'text-anchor="middle"'),
        ]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return "\n".join([*parts, _text(middle, _HEIGHT - 10, chart.x_label, 'text-anchor="middle" fill="#777"')])


def _grid(value: float, top: float) -> str:
    y = _y(value, top)
    rule = f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
    return rule + _text(_LEFT - 6, y + 4, f"{value:g}", 'text-anchor="end" fill="#777"')


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'


def _x(index: int, count: int) -> float:
    """Return the centre of one of `count` equal parts of the width."""
    return _LEFT + (index + 0.5) * (_WIDTH - _LEFT - _RIGHT) / count


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)


def _round_up(value: float) -> float:
    """Return an end for the axis that leaves space for a label and gives round numbers at the ticks."""
    unit = 1.0
    while True:
        for factor in (4, 8, 12, 16, 20):
            if unit * factor >= value * 1.1:
                return unit * factor
        unit *= 10
