"""Reads a figure back from its SVG: the values of lines and areas, the bars, the marks, the legend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element, fromstring

Points = list[tuple[float, float]]
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")


@dataclass(frozen=True)
class DrawnRow:
    """One row of a figure; lines and areas have their points by the name in the legend, an area only its top."""

    title: str
    description: str
    svg: Element
    keys: list[str]
    labels: list[str]
    lines: dict[str, Points]
    areas: dict[str, Points]
    bars: list[tuple[str, float, float, str]]
    marks: list[tuple[str, str, float, str]]

    def values(self, name: str) -> list[float]:
        """The values of a line."""
        return [y for _, y in self.lines[name]]


def drawn_rows(figure: str) -> list[DrawnRow]:
    """Read every row of a figure, from the top; the figure must be well-formed."""
    rows = [row for row in fromstring(figure).iter("div") if row.find("svg[@class='area']") is not None]  # noqa: S314 - our own
    return [_row(row) for row in rows]


def bands(figure: str) -> list[tuple[float, float]]:
    """Return the times that are shaded; every row must have the same."""
    found = [element.get("d", "") for element in fromstring(figure).iter("path") if element.get("class") == "band"]  # noqa: S314
    assert all(re.sub(r"V\d+", "", one) == re.sub(r"V\d+", "", found[0]) for one in found)
    return [(float(start), float(end)) for start, end in re.findall(r"M(\S+) 0H([^V]+)V", found[0])] if found else []


def labels(figure: str) -> list[str]:
    """Return the texts above the first row."""
    found = fromstring(figure).find("div/div[@class='labels']")  # noqa: S314 - our own
    return ["".join(one.itertext()) for one in found] if found is not None else []


def _row(row: Element) -> DrawnRow:
    svg, data = row.find("svg"), row.find("svg/svg[@class='data']")
    assert svg is not None
    assert data is not None
    keys = [_text(key, "span[@class='name']") for key in row.findall("div[@class='keys']/button")]
    paths = data.findall("path")
    return DrawnRow(
        title=_text(row, "p[@class='row-title']"),
        description=_text(svg, "desc"),
        svg=svg,
        keys=keys,
        labels=["".join(one.itertext()) for one in row.findall("div[@class='y']/span")],
        lines={keys[_key(one)]: _points(one, data) for one in paths if re.match("line|step", one.get("class", ""))},
        areas={keys[_key(one)]: _points(one, data) for one in paths if one.get("class", "").startswith("fill")},
        bars=[_bar(one, keys) for one in data.findall("rect")],
        marks=[_mark(one, keys) for one in svg.findall("svg[@class='mark']")],
    )


def _key(element: Element) -> int:
    return int(element.get("data-key", ""))


def _text(element: Element, path: str) -> str:
    found = element.find(path)
    assert found is not None
    return "".join(found.itertext())


def _name(element: Element, keys: list[str]) -> str:
    return keys[_key(element)] if element.get("data-key") else ""


def _bar(bar: Element, keys: list[str]) -> tuple[str, float, float, str]:
    start = float(bar.get("x", ""))
    return _name(bar, keys), start, start + float(bar.get("width", "")), _text(bar, "title")


def _mark(mark: Element, keys: list[str]) -> tuple[str, str, float, str]:
    shape = mark.findall("path")[-1].get("class", "").split()[0]
    return _name(mark, keys), shape, float(mark.get("data-x", "")), _text(mark, "title")


def _points(path: Element, data: Element) -> Points:
    top, step = float(data.get("data-top", "")), float(data.get("data-step", ""))
    is_log = data.get("data-log") is not None
    levels = [(x, (top - depth) * step) for x, depth in _places(path.get("d", ""))]
    return [(x, 10**level if is_log else level) for x, level in levels]


def _places(spelled: str) -> list[tuple[float, float]]:
    """Return the corners of a path, without those that close an area."""
    found: list[tuple[float, float]] = []
    for letter, rest in _COMMAND.findall(spelled):
        numbers = [float(number) for number in _NUMBER.findall(rest)]
        x, y = found[-1] if found else (0.0, 0.0)
        if letter == "M":
            found.append((numbers[0], numbers[1]))
        elif letter == "h":
            found.append((x + numbers[0], y))
        elif letter == "v":
            found.append((x, y + numbers[0]))
        elif letter == "l":
            for across, down in zip(numbers[::2], numbers[1::2], strict=True):
                x, y = x + across, y + down
                found.append((x, y))
    return found
