"""What a panel is to those who write dashboards: a title, queries, a unit, and when it is yellow and red."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["line", "stack", "stat", "state", "table"]


@dataclass(frozen=True)
class Query:
    """One PromQL expression; the legend may hold labels as `{{label}}`."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Limits:
    """Where a value turns from green to yellow and from yellow to red, in the panel's unit.

    With red below yellow, low values are the bad ones.
    """

    yellow: float
    red: float

    @property
    def steps(self) -> list[tuple[float | None, str]]:
        """The lower bound of each colour, the first of them open."""
        if self.red > self.yellow:
            return [(None, "green"), (self.yellow, "yellow"), (self.red, "red")]
        return [(None, "red"), (self.red, "yellow"), (self.yellow, "green")]


@dataclass(frozen=True)
class Panel:
    """One panel; `unit` is Grafana's id of it, `width` in its 24 columns."""

    title: str
    text: str
    unit: str
    queries: tuple[Query, ...]
    limits: Limits | None = None
    form: Form = "line"
    width: int = 8
    max: float | None = None


@dataclass(frozen=True)
class Row:
    """A headline and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard: the values of a label of a series, all of them at first."""

    name: str
    series: str

    @property
    def query(self) -> str:
        """The query of its values, in the words of Grafana's Prometheus data source."""
        return f"label_values({self.series}, {self.name})"


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; `uid` is its name in URLs, `opens_with` how far back it looks at first."""

    uid: str
    title: str
    text: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    opens_with: str = "1h"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The panels of all rows, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)
