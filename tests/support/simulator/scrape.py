"""Scraping: when each target is scraped, which samples are written, and when they can be seen.

Semantics: Prometheus' scrape/scrape.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.service import Service
from simulator.storage import Sample, Storage
from simulator.values import Labels, Millis, Vector, labels_of, merged, series_of


@dataclass(frozen=True)
class Target:
    """One target: scraped at every instant `k * interval + phase`.

    `duration` is how long an answer, or a refusal, takes; a service that hangs takes `timeout`.
    `reads_after` is how long after the start of the scrape the service reads its own state: so a sample may show a fault
    that is younger than its timestamp.
    `dropped_at` is when discovery removes the target, and `returns_at` when it has it again, if it ever does.
    """

    job: str
    instance: str
    service: Service
    interval: Millis
    phase: Millis
    timeout: Millis
    duration: Millis = 0
    reads_after: Millis = 0
    dropped_at: Millis | None = None
    returns_at: Millis | None = None

    @property
    def labels(self) -> Labels:
        """The labels of every series of the target."""
        return labels_of(job=self.job, instance=self.instance)

    def starts(self, begin: Millis, end: Millis) -> range:
        """The instants of its schedule within `[begin, end]`."""
        first = begin + (self.phase - begin) % self.interval
        return range(first, end + 1, self.interval)

    def is_gone(self, at: Millis) -> bool:
        """Whether discovery does not have the target."""
        return self.dropped_at is not None and self.dropped_at <= at < (self.returns_at or at + 1)


@dataclass(frozen=True)
class Restart:
    """Prometheus itself is down in `[down_at, up_at)`: nothing is scraped or evaluated, and memory is lost."""

    down_at: Millis
    up_at: Millis


def scrape(target: Target, storage: Storage, begin: Millis, end: Millis, restart: Restart | None = None) -> None:
    """Write all samples of a target's scrapes."""
    known: set[Labels] = set()
    forgot = False
    for at in target.starts(begin, end):
        if restart and at >= restart.up_at and not forgot:
            # Series that vanished meanwhile get no marker: Prometheus has lost them.
            known, forgot = set(), True
        is_gone = target.is_gone(at)
        if is_gone and not (known and target.is_gone(at + target.interval)):
            # It was marked already; or it is back too soon, and a marker behind its new samples is refused.
            continue
        found, written_at = _forget(target, at) if is_gone else _ask(target, at)
        is_lost = restart is not None and at < restart.up_at and written_at > restart.down_at
        if not is_lost:
            for labels, value in found.items():
                storage.write(labels, Sample(at, value, written_at))
            for labels in known - set(found):
                storage.write(labels, Sample(at, None, written_at))
            known = set(found)


def _ask(target: Target, at: Millis) -> tuple[Vector, Millis]:
    """Return the samples of one scrape, with `up`, and when it ended."""
    up = series_of("up", **dict(target.labels))
    answer = target.service.answer(at + target.reads_after)
    if answer == "hangs" or target.duration >= target.timeout:
        return {up: 0.0}, at + target.timeout
    if answer == "refuses":
        return {up: 0.0}, at + target.duration
    found, added = {up: 1.0}, target.labels
    for labels, value in target.service.read(at + target.reads_after).items():
        found[merged(labels, added)] = float(value)
    return found, at + target.duration


def _forget(target: Target, at: Millis) -> tuple[Vector, Millis]:
    """Prometheus waits two intervals and a tenth for the target to come back, then marks as of the first of them."""
    return {}, at + target.interval + target.interval // 10
