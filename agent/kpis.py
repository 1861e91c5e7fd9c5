"""kpis.yml: what the service has promised, so that a rule's threshold can be held beside it.

    kpis:
      - kpi: error rate
        series: payment_engine_errors_total
        of: payment_engine_transactions_processed_total
        objective: "< 0.001"
    buckets:
      payment_engine_transactions_response_time_seconds_bucket: [0.5, 1, 2, 5]

A KPI is a ratio of two rates with `of`, a quantile with `quantile`, a rate with `per: second`, else a plain value.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from agent import yaml_source
from units.settings import Settings

_OBJECTIVE = re.compile(r"(?P<comparison><=|>=|<|>)\s*(?P<limit>-?\d+(?:\.\d+)?)")


class Kpi(Settings):
    """One promise: what is measured, and the side of a number on which it must stay."""

    name: str = Field(alias="kpi")
    series: str
    of: str | None = None
    quantile: float | None = Field(default=None, gt=0, lt=1)
    per: Literal["second"] | None = None
    objective: str

    @field_validator("objective")
    @classmethod
    def _is_comparison(cls, text: str) -> str:
        if _OBJECTIVE.fullmatch(text.strip()) is None:
            msg = f"{text!r} is no objective, expected a comparison with a number such as < 2 or >= 99.5"
            raise ValueError(msg)
        return text.strip()

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        ways = [name for name in ("of", "quantile", "per") if getattr(self, name) is not None]
        if len(ways) > 1:
            msg = f"has {' and '.join(ways)}, expected one of them"
            raise ValueError(msg)
        return self

    @property
    def comparison(self) -> str:
        """The side: `<`, `<=`, `>` or `>=`."""
        return self.objective.rstrip("0123456789.- ")

    @property
    def limit(self) -> float:
        """The number, in the metric's own unit."""
        return float(self.objective.lstrip("<>= "))


class Kpis(Settings):
    """The whole of kpis.yml; `buckets` are the upper bounds of histograms, as far as they are known."""

    kpis: tuple[Kpi, ...] = ()
    buckets: dict[str, tuple[float, ...]] = {}

    @field_validator("buckets")
    @classmethod
    def _rise(cls, buckets: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        for name, bounds in buckets.items():
            if any(after <= before for before, after in pairwise(bounds)):
                msg = f"the bounds of {name} do not rise"
                raise ValueError(msg)
        return buckets


def load(path: Path) -> Kpis:
    """Read kpis.yml; raises ConfigError with every problem of the file."""
    return yaml_source.load(path, Kpis)
