"""When each transaction is due: pure arithmetic, no clock, so there is no drift to add up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConstantArrivals:
    """Arrivals at a constant rate, `rate` a second, from second 0 on."""

    rate: float

    def due_seconds(self, index: int) -> float:
        """Tell when the transaction of an index (from 0) is due, in seconds from the start."""
        return index / self.rate

    def due_by(self, elapsed_seconds: float) -> int:
        """Count the transactions that are due at an instant, that one included."""
        count = int(elapsed_seconds * self.rate) + 1
        # The product and the quotient may round to different sides of a due time.
        while count > 0 and self.due_seconds(count - 1) > elapsed_seconds:
            count -= 1
        while self.due_seconds(count) <= elapsed_seconds:
            count += 1
        return count
