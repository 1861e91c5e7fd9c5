"""The handlers that only tell: status, load, runs, alerts, schedule, blackouts."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Generic, TypeVar

from alertdrill import __version__
from alertdrill.agent.api import wire
from alertdrill.agent.api.calls import ApiCall, cursor, part, position
from alertdrill.agent.api.wire import Page
from alertdrill.agent.config.agent import AgentConfig, without_secrets
from alertdrill.agent.config.daemon import Closed, Freshness
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.daemon.agent import Agent
from alertdrill.agent.drilling.site import RunningDrill
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.history import reading as history
from alertdrill.agent.history.connection import Database, HistoryUnavailable
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.index import HistorySummary, Proof
from alertdrill.agent.recording.recording import recording_name
from alertdrill.agent.schedule.choice import Planned, planned
from alertdrill.agent.schedule.journal import OccurrenceRecord
from alertdrill.agent.schedule.occurrences import Blackout, Pause, Skip, Timetable
from alertdrill.agent.serving.door import Refused
from alertdrill.chaos.machine.threads import in_own_thread
from alertdrill.units import json_text
from alertdrill.units.duration import format_duration
from alertdrill.units.text import one_line, utc_text

_BUSY_SECONDS = 1.0
_MOST_LABELS = 10_000
_SLOTS = threading.BoundedSemaphore(16)
_Result = TypeVar("_Result")


async def _apart(work: Callable[[], _Result]) -> _Result:
    """Do work in a thread of its own; raises Refused when too much is done already.

    It uses none of the threads in which faults are undone, and an agent that ends does not wait for it.
    """
    if not _SLOTS.acquire(blocking=False):
        raise Refused(503, "too many calls are being answered", Retry_After="1")

    def run() -> _Result:
        try:
            return work()
        finally:
            _SLOTS.release()

    return await in_own_thread(run, "api")


async def from_history(config: AgentConfig, read: Callable[[Database], _Result]) -> _Result:
    """Read something from the history in a thread; raises Refused when it cannot be read now."""

    def work() -> _Result:
        with opened(config.history, config.recordings, busy_seconds=_BUSY_SECONDS) as database:
            return read(database)

    try:
        return await _apart(work)
    except (HistoryUnavailable, ConfigError) as error:
        raise Refused(503, "the history cannot be read now", one_line(error), Retry_After="5") from error


async def unless_away(read: Awaitable[_Result], without: _Result) -> tuple[_Result, str]:
    """Return what is read from the history, or else what is known without it, and why it cannot be read.

    Raises any other Refused.
    """
    try:
        return await read, ""
    except Refused as error:
        if error.status != 503:
            raise
        return without, str(error)


class OncePerWrite(Generic[_Result]):
    """What a function of the history and the time scale returns, read again only after the history was written.

    With ten thousand runs, what rests on all of them takes a tenth of a second to read.
    """

    def __init__(self, agent: Agent, read: Callable[[Database, float], _Result]) -> None:
        self._agent = agent
        self._read = read
        # The standing is another one after each write.
        self._kept: tuple[HistorySummary, _Result] | None = None

    async def value(self) -> _Result:
        """Return it; raises Refused when the history cannot be read now."""
        standing, config = self._agent.parts.history.standing, self._agent.parts.configured.config
        if self._kept is None or self._kept[0] is not standing:
            found = await from_history(config, lambda one: self._read(one, config.time_scale))
            self._kept = standing, found
        return self._kept[1]


def status(agent: Agent) -> wire.Status:
    """Return the state of an agent."""
    parts, health = agent.parts, agent.health
    now, running = parts.site.clocks.now(), parts.site.running
    return wire.Status(
        version=__version__,
        now=now,
        problem=agent.problem,
        config=wire.ConfigState(
            sha256=health.config_sha256,
            is_newest=health.is_reloaded,
            in_force_since=at(health.reloaded_at),
            waits_for_the_drill=agent.is_reload_waiting,
        ),
        load=wire.LoadState(
            is_sending=parts.load.is_sending,
            problem=parts.load.problem,
            rate=parts.configured.load.rate,
            workers=dict(health.workers),
        ),
        occurrence=parts.schedule.entry,
        running=None if running is None else running_drill(running, parts.schedule.entry or ""),
        pause=pause(parts.journal.pause, now),
        faults_unhealed=health.unhealed,
        history=wire.HistoryState(problem=parts.history.problem, waiting=parts.history.queued),
        next=dict(health.next_runs),
    )


def running_drill(running: RunningDrill, entry: str) -> wire.RunningDrill:
    """Return how far a drill has come."""
    progress, clock = running.progress, asyncio.get_running_loop().time()
    is_begun = progress.phase is not None
    return wire.RunningDrill(
        drill=progress.drill.name,
        entry=entry,
        phase=progress.phase,
        phase_seconds=round(clock - progress.phase_started, 3) if is_begun else 0.0,
        phase_at_most_seconds=round(progress.phase_ends_by - progress.phase_started, 3) if is_begun else 0.0,
        faults=[
            wire.FaultInForce(kind=kind, target=target, count=count)
            for (kind, target), count in sorted(progress.faults.items())
            if count > 0
        ],
        alerts=[wire.AlertState(alert=alert, state=state) for alert, state in sorted(progress.states.items())],
    )


def pause(one: Pause | None, now: datetime) -> wire.Pause | None:
    """Return the pause that is in force."""
    if one is None or one.until <= now:
        return None
    return wire.Pause(until=one.until, reason=one.reason, by=one.by)


def at(unix_seconds: float) -> datetime:
    """Return an instant with its zone."""
    return datetime.fromtimestamp(unix_seconds, UTC)


def _maybe(unix_seconds: float | None) -> datetime | None:
    return None if unix_seconds is None else at(unix_seconds)


class ReadHandlers:
    """The handlers of one agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._last_verdicts = OncePerWrite(agent, history.last_verdicts)

    async def status(self, _: ApiCall) -> wire.Status:
        """Return the state of the agent."""
        return status(self._agent)

    async def config(self, _: ApiCall) -> wire.ConfigInForce:
        """Return the configuration in force, without its secrets."""
        configured, health = self._agent.parts.configured, self._agent.health
        return wire.ConfigInForce(
            sha256=health.config_sha256,
            in_force_since=at(health.reloaded_at),
            agent=without_secrets(configured.config),
            drills=[
                drill.model_dump(mode="json", by_alias=True, exclude_unset=True)
                for drill in configured.by_name.values()
            ],
        )

    async def runs(self, call: ApiCall, since: float = 0.0) -> Page[wire.Run]:
        """Return the drills that ended, the newest first; of this part, those that ended since an instant."""
        after = position(call.query, (float, str))
        before = (math.inf, "") if after is None else (after[0], after[1])
        drill, limit, config = call.query.drill, call.query.limit, self._agent.parts.configured.config
        found = await from_history(config, lambda one: history.newest_runs(one, drill, before, limit + 1, since))
        rows = found.rows[:limit]
        items = [wire.Run(**_run(row, found.verdicts[row.id])) for row in rows]
        is_more = len(found.rows) > limit
        return Page[wire.Run](items=items, next_cursor=cursor([rows[-1].started_at, rows[-1].id]) if is_more else None)

    async def run(self, call: ApiCall) -> wire.RunDetail:
        """Return one drill with its verdicts."""
        config, wanted = self._agent.parts.configured.config, call.request.match_info["id"]
        found = await from_history(config, lambda one: history.run_of(one, wanted))
        if not found.rows:
            raise Refused(404, "there is no such run", f"{wanted[:100]}; /api/v1/runs has their ids")
        (row,) = found.rows
        return run_detail(row, found.verdicts[row.id])

    async def alerts(self, call: ApiCall) -> Page[wire.Alert]:
        """Return the state of each alert that a drill saw or expects."""
        return self.alerts_after(call, await self.last_verdicts())

    async def last_verdicts(self) -> dict[str, history.LastVerdict]:
        """Return the newest verdict on each alert; raises Refused when the history cannot be read now."""
        return await self._last_verdicts.value()

    def alerts_after(self, call: ApiCall, last: Mapping[str, history.LastVerdict]) -> Page[wire.Alert]:
        """Return the state of each alert, with the newest verdict on it."""
        parts = self._agent.parts
        expected = _expected(parts.configured.by_name.values())
        now, freshness = parts.site.clocks.now(), parts.configured.config.freshness
        seen = {(one.alert, one.severity): one for one in parts.history.standing.proofs}
        known = {alert for alert, _ in seen}
        unseen = {key: Proof(*key, 0.0, None, None, None) for key in expected if key[0] not in known}
        drills: dict[str, set[str]] = defaultdict(set)
        for (alert, _), names in expected.items():
            drills[alert] |= names
        items, following = part(
            (seen | unseen).values(),
            call.query,
            lambda one: [one.alert, one.severity],
            lambda one: _alert(one, last.get(one.alert), sorted(drills[one.alert]), freshness, now),
        )
        return Page[wire.Alert](items=items, next_cursor=following)

    async def schedule(self, call: ApiCall) -> Page[wire.Coming]:
        """Return the coming occurrences, and why some will be skipped."""
        parts, timetable = self._agent.parts, self._agent.parts.schedule.timetable
        now, freshness = parts.site.clocks.now(), parts.configured.config.freshness
        until, drills, memory = now + timedelta(days=call.query.days), parts.configured.drills, parts.history.memory
        after = position(call.query, (str, str, str))
        rows = planned(timetable, drills, memory, freshness, now, until)
        wanted = (one for one in rows if after is None or _place(one) > after)
        # One more than wanted tells whether more follow.
        found = await _apart(lambda: list(islice(wanted, call.query.limit + 1)))
        items, following = part(found, call.query, _place, lambda one: _coming(one, timetable))
        return Page[wire.Coming](items=items, next_cursor=following)

    async def occurrences(self, call: ApiCall) -> Page[wire.Occurrence]:
        """Return what became of occurrences, the newest first."""
        records = list(self._agent.parts.journal.records.values())
        items, following = await _apart(
            lambda: part(records, call.query, lambda one: [one.instant, one.entry], _occurrence, last_first=True)
        )
        return Page[wire.Occurrence](items=items, next_cursor=following)

    async def blackouts(self, call: ApiCall) -> Page[wire.Blackout]:
        """Return the times without drills."""
        timetable, now = self._agent.parts.schedule.timetable, self._agent.parts.site.clocks.now()
        items, following = part(
            _blackouts(timetable, now), call.query, lambda one: [one.kind, one.name, one.when], lambda one: one
        )
        return Page[wire.Blackout](items=items, next_cursor=following)


def run_detail(row: history.RunRow, verdicts: list[history.VerdictRow]) -> wire.RunDetail:
    """Return one run with its verdicts."""
    recording = recording_name(row.drill, row.started_at)
    return wire.RunDetail(**_run(row, verdicts), recording=recording, verdicts=list(map(_verdict, verdicts)))


def _run(row: history.RunRow, verdicts: list[history.VerdictRow]) -> dict[str, Any]:
    values = row._asdict() | {"started_at": at(row.started_at), "ended_at": at(row.ended_at)}
    values["outcomes"] = [wire.AlertOutcome(alert=one.alert, outcome=one.outcome) for one in verdicts]
    return values


def _verdict(row: history.VerdictRow) -> wire.Verdict:
    return wire.Verdict(
        alert=row.alert,
        labels=json_text.parse(row.labels.encode(), _MOST_LABELS),
        outcome=row.outcome,
        reason=row.reason,
        explanation=row.explanation,
        expected=bool(row.expected),
        fault_at=at(row.fault_at),
        pending_at=_maybe(row.pending_at),
        firing_at=_maybe(row.firing_at),
        notified_at=_maybe(row.notified_at),
        resolved_at=_maybe(row.resolved_at),
    )


def _expected(drills: Iterable[Drill]) -> dict[tuple[str, str], set[str]]:
    """Return the names of the drills that expect each alert, by its severity (empty where the drill does not say it)."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for drill in drills:
        for one in drill.expect:
            found[one.alert, one.labels.get("severity", "")].add(drill.name)
    return found


def _alert(
    one: Proof, last: history.LastVerdict | None, drills: list[str], freshness: Freshness, now: datetime
) -> wire.Alert:
    limit, proven = freshness.prove_within.get(one.severity), _maybe(one.proven_at)
    age = None if proven is None else now - proven
    state, reason = _standing(one, last, drills, age, limit)
    return wire.Alert(
        alert=one.alert,
        severity=one.severity,
        state=state,
        reason=reason,
        last_proven_at=proven,
        proven_by=one.drill,
        age_seconds=None if age is None else int(age.total_seconds()),
        prove_within_seconds=None if limit is None else int(limit.total_seconds()),
        prove_by=None if limit is None or proven is None else proven + limit,
        last_verdict=None
        if last is None
        else wire.LastVerdict(
            outcome=last.outcome, reason=last.reason, drill=last.drill, run=last.run, at=at(last.started_at)
        ),
        drills=drills,
    )


def _standing(
    one: Proof, last: history.LastVerdict | None, drills: list[str], age: timedelta | None, limit: timedelta | None
) -> tuple[Any, str]:
    """Return the state of an alert in one word, and why it is not proven."""
    if age is not None:
        if limit is None or age <= limit:
            return "proven", ""
        return "stale", f"its last proof is older than {format_duration(limit)}"
    if one.voided_at is not None:
        return "not_proven", f"its expression was changed since its proof of {utc_text(at(one.voided_at))}"
    if last is not None:
        return "not_proven", f"its last drill, {last.drill}, ended {last.outcome}: {last.reason}"
    if drills:
        return "not_proven", f"no drill of it ran yet; {', '.join(drills)} would"
    return "not_proven", "no drill of the schedule expects it"


def _place(row: Planned) -> list[str]:
    one = row.occurrence
    return [utc_text(one.starts_at), utc_text(one.instant), one.entry.name]


def _coming(row: Planned, timetable: Timetable) -> wire.Coming:
    one = row.occurrence
    return wire.Coming(
        entry=one.entry.name,
        instant=one.instant,
        starts_at=one.starts_at,
        starts_at_local=one.starts_at.astimezone(timetable.zone).isoformat(),
        drills=list(row.drills),
        skipped=skipped(row.skip),
        notes=list(row.notes),
    )


def skipped(skip: Skip | None) -> wire.Skipped | None:
    """Return why something does not run."""
    return None if skip is None else wire.Skipped(reason=skip.reason, why=skip.why)


def _occurrence(one: OccurrenceRecord) -> wire.Occurrence:
    return wire.Occurrence(
        entry=one.entry,
        instant=one.instant,
        starts_at=one.starts_at,
        state=one.state,
        at=one.at,
        reason=one.reason,
        why=one.why,
        exit_codes=dict(one.verdicts),
        asked=one.asked,
    )


def _blackouts(timetable: Timetable, now: datetime) -> Iterator[wire.Blackout]:
    for one in timetable.schedule.blackouts:
        end = timetable.end_of(one, now)
        kind, when = _when(one)
        yield wire.Blackout(kind=kind, name=one.name, when=when, in_force=end is not None, until=end)
    for span in timetable.calendars.between(now, now + timedelta(days=wire.MOST_DAYS)):
        when, is_now = f"{utc_text(span.begins_at)} to {utc_text(span.ends_at)}", span.begins_at <= now
        until = span.ends_at if is_now else None
        yield wire.Blackout(kind="calendar", name=span.name, when=when, in_force=is_now, until=until)
    if guard := timetable.guard(now):
        yield wire.Blackout(kind="guard", name=guard, when="see guards in agent.yml", in_force=True, until=None)
    if (paused := pause(timetable.pause, now)) is not None:
        yield wire.Blackout(kind="pause", name=paused.reason, when=f"by {paused.by}", in_force=True, until=paused.until)
    for ordered in timetable.ordered:
        yield ordered_blackout(ordered, now)


def ordered_blackout(one: Blackout, now: datetime) -> wire.Blackout:
    """Return a time without drills that a call ordered."""
    when, is_now = f"{utc_text(one.begins_at)} to {utc_text(one.ends_at)}, by {one.by}", one.begins_at <= now
    until = one.ends_at if is_now else None
    return wire.Blackout(kind="call", name=one.reason, when=when, in_force=is_now, until=until, id=one.id)


def _when(one: Closed) -> tuple[Any, str]:
    if one.cron is not None and one.lasts is not None:
        return "cron", f"from each {one.cron} for {format_duration(one.lasts)}"
    return "days", f"{one.from_} to {one.to}"
