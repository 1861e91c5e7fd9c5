"""The table of the API's routes: what each needs, takes and answers. Routes and `openapi.json` are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alertdrill.agent.api import wire
from alertdrill.agent.api.wire import Nothing, Page, PageQuery, Wire

BASE = "/api/v1"


@dataclass(frozen=True)
class ApiRoute:
    """One route; `status` is that of its answer, `problems` those of its refusals beside the general ones.

    A route without an `answer` sends what `content` names. `of_dry_run` is its answer, with 200, for a dry run.
    """

    method: Literal["GET", "POST"]
    path: str
    summary: str
    answer: type[Wire] | None
    query: type[Wire] = Nothing
    body: type[Wire] | None = None
    status: int = 200
    problems: tuple[int, ...] = ()
    of_dry_run: type[Wire] | None = None
    content: str = "application/json"

    @property
    def need(self) -> Literal["read", "write"]:
        """The role that a caller needs."""
        return "read" if self.method == "GET" else "write"


ROUTES: dict[str, ApiRoute] = {
    "status": ApiRoute("GET", "/status", "The state of the agent.", wire.Status),
    "load": ApiRoute("GET", "/load", "The load and its last seconds.", wire.LoadStatus, wire.LoadQuery),
    "runs": ApiRoute(
        "GET", "/runs", "The drills that ended, the newest first.", Page[wire.Run], wire.RunsQuery, problems=(503,)
    ),
    "run": ApiRoute("GET", "/runs/{id}", "One drill that ended.", wire.RunDetail, problems=(404, 503)),
    "recording": ApiRoute(
        "GET", "/runs/{id}/recording", "Its recording.", None, problems=(404, 503), content="application/gzip"
    ),
    "report": ApiRoute("GET", "/runs/{id}/report", "Its report.", None, problems=(404, 503), content="text/html"),
    "postmortem": ApiRoute(
        "GET", "/runs/{id}/postmortem", "Its post-mortem.", None, problems=(404, 503), content="text/markdown"
    ),
    "config": ApiRoute("GET", "/config", "The configuration in force.", wire.ConfigInForce),
    "alerts": ApiRoute(
        "GET", "/alerts", "Each alert with its last proof.", Page[wire.Alert], PageQuery, problems=(503,)
    ),
    "schedule": ApiRoute("GET", "/schedule", "The coming occurrences.", Page[wire.Coming], wire.ScheduleQuery),
    "occurrences": ApiRoute("GET", "/occurrences", "What became of occurrences.", Page[wire.Occurrence], PageQuery),
    "blackouts": ApiRoute("GET", "/blackouts", "The times without drills.", Page[wire.Blackout], PageQuery),
    "events": ApiRoute("GET", "/events", "Server-sent events.", None, problems=(503,), content="text/event-stream"),
    "openapi": ApiRoute("GET", "/openapi.json", "This document.", wire.Document),
    "start_of": ApiRoute("GET", "/starts/{id}", "A drill that a call started.", wire.Start, problems=(404,)),
    "start": ApiRoute(
        "POST",
        "/starts",
        "Start a drill.",
        wire.Start,
        wire.StartQuery,
        wire.StartCall,
        202,
        (409, 422, 502),
        wire.Plan,
    ),
    "abort": ApiRoute(
        "POST", "/abort", "Stop the drill that runs.", wire.Aborted, body=wire.AbortCall, status=202, problems=(409,)
    ),
    "pause": ApiRoute("POST", "/pause", "Run no drill for a while.", wire.Pause, body=wire.PauseCall, problems=(503,)),
    "resume": ApiRoute("POST", "/resume", "End the pause.", wire.EmptyCall, body=wire.EmptyCall, problems=(503,)),
    "add_blackout": ApiRoute(
        "POST",
        "/blackouts",
        "Run no drill from one instant until another.",
        wire.Blackout,
        body=wire.BlackoutCall,
        status=201,
        problems=(409,),
    ),
    "end_blackout": ApiRoute(
        "POST", "/blackouts/end", "End such a time.", wire.EmptyCall, body=wire.EndBlackoutCall, problems=(404,)
    ),
    "heal": ApiRoute(
        "POST", "/heal", "Undo what no drill will undo.", wire.Healed, body=wire.EmptyCall, problems=(409,)
    ),
    "reload": ApiRoute("POST", "/reload", "Read the configuration again.", wire.Reloaded, body=wire.EmptyCall),
}
"""The routes below `/api/v1`, by the name of what they do."""
GENERAL_PROBLEMS = {"GET": (400, 401, 403, 503), "POST": (400, 401, 403, 408, 413, 415, 503)}
"""What each route may refuse."""
