"""One cell: one event at one step, and the state of the fault by a witness until all processes have ended."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alertdrill.agent.drilling.healing import give_up
from alertdrill.agent.errors import ConfigError
from alertdrill.chaos.safety.given_up import read_records
from alertdrill.chaos.safety.healing import PATIENCE_SECONDS, abandoned, heal_all
from alertdrill.chaos.safety.ledger import Ledger
from crashing import agent
from crashing.relay import Relay
from crashing.steps import IN_FORCE
from crashing.targets import Target
from tests.support.processes import command_line
from tests.support.waiting import until

EVENTS = (
    *("SIGKILL", "SIGSTOP", "SIGTERM", "SIGINT", "disk full"),
    *("target restarted", "network cut", "SIGKILL of both"),
)
# After these, a fault may also end in another way: given up, or refused before anything broke.
OF_THE_TARGET = ("target gone", "server gone", "changed by others", "away for 3 s")
# An agent that is forked from a process with everything loaded starts quickly.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["crashing.cell"])
# Long, because a busy machine is slow.
_ENDS_WITHIN_SECONDS = 180.0
_DOWN_SECONDS = 0.3
# Longer than the patience of an undo, so that the watchdog has to go on.
_CUT_SECONDS = PATIENCE_SECONDS + 0.5
# Shorter than that.
_AWAY_SECONDS = 3.0
_LOOK_EVERY_SECONDS = 0.05
_BECAUSE = "it is gone for good"
# The difficult case is a process that continues after the watchdog has undone everything.
_STOPPED_SECONDS = 2.2
_TRIES = 5


@dataclass
class Outcome:
    """The result of one cell; `seconds` count from the event, or from the return of the target, until the fault was undone.

    `said` is what the undo said to the drill, or what `alertdrill heal --give-up` said.
    """

    fault: str
    event: str
    at: int | str | None
    step: str = ""
    reached: bool = False
    healed_by: str = ""
    seconds: float = 0.0
    ended: str = "killed"
    said: str = ""
    is_given_up: bool = False
    problems: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    @property
    def end(self) -> str:
        """How the fault ended: healed, given up, or refused."""
        if self.is_given_up:
            return "given up"
        return "refused" if self.ended == "FaultNotApplied" else "healed"


def applies(event: str, target: Target) -> bool:
    """Return whether an event can happen to a target."""
    if event in {"network cut", "server gone", "away for 3 s"}:
        return target.relay is not None
    able = {
        "target restarted": target.can_restart,
        "target gone": target.can_vanish,
        "changed by others": target.can_be_changed,
    }
    return able.get(event, True)


class Cell:
    """Runs one agent against a target, with an event at a step (its number or its name), or none to find the steps."""

    def __init__(
        self, name: str, target: Target, directory: Path, event: str = "", at: int | str | None = None
    ) -> None:
        self._target = target
        self._ledger = Ledger(directory / "ledger", "crashing")
        self._outcome = Outcome(name, event, at)
        self._dog = 0
        self._since = self._last_broken = self._away_seconds = 0.0
        self._is_whole_again = asyncio.Event()
        self._is_whole_again.set()
        spec = {"fault": target.fault, "endpoints": target.endpoints, "ledger": str(self._ledger.directory)}
        self._spec = spec | {"event": event, "at": at}

    async def run(self) -> Outcome:
        """Run the agent to its end, and check the promises."""
        before = await asyncio.to_thread(self._target.others)
        self._pipe, theirs = _FORKS.Pipe()
        self._agent = _FORKS.Process(target=agent.main, args=(self._spec, theirs))
        self._agent.start()
        theirs.close()
        watching = asyncio.ensure_future(self._witness())
        try:
            async with asyncio.timeout(_ENDS_WITHIN_SECONDS):
                await self._follow()
                await self._until_all_has_ended()
        except (TimeoutError, AssertionError) as error:
            self._outcome.problems.append(str(error) or f"not over after {_ENDS_WITHIN_SECONDS:g} s")
        finally:
            watching.cancel()
            self._agent.kill()
            self._agent.join()
            self._pipe.close()
        await self._judge(before)
        return self._outcome

    async def _follow(self) -> None:
        """Carry out the agent's requests until it has ended."""
        with suppress(EOFError):
            while True:
                word, said = await asyncio.to_thread(self._pipe.recv)
                if word == "watchdog":
                    self._dog = said
                elif word == "reached":
                    self._outcome.reached = True
                    self._since = time.monotonic()
                    if self._outcome.event == "SIGSTOP":
                        await self._let_go_on()
                elif word == "please":
                    await self._bring_about(said)
                elif word == "ended":
                    self._outcome.ended = said
                elif word == "steps":
                    self._outcome.steps = said
                elif word == "said":
                    self._outcome.said = said

    async def _let_go_on(self) -> None:
        await asyncio.sleep(_STOPPED_SECONDS)

        async def is_undone() -> bool:
            contents = self._ledger.read()
            return contents.entries.keys() == contents.lapsed and not await asyncio.to_thread(self._target.is_broken)

        await until(is_undone, "the watchdog undoes it", _ENDS_WITHIN_SECONDS)
        # A fault that it injects after it continues is undone by itself, and does not count against the watchdog.
        self._outcome.seconds = max(self._last_broken - self._since, 0.0)
        os.kill(self._agent.pid or 0, signal.SIGCONT)

    async def _bring_about(self, event: str) -> None:
        if event == "SIGKILL of both":
            os.kill(self._dog, signal.SIGKILL)
            self._agent.kill()
        elif event == "changed by others":
            await self._target.be_changed()
            self._since = time.monotonic()
            self._answer()
        elif event in {"target gone", "server gone"}:
            self._is_whole_again.clear()
            await (self._target.vanish() if event == "target gone" else self._relay.cut())
            self._answer()
        elif event == "target restarted":
            self._is_whole_again.clear()
            await self._target.go_down()
            self._answer()
            await asyncio.sleep(_DOWN_SECONDS)
            await self._target.come_back()
            self._since = time.monotonic()
            self._is_whole_again.set()
        else:
            await self._relay.cut()
            cut_at = time.monotonic()
            self._answer()
            await asyncio.sleep(_AWAY_SECONDS if event == "away for 3 s" else _CUT_SECONDS)
            await self._relay.restore()
            self._since = time.monotonic()
            self._away_seconds = self._since - cut_at

    @property
    def _relay(self) -> Relay:
        assert self._target.relay is not None
        return self._target.relay

    def _answer(self) -> None:
        self._pipe.send("done")

    async def _until_all_has_ended(self) -> None:
        await asyncio.to_thread(self._agent.join)
        if self._outcome.event in {"target gone", "server gone"}:
            await self._give_up()

        async def is_over() -> bool:
            return not _is_watchdog(self._dog)

        await until(is_over, "the watchdog ends", _ENDS_WITHIN_SECONDS)
        if self._outcome.event == "SIGKILL of both":
            self._since = time.monotonic()
            left = abandoned(self._ledger.read())
            self._outcome.problems += [one.problem async for one in heal_all(self._ledger, left) if one.problem]
            self._outcome.healed_by = "heal" if left else ""

    async def _give_up(self) -> None:
        """Give up what the agent left, as a person does who knows that the target never comes back."""
        for entry_id in self._ledger.read().entries:
            lines: list[str] = []
            # The watchdog may undo it meanwhile.
            with suppress(ConfigError):
                await give_up(self._ledger, entry_id, _BECAUSE, lines.append)
            self._outcome.said = lines[0] if lines else ""
            self._outcome.is_given_up = any(line.startswith("given up: ") for line in lines)
        self._outcome.healed_by = "" if self._outcome.is_given_up else self._outcome.healed_by

    async def _witness(self) -> None:
        while True:
            await self._is_whole_again.wait()
            with suppress(Exception):  # the server may be restarting
                if await asyncio.to_thread(self._target.is_broken):
                    self._last_broken = time.monotonic()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _judge(self, before: Any) -> None:
        outcome = self._outcome
        await self._return()
        if outcome.reached and outcome.event != "SIGSTOP":
            outcome.seconds = max(self._last_broken - self._since, 0.0)
        if await asyncio.to_thread(self._target.is_broken):
            outcome.problems.append("the fault is still in force")
        if (after := await asyncio.to_thread(self._target.others)) != before:
            outcome.problems.append(f"what is others' changed: {before} to {after}")
        contents = self._ledger.read()
        if contents.entries or contents.unreadable:
            outcome.problems.append(f"the ledger still holds {[*contents.entries, *contents.unreadable]}")
        log = self._ledger.directory / "watchdog.log"
        if not outcome.healed_by and log.exists() and "healed:" in log.read_text():
            outcome.healed_by = "watchdog"
        # On a busy machine the three seconds may have become more than an agent waits.
        if outcome.event == "away for 3 s" and outcome.healed_by and self._away_seconds < PATIENCE_SECONDS - 1:
            outcome.problems.append(f"the agent did not wait for {self._away_seconds:g} s")

    async def _return(self) -> None:
        """After an event of the target, make it whole again, and check what must be so before that."""
        outcome = self._outcome
        if outcome.event == "changed by others" and not await asyncio.to_thread(self._target.keeps_the_change):
            outcome.problems.append("what somebody else changed did not stay theirs")
        if outcome.event == "changed by others":
            await self._target.settle()
        if outcome.event == "server gone":
            await self._relay.restore()
        if outcome.event == "target gone" and outcome.reached:
            await self._target.return_anew()
        if outcome.is_given_up:
            records, problems = read_records(self._ledger)
            if [one.because for one in records.values()] != [_BECAUSE] or problems:
                outcome.problems.append(f"there is no record of its end: {records}, {problems}")
            await self._target.mend()


async def undisturbed(name: str, target: Target, directory: Path) -> Outcome:
    """Run an agent without an event; again if the machine stopped it for so long that its watchdog undid the fault."""
    return await _again_until(lambda one: one.ended != "FaultTakenBack", name, target, directory)


async def at_step(name: str, target: Target, directory: Path, event: str, at: int) -> Outcome:
    """Run an agent with an event at a step; again if the machine stopped it while it had to wait for its target."""
    return await _again_until(_waited_itself, name, target, directory, event=event, at=at)


async def while_in_force(name: str, target: Target, directory: Path, event: str) -> Outcome:
    """Run an agent with an event while its fault is in force; again if its watchdog undid the fault before that."""
    return await _again_until(
        lambda one: one.reached and _waited_itself(one), name, target, directory, event=event, at=IN_FORCE
    )


async def _again_until(
    is_whole: Callable[[Outcome], bool], name: str, target: Target, directory: Path, **when: Any
) -> Outcome:
    for number in range(_TRIES):
        outcome = await Cell(name, target, directory / str(number), **when).run()
        if is_whole(outcome):
            break
    return outcome


def _waited_itself(outcome: Outcome) -> bool:
    return outcome.event != "away for 3 s" or outcome.healed_by != "watchdog"


def _is_watchdog(pid: int) -> bool:
    return "alertdrill.chaos.safety.watchdog" in command_line(pid)
