"""How many requests an API server gets at once, and for how long one is sent again after an error. Pure: no clock.

A lost connection, a time-out and a 5xx are given a few seconds from the first of them and at least three tries, or until
a deadline if there is one: an undo has one, the injection of a fault has none. An API server that throttles (429) is
alive, so it is given more. Rejected credentials (401) get a few seconds in any case: a new token is there at once, or
never.
"""

from __future__ import annotations

from alertdrill.chaos.kubernetes.place import ClusterError

MOST_AT_ONCE = 25
"""An API server throttles who asks for more."""
_AWAY_SECONDS = 5.0
# On a busy machine the first time-out may already be later than that.
_LEAST_TRIES = 3
_THROTTLED_SECONDS = 30.0
_REJECTED_SECONDS = 5.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0
# An API server asks for one to eight seconds; a proxy before it may ask for an hour.
_LONGEST_RETRY_AFTER_SECONDS = 10.0
_REJECTIONS = (401, 403)


class Patience:
    """The errors of one request so far; `until` is its deadline. All times are in seconds of one clock."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._first: float | None = None
        self._rejected: float | None = None
        self._pause = _FIRST_PAUSE_SECONDS
        self._tries = 0

    def pause(self, error: ClusterError, now: float) -> float | None:
        """Return how long to wait before the request is sent again; None when there is no time left for that."""
        self._tries += 1
        self._first = now if self._first is None else self._first
        if error.status not in _REJECTIONS:
            self._rejected = None
        elif self._rejected is None:
            self._rejected = now
        pause = max(self._pause, min(error.retry_after, _LONGEST_RETRY_AFTER_SECONDS))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        return pause if self._tries < _LEAST_TRIES or now + pause <= self._limit(error, self._first) else None

    def _limit(self, error: ClusterError, first: float) -> float:
        if self._rejected is not None:
            return self._rejected + _REJECTED_SECONDS
        return max(first + (_THROTTLED_SECONDS if error.status == 429 else _AWAY_SECONDS), self._until)
