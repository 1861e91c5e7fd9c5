"""How short of processor time this machine was, by the record of a drill, and whether that explains a delay."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import MachineRecord, StrainRecord

STARVES = {"cpu", "memory", "pressure"}
"""The kinds of faults that take the processors or the memory of a machine."""
# A machine was short of time for a while if it was so for this share of it.
_GOOD_PART = 0.25
# A machine is short of time if it held up a scrape for this share of its timeout.
_SHARE_OF_TIMEOUT = 0.25
_SHORTEST_LAG_SECONDS = 0.1
_SMALLEST_SHARE = 0.1
# Whatever waits so long for its turn may come too late.
_SHORT_SECONDS = 0.5
_HELD_UP_SECONDS = 0.25
# Busy processors alone delay a scrape by a second or so, but not by ten.
_LONGEST_TIMEOUT_OF_BUSY_SECONDS = 2.0
_BUSY, _CONTENDED = 0.9, 0.8
# What holds up a scrape may begin a little before it, and show in the figures a little after it.
_APART_SECONDS = 0.5


@dataclass(frozen=True)
class Shortage:
    """How short of processor time this machine was for some time, from the slices of its record."""

    slices: tuple[StrainRecord, ...]

    @classmethod
    def around(cls, slices: list[StrainRecord], *times: tuple[float, float]) -> Shortage:
        """Take the slices that overlap one of the times, each from its begin to its end."""
        found: dict[float, StrainRecord] = {}
        for begin, end in times:
            index = bisect_left(slices, end + _APART_SECONDS, key=attrgetter("at")) - 1
            while index >= 0 and _overlap(slices[index], begin, end):
                found[slices[index].at] = slices[index]
                index -= 1
        return cls(tuple(found[at] for at in sorted(found)))

    def explains(self, timeout_seconds: float) -> bool:
        """Return whether the machine could hold up a scrape until its timeout."""
        return any(True for _ in self._reasons(timeout_seconds))

    def told(self, timeout_seconds: float) -> str:
        """Return its figures in words."""
        return ", ".join(self._reasons(timeout_seconds))

    def _reasons(self, timeout_seconds: float) -> Iterator[str]:
        lag = max((one.loop_lag_seconds for one in self.slices), default=0.0)
        enough = _SHARE_OF_TIMEOUT * timeout_seconds
        if lag >= max(_SHORTEST_LAG_SECONDS, enough):
            yield f"loop lag {lag:.2g} s"
        for name, words in (
            ("stolen", "{} of their time taken by the host"),
            ("throttled", "held back by the control group for {} of the time"),
            ("queued", "alertdrill itself waited for one for {} of the time"),
        ):
            shares = [(one.seconds, getattr(one, name) or 0.0) for one in self.slices]
            largest = max((share for _, share in shares), default=0.0)
            if largest >= _SMALLEST_SHARE and sum(seconds * share for seconds, share in shares) >= enough:
                yield words.format(f"{largest:.0%}")
        full = [one for one in self.slices if one.busy >= _BUSY and (one.contended or 0.0) >= _CONTENDED]
        if full and timeout_seconds <= _LONGEST_TIMEOUT_OF_BUSY_SECONDS:
            most = max(full, key=lambda one: one.contended or 0.0)
            yield f"{most.busy:.0%} of their time used, and programs waited for them for {most.contended or 0.0:.0%} of the time"


def _overlap(one: StrainRecord, begin: float, end: float) -> bool:
    return one.at - _APART_SECONDS < end and begin < one.at + one.seconds + _APART_SECONDS


def was_short(recording: Recording, start: float, end: float) -> bool:
    """Return whether this machine was short of processor time for a good part of the time between two instants."""
    machine = recording.machine
    if machine is None or not machine.has_prometheus:
        return False
    within = _between(machine, start, end)
    short = sum(one.seconds for one in within if Shortage((one,)).explains(_SHORT_SECONDS))
    return short > 0 and short >= _GOOD_PART * sum(one.seconds for one in within)


def _between(machine: MachineRecord, start: float, end: float) -> tuple[StrainRecord, ...]:
    return tuple(one for one in machine.slices if one.at < end and start < one.at + one.seconds)


def why_slow(recording: Recording, start: float, end: float, seconds: float) -> str:
    """Return how short of processor time this machine was between two instants; empty if it explains no such delay.

    `seconds` is how long something took that takes no time on a machine that is not busy. It explains nothing while a fault
    of the drill itself took the processors away. If Prometheus runs elsewhere, only alertdrill itself had to wait here.
    """
    machine = recording.machine
    starves = any(one.kind in STARVES and one.injected_at <= end and start <= one.healed_at for one in recording.faults)
    if machine is None or starves:
        return ""
    slices = _between(machine, start, end)
    if not machine.has_prometheus:
        slices = tuple(one.model_copy(update={"contended": None}) for one in slices)
    return Shortage(slices).told(seconds)


def was_held_up(recording: Recording) -> bool:
    """Return whether alertdrill itself was once held up for so long that what it sends was late."""
    machine = recording.machine
    return machine is not None and any(one.loop_lag_seconds >= _HELD_UP_SECONDS for one in machine.slices)
