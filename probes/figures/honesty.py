"""Whether a load was the one that was asked for; when it was not, its latencies tell of something else.

The limits stand here alone, for the judge of drills and for the summary of a load.
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
    """What a load was asked for and what it sent: rates in transactions a second, and counts.

    `due` counts the transactions whose time came, `dropped` those of them that were not sent, and `lost` those that
    went with a worker that died. `lateness_p99_seconds` is None when nothing was sent.
    """

    target_rate: float
    achieved_rate: float
    due: int
    dropped: int
    lost: int
    lateness_p99_seconds: float | None

    @classmethod
    def of(cls, tally: Tally, seconds: float) -> Sending:
        """Read what `seconds` of load were asked for and sent.

        Every transaction whose time came is counted, sent or not, so that their number is what the schedule asked
        for, also when it ramps or is random.
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
    """Whether a load was as asked for; `reasons` says in words, of a load, why it was not."""

    reasons: tuple[str, ...] = ()

    @property
    def is_honest(self) -> bool:
        """Tell whether nothing speaks against it."""
        return not self.reasons


def honesty(sending: Sending) -> Honesty:
    """Hold what was sent against the limits."""
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
