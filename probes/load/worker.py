"""One of several processes of a load: it receives when to start and to end, and sends the counts of each second."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import uvloop

from alertdrill.probes.any_probe import AnyProbe, open_client
from alertdrill.probes.client import startable
from alertdrill.probes.load.load import LoadPlan, Sender
from alertdrill.units.waiting import keep_cancellations

OF_THE_PARENT = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class WorkerJob:
    """The work of one worker: shard `index` of `count` of a load."""

    probe: AnyProbe
    plan: LoadPlan
    index: int
    count: int

    @property
    def shard(self) -> LoadPlan:
        """The worker's part of the plan."""
        return self.plan.shard(self.index, self.count)


@dataclass(frozen=True)
class EndAt:
    """A message to a worker, and its answer: it sends nothing that is due from this second of the load on.

    The answer names a later second if that one has begun already.
    """

    second: int


def work(job: WorkerJob, connection: Connection) -> None:
    """Run a worker: the main function of its process, which ends when the other end of the connection is closed."""
    # Ctrl-C in a terminal reaches every process of the group, and so does the SIGTERM of `timeout` and of some CI
    # runners. Only the parent handles them.
    for number in OF_THE_PARENT:
        signal.signal(number, signal.SIG_IGN)
    keep_cancellations()
    # When the parent is gone, there is no one to report that to.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        uvloop.run(_work(job, connection))


async def _work(job: WorkerJob, connection: Connection) -> None:
    messages = _received(connection)
    checks = job.probe.counted[0].checks
    async with open_client(job.probe, job.index, job.count) as opened, startable(opened, checks) as client:
        connection.send("ready")
        start = await messages.get()
        if isinstance(start, float):
            await _send(Sender(client, job.shard, connection.send), start, messages, connection)
        connection.send(None)


async def _send(sender: Sender, start: float, messages: asyncio.Queue[object], connection: Connection) -> None:
    """Send until the end, a message to stop, or the second that a message names.

    Raises the sender's error, for then the share was not sent.
    """
    sending = asyncio.ensure_future(sender.run(start))
    while True:
        message = asyncio.ensure_future(messages.get())
        await asyncio.wait({sending, message}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done() or not isinstance(end := message.result(), EndAt):
            break
        connection.send(EndAt(sender.end_at(end.second)))
    sending.cancel()
    message.cancel()
    await asyncio.wait({sending, message})
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

    watch(connection, receive)
    return messages


def watch(connection: Connection, receive: Callable[[], None]) -> None:
    """Call `receive` on the running loop when a connection has a message, or was closed."""
    asyncio.get_running_loop().add_reader(connection.fileno(), receive)
    # uvloop makes it non-blocking. But a large message comes in pieces, and the rest of one must be waited for.
    os.set_blocking(connection.fileno(), True)
