"""Whether a load was sent as planned. If it was not, its latencies are those of another load.

The limits are only here, for the verdict of a drill and for the summary of a load.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alertdrill.probes.load.tally import Tally

SMALLEST_RATE_SHARE = 0.95
LARGEST_UNSENT_SHARE = 0.01
LARGEST_LATENESS_P99_SECONDS = 0.5


@dataclass(frozen=True)
class Sending:
    """What a load was to send and what it sent: rates in transactions a second, and counts.

    `due` counts the transactions whose due time has passed, `dropped` those of them that were not sent, and `lost`
    those of a worker that died. `lateness_p99_seconds` is None when nothing was sent.
    """

    target_rate: float
    achieved_rate: float
    due: int
    dropped: int
    lost: int
    lateness_p99_seconds: float | None

    @classmethod
    def of(cls, tally: Tally, seconds: float) -> Sending:
        """Read from a tally what was due and what was sent in `seconds` of load.

        Transactions that were due are counted whether they were sent or not, so their number is that of the schedule,
        also when the rate changes or the times are random.
        """
        return cls(
            target_rate=tally.due / seconds,
            achieved_rate=(tally.due - tally.dropped - tally.lost) / seconds,
            due=tally.due,
            dropped=tally.dropped,
            lost=tally.lost,
            lateness_p99_seconds=tally.lateness.percentile_seconds(99),
        )


@dataclass(frozen=True)
class Honesty:
    """Whether a load was sent as planned; `reasons` are sentences about a load that was not."""

    reasons: tuple[str, ...] = ()

    @property
    def is_honest(self) -> bool:
        """Whether the load was sent as planned."""
        return not self.reasons


def honesty(sending: Sending) -> Honesty:
    """Compare what was sent with the limits."""
    if sending.due == 0:
        return Honesty(("did not run: no transaction was due",))
    return Honesty(tuple(_reasons(sending)))


def _reasons(sending: Sending) -> Iterator[str]:
    if sending.dropped + sending.lost > LARGEST_UNSENT_SHARE * sending.due:
        lost = f" and lost {sending.lost} with a worker" if sending.lost else ""
        limit = f"{100 * LARGEST_UNSENT_SHARE:g} %"
        yield f"dropped {sending.dropped} of {sending.due} transactions{lost}, more than {limit}"
    if sending.achieved_rate < SMALLEST_RATE_SHARE * sending.target_rate:
        rates = f"{sending.achieved_rate:.1f} transactions a second of {sending.target_rate:.6g}"
        yield f"reached {rates}, less than {100 * SMALLEST_RATE_SHARE:g} %"
    late = sending.lateness_p99_seconds
    if late is not None and late > LARGEST_LATENESS_P99_SECONDS:
        yield f"was sent late: p99 {late:.2f} s behind its schedule, more than {LARGEST_LATENESS_P99_SECONDS:g} s"
