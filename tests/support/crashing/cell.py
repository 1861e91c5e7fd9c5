"""One cell: one event at one step, and the state of the fault by a witness until all processes have ended."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alertdrill.chaos.safety.healing import abandoned, heal_all
from alertdrill.chaos.safety.ledger import Ledger
from crashing import agent
from crashing.targets import Target
from tests.support.waiting import until

EVENTS = (
    *("SIGKILL", "SIGSTOP", "SIGTERM", "SIGINT", "disk full"),
    *("target restarted", "network cut", "SIGKILL of both"),
)
# An agent that is forked from a process with everything loaded starts quickly.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["crashing.cell"])
# Long, because a busy machine is slow.
_ENDS_WITHIN_SECONDS = 180.0
_DOWN_SECONDS = 0.3
# Longer than the patience of an undo, so that the watchdog has to go on.
_CUT_SECONDS = 2.5
_LOOK_EVERY_SECONDS = 0.05
# The difficult case is a process that continues after the watchdog has undone everything.
_STOPPED_SECONDS = 2.2


@dataclass
class Outcome:
    """The result of one cell; `seconds` count from the event, or from the return of the target, until the fault was undone."""

    fault: str
    event: str
    at: int | None
    step: str = ""
    reached: bool = False
    healed_by: str = ""
    seconds: float = 0.0
    ended: str = "killed"
    problems: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


def applies(event: str, target: Target) -> bool:
    """Return whether an event can happen to a target."""
    if event == "network cut":
        return target.relay is not None
    return event != "target restarted" or target.can_restart


class Cell:
    """Runs one agent against a target, with an event at a step, or none to find the steps."""

    def __init__(self, name: str, target: Target, directory: Path, event: str = "", at: int | None = None) -> None:
        self._target = target
        self._ledger = Ledger(directory / "ledger", "crashing")
        self._outcome = Outcome(name, event, at)
        self._dog = 0
        self._since = self._last_broken = 0.0
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
        elif event == "target restarted":
            self._is_whole_again.clear()
            await self._target.go_down()
            self._answer()
            await asyncio.sleep(_DOWN_SECONDS)
            await self._target.come_back()
            self._since = time.monotonic()
            self._is_whole_again.set()
        else:
            assert self._target.relay is not None
            await self._target.relay.cut()
            self._answer()
            await asyncio.sleep(_CUT_SECONDS)
            await self._target.relay.restore()
            self._since = time.monotonic()

    def _answer(self) -> None:
        self._pipe.send("done")

    async def _until_all_has_ended(self) -> None:
        await asyncio.to_thread(self._agent.join)

        async def is_over() -> bool:
            return not _is_watchdog(self._dog)

        await until(is_over, "the watchdog ends", _ENDS_WITHIN_SECONDS)
        if self._outcome.event == "SIGKILL of both":
            self._since = time.monotonic()
            left = abandoned(self._ledger.read())
            self._outcome.problems += [one.problem async for one in heal_all(self._ledger, left) if one.problem]
            self._outcome.healed_by = "heal" if left else ""

    async def _witness(self) -> None:
        while True:
            await self._is_whole_again.wait()
            with suppress(Exception):  # the server may be restarting
                if await asyncio.to_thread(self._target.is_broken):
                    self._last_broken = time.monotonic()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _judge(self, before: Any) -> None:
        outcome = self._outcome
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


def _is_watchdog(pid: int) -> bool:
    try:
        return b"alertdrill.chaos.safety.watchdog" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
