"""Makes the pages. Each shows what the API answers to the same caller, so that the two never differ."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web
from markupsafe import Markup
from pydantic import Field

from alertdrill.agent.api import wire
from alertdrill.agent.api.api import Api
from alertdrill.agent.api.calls import ApiCall, Wrong, validated
from alertdrill.agent.api.reading import OncePerWrite, from_history, run_detail, unless_away
from alertdrill.agent.api.wire import Wire
from alertdrill.agent.config.drill import SURGE, Drill
from alertdrill.agent.daemon.agent import Parts
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.history import reading as history
from alertdrill.agent.history.load import LoadPeriod, percentile_seconds, periods
from alertdrill.agent.history.tracks import AlertTrack, tracks
from alertdrill.agent.pages import pictures, rendering
from alertdrill.agent.pages.live import awaited
from alertdrill.agent.pages.moved import moved
from alertdrill.agent.report import plot, scorecard
from alertdrill.agent.scorecard import earlier_runs
from alertdrill.agent.scorecard.earlier_runs import card_of
from alertdrill.agent.serving.door import Refused
from alertdrill.chaos.machine.threads import in_thread

_DAY = timedelta(days=1)
_MOST_OF_A_DAY = 200
_SECONDS_SHOWN = 10
# How far back, and in periods of how many seconds.
_SPANS = {
    "hour": (3_600, 60),
    "day": (86_400, 600),
    "week": (7 * 86_400, 3_600),
    "month": (31 * 86_400, 86_400),
    "year": (366 * 86_400, 7 * 86_400),
}
_MOST_PERIODS = 60
# Of these, a page shows all.
_MOST_ALERTS, _MOST_COMING, _MOST_PAST = 500, 60, 30
# In the address of the page an empty text means all.
_NO_SEVERITY = "(none)"


class _AlertsQuery(Wire):
    """Which alerts, and in which order."""

    severity: str = Field(default="", max_length=200)
    state: str = Field(default="", pattern="^(|proven|stale|not_proven)$")
    order: str = Field(default="stalest", pattern="^(stalest|name)$")


class _LoadQuery(Wire):
    """Of which time."""

    span: str = Field(default="day", pattern="^(hour|day|week|month|year)$")


@dataclass(frozen=True)
class _PeriodView:
    """A period of the load: its start (Unix seconds), rates a second, and percentiles in seconds."""

    at: int
    span: int
    sent: float | None
    target_rate: float | None
    failed: float
    due: int
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    lateness_p99_seconds: float | None


@dataclass(frozen=True)
class _TrackView:
    """One drill of an alert on the wall."""

    drill: str
    run: str
    outcome: str
    detected: float | None
    picture: Markup


@dataclass(frozen=True)
class _DrillView:
    """One drill that may be started."""

    name: str
    summary: str
    expects: list[str]
    faults: list[str]
    entries: list[str]


_NO_RUNS = wire.Page[wire.Run](items=[])


class PageHandlers:
    """The handlers of the pages of one agent; each raises Refused."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._tracks = OncePerWrite(api.agent, tracks)

    @property
    def _parts(self) -> Parts:
        return self._api.agent.parts

    @staticmethod
    def static(request: web.Request) -> web.Response:
        """Return a file that pages load."""
        return rendering.static(request)

    async def refused(self, request: web.Request, error: Refused) -> web.Response:
        """Return a page that says why the page asked for cannot be shown."""
        return await self._page(request, "problem.html.j2", error.reason, error.status, problem=str(error))

    async def _page(
        self, request: web.Request, template: str, title: str, code: int = 200, **values: object
    ) -> web.Response:
        status = await self._api.reading.status(_call(request))
        here = next((path for path, _ in rendering.PAGES if path == f"/{request.path.split('/')[1]}"), "")
        text = rendering.render(template, title=title, here=here, status=status, **values)
        return rendering.respond(request, text, code)

    async def now(self, request: web.Request) -> web.Response:
        """Show the load, the drill that runs, and the last day."""
        load = await self._api.events.load(_call(request, wire.LoadQuery(seconds=_SECONDS_SHOWN)))
        now = self._parts.site.clocks.now()
        read = self._api.reading.runs(_call(request, wire.RunsQuery(limit=_MOST_OF_A_DAY)), (now - _DAY).timestamp())
        day, away = await unless_away(read, _NO_RUNS)
        running = self._parts.site.running
        return await self._page(
            request,
            "now.html.j2",
            "Now",
            load=load,
            away=away,
            day=day.items,
            strip=pictures.strip(day.items, now, _DAY),
            expected=[] if running is None else awaited(running),
        )

    async def alerts(self, request: web.Request) -> web.Response:
        """Show the wall: each alert with its last proof, and with the drills that expect it."""
        query = validated(_AlertsQuery, dict(request.query), "its query is wrong")
        (last, of_alerts), away = await unless_away(self._drilled(), ({}, {}))
        found = self._api.reading.alerts_after(_call(request, wire.PageQuery(limit=_MOST_ALERTS)), last)
        shown = [one for one in found.items if _is_wanted(one, query)]
        if query.order == "stalest":
            shown.sort(key=staleness)
        return await self._page(
            request,
            "alerts.html.j2",
            "Alerts",
            away=away,
            is_known=not away or bool(self._parts.history.standing.proofs),
            alerts=shown,
            proven=sum(one.state == "proven" for one in shown),
            severities=sorted({one.severity or _NO_SEVERITY for one in found.items}),
            tracks=_track_views(of_alerts),
            query=query,
        )

    async def _drilled(self) -> tuple[Mapping[str, history.LastVerdict], Mapping[str, list[AlertTrack]]]:
        """Return what drills said of each alert: the newest verdict, and its tracks."""
        return await self._api.reading.last_verdicts(), await self._tracks.value()

    async def runs(self, request: web.Request) -> web.Response:
        """Show a part of the list of runs."""
        query = validated(wire.RunsQuery, dict(request.query), "its query is wrong")
        runs, away = await unless_away(self._api.reading.runs(_call(request, query)), _NO_RUNS)
        drills = sorted(self._parts.configured.by_name)
        return await self._page(request, "runs.html.j2", "Runs", away=away, runs=runs, query=query, drills=drills)

    async def run(self, request: web.Request) -> web.Response:
        """Show one run, beside the one before it."""
        run = await self._api.reading.run(_call(request))
        before = await self._before(run)
        again = json.dumps({"drill": run.drill, "reason": "again, from its page"})
        return await self._page(
            request,
            "run.html.j2",
            run.drill,
            run=run,
            files=list(self._api.files.kept(run)),
            before=before,
            moved=[] if before is None else moved(before.verdicts, run.verdicts),
            is_known=run.drill in self._parts.configured.by_name,
            again=again,
        )

    async def _before(self, run: wire.RunDetail) -> wire.RunDetail | None:
        """Return the run of the same drill, at the same time scale, that was before."""
        found = await from_history(self._parts.configured.config, lambda one: history.run_before(one, run.id))
        return next((run_detail(row, found.verdicts[row.id]) for row in found.rows), None)

    async def recording(self, request: web.Request) -> web.Response:
        """Return the recording of a run, to download."""
        return await self._api.files.recording(_call(request))

    async def report(self, request: web.Request) -> web.Response:
        """Show the report of a run."""
        _, content = await self._api.files.read(_call(request), "report")
        return rendering.respond(request, content.decode(errors="replace"), policy=plot.policy(has_figures=True))

    async def postmortem(self, request: web.Request) -> web.Response:
        """Show the post-mortem of a run."""
        run = await self._api.reading.run(_call(request))
        text = await self._api.files.postmortem_of(run)
        return await self._page(request, "postmortem.html.j2", f"Post-mortem of {run.drill}", run=run, text=text)

    async def schedule(self, request: web.Request) -> web.Response:
        """Show what comes, when nothing may run, and what became of the last occurrences."""
        return await self._page(
            request,
            "schedule.html.j2",
            "Schedule",
            coming=await self._api.reading.schedule(_call(request, wire.ScheduleQuery(limit=_MOST_COMING))),
            blackouts=await self._api.reading.blackouts(_call(request, wire.PageQuery(limit=_MOST_COMING))),
            past=await self._api.reading.occurrences(_call(request, wire.PageQuery(limit=_MOST_PAST))),
        )

    async def load(self, request: web.Request) -> web.Response:
        """Show the load over an hour, up to a year, from the history."""
        query = validated(_LoadQuery, dict(request.query), "its query is wrong")
        span, every = _SPANS[query.span]
        config, now = self._parts.configured.config, self._parts.site.clocks.wall()
        found = await from_history(config, lambda one: periods(one, now - span, every))
        rows = [_period_view(one) for one in found]
        # In a script element, only what looks like its end has to be spelled otherwise.
        data = Markup(json.dumps([asdict(row) for row in rows]).replace("<", "\\u003c"))  # noqa: S704 - see above
        shown = rows[-_MOST_PERIODS:][::-1]
        return await self._page(
            request, "load.html.j2", "Load", query=query, spans=list(_SPANS), rows=shown, count=len(rows), data=data
        )

    async def kpis(self, request: web.Request) -> web.Response:
        """Show the last values of the KPIs that `alertdrill kpi` measured, and their trends."""
        config = self._parts.configured.config
        try:
            runs = await in_thread(earlier_runs.read, config.recordings / "kpis.jsonl")
        except ConfigError as error:
            raise Refused(503, "the KPIs cannot be read", str(error)) from error
        last = max(runs, key=lambda run: run.at, default=None)
        card = None if last is None else earlier_runs.with_trends(card_of(last, config.kpis.kpis), runs)
        return await self._page(
            request,
            "kpis.html.j2",
            "KPIs",
            card=card,
            names=[one.name for one in config.kpis.kpis],
            at=None if card is None else datetime.fromtimestamp(card.at, UTC),
            scorecard=scorecard,
        )

    async def drills(self, request: web.Request) -> web.Response:
        """Show the drills that may be started."""
        configured = self._parts.configured
        entries: dict[str, list[str]] = defaultdict(list)
        for entry, of_entry in configured.drills.items():
            for drill in of_entry:
                entries[drill.name].append(entry)
        views = [_drill_view(drill, entries[name]) for name, drill in sorted(configured.by_name.items())]
        return await self._page(request, "drills.html.j2", "Start a drill", drills=views)

    async def drill(self, request: web.Request) -> web.Response:
        """Show what a drill would do."""
        name, plan, problems = request.match_info["name"], None, []
        try:
            plan = await self._api.acting.plan(name)
        except Wrong as error:
            problems = error.errors
        return await self._page(request, "drill.html.j2", name, name=name, plan=plan, problems=problems)


def _call(request: web.Request, query: Wire | None = None) -> ApiCall:
    return ApiCall(request, "", query)


def _is_wanted(one: wire.Alert, query: _AlertsQuery) -> bool:
    return query.severity in {"", one.severity or _NO_SEVERITY} and query.state in {"", one.state}


def staleness(one: wire.Alert) -> tuple[int, float, str]:
    """Order alerts: those that are not proven, then by the part of `prove_within` that is over, the others by age."""
    if one.age_seconds is None or one.state == "not_proven":
        return 0, 0.0, one.alert
    if one.prove_within_seconds is None:
        return 2, -one.age_seconds, one.alert
    return 1, -one.age_seconds / one.prove_within_seconds, one.alert


def _drill_view(drill: Drill, entries: list[str]) -> _DrillView:
    broken = [f"{fault.kind} on {fault.target}" for fault in drill.faults]
    broken += [f"{SURGE} of {surge.target}" for surge in drill.load.surges]
    return _DrillView(drill.name, drill.summary, [one.alert for one in drill.expect], broken, entries)


def _track_views(found: Mapping[str, list[AlertTrack]]) -> dict[str, list[_TrackView]]:
    return {alert: [_track_view(one) for one in of_alert] for alert, of_alert in found.items()}


def _track_view(track: AlertTrack) -> _TrackView:
    last = track.last
    picture = pictures.trend([run.detected_seconds for run in track.runs], [run.outcome for run in track.runs])
    return _TrackView(track.drill, last.run, last.outcome, last.detected_seconds, picture)


def _period_view(one: LoadPeriod) -> _PeriodView:
    seconds = one.whole_seconds or one.span
    p50, p95, p99 = (percentile_seconds(one.latency, percentile) for percentile in (50, 95, 99))
    return _PeriodView(
        one.started_at,
        one.span,
        None if one.rate is None else (one.due - one.dropped - one.lost) / seconds,
        one.target_rate,
        one.failed / seconds,
        one.due,
        p50,
        p95,
        p99,
        percentile_seconds(one.lateness, 99),
    )
