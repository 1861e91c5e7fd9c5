"""Two dead man's switches: the cluster's watchdog alert, which has to come here, and a heartbeat, which goes out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from alertdrill.agent.config.notify import Heartbeat, WatchdogAlert
from alertdrill.agent.notifying.calling import CallTarget, NotTaken, call
from alertdrill.agent.recording.records import NotificationRecord
from alertdrill.units.duration import format_seconds

_LOOK_EVERY_SECONDS = 5.0
_AGAIN_AFTER_SECONDS = 10.0


class WatchdogSwitch:
    """Knows when the notifications of an alert that always fires came last; instants are in Unix seconds.

    Until the first one, the silence counts from the start of the agent.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self.received_at: float | None = None
        self._wall = wall
        self._began_at = wall()

    def heard(self, settings: WatchdogAlert | None, notifications: Iterable[NotificationRecord]) -> None:
        """Take the notifications of a call; one that the alert is resolved does not count."""
        if settings is not None and any(
            one.labels.get("alertname") == settings.alert and one.status == "firing" for one in notifications
        ):
            self.received_at = self._wall()

    def problem(self, settings: WatchdogAlert) -> str:
        """Return what is wrong when the alert is overdue; empty when it is not."""
        silent = self._wall() - (self._began_at if self.received_at is None else self.received_at)
        if silent <= settings.overdue_after_seconds:
            return ""
        since = "since alertdrill began" if self.received_at is None else f"for {format_seconds(silent)}"
        return (
            f"the alert {settings.alert} was not received {since}: Prometheus, Alertmanager or the way from there to"
            " alertdrill may be broken"
        )


class HeartbeatSender:
    """Calls a URL while all is well, so that its service tells when this agent is silent.

    `settings` and `problem` are asked before each call. `counts` has ok, failed (the next try comes soon) and withheld.
    """

    def __init__(
        self,
        settings: Callable[[], Heartbeat | None],
        problem: Callable[[], str],
        tell: Callable[[str], None],
    ) -> None:
        self.counts: Counter[str] = Counter(ok=0, failed=0, withheld=0)
        self._settings = settings
        self._problem = problem
        self._tell = tell
        self._told = self._last = ""

    async def run(self) -> None:
        """Call until this is cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            began, settings = clock(), self._settings()
            if settings is None:
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
                continue
            every = settings.every.total_seconds()
            if not await self._beat(settings):
                every = min(every, _AGAIN_AFTER_SECONDS)
            await asyncio.sleep(max(began + every - clock(), 0.0))

    async def _beat(self, settings: Heartbeat) -> bool:
        if problem := self._problem():
            self.counts["withheld"] += 1
            # At a start the load has not begun yet: only what is so at the next look, too, is told.
            if self._last == "withheld":
                self._say("withheld", f"no heartbeat is sent, because {problem}")
            self._last = "withheld"
            return False
        try:
            await call(CallTarget.of(settings), settings.method)
        except NotTaken as error:
            self.counts["failed"] += 1
            self._say("failed", f"the heartbeat was not taken: {error}")
            self._last = "failed"
            return False
        self.counts["ok"] += 1
        if self._told:
            self._tell("the heartbeat is sent again")
        self._told = self._last = ""
        return True

    def _say(self, kind: str, problem: str) -> None:
        """Log a problem once, until it is solved or one of another kind takes its place."""
        if self._told != kind:
            self._tell(problem)
        self._told = kind
