"""The fee of a payment, and the least amount of a high-value payment."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_CENT = Decimal("0.01")

# In units of the payment's currency, whichever it is.
HIGH_VALUE = Decimal(10_000)


@dataclass(frozen=True)
class Tariff:
    """A share of the amount, at least `least` and at most `most`."""

    share: Decimal
    least: Decimal
    most: Decimal

    def fee(self, amount: Decimal) -> Decimal:
        """Return the fee in whole cents; half a cent is rounded to the even cent, so rounding errors cancel out."""
        return min(max((amount * self.share).quantize(_CENT), self.least), self.most)


_STANDARD = Tariff(Decimal("0.0025"), least=Decimal("0.05"), most=Decimal(25))
_TARIFFS = {
    "EUR": Tariff(Decimal("0.002"), least=Decimal("0.05"), most=Decimal(20)),
    "JPY": Tariff(Decimal("0.0025"), least=Decimal(5), most=Decimal(2500)),
}


def fee(amount: Decimal, currency: str) -> Decimal:
    """Return the fee of a payment of this amount, in its currency."""
    return _TARIFFS.get(currency, _STANDARD).fee(amount)
