"""Which drills an occurrence has, and in which order. Pure: it reads only what it is given.

With `order: stalest` those come first whose alerts need a new proof soonest. An alert needs one when `prove_within` of
its severity is over since the last proof. A drill that did not prove its alerts is tried again after a quarter of that
time: it must not keep all others from their turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from alertdrill.agent.config.daemon import Freshness
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.schedule.occurrences import Occurrence, Skip, Timetable, clock_change
from alertdrill.units.duration import format_duration

_USUAL = timedelta(days=30)
_NEVER = datetime.min.replace(tzinfo=UTC)
_AGAIN_AFTER = 4


@dataclass(frozen=True)
class EarlierDrills:
    """What is known of earlier drills: when each alert was proven last, by its severity, and when each drill ran last."""

    proven: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)
    ran: Mapping[str, datetime] = field(default_factory=dict)

    def proven_at(self, alert: str, severity: str | None) -> datetime | None:
        """Return the last proof of an alert; of several severities, when none is named, the oldest."""
        of_alert = self.proven.get(alert, {})
        if severity is not None:
            return of_alert.get(severity)
        return min(of_alert.values(), default=None)

    def with_run(self, drill: Drill, at: datetime) -> EarlierDrills:
        """Return this memory as if a drill had run at an instant and proven all its alerts."""
        proven = {alert: dict(of_alert) for alert, of_alert in self.proven.items()}
        for one in drill.expect:
            known = proven.setdefault(one.alert, {})
            for severity in [one.labels["severity"]] if "severity" in one.labels else [*known] or [""]:
                known[severity] = at
        return EarlierDrills(proven, {**self.ran, drill.name: at})


def needed_by(drill: Drill, memory: EarlierDrills, freshness: Freshness) -> datetime:
    """Return by when a drill must run so that its alerts stay proven; the earliest of all times if it never ran."""
    longest = max(freshness.prove_within.values(), default=_USUAL)
    ran = memory.ran.get(drill.name, _NEVER)
    found = []
    for one in drill.expect:
        severity = one.labels.get("severity")
        limit = _limit(one.alert, severity, memory, freshness, longest)
        proven = memory.proven_at(one.alert, severity) or _NEVER
        found.append(ran + limit / _AGAIN_AFTER if ran > proven else _later(proven, limit))
    return min(found, default=_later(ran, longest))


def _later(instant: datetime, by: timedelta) -> datetime:
    return instant if instant == _NEVER else instant + by


def _limit(
    alert: str, severity: str | None, memory: EarlierDrills, freshness: Freshness, longest: timedelta
) -> timedelta:
    severities = [severity] if severity is not None else [*memory.proven.get(alert, {})]
    known = [freshness.prove_within[one] for one in severities if one in freshness.prove_within]
    return min(known, default=longest)


def chosen(one: Occurrence, drills: Sequence[Drill], memory: EarlierDrills, freshness: Freshness) -> list[Drill] | Skip:
    """Return the drills of an occurrence in their order, or why there is none."""
    entry, due = one.entry, {drill.name: needed_by(drill, memory, freshness) for drill in drills}
    if entry.due_within is not None:
        drills = [drill for drill in drills if due[drill.name] <= one.starts_at + entry.due_within]
        if not drills:
            return Skip("fresh", f"nothing needs a new proof within {format_duration(entry.due_within)}")
    if entry.order == "stalest":
        drills = sorted(drills, key=lambda drill: due[drill.name])
    elif entry.order == "shuffled":
        drills = sorted(drills, key=lambda drill: _number(one, drill))
    return list(drills[: entry.most])


def _number(one: Occurrence, drill: Drill) -> bytes:
    """Return the place of a drill in a shuffled order, which is the same each time it is asked for."""
    return hashlib.sha256(f"{one.entry.name} {one.instant.timestamp()} {drill.name}".encode()).digest()


@dataclass(frozen=True)
class Planned:
    """One coming occurrence: its drills, or why it will be skipped, and what else there is to know."""

    occurrence: Occurrence
    drills: tuple[str, ...]
    skip: Skip | None
    notes: tuple[str, ...] = ()


def planned(  # noqa: PLR0913, PLR0917 - all that decides on what comes
    timetable: Timetable,
    drills: Mapping[str, Sequence[Drill]],
    memory: EarlierDrills,
    freshness: Freshness,
    after: datetime,
    until: datetime,
) -> Iterator[Planned]:
    """Yield what will happen between two instants if nothing goes wrong: each drill runs at once and proves its alerts.

    `drills` are those of each entry. A drill may take less than its longest time, so an overlap is only possible.
    """
    busy_until, busy_with = after, ""
    for one in timetable.coming(after, until):
        notes = [clock_change(one.entry.cron, timetable.zone, one.instant)]
        found = timetable.closed(one.entry, one.starts_at) or chosen(one, drills[one.entry.name], memory, freshness)
        if isinstance(found, Skip):
            yield Planned(one, (), found, tuple(filter(None, notes)))
            continue
        if busy_until > one.starts_at:
            then = "is skipped" if one.entry.overlap == "skip" else "waits"
            notes.append(f"{busy_with} may run until {timetable.local(busy_until)}: if it does, this one {then}")
        for drill in found:
            memory = memory.with_run(drill, one.starts_at)
        ends_at = max(busy_until, one.starts_at) + sum((drill.longest for drill in found), timedelta(0))
        if ends_at > busy_until:
            busy_until, busy_with = ends_at, one.entry.name
        yield Planned(one, tuple(drill.name for drill in found), None, tuple(filter(None, notes)))
