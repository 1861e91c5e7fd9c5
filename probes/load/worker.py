"""One of several processes of a load: it receives when to start and stop, and sends the counts of each second."""

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
class WorkerJob:
    """The work of one worker: shard `index` of `count` of a load."""

    probe: AnyProbe
    plan: Plan
    index: int
    count: int

    @property
    def shard(self) -> Plan:
        """The worker's part of the plan."""
        return self.plan.shard(self.index, self.count)


def work(job: WorkerJob, connection: Connection) -> None:
    """Run a worker: the main function of its process, which ends when the other end of the connection is closed."""
    # Ctrl-C in a terminal reaches every process of the group. Only the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # When the parent is gone, there is no one to report that to.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        uvloop.run(_work(job, connection))


async def _work(job: WorkerJob, connection: Connection) -> None:
    messages = _received(connection)
    async with open_client(job.probe, job.index, job.count) as opened, startable(opened) as client:
        connection.send("ready")
        start = await messages.get()
        if isinstance(start, float):
            await _send(Sender(client, job.shard, connection.send), start, messages)
        connection.send(None)


async def _send(sender: Sender, start: float, messages: asyncio.Queue[object]) -> None:
    """Send until the end or the next message; raises the sender's error, for then the share was not sent."""
    sending = asyncio.ensure_future(sender.run(start))
    stopped = asyncio.ensure_future(messages.get())
    await asyncio.wait({sending, stopped}, return_when=asyncio.FIRST_COMPLETED)
    sending.cancel()
    stopped.cancel()
    await asyncio.wait({sending, stopped})
    if not sending.cancelled():
        sending.result()


def _received(connection: Connection) -> asyncio.Queue[object]:
    """Return a queue of the parent's messages; when the parent ends, that is a message to stop."""
    loop, messages = asyncio.get_running_loop(), asyncio.Queue[object]()

    def receive() -> None:
        try:
            messages.put_nowait(connection.recv())
        except (EOFError, OSError):
            loop.remove_reader(connection.fileno())
            messages.put_nowait("stop")

    loop.add_reader(connection.fileno(), receive)
    return messages
