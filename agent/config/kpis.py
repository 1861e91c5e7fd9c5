"""kpis.yml: the measures of a service, and their objectives.

    kpis:
      - kpi: error rate
        series: payment_engine_errors_total
        of: payment_engine_transactions_processed_total
        objective: "< 0.001"
        yellow_from: 0.0005
        unit: ratio
      - kpi: amount a day
        series: payment_engine_transactions_amount_total
        increase: 1d
        by: [currency]
    buckets:
      payment_engine_transactions_response_time_seconds_bucket: [0.5, 1, 2, 5]

A KPI is a ratio of two rates with `of`, a quantile with `quantile`, a rate with `per: second`, the increase of a
counter with `increase`, else the mean of a gauge, of the worst series where there are several; or any `query`, in
which `$window` is replaced by the window. A KPI without an objective is only shown.
`alertdrill kpi` measures them; `alertdrill explain` compares the thresholds of rules with the objectives.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from alertdrill.agent.config.yaml_source import read_settings
from alertdrill.units.duration import Duration, format_duration
from alertdrill.units.promql import require_promql
from alertdrill.units.settings import Settings

_OBJECTIVE = re.compile(r"(?P<comparison><=|>=|<|>)\s*(?P<limit>-?\d+(?:\.\d+)?)")
_WINDOW = "$window"
_SECONDS_PER = {"second": 1, "minute": 60, "hour": 3600}


class Kpi(Settings):
    """A measure, and its objective if it has one: a number and the side of it on which the measure must stay.

    From `yellow_from` to the limit the objective is met, but only just. `unit` is for people; `seconds` and `ratio` have
    their own format.
    """

    name: str = Field(alias="kpi", min_length=1)
    series: str | None = None
    of: str | None = None
    quantile: float | None = Field(default=None, gt=0, lt=1)
    per: Literal["second", "minute", "hour"] | None = None
    increase: Duration | None = Field(default=None, gt=timedelta(0))
    by: tuple[str, ...] = ()
    query: str | None = None
    objective: str | None = None
    yellow_from: float | None = None
    unit: str = ""

    @field_validator("objective")
    @classmethod
    def _is_comparison(cls, text: str | None) -> str | None:
        if text is not None and _OBJECTIVE.fullmatch(text.strip()) is None:
            msg = f"{text!r} is not an objective, expected a comparison with a number such as < 2 or >= 99.5"
            raise ValueError(msg)
        return None if text is None else text.strip()

    @model_validator(mode="after")
    def _has_one_meaning(self) -> Self:
        ways = [name for name in ("of", "quantile", "per", "increase") if getattr(self, name) is not None]
        if len(ways) > 1:
            msg = f"has {' and '.join(ways)}, expected one of them"
            raise ValueError(msg)
        if (self.series is None) == (self.query is None):
            msg = (
                f"has {'neither series nor' if self.series is None else 'both series and'} query, expected one of them"
            )
            raise ValueError(msg)
        if self.query is not None and (ways or self.by):
            msg = f"has query and {(ways or ['by'])[0]}, expected the query alone"
            raise ValueError(msg)
        require_promql(self.expr(timedelta(minutes=5)))
        return self

    @model_validator(mode="after")
    def _is_yellow_before_red(self) -> Self:
        if self.yellow_from is None:
            return self
        if self.objective is None:
            msg = "has yellow_from without objective, expected both"
            raise ValueError(msg)
        if (self.yellow_from > self.limit) if self.is_upper_bound else (self.yellow_from < self.limit):
            side = "at most" if self.is_upper_bound else "at least"
            msg = f"has yellow_from {self.yellow_from:g}, where {self.objective} is missed: expected {side} {self.limit:g}"
            raise ValueError(msg)
        return self

    @property
    def comparison(self) -> str:
        """The comparison: `<`, `<=`, `>` or `>=`; empty without an objective."""
        return (self.objective or "").rstrip("0123456789.- ")

    @property
    def limit(self) -> float:
        """The number of the objective, in the metric's own unit."""
        return float((self.objective or "nan").lstrip("<>= "))

    @property
    def is_upper_bound(self) -> bool:
        """Whether large values miss the objective."""
        return self.comparison in {"<", "<="}

    def expr(self, window: timedelta) -> str:
        """Return the measure over a window as PromQL."""
        span = format_duration(window)
        if self.query is not None:
            return self.query.replace(_WINDOW, span)
        by = f" by ({', '.join(self.by)}) " if self.by else ""
        rate = f"sum{by}(rate({self.series}[{span}]))"
        if self.quantile is not None:
            buckets = f"sum by ({', '.join(('le', *self.by))}) (rate({self.series}[{span}]))"
            return f"histogram_quantile({self.quantile:g}, {buckets})"
        if self.of is not None:
            return f"{rate} / {self.rate_of(window)}"
        if self.per is not None:
            return rate if self.per == "second" else f"{_SECONDS_PER[self.per]} * {rate}"
        if self.increase is not None:
            return f"sum{by}(increase({self.series}[{format_duration(self.increase)}]))"
        worst = {True: "max", False: "min"}[self.is_upper_bound] if self.objective else "avg"
        return f"{worst}{by}(avg_over_time({self.series}[{span}]))"

    def rate_of(self, window: timedelta) -> str:
        """Return the rate by which a ratio divides, as PromQL."""
        by = f" by ({', '.join(self.by)}) " if self.by else ""
        return f"sum{by}(rate({self.of}[{format_duration(window)}]))"


class Kpis(Settings):
    """The whole of kpis.yml; `buckets` are the known upper bounds of histograms."""

    kpis: tuple[Kpi, ...] = ()
    buckets: dict[str, tuple[float, ...]] = {}

    @field_validator("kpis")
    @classmethod
    def _names_are_unique(cls, kpis: tuple[Kpi, ...]) -> tuple[Kpi, ...]:
        for name, count in Counter(kpi.name for kpi in kpis).items():
            if count > 1:
                msg = f"the name {name!r} is used {count} times, expected once"
                raise ValueError(msg)
        return kpis

    @field_validator("buckets")
    @classmethod
    def _bounds_ascend(cls, buckets: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        for name, bounds in buckets.items():
            if any(after <= before for before, after in pairwise(bounds)):
                msg = f"the bounds of {name} do not ascend"
                raise ValueError(msg)
        return buckets

    @property
    def promises(self) -> tuple[Kpi, ...]:
        """The KPIs of one series with an objective: those that a rule can watch."""
        return tuple(kpi for kpi in self.kpis if kpi.objective is not None and kpi.series is not None)

    @property
    def of_a_phase(self) -> tuple[Kpi, ...]:
        """The KPIs with an objective that holds at any load: not a rate, and without their own range."""
        return tuple(kpi for kpi in self.kpis if kpi.objective and kpi.per is None and kpi.increase is None)


def read_kpis(path: Path) -> Kpis:
    """Read kpis.yml; raises ConfigError with every problem of the file."""
    return read_settings(path, Kpis)
