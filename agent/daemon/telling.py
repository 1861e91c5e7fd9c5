"""What a running agent tells others: it gathers the state of all parts, and hands it to agent/notifying."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.drilling.site import FaultNote, Site
from alertdrill.agent.errors import place_of
from alertdrill.agent.history.index import HistorySummary
from alertdrill.agent.history.outbox import HistoryOutbox, Kept
from alertdrill.agent.log import LogLevel, LogLine, Tell, leveled
from alertdrill.agent.notifying.annotations import Annotations
from alertdrill.agent.notifying.conditions import Condition, of_history, of_part
from alertdrill.agent.notifying.notifier import Notifier
from alertdrill.agent.notifying.watching import HeartbeatSender, WatchdogSwitch
from alertdrill.agent.recording.records import NotificationRecord
from alertdrill.agent.serving.metrics import Values, counter, gauge
from alertdrill.chaos.errors import LedgerRefused
from alertdrill.chaos.machine.threads import in_thread
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.probes.figures.honesty import Sending, honesty
from alertdrill.probes.load.tally import LoadSecond

_LOOKED_AT_SECONDS = 30
_AGAIN_AFTER_SECONDS = 30.0


@dataclass(frozen=True)
class Found:
    """The state of the agent's parts; problems are sentences, empty when there is none.

    `standing` is None while the history was not read yet. `unhealed` counts faults that nobody will undo.
    """

    standing: HistorySummary | None
    unhealed: int
    schedule: str
    load: str
    is_reloaded: bool


class Telling:
    """Everything that is told, for as long as the agent runs; `find` returns the present state."""

    def __init__(self, site: Site, find: Callable[[], Found], tell: Tell) -> None:
        config = site.config
        said = leveled(tell, component="notify")
        self._site = site
        self._find = find
        self._tell = leveled(tell, LogLevel.WARNING, component="notify")
        self._outbox = HistoryOutbox(config.history, config.recordings, self._tell)
        wall = site.clocks.wall
        self._watchdog = WatchdogSwitch(wall)
        self._heartbeat = HeartbeatSender(lambda: site.config.heartbeat, self._why_silent, self._tell)
        self._annotations = Annotations(lambda: site.config.grafana, self._in_force, self._outbox, wall, self._tell)
        self._notifier = Notifier(socket.gethostname(), self._conditions, self._digest, self._outbox, wall, said)
        site.heard = self._hear
        site.note_fault = self._note

    async def run(self) -> None:
        """Write lines until this is cancelled."""
        kept = await self._outbox.read()
        async with asyncio.TaskGroup() as tasks:
            saving = tasks.create_task(self._outbox.run(), name="outbox")
            others = [
                tasks.create_task(self._lasting(name, run), name=name)
                for name, run in (
                    ("notifications", lambda: self._notified(kept)),
                    ("annotations", lambda: self._annotations.run(kept.annotations)),
                    ("heartbeat", self._heartbeat.run),
                )
            ]
            try:
                await asyncio.Event().wait()
            finally:
                # What they have still to keep is written after them.
                for task in others:
                    task.cancel()
                await asyncio.wait(others)
                saving.cancel()

    async def _lasting(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part again when it has failed: an error in what is only told must not end the load and the drills."""
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - see above
                self._tell(LogLine(f"{name}: failed, and begins again: {place_of(error)}", LogLevel.ERROR))
            await asyncio.sleep(_AGAIN_AFTER_SECONDS)

    async def _notified(self, kept: Kept) -> None:
        await self._notifier.run(kept, lambda: self._site.config.notify.targets)

    async def _digest(self, since: float, until: float) -> tuple[str, str]:
        # What makes a review would stay in memory.
        from alertdrill.agent.notifying.digest import digest

        config = self._site.config
        return await in_thread(digest, config.history, config.recordings, since, until)

    def _conditions(self) -> Iterable[Condition] | None:
        found = self._find()
        return None if found.standing is None else list(_all(found, self._site, self._watchdog))

    def _why_silent(self) -> str:
        found = self._find()
        return found.load or found.schedule

    def _hear(self, notifications: list[NotificationRecord]) -> None:
        self._watchdog.heard(self._site.config.watchdog_alert, notifications)

    def _note(self, note: FaultNote) -> None:
        if note.ended_at is None:
            self._annotations.begin(note.key, note.drill, note.kind, note.target, note.began_at)
        else:
            self._annotations.end(note.key, note.ended_at, is_undone=note.is_undone)

    def _in_force(self) -> set[tuple[str, str]] | None:
        try:
            contents = Ledger(self._site.config.ledger).read()
        except LedgerRefused:
            return None
        return {(entry.drill, entry.fault) for entry in contents.entries.values()}

    @property
    def metrics(self) -> Collector:
        """The metrics of what is told."""
        return TellingMetrics(self._collected)

    def _collected(self) -> Iterator[Metric]:
        notifier = self._notifier
        yield from of_messages(notifier.counts, {name: len(one.waiting) for name, one in notifier.deliveries.items()})
        yield from _switches(self._site.config, self._watchdog, self._heartbeat.counts)


class TellingMetrics(Collector):
    """The collector of what is told; `collected` is called at each scrape."""

    def __init__(self, collected: Callable[[], Iterator[Metric]]) -> None:
        self._collected = collected

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its present value."""
        return self._collected()


def of_messages(counts: Mapping[tuple[str, str], int], waiting: Mapping[str, int]) -> Iterator[Metric]:
    """Yield the metrics of messages: counts by target and result, and how many wait by target."""
    by_result: Values = {key: float(count) for key, count in counts.items()}
    yield counter("notifications", "Messages to a target, by result.", by_result, "target", "result")
    by_target: Values = {(name,): count for name, count in waiting.items()}
    yield gauge("notifications_waiting", "Messages that wait for a target.", by_target, "target")


def _switches(config: AgentConfig, watchdog: WatchdogSwitch, beats: Mapping[str, int]) -> Iterator[Metric]:
    if (settings := config.watchdog_alert) is not None:
        at: Values = {(settings.alert,): watchdog.received_at or 0.0}
        yield gauge(
            "watchdog_last_received_timestamp_seconds", "When the watchdog alert came last; 0 if never.", at, "alert"
        )
        overdue: Values = {(settings.alert,): bool(watchdog.problem(settings))}
        yield gauge("watchdog_overdue", "Whether the watchdog alert is overdue.", overdue, "alert")
    if config.heartbeat is not None:
        sent: Values = {(result,): float(count) for result, count in beats.items()}
        yield counter("heartbeats", "Heartbeats, by result.", sent, "result")


def _all(found: Found, site: Site, watchdog: WatchdogSwitch) -> Iterator[Condition]:
    config = site.config
    if found.standing is not None:
        now, most = site.clocks.wall(), config.notify.inconclusive_after
        yield from of_history(found.standing, config.freshness, now, most)
    left = f"{found.unhealed} fault(s) are not undone; run `{config.heal_command}`" if found.unhealed else ""
    yield of_part("unhealed", left, "no fault is left", state=f"{found.unhealed} left")
    yield of_part("schedule", found.schedule, "the schedule runs")
    yield of_part("load", found.load, "the load is sent as planned")
    stays = "the configuration was not reloaded, and the one before stays in force"
    yield of_part("reload", "" if found.is_reloaded else stays, "the newest configuration is in force")
    if config.watchdog_alert is not None:
        silent = watchdog.problem(config.watchdog_alert)
        if silent or watchdog.received_at is not None:
            # After a start, it is not known yet whether it will come.
            yield of_part("watchdog", silent, f"the alert {config.watchdog_alert.alert} is received")


def load_problem(seconds: Iterable[LoadSecond]) -> str:
    """Return why the last seconds of a load were not sent as planned; empty when they were, or when there are none."""
    last = list(seconds)[-_LOOKED_AT_SECONDS:]
    if not last:
        return ""
    due, dropped, lost = (sum(getattr(one, name) for one in last) for name in ("due", "dropped", "lost"))
    late = max((one.lateness_p99_seconds or 0.0 for one in last), default=0.0)
    rate = sum(one.target_rate for one in last) / len(last)
    found = honesty(Sending(rate, (due - dropped - lost) / len(last), due, dropped, lost, late))
    return f"the load of the last {len(last)} s {found.reasons[0]}" if found.reasons else ""
