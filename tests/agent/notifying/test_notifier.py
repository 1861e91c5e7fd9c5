"""Notifications in virtual time, from conditions to what each target is sent; the loop starts on a Monday at 14:13:20 UTC."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.config.notify import Notify, NotifyTarget
from alertdrill.agent.history.outbox import HistoryOutbox, Kept, Waiting
from alertdrill.agent.notifying.calling import NotTaken
from alertdrill.agent.notifying.conditions import GOOD, Condition
from alertdrill.agent.notifying.delivery import Delivery
from alertdrill.agent.notifying.message import Message
from alertdrill.agent.notifying.notifier import Notifier, digest_due
from alertdrill.agent.notifying.targets import Send
from tests.agent.drilling.virtual_site import unix_time
from tests.support.virtual_time import in_virtual_time, loop_time
from tests.support.waiting import running


def targets(*several: dict[str, object]) -> tuple[NotifyTarget, ...]:
    hook = {"slack": {"url": "http://127.0.0.1:1"}}
    return Notify.model_validate({"targets": [hook | one for one in several]}).targets


def missed(alert: str, state: str = "missed") -> Condition:
    return Condition("failed", f"alert {alert}", state, f"alert {alert} is {state}")


class World:
    """What is the matter, and what each target was sent, with the instants."""

    def __init__(self, folder: Path) -> None:
        self.conditions: list[Condition] | None = []
        self.sent: list[tuple[str, float, str]] = []
        self.lines: list[str] = []
        self.hanging: set[str] = set()
        self.outbox = HistoryOutbox(HistorySettings(), folder)
        self.notifier = self.made()

    def made(self) -> Notifier:
        return Notifier(
            "host", self.present, self.digest, self.outbox, unix_time, self.lines.append, senders=self.sender
        )

    def present(self) -> Iterable[Condition] | None:
        return self.conditions

    async def digest(self, since: float, until: float) -> tuple[str, str]:
        return f"digest of {(until - since) / 86_400:g} days", "# Review"

    def sender(self, target: NotifyTarget) -> Send:
        async def send(message: Message) -> str:
            if target.title in self.hanging:
                await asyncio.sleep(3600)
                raise NotTaken("it hangs")
            self.sent.append((target.title, round(loop_time()), message.title))
            return ""

        return send

    def run(self, main: Callable[[], Awaitable[None]], *several: dict[str, object], kept: Kept | None = None) -> None:
        async def notifying() -> None:
            async with running(self.notifier.run(kept or Kept(), lambda: targets(*several))):
                await main()

        in_virtual_time(notifying)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_only_changes_are_told_each_target_what_it_wants_and_at_most_one_message_a_minute(world: World) -> None:
    async def main() -> None:
        world.conditions = [missed("A"), missed("B"), missed("C", GOOD)]
        await asyncio.sleep(20)
        world.conditions = [missed("A", "late"), missed("B", GOOD), missed("C", GOOD)]
        await asyncio.sleep(200)

    world.run(main, {"name": "all"}, {"name": "problems", "send_resolved": False}, {"name": "load", "when": ["load"]})
    # Each message waits for five seconds until it is kept: here nothing writes the outbox.
    assert world.sent == [
        ("all", 5, "2 problems"),
        ("problems", 5, "2 problems"),
        ("all", 65, "1 problem, 1 solved"),
        ("problems", 65, "problem: alert A is late"),
    ]


def test_what_was_told_before_is_not_told_again_and_what_waits_is_sent(world: World) -> None:
    world.conditions = [missed("A"), missed("B", GOOD)]
    before = Message("1-a", "host", 1.79e9, "from before").kept()
    waiting = [Waiting("1-a", "slack", before, 1.79e9, next_at=1.79e9 + 30), Waiting("2-b", "gone", before, 1.79e9)]

    async def main() -> None:
        await asyncio.sleep(120)

    told = {"alert A": ("missed", 1.0), "alert B": ("late", 2.0)}
    world.run(main, {}, kept=Kept(waiting, told))
    assert world.sent == [("slack", 35, "from before"), ("slack", 40, "solved: alert B is good")]


def test_a_target_that_hangs_delays_no_other(world: World) -> None:
    world.hanging.add("hangs")

    async def main() -> None:
        world.conditions = [missed("A")]
        await asyncio.sleep(100)
        world.conditions = [missed("A", GOOD)]
        await asyncio.sleep(100)

    world.run(main, {"name": "hangs"}, {"name": "works"})
    assert [name for name, _, _ in world.sent] == ["works", "works"]
    assert len(world.notifier.deliveries["hangs"].waiting) == 2


def test_a_problem_that_passes_soon_is_not_told(world: World) -> None:
    busy = Condition("load", "load", "problem", "the load is late")
    well = Condition("load", "load", GOOD, "the load is as planned")

    async def main() -> None:
        for seconds, condition in ((50, busy), (10, well), (50, busy), (10, well), (70, busy)):
            world.conditions = [condition]
            await asyncio.sleep(seconds)

    world.run(main, {})
    assert [title for _, _, title in world.sent] == ["problem: the load is late"]


def test_nothing_is_told_before_the_history_was_read(world: World) -> None:
    world.conditions = None

    async def main() -> None:
        await asyncio.sleep(60)

    world.run(main, {})
    assert world.sent == []


def test_a_digest_comes_once_a_week_at_its_time_of_day() -> None:
    """Summer time ends in Berlin on 2026-10-25, so its 9 o'clock is an hour later after that, counted in UTC."""
    (target,) = targets({"digest": "Mon 09:00", "time_zone": "Europe/Berlin"})
    last, came = datetime(2026, 10, 19, 8, 0, tzinfo=UTC), []
    for minutes in range(0, 15 * 24 * 60, 30):
        now = datetime(2026, 10, 19, 8, 0, tzinfo=UTC) + timedelta(minutes=minutes)
        if due := digest_due(target, last, now):
            last = now
            came.append(f"{due:%d %H:%M}")
    assert came == ["26 08:00", "02 08:00"]
    assert digest_due(target, datetime(2026, 10, 19, 6, 59, tzinfo=UTC), datetime(2026, 10, 19, 7, 1, tzinfo=UTC))


def test_a_digest_that_was_missed_is_sent_within_a_day(world: World) -> None:
    async def main() -> None:
        await asyncio.sleep(20)

    kept = Kept(told={"digest of slack": ("", 1.79e9 - 86_400), "digest of old": ("", 1.79e9 - 9 * 86_400)})
    zone = {"time_zone": "UTC"}
    world.run(main, {"digest": "Mon 09:00"} | zone, {"name": "old", "digest": "Thu 09:00"} | zone, kept=kept)
    assert world.sent == [("slack", 5, "digest of 7 days")]


class Receiver:
    """Refuses until an instant of the loop; `tried` has the instants."""

    def __init__(self, until: float, error: NotTaken) -> None:
        self.tried: list[int] = []
        self._until = until
        self._error = error

    async def send(self, _: Message) -> str:
        self.tried.append(round(loop_time()))
        if loop_time() < self._until:
            raise self._error
        return ""


def delivered(folder: Path, receiver: Receiver, seconds: float, count: int = 1) -> Delivery:
    made: list[Delivery] = []

    async def main() -> None:
        made.append(Delivery("ops", receiver.send, HistoryOutbox(HistorySettings(), folder), unix_time, lambda _: None))
        task = asyncio.ensure_future(made[0].run())
        for number in range(count):
            made[0].put(Message(f"{number}", "host", unix_time(), "t"))
        await asyncio.sleep(seconds)
        task.cancel()

    in_virtual_time(main)
    return made[0]


def test_a_message_is_tried_with_growing_pauses_and_given_up_after_a_day(tmp_path: Path) -> None:
    receiver = Receiver(1e9, NotTaken("away"))
    delivery = delivered(tmp_path, receiver, 2 * 86_400)
    pauses = [later - one for one, later in zip(receiver.tried, receiver.tried[1:], strict=False)]
    # Five seconds more, in which nothing writes the outbox.
    assert pauses[:6] == [10, 15, 25, 45, 85, 165]
    assert pauses[-1] == 3605
    assert 86_400 - 3700 < receiver.tried[-1] < 86_400
    assert delivery.counts == {"sent": 0, "failed": len(receiver.tried) - 1, "given_up": 1}


def test_a_pause_that_a_target_asks_for_is_kept(tmp_path: Path) -> None:
    receiver = Receiver(50, NotTaken("busy", 300.0))
    assert delivered(tmp_path, receiver, 400).counts["sent"] == 1
    assert receiver.tried == [5, 310]


def test_a_message_that_is_refused_for_good_does_not_hold_up_the_next(tmp_path: Path) -> None:
    receiver = Receiver(8, NotTaken("what is this", is_final=True))
    assert delivered(tmp_path, receiver, 30, count=2).counts == {"sent": 1, "failed": 0, "given_up": 1}


def test_of_too_many_messages_the_oldest_are_given_up(tmp_path: Path) -> None:
    delivery = delivered(tmp_path, Receiver(1e9, NotTaken("away")), 1, count=150)
    assert [one.id for one in delivery.waiting] == ["0", *map(str, range(51, 150))]
    assert delivery.counts["given_up"] == 50
