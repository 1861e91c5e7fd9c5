"""The money that the transactions of a load carry, from the template of the probe.

Amounts that are drawn at random are known on average. Nothing is guessed: if a body has no `amount`, or takes it from a
file, or if probes are mixed, the money is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from alertdrill.agent.recording.records import MoneyRecord
from alertdrill.probes.any_probe import AnyProbe
from alertdrill.probes.data.data import AnyData, Choice
from alertdrill.probes.data.number_range import Range
from alertdrill.probes.http.settings import HttpProbe

_AMOUNT = "amount"
_CURRENCIES = ("currencyCode", "currency")


def carried(probe: AnyProbe) -> list[MoneyRecord]:
    """Return the money of each transaction in each currency; empty if that is not known."""
    if not isinstance(probe, HttpProbe) or probe.then or not isinstance(probe.json_body, dict):
        return []
    amounts = _weighted(probe.json_body.get(_AMOUNT), probe.data)
    currency = next((probe.json_body[key] for key in _CURRENCIES if key in probe.json_body), "")
    currencies = _weighted(currency, probe.data)
    try:
        mean = sum((Decimal(str(value)) * Decimal(str(share)) for value, share in amounts), Decimal(0))
    except InvalidOperation:
        return []
    if not amounts or not mean.is_finite() or any(value is True or value is False for value, _ in amounts):
        return []
    is_exact = len(amounts) == len(currencies) == 1
    return [
        MoneyRecord(currency=str(name), mean=mean, share=share, is_exact=is_exact)
        for name, share in sorted(currencies, key=lambda one: -one[1])
    ]


def _weighted(value: Any, data: Mapping[str, AnyData]) -> list[tuple[Any, float]]:  # noqa: ANN401 - JSON
    """Return the possible values of a field, each with its share of all transactions; empty if unknown."""
    if not isinstance(value, str) or "{{" not in value:
        return [] if value is None or isinstance(value, dict | list) else [(value, 1.0)]
    name = value.removeprefix("{{").removesuffix("}}").strip()
    source = data.get(name)
    if isinstance(source, Choice):
        weights = source.weights or (1.0,) * len(source.of)
        return [(one, weight / sum(weights)) for one, weight in zip(source.of, weights, strict=True) if weight]
    if isinstance(source, Range):
        # The mean of both ends is the mean of all values.
        return [(source.from_, 0.5), (source.to, 0.5)]
    return []
