"""Checks, before a drill and while it runs, whether it may go on.

A drill that may not begin is refused before anything is broken. One that may not go on is aborted: its faults are
undone at once, and its verdict is inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.monitoring.held import Silence
from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.guard import Guards
from alertdrill.probes.figures.measures import Measures
from alertdrill.probes.figures.thresholds import abort_reason


def _now() -> datetime:
    return datetime.now(UTC)


class Guard:
    """The guards of one drill; `now` returns the time, with its zone."""

    def __init__(self, guards: Guards, drill: Drill, now: Callable[[], datetime] = _now) -> None:
        self._guards = guards
        self._drill = drill
        self._now = now
        self._stopped = ""
        # In `abort_unless`, each threshold ends the drill when it is crossed.
        self._abort_unless = {
            metric: [threshold.model_copy(update={"abort_on_fail": True}) for threshold in of_metric]
            for metric, of_metric in drill.abort_unless.items()
        }

    def require_allowed(self, targets: Iterable[str]) -> None:
        """Raise FaultNotApplied unless the drill may break these targets now; it has a line for each reason."""
        guards, faults = self._guards, self._drill.faults
        problems = [guards.target_problem(target) for target in targets]
        problems += [guards.count_problem(faults), guards.time_problem(self._now()), self._switch()]
        if any(problems):
            raise FaultNotApplied("\n".join(dict.fromkeys(problem for problem in problems if problem)))

    def unready(self, states: Mapping[str, str], silences: Iterable[Silence]) -> str:
        """Return why nothing may be broken now, as the end of a sentence; empty when all is quiet."""
        firing = [name for name, state in states.items() if state == "firing" and not self._is_ignored(name)]
        if firing:
            return f"{', '.join(sorted(firing))} fired already"
        for silence in silences:
            author = silence.created_by
            if silence.state == "active" and not _matches(author, self._guards.known_silences):
                return f"{author} has set a silence: {silence.comment or silence.id}"
        return ""

    def problem(self, figures: Callable[[], Measures], elapsed_seconds: float) -> str:
        """Return why the drill must end now; empty when it may go on. `figures` are those of the load."""
        reason = self._stopped or self._switch() or self._guards.time_problem(self._now())
        if reason or not self._abort_unless:
            return reason
        return abort_reason(self._abort_unless, figures(), elapsed_seconds) or ""

    def stop(self, reason: str) -> None:
        """Abort the drill at its next look; its verdict will have this reason."""
        self._stopped = reason

    def _switch(self) -> str:
        switch = self._guards.kill_switch
        return f"the kill switch {switch} is there: remove it to drill" if switch and switch.exists() else ""

    def _is_ignored(self, alert: str) -> bool:
        return alert in self._drill.allow or _matches(alert, self._guards.ignore_alerts)


def _matches(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
