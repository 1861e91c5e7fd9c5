"""What a payment costs its sender, and from which amount on it is one of high value."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_CENT = Decimal("0.01")

# In the payment's own currency, whichever that is.
HIGH_VALUE = Decimal(10_000)


@dataclass(frozen=True)
class Tariff:
    """A share of the amount, but not less than `least` and not more than `most`."""

    share: Decimal
    least: Decimal
    most: Decimal

    def fee(self, amount: Decimal) -> Decimal:
        """Tell the fee in whole cents; a half goes to the even cent, so that rounding favours nobody."""
        return min(max((amount * self.share).quantize(_CENT), self.least), self.most)


_STANDARD = Tariff(Decimal("0.0025"), least=Decimal("0.05"), most=Decimal(25))
_TARIFFS = {
    "EUR": Tariff(Decimal("0.002"), least=Decimal("0.05"), most=Decimal(20)),
    "JPY": Tariff(Decimal("0.0025"), least=Decimal(5), most=Decimal(2500)),
}


def fee(amount: Decimal, currency: str) -> Decimal:
    """Tell what a payment of this amount costs, in its currency."""
    return _TARIFFS.get(currency, _STANDARD).fee(amount)
