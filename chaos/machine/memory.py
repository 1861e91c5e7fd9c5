"""Memory of this machine is taken, by the process `python -m alertdrill.chaos.machine.memory ENTRY_ID SETTINGS`.

kind: memory
mebibytes: 2048
"""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path
from typing import Literal

from pydantic import Field

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints, Fault
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.machine import holder

_MEBIBYTE = 1 << 20
# With less free memory, the kernel would begin to kill processes.
_LARGEST_SHARE = 0.8
_CGROUP = Path("/sys/fs/cgroup")


class MemoryInjection(Injection):
    """One process that takes an amount of memory."""

    kind: Literal["memory"] = "memory"
    name: str
    mebibytes: int

    @property
    def target(self) -> str:
        """The target, in words."""
        return _words(self.mebibytes)

    @property
    def by_hand(self) -> str:
        """The processes to end."""
        return f"end the processes with {self.name} in their command line"

    async def inject(self) -> None:
        """Start the process, and wait until it has its memory; raises FaultNotApplied."""
        await holder.hold("alertdrill.chaos.machine.memory", self.name, self)

    async def taken_back(self) -> str:
        """Return why the fault is not held any more; empty while it is."""
        return await holder.lost(self.name)

    async def undo(self) -> None:
        """End the process; raises FaultNotHealed."""
        await holder.release(self.name)


class Memory(Fault):
    """Take memory, at most 80 % of the available memory."""

    kind: Literal["memory"] = "memory"
    mebibytes: int = Field(ge=1)

    @property
    def target(self) -> str:
        """The target, in words."""
        return _words(self.mebibytes)

    def contradicts(self, other: Fault) -> str:
        """Return an empty text: two such faults add up."""
        del other
        return ""

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> MemoryInjection:
        """Compare with the available memory; raises FaultNotApplied."""
        del endpoints
        largest = int(available_mebibytes() * _LARGEST_SHARE)
        if self.mebibytes > largest:
            raise FaultNotApplied(
                f"{self.mebibytes} MiB are more than {_LARGEST_SHARE:.0%} of the memory that is available,"
                f" expected at most {largest}"
            )
        return MemoryInjection(name=entry_id, mebibytes=self.mebibytes)


def available_mebibytes() -> int:
    """Return the free memory of the machine, or of the container if that is less."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    found = [int(line.split()[1]) >> 10 for line in lines if line.startswith("MemAvailable:")]
    try:
        limit, used = ((_CGROUP / f"memory.{name}").read_text(encoding="ascii").strip() for name in ("max", "current"))
    except OSError:
        return found[0]
    return found[0] if limit == "max" else min(found[0], (int(limit) - int(used)) // _MEBIBYTE)


def _words(mebibytes: int) -> str:
    return f"{mebibytes} MiB of this machine's memory"


def main(text: str) -> None:
    """Take the memory, and keep it until the agent ends or this process is killed."""
    size = MemoryInjection.model_validate_json(text).mebibytes * _MEBIBYTE
    os.nice(10)
    # If the machine runs out of memory, the kernel kills this process first.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    taken = mmap.mmap(-1, size)
    for at in range(0, size, mmap.PAGESIZE):
        # The kernel gives a page when it is first written to.
        taken[at] = 1
        if at % (64 * _MEBIBYTE) == 0 and holder.released():
            return
    holder.holding()
    holder.hold_on()


if __name__ == "__main__":
    main(sys.argv[2])
