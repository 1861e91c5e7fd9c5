"""A small agent in its own process, which keeps a fault in force beside a watchdog."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from alertdrill.chaos.safety.ledger import Ledger
from tests.support.processes import command_line

_AGENT = """
import asyncio, json, sys
from pathlib import Path
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.fault import Endpoints
from alertdrill.chaos.safety.lease import leased
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.registry import fault_class

def tell(line):
    print(line, flush=True)

async def main(settings, url, directory):
    fault = fault_class(settings["kind"]).model_validate(settings)
    ledger = Ledger(Path(directory), "slow")
    lost = asyncio.Event()
    def lose(reason):
        tell("lost: " + reason)
        lost.set()
    async with leased(ledger, lose, [fault]) as dog:
        tell(f"watchdog {dog.pid}")
        try:
            async with applied(fault, Endpoints(toxiproxy_url=url), ledger):
                tell("in force")
                await lost.wait()
        except Exception as error:
            tell(type(error).__name__)

asyncio.run(main(*json.loads(sys.argv[1])))
"""
FAULT = {"kind": "latency", "proxy": "db", "latency": "1s"}


class LeasedAgent:
    """It prints `in force`, and later the end of its fault; `dog` is the process number of its watchdog."""

    def __init__(self, process: subprocess.Popen[str], dog: int) -> None:
        self._process = process
        self.dog = dog

    @classmethod
    async def started(cls, ledger: Path, toxiproxy_url: str) -> LeasedAgent | None:
        """Start it, and wait until its fault is in force.

        None when a busy machine stopped it for so long that its watchdog has undone the fault already.
        """
        arguments = json.dumps([FAULT, toxiproxy_url, str(ledger)])
        command = [sys.executable, "-c", _AGENT, arguments]
        process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
        agent = cls(process, 0)
        agent.dog = int((await agent.says()).removeprefix("watchdog "))
        said = await agent.says()
        if said == "in force" and not Ledger(ledger).read().lapsed:
            return agent
        assert said == "in force" or "did not respond" in said
        process.kill()
        await asyncio.to_thread(process.communicate)
        return None

    async def says(self) -> str:
        """Read its next line; empty at its end."""
        assert self._process.stdout is not None
        return (await asyncio.to_thread(self._process.stdout.readline)).strip()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; only `close` reaps it, so that the watchdog finds a zombie, as under a shell."""
        self._process.send_signal(number)

    def close(self) -> None:
        """Kill it and its watchdog."""
        self._process.kill()
        self._process.communicate()
        if self.dog_is_there:
            os.kill(self.dog, signal.SIGKILL)

    @property
    def dog_is_there(self) -> bool:
        """Return whether the watchdog still runs."""
        return "alertdrill.chaos.safety.watchdog" in command_line(self.dog)
