"""The handlers that change something: start, abort, pause, resume, blackouts, heal, reload."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from itertools import count

from alertdrill.agent.api import wire
from alertdrill.agent.api.calls import Answered, ApiCall, Wrong
from alertdrill.agent.api.reading import from_history, ordered_blackout, skipped, unless_away
from alertdrill.agent.api.table import BASE
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.daemon.agent import Agent
from alertdrill.agent.drilling import dry_run
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.errors import ConfigError, ServiceUnavailable
from alertdrill.agent.history.reading import runs_of_occurrence
from alertdrill.agent.schedule.journal import OccurrenceRecord
from alertdrill.agent.schedule.occurrences import CALLED, Blackout, Pause, Skip
from alertdrill.agent.serving.door import Refused
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed, LedgerRefused
from alertdrill.units.duration import format_duration
from alertdrill.units.text import one_line, some_of, utc_text

_LONGEST_KEY = 200
_MOST_BLACKOUTS = 100
_ENDED = ("done", "skipped", "interrupted")


class Acting:
    """The handlers of one agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def start(self, call: ApiCall) -> wire.Wire | Answered:
        """Start a drill, or tell what it would do; a call with a key that is known starts nothing."""
        drill, schedule = self._drill(call.body.drill), self._agent.parts.schedule
        if call.query.dry_run:
            return Answered(await self.plan(drill.name), 200)
        wanted = _wanted(call)
        if wanted and (known := self._called(wanted)) is not None:
            return self._answered(known, drill.name)
        asked = f"by {_author(call)}" + (f": {one_line(call.body.reason)}" if call.body.reason else "")
        try:
            found = schedule.start(drill, asked, wanted)
        except OSError as error:
            raise _unwritten(error) from error
        if isinstance(found, Skip):
            status = 503 if found.reason == "target" else 409
            raise Refused(status, f"the drill is not started ({found.reason})", found.why)
        return self._answered(found, drill.name)

    def _drill(self, name: str, status: int = 422) -> Drill:
        drills = self._agent.parts.configured.by_name
        if name not in drills:
            known = some_of(sorted(drills)) or "none"
            raise Refused(status, "the schedule has no such drill", f"{name}; it has: {known}")
        return drills[name]

    def _called(self, wanted: str) -> OccurrenceRecord | None:
        """Return what a call with the same key started; raises Refused if it asked for something else."""
        key, _, _ = wanted.partition(":")
        for one in self._agent.parts.journal.records.values():
            if one.call.partition(":")[0] == key:
                if one.call != wanted:
                    raise Refused(422, "its Idempotency-Key belongs to another call", f"it started {_id(one)}")
                return one
        return None

    def _answered(self, one: OccurrenceRecord, drill: str | None) -> Answered:
        return Answered(_start(one, drill, []), 202, {"Location": f"{BASE}/starts/{_id(one)}"})

    async def plan(self, name: str) -> wire.Plan:
        """Return what a drill would do; breaks nothing. Raises Refused, with a line for each problem."""
        drill, site = self._drill(name, 404), self._agent.parts.site
        refused = self._agent.parts.schedule.may_start(site.clocks.now())
        try:
            planned = await Conductor(site, drill, lambda _: None).plan()
        except (ConfigError, FaultNotApplied, FaultNotHealed, LedgerRefused) as error:
            raise Wrong(409, "the drill could not begin", str(error).splitlines()) from error
        except ServiceUnavailable as error:
            raise Refused(502, "a server that the drill needs does not answer", one_line(error)) from error
        scaled = drill.scaled(site.config.time_scale)
        steps = [
            wire.PlannedStep(
                at_seconds=one.at.total_seconds(),
                lasts=one.lasts,
                kind=one.kind,
                target=one.target,
                settings=one.settings,
            )
            for one in dry_run.steps(scaled, planned)
        ]
        return wire.Plan(
            drill=drill.name,
            refused=skipped(refused),
            baseline_seconds=scaled.baseline.total_seconds(),
            rate=scaled.load.rate,
            longest_seconds=scaled.longest.total_seconds(),
            steps=steps,
            expects=[one.alert for one in drill.expect],
            expectations=dry_run.expectations(scaled),
        )

    async def start_of(self, call: ApiCall) -> wire.Start:
        """Return what became of a drill that a call started."""
        wanted, parts = call.request.match_info["id"], self._agent.parts
        records = (one for one in parts.journal.records.values() if one.entry == CALLED.name)
        one = next((one for one in records if _id(one) == wanted), None)
        if one is None:
            raise Refused(404, "no call started such a drill", wanted[:100])
        runs: list[str] | None = []
        if one.state in _ENDED:
            read = from_history(parts.configured.config, lambda connection: runs_of_occurrence(connection, *one.key))
            # The journal knows the end, also while the history is away.
            found, _ = await unless_away(read, None)
            runs = None if found is None else [row.id for row in found.rows]
        return _start(one, None, runs)

    async def abort(self, call: ApiCall) -> wire.Aborted:
        """Stop the drill that runs, and what its occurrence would run after it."""
        parts = self._agent.parts
        running, entry = parts.site.running, parts.schedule.entry
        reason = f"stopped by {_author(call)}" + (f": {one_line(call.body.reason)}" if call.body.reason else "")
        if entry is None or not parts.schedule.abort(reason):
            raise Refused(409, "no drill is running")
        return wire.Aborted(
            drill=None if running is None else running.progress.drill.name, occurrence=entry, reason=reason
        )

    async def pause(self, call: ApiCall) -> wire.Pause:
        """Run no drill until an instant."""
        until = (self._agent.parts.site.clocks.now() + call.body.for_).replace(microsecond=0)
        pause = Pause(until, one_line(call.body.reason), _author(call))
        self._set_pause(pause)
        return wire.Pause(until=pause.until, reason=pause.reason, by=pause.by)

    async def resume(self, _: ApiCall) -> wire.EmptyCall:
        """End the pause."""
        self._set_pause(None)
        return wire.EmptyCall()

    def _set_pause(self, pause: Pause | None) -> None:
        try:
            self._agent.pause(pause)
        except OSError as error:
            raise _unwritten(error) from error

    async def add_blackout(self, call: ApiCall) -> wire.Blackout:
        """Run no drill from an instant until another one; a drill that runs then is stopped."""
        journal, now = self._agent.parts.journal, self._agent.parts.site.clocks.now().replace(microsecond=0)
        begins_at, until = call.body.from_ or now, call.body.until
        if until <= now or until - begins_at > wire.LONGEST_BLACKOUT:
            limit = (
                f"expected an end after {utc_text(now)}, and at most {format_duration(wire.LONGEST_BLACKOUT)} in all"
            )
            raise Wrong(400, "it is not a blackout", [f"until: {utc_text(until)}; {limit}"])
        known = journal.blackouts(now)
        if len(known) >= _MOST_BLACKOUTS:
            raise Refused(409, "there are too many blackouts", f"end one of the {len(known)} first")
        taken = {one.id for one in known}
        names = (_compact(utc_text(now + timedelta(seconds=later))) for later in count())
        name = next(name for name in names if name not in taken)
        one = Blackout(name, begins_at, until, one_line(call.body.reason), _author(call))
        self._keep(one, f"from {utc_text(begins_at)}: {one.why}")
        return ordered_blackout(one, now)

    async def end_blackout(self, call: ApiCall) -> wire.EmptyCall:
        """End a time without drills that a call ordered, also before it begins."""
        wanted, now = call.body.id, self._agent.parts.site.clocks.now()
        one = next((one for one in self._agent.parts.journal.blackouts(now) if one.id == wanted), None)
        if one is None:
            raise Refused(404, "no call ordered such a blackout, or it is over", wanted)
        self._keep(replace(one, ends_at=now), f"the blackout is ended by {_author(call)}: {one.reason}")
        return wire.EmptyCall()

    def _keep(self, one: Blackout, told: str) -> None:
        try:
            self._agent.parts.journal.set_blackout(one)
        except OSError as error:
            raise _unwritten(error) from error
        self._agent.parts.tell(told)

    async def heal(self, _: ApiCall) -> wire.Healed:
        """Undo the faults that no drill will undo."""
        try:
            return wire.Healed(lines=await self._agent.heal())
        except (FaultNotHealed, LedgerRefused) as error:
            raise Wrong(409, "not everything could be undone", str(error).splitlines()) from error

    async def reload(self, _: ApiCall) -> wire.Reloaded:
        """Read the configuration again."""
        if problems := self._agent.reload():
            raise Wrong(400, "the configuration is not reloaded, and the one before stays in force", problems)
        return wire.Reloaded(sha256=self._agent.health.config_sha256, waits_for_the_drill=self._agent.is_reload_waiting)


def _author(call: ApiCall) -> str:
    """Return who calls: the name of web.yml, or else what the body says, or the address."""
    said = one_line(getattr(call.body, "by", ""))
    if not said or said == call.caller:
        return call.caller
    return f"{said} ({call.caller})" if call.caller != call.request.remote else said


def _wanted(call: ApiCall) -> str:
    """Return what two calls have in common that have the same key, and then what they have if they also ask the same."""
    key = call.request.headers.get("Idempotency-Key", "")
    if not key:
        return ""
    if len(key) > _LONGEST_KEY or not key.isprintable():
        raise Refused(400, "its Idempotency-Key is wrong", f"expected at most {_LONGEST_KEY} characters")
    parts = (key, call.body.model_dump_json())
    return ":".join(hashlib.sha256(part.encode("utf-8", "surrogateescape")).hexdigest()[:24] for part in parts)


def _unwritten(error: OSError) -> Refused:
    return Refused(503, "the journal of occurrences cannot be written", error.strerror or one_line(error))


def _id(one: OccurrenceRecord) -> str:
    return _compact(one.instant)


def _compact(instant: str) -> str:
    return instant.replace("-", "").replace(":", "")


def _start(one: OccurrenceRecord, drill: str | None, runs: list[str] | None) -> wire.Start:
    codes = dict(one.verdicts)
    return wire.Start(
        id=_id(one),
        drill=next(iter(codes), drill),
        state=one.state,
        started_at=one.starts_at,
        asked=one.asked,
        reason=one.reason,
        why=one.why,
        exit_code=next(iter(codes.values()), None),
        runs=runs,
    )
