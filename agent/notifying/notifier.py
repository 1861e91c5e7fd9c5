"""Sends the targets what has changed, and once a week a digest.

It looks at the conditions every few seconds, and puts all changes that it finds into one message for each target. After
a message it waits for a minute, so that whatever changes meanwhile is one message too.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alertdrill.agent.config.notify import NotifyTarget
from alertdrill.agent.history.outbox import HistoryOutbox, Kept, Waiting, put_told
from alertdrill.agent.log import LogLevel, LogLine
from alertdrill.agent.notifying.conditions import Changes, Condition
from alertdrill.agent.notifying.delivery import Delivery
from alertdrill.agent.notifying.message import Message, StateChange, title_of
from alertdrill.agent.notifying.targets import Send, sender_of
from alertdrill.agent.schedule.occurrences import instants

_LOOK_EVERY_SECONDS = 5.0
_APART_SECONDS = 60.0
_WEEK = timedelta(days=7)
# A digest that is older is left out: the next one says the same and more.
_DIGEST_LATE_BY = timedelta(days=1)

Digest = Callable[[float, float], Awaitable[tuple[str, str]]]
"""Makes the title and the text of a digest of all between two instants, in Unix seconds."""


class Notifier:
    """Looks for changes, and has a delivery for each target; `wall` is in Unix seconds.

    `conditions` returns the present state of everything, or None while that is not known yet.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that a notifier works with
        self,
        agent: str,
        conditions: Callable[[], Iterable[Condition] | None],
        digest: Digest,
        outbox: HistoryOutbox,
        wall: Callable[[], float],
        tell: Callable[[str], None],
        senders: Callable[[NotifyTarget], Send] = sender_of,
    ) -> None:
        self.deliveries: dict[str, Delivery] = {}
        self._agent = agent
        self._conditions = conditions
        self._digest = digest
        self._outbox = outbox
        self._wall = wall
        self._tell = tell
        self._senders = senders
        self._targets: tuple[NotifyTarget, ...] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changes = Changes({})
        self._quiet_until = 0.0

    async def run(self, kept: Kept, targets: Callable[[], tuple[NotifyTarget, ...]]) -> None:
        """Send what changes until this is cancelled; `targets` is asked at each look, because a reload changes them.

        It may run again after an error, and then goes on with what it knows; `kept` is used up.
        """
        self._changes = Changes(kept.told | self._changes.told)
        self._targets = None
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            while True:
                if (wanted := targets()) != self._targets:
                    self._change(tasks, wanted, kept.waiting)
                    kept.waiting.clear()
                if loop.time() >= self._quiet_until and (conditions := self._conditions()) is not None:
                    self._tell_changes(self._changes.found(conditions, self._wall(), loop.time()))
                for target in wanted:
                    await self._tell_digest(target)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _change(self, tasks: asyncio.TaskGroup, targets: tuple[NotifyTarget, ...], kept: list[Waiting]) -> None:
        """Go on with other targets; what waits for one that is still there waits on."""
        for task in self._tasks.values():
            task.cancel()
        before, self.deliveries = self.deliveries, {}
        self._tasks.clear()
        for target in targets:
            name = target.title
            waiting = before[name].waiting if name in before else [one for one in kept if one.target == name]
            made = Delivery(name, self._senders(target), self._outbox, self._wall, self._tell, waiting)
            if name in before:
                made.counts = before[name].counts
            self.deliveries[name] = made
            self._tasks[name] = tasks.create_task(made.run(), name=f"notifications to {name}")
        self._targets = targets

    def _tell_changes(self, events: list[StateChange]) -> None:
        if not events:
            return
        self._quiet_until = asyncio.get_running_loop().time() + _APART_SECONDS
        for event in events:
            level = LogLevel.WARNING if event.is_problem else LogLevel.INFO
            self._tell(LogLine(f"{'problem' if event.is_problem else 'solved'}: {event.text}", level, **event.details))
        self._outbox.put(*(put_told(event.subject, event.state, event.at) for event in events))
        for target in self._targets or ():
            wanted = tuple(one for one in events if _wants(target, one))
            if wanted:
                self._put(target, title_of(wanted), wanted)

    def _put(self, target: NotifyTarget, title: str, events: tuple[StateChange, ...] = (), text: str = "") -> None:
        made_at = self._wall()
        message = Message(f"{made_at:.0f}-{secrets.token_hex(8)}", self._agent, made_at, title, events, text)
        self.deliveries[target.title].put(message)

    async def _tell_digest(self, target: NotifyTarget) -> None:
        if target.digest is None:
            return
        now, subject = datetime.fromtimestamp(self._wall(), UTC), f"digest of {target.title}"
        last = self._changes.told.get(subject)
        due = None if last is None else digest_due(target, datetime.fromtimestamp(last[1], UTC), now)
        if last is not None and due is None:
            return
        self._note_digest(subject, now)
        if due is not None and now - due <= _DIGEST_LATE_BY:
            title, text = await self._digest((due - _WEEK).timestamp(), due.timestamp())
            self._put(target, title, text=text)

    def _note_digest(self, subject: str, now: datetime) -> None:
        self._changes.told[subject] = "", now.timestamp()
        self._outbox.put(put_told(subject, "", now.timestamp()))

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """The messages by target and result."""
        return {(name, result): count for name, one in self.deliveries.items() for result, count in one.counts.items()}


def digest_due(target: NotifyTarget, last: datetime, now: datetime) -> datetime | None:
    """Return the last time of a digest that is after the instant of the last one; None if there is none yet."""
    if target.digest_cron is None or target.time_zone is None:
        return None
    after = max(last, now - _WEEK)
    *_, due = [None, *instants(target.digest_cron, ZoneInfo(target.time_zone), after, now)]
    return due


def _wants(target: NotifyTarget, event: StateChange) -> bool:
    is_named = target.when is None or event.kind in target.when
    return is_named and (event.is_problem or target.send_resolved)
