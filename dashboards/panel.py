"""The tables from which dashboards are made: panels with a title, queries, a unit, and limits for yellow and red."""

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
class Thresholds:
    """The values at which a panel turns yellow and red, in its unit.

    If red is below yellow, low values are bad.
    """

    yellow: float
    red: float

    @property
    def steps(self) -> list[tuple[float | None, str]]:
        """The lower bound of each colour in ascending order; the first has none."""
        if self.red > self.yellow:
            return [(None, "green"), (self.yellow, "yellow"), (self.red, "red")]
        return [(None, "red"), (self.red, "yellow"), (self.yellow, "green")]


@dataclass(frozen=True)
class Panel:
    """One panel; `unit` is a unit id of Grafana, `width` is in columns of 24."""

    title: str
    text: str
    unit: str
    queries: tuple[Query, ...]
    limits: Thresholds | None = None
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
    """A selector at the top of a dashboard for the values of a series' label; at first all are selected."""

    name: str
    series: str

    @property
    def query(self) -> str:
        """The query for its values, in the syntax of Grafana's Prometheus data source."""
        return f"label_values({self.series}, {self.name})"


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; `uid` is its name in URLs, `opens_with` its initial time range."""

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
