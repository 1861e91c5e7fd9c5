"""Sums of booked payments by tenant and currency; plain numbers, because each payment updates them."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from alertdrill.lab.engine.payment import Payment
from alertdrill.lab.engine.tariff import HIGH_VALUE

# A limit, because clients may invent tenants and currencies, and each pair makes five series that stay.
_MOST_PAIRS = 100
_OTHERS = ("other", "other")
_HIGH_VALUE = float(HIGH_VALUE)

# In the order of the sums: (name, help).
_SUMS = (
    ("transactions_by_tenant", "Transactions booked."),
    ("transactions_amount", "Amount booked, in units of the currency."),
    ("fees_collected", "Fees charged to the senders, in units of the currency."),
    ("transactions_high_value", f"Transactions booked of {_HIGH_VALUE:.0f} units or more."),
    ("transactions_high_value_amount", f"Amount of the transactions booked of {_HIGH_VALUE:.0f} units or more."),
)


class Business(Collector):
    """Sums by tenant and currency; a repeated payment counts once."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], list[float]] = {}

    def booked(self, payment: Payment) -> None:
        """Count a payment."""
        pair = (payment.tenant_id, payment.currency_code)
        sums = self._sums.get(pair) or self._add_pair(pair)
        amount = float(payment.amount)
        sums[0] += 1.0
        sums[1] += amount
        sums[2] += float(payment.fee)
        if amount >= _HIGH_VALUE:
            sums[3] += 1.0
            sums[4] += amount

    def collect(self) -> Iterable[Metric]:
        """Yield the series for prometheus_client."""
        for index, (name, text) in enumerate(_SUMS):
            family = CounterMetricFamily(f"payment_engine_{name}", text, labels=("tenant", "currency"))
            for pair, sums in self._sums.items():
                family.add_metric(pair, sums[index])
            yield family

    def _add_pair(self, pair: tuple[str, str]) -> list[float]:
        key = pair if len(self._sums) < _MOST_PAIRS else _OTHERS
        return self._sums.setdefault(key, [0.0] * len(_SUMS))
