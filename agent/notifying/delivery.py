"""Delivers the messages of one target, one after another: a target that hangs delays nobody else.

A message is tried for a day, with growing pauses, and its id is the same each time. What waits is in the outbox, so it
is sent after a restart as well. It is sent twice only if its answer was lost, or if the agent was killed in the instant
between the answer and the note that it was sent.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from alertdrill.agent.history.outbox import HistoryOutbox, Waiting, put_waiting, remove_waiting
from alertdrill.agent.log import LogLevel, LogLine
from alertdrill.agent.notifying.calling import NotTaken
from alertdrill.agent.notifying.message import Message
from alertdrill.agent.notifying.targets import Send
from alertdrill.units.text import one_line

MOST_WAITING = 100
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5.0, 3600.0
_GIVEN_UP_AFTER_SECONDS = 24 * 3600.0
# The wall clock may be set, and the machine may sleep.
_LONGEST_SLEEP_SECONDS = 30.0


class Delivery:
    """The queue of one target. `wall` is in Unix seconds; `counts` has sent, failed (it is tried again) and given_up.

    `kept` are the messages that an agent before did not send.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that a delivery works with
        self,
        name: str,
        send: Send,
        outbox: HistoryOutbox,
        wall: Callable[[], float],
        tell: Callable[[str], None],
        kept: Iterable[Waiting] = (),
    ) -> None:
        self.name = name
        self.counts: Counter[str] = Counter(sent=0, failed=0, given_up=0)
        self._send = send
        self._outbox = outbox
        self._wall = wall
        self._tell = tell
        self._waiting = deque(kept)
        self._has_messages = asyncio.Event()

    @property
    def waiting(self) -> list[Waiting]:
        """The messages that wait, the oldest first."""
        return list(self._waiting)

    def put(self, message: Message) -> None:
        """Send a message soon; when too many wait, the oldest is given up."""
        one = Waiting(message.id, self.name, message.kept(), message.made_at)
        self._outbox.put(put_waiting(one))
        self._waiting.append(one)
        if len(self._waiting) > MOST_WAITING:
            # Not the first: it may be on its way.
            self._give_up(self._waiting[1], f"more than {MOST_WAITING} wait")
        self._has_messages.set()

    async def run(self) -> None:
        """Send until this is cancelled."""
        while True:
            while self._waiting:
                await self._deliver(self._waiting[0])
            self._has_messages.clear()
            await self._has_messages.wait()

    async def _deliver(self, one: Waiting) -> None:
        while (left := one.next_at - self._wall()) > 0:  # noqa: ASYNC110 - the wall clock sets no event
            await asyncio.sleep(min(left, _LONGEST_SLEEP_SECONDS))
        try:
            message = Message.read(one.content)
        except (ValueError, TypeError, KeyError) as error:
            self._give_up(one, f"it cannot be read: {one_line(error)}")
            return
        # Not before it is kept: otherwise it might be sent again after a crash. The database may be away, though.
        await self._outbox.saved()
        try:
            said = await self._send(message)
        except NotTaken as error:
            self._put_off(one, error)
            return
        except Exception as error:  # noqa: BLE001 - an error with one target must not end the others
            # Its text may hold anything, also a secret.
            self._put_off(one, NotTaken(f"alertdrill failed with {type(error).__name__}"))
            return
        self.counts["sent"] += 1
        self._remove(one)
        self._tell(f"{self.name} was told: {message.title}" + (f"; {said}" if said else ""))

    def _put_off(self, one: Waiting, error: NotTaken) -> None:
        now = self._wall()
        if error.is_final:
            self._give_up(one, str(error))
            return
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** min(one.attempts, 20), _LONGEST_PAUSE_SECONDS)
        next_at = now + max(pause, error.retry_after_seconds)
        if next_at - one.made_at > _GIVEN_UP_AFTER_SECONDS:
            self._give_up(one, f"a day has passed: {error}")
            return
        self.counts["failed"] += 1
        if one.attempts == 0:
            self._tell(
                LogLine(f"{self.name} was not told yet, and is tried again for a day: {error}", LogLevel.WARNING)
            )
        self._waiting[0] = replace(one, attempts=one.attempts + 1, next_at=next_at)
        self._outbox.put(put_waiting(self._waiting[0]))

    def _give_up(self, one: Waiting, why: str) -> None:
        self.counts["given_up"] += 1
        self._remove(one)
        self._tell(LogLine(f"{self.name} is not told, a message is given up: {why}", LogLevel.ERROR))

    def _remove(self, one: Waiting) -> None:
        self._waiting.remove(one)
        self._outbox.put(remove_waiting(one))
