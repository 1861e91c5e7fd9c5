"""One of several processes of a load: it hears when to start and when to stop, and tells of each second."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection

import uvloop

from alertdrill.probes.any_probe import AnyProbe, open_client
from alertdrill.probes.client import startable
from alertdrill.probes.load.load import Plan, Sender


@dataclass(frozen=True)
class Job:
    """What a worker is to do: its shard of a load."""

    probe: AnyProbe
    plan: Plan
    index: int
    count: int

    @property
    def shard(self) -> Plan:
        """The worker's part of the plan."""
        return self.plan.shard(self.index, self.count)


def work(job: Job, connection: Connection) -> None:
    """Be a worker: the main function of its process, which ends when the other end of the connection does."""
    # Ctrl-C in a terminal reaches every process of the group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nobody is left to be told that the parent is gone.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        uvloop.run(_work(job, connection))


async def _work(job: Job, connection: Connection) -> None:
    words = _heard(connection)
    async with open_client(job.probe, job.index, job.count) as opened, startable(opened) as client:
        connection.send("ready")
        start = await words.get()
        if isinstance(start, float):
            await _send(Sender(client, job.shard, connection.send), start, words)
        connection.send(None)


async def _send(sender: Sender, start: float, words: asyncio.Queue[object]) -> None:
    """Send until the end or the next word; raises what the sender does: it has not done its share, and must say so."""
    sending = asyncio.ensure_future(sender.run(start))
    stopped = asyncio.ensure_future(words.get())
    await asyncio.wait({sending, stopped}, return_when=asyncio.FIRST_COMPLETED)
    sending.cancel()
    stopped.cancel()
    await asyncio.wait({sending, stopped})
    if not sending.cancelled():
        sending.result()


def _heard(connection: Connection) -> asyncio.Queue[object]:
    """Make a queue of what the parent says; its end says stop."""
    loop, words = asyncio.get_running_loop(), asyncio.Queue[object]()

    def hear() -> None:
        try:
            words.put_nowait(connection.recv())
        except (EOFError, OSError):
            loop.remove_reader(connection.fileno())
            words.put_nowait("stop")

    loop.add_reader(connection.fileno(), hear)
    return words
