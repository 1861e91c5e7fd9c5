"""What the processes of several labs share with the process that started them: the queue of drills, and the pace.

The queue is a pipe of numbers, each of which is taken by one process, and once. It is not a file, so a run that was
killed leaves nothing behind. For the pace, a lab's process prints lines and reads answers: `ready` is answered by
`measure`, and `measured …` by the time scale, or by `end` if there are to be fewer labs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Self

from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.config.drill import DrillLoad
from alertdrill.agent.drilling.pace import LabTiming
from alertdrill.agent.drilling.site import Site
from alertdrill.lab.pace import MEASURED_SECONDS, ScrapeTiming, timing
from alertdrill.probes.load.tally import Tally
from alertdrill.units import json_text

PREFIX = "pace "
READY, MEASURE, MEASURED, END = "ready", "measure", "measured ", "end"
_BYTES = 2
_MOST_VALUES = 100
_MEASURED_RATE = 100.0


@dataclass(frozen=True)
class WorkQueue:
    """The numbers that are left; `descriptor` is the pipe, which the processes inherit."""

    descriptor: int

    @classmethod
    @contextmanager
    def of(cls, count: int) -> Iterator[Self]:
        """Make a queue of the numbers from 0 to `count` - 1, which lasts for the block."""
        reading, writing = os.pipe()
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(b"".join(number.to_bytes(_BYTES) for number in range(count)))
            yield cls(reading)
        finally:
            os.close(reading)

    def taken(self) -> Iterator[int]:
        """Take one number after another until none is left; each is taken only when it is requested."""
        while number := os.read(self.descriptor, _BYTES):
            yield int.from_bytes(number)


async def measured(here: AgentConfig) -> LabTiming:
    """Send a short load to a lab, and see how late it is and how late Prometheus is meanwhile; raises LabError.

    What was slow before, while other labs still started, counts for nothing.
    """
    tally = Tally()
    async with Site(here) as site, site.sending(DrillLoad(rate=_MEASURED_RATE), tally):
        await asyncio.sleep(MEASURED_SECONDS)
    return LabTiming(await timing(here.prometheus.url), tally.lateness.percentile_seconds(99) or 0.0)


async def given_scale(here: AgentConfig, say: Callable[[str], None]) -> float | None:
    """Send the starter of this process what its lab can keep, and return the time scale to use; None is to end."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    heard, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        say(PREFIX + READY)
        if (await reader.readline()).strip() != MEASURE.encode():
            return None
        say(PREFIX + MEASURED + json.dumps(asdict(await measured(here))))
        answer = (await reader.readline()).decode().strip()
    finally:
        heard.close()
    return None if answer in {END, ""} else float(answer)


def read_measured(text: str) -> LabTiming:
    """Read what `given_scale` told after `measured`."""
    found = json_text.parse(text.encode(), _MOST_VALUES)
    return LabTiming(ScrapeTiming(**found["timing"]), found["load_late_seconds"])
