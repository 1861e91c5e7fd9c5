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

    def require_not_forbidden(self) -> None:
        """Raise FaultNotApplied when the drill may break nothing now, or no target of one of these names."""
        guards, faults = self._guards, self._drill.faults
        problems = [guards.forbidden_problem(fault.target) for fault in faults]
        _require_none([*problems, guards.count_problem(faults), guards.time_problem(self._now()), self._switch()])

    def require_allowed(self, found: Iterable[str]) -> None:
        """Raise FaultNotApplied unless the drill may break the targets that were found; it has a line for each reason."""
        written = (fault.target for fault in self._drill.faults)
        _require_none([self._guards.target_problem(*spellings) for spellings in zip(written, found, strict=True)])

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

    def spoiled(self, seen: Mapping[str, str]) -> str:
        """Return why a baseline cannot become quiet any more, as the end of a sentence; empty while it can.

        `seen` has the state of each alert that was active in it: under test none may be, of the others none may fire.
        """
        active = sorted({one.alert for one in self._drill.expect} & seen.keys())
        if active:
            return f"{_are(active)} active in the baseline already"
        fired = sorted(name for name, state in seen.items() if state == "firing" and not self._is_ignored(name))
        return f"{', '.join(fired)} fired in the baseline" if fired else ""

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


def _require_none(problems: Iterable[str]) -> None:
    if left := [problem for problem in dict.fromkeys(problems) if problem]:
        raise FaultNotApplied("\n".join(left))


def _are(names: list[str]) -> str:
    return f"{', '.join(names)} {'was' if len(names) == 1 else 'were'}"


def _matches(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
