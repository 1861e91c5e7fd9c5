"""Cores of this machine are kept busy: `python -m alertdrill.chaos.machine.cpu ENTRY_ID SETTINGS` does so with one.

kind: cpu
cores: 2
share: 0.8          # of each core's time
niceness: 5         # 0 competes equally with the service, 19 takes only unused time
"""

from __future__ import annotations

import os
import sys
import time
from typing import Literal

from pydantic import Field

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.machine import holder
from alertdrill.units.settings import Settings

_PERIOD_SECONDS = 0.1


class Burn(Settings):
    """How busy one process keeps its core."""

    share: float = Field(default=1.0, gt=0, le=1)
    niceness: int = Field(default=5, ge=0, le=19)


class CpuInjection(Injection):
    """A number of processes, each of which keeps one core busy."""

    kind: Literal["cpu"] = "cpu"
    name: str
    cores: int
    burn: Burn

    @property
    def target(self) -> str:
        """The target, in words."""
        return _words(self.cores, self.burn.share)

    @property
    def by_hand(self) -> str:
        """The processes to end."""
        return f"end the processes with {self.name} in their command line"

    async def inject(self) -> None:
        """Start the processes; raises FaultNotApplied."""
        await holder.hold("alertdrill.chaos.machine.cpu", self.name, self.burn, self.cores)

    async def taken_back(self) -> str:
        """Return why the fault is not held any more; empty while it is."""
        return await holder.lost(self.name, self.cores)

    async def undo(self) -> None:
        """End the processes; raises FaultNotHealed."""
        await holder.release(self.name)


class Cpu(Fault, Burn):
    """Keep some cores busy for a share of their time."""

    kind: Literal["cpu"] = "cpu"
    cores: int = Field(default=1, ge=1)

    @property
    def target(self) -> str:
        """The target, in words."""
        return _words(self.cores, self.share)

    def contradicts(self, other: Fault) -> str:
        """Return an empty text: two such faults add up."""
        del other
        return ""

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> CpuInjection:
        """Compare with the cores of the machine; raises FaultNotApplied."""
        del endpoints
        available = len(os.sched_getaffinity(0))
        if self.cores > available:
            raise FaultNotApplied(f"{self.cores} cores are more than this machine has, expected at most {available}")
        return CpuInjection(name=entry_id, cores=self.cores, burn=Burn(share=self.share, niceness=self.niceness))


def _words(cores: int, share: float) -> str:
    return f"{share:.0%} of {cores} core{'s' if cores > 1 else ''} of this machine"


def main(text: str) -> None:
    """Be busy and sleep by turns, until the agent ends or this process is killed."""
    burn = Burn.model_validate_json(text)
    os.nice(burn.niceness)
    busy_seconds = _PERIOD_SECONDS * burn.share
    holder.holding()
    while not holder.released(_PERIOD_SECONDS - busy_seconds):
        until = time.monotonic() + busy_seconds
        while time.monotonic() < until:
            pass


if __name__ == "__main__":
    main(sys.argv[2])
