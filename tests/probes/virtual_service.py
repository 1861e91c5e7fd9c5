"""A service in virtual time, and a clock that can be stalled."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from alertdrill.probes.client import Ended
from alertdrill.probes.outcome import Outcome
from tests.support.virtual_time import loop_time


class Clock:
    """The virtual loop's time plus the seconds of stalls, which the loop does not see."""

    def __init__(self) -> None:
        self.held_up_seconds = 0.0

    def __call__(self) -> float:
        return loop_time() + self.held_up_seconds


class Service:
    """Ends each transaction after a delay of its own: 0 is at once, infinity is never."""

    def __init__(
        self, delay_seconds: Callable[[int], float], outcome: Callable[[int], Outcome] = lambda _: Outcome()
    ) -> None:
        self.clock = Clock()
        self.sent: list[float] = []
        self._delay_seconds = delay_seconds
        self._outcome = outcome

    def start(self, ended: Ended) -> None:
        number = len(self.sent)
        self.sent.append(self.clock())  # before the delay is computed, which may depend on it
        delay_seconds, outcome = self._delay_seconds(number), self._outcome(number)
        if delay_seconds == 0.0:
            ended(outcome)
        elif delay_seconds < math.inf:
            asyncio.get_running_loop().call_later(delay_seconds, ended, outcome)

    def take_acknowledged(self) -> list[str]:
        return []
