"""For how long a request is sent again, by what went wrong."""

from __future__ import annotations

import pytest

from alertdrill.chaos.kubernetes.patience import Patience
from alertdrill.chaos.kubernetes.place import ClusterError

AWAY, BUSY, REJECTED = ClusterError("away"), ClusterError("busy", 429), ClusterError("rejected", 401)


def tries(error: ClusterError, until: float = 0.0) -> list[float]:
    """List when a request is sent again that always fails at once with the same error; its first error is at 100 s."""
    patience, now, sent = Patience(until), 100.0, []
    while (pause := patience.pause(error, now)) is not None:
        now += pause
        sent.append(now)
    return sent


@pytest.mark.parametrize(
    ("error", "until", "last"),
    [
        (AWAY, 0, 105),
        (ClusterError("broken", 503), 0, 105),
        (BUSY, 0, 130),
        (REJECTED, 0, 105),
        (AWAY, 103, 105),
        (AWAY, 160, 160),
        (ClusterError("broken", 500), 160, 160),
        (BUSY, 160, 160),
        (REJECTED, 160, 105),
        (ClusterError("forbidden", 403), 160, 105),
    ],
)
def test_each_error_has_its_time(error: ClusterError, until: float, last: float) -> None:
    sent = tries(error, until)
    assert last - 2 < sent[-1] <= last


def test_pauses_grow_up_to_two_seconds() -> None:
    sent = tries(AWAY, 160)
    pauses = [after - before for before, after in zip([100.0, *sent], sent, strict=False)]
    assert pauses[:6] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0])
    assert set(map(round, pauses[6:])) == {2}


def test_errors_that_take_long_are_tried_three_times() -> None:
    patience = Patience(0)
    assert [patience.pause(AWAY, at) is not None for at in (110.0, 120.0, 130.0)] == [True, True, False]


@pytest.mark.parametrize(("asked", "waited"), [(3.0, 3.0), (0.0, 0.1), (3600.0, 10.0)])
def test_the_time_that_the_server_asks_for_is_waited_within_a_limit(asked: float, waited: float) -> None:
    assert Patience(0).pause(ClusterError("busy", 429, retry_after=asked), 100.0) == waited


def test_time_of_rejected_credentials_begins_with_the_first_rejection_in_a_row() -> None:
    patience = Patience(160)
    assert patience.pause(AWAY, 100.0) is not None
    assert patience.pause(REJECTED, 110.0) is not None
    assert patience.pause(REJECTED, 114.0) is not None
    assert patience.pause(AWAY, 120.0) is not None
    assert patience.pause(REJECTED, 130.0) is not None
    assert patience.pause(REJECTED, 136.0) is None
