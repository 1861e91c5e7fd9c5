"""One direction of one connection: the data of one side goes through the stages to the other side.

Without toxics there is no stage, and data goes from socket to socket without a task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from alertdrill.chaos.toxiproxy.embedded.channel import Channel, Chunk
from alertdrill.chaos.toxiproxy.embedded.endpoint import Endpoint
from alertdrill.chaos.toxiproxy.embedded.stage import Spawn, ToxicStage
from alertdrill.chaos.toxiproxy.embedded.toxic import Toxic

# As much as the real server reads at once: toxics count in chunks.
_CHUNK_BYTES = 32 * 1024


class Link:
    """Data from `source` to `sink`; at the end `count` is called with the bytes "received" and "sent"."""

    def __init__(self, source: Endpoint, sink: Endpoint, spawn: Spawn, count: Callable[[str, int], None]) -> None:
        self.source = source
        self.sink = sink
        self.ended = False
        self._spawn = spawn
        self._count = count
        self._received_bytes = 0
        self._sent_bytes = 0
        # Whether data could not be sent because the other side is gone.
        self._failed = False
        self._at_end = False
        self._stages: list[ToxicStage] = []
        self.on_room: Callable[[], None] | None = None
        sink.writer = self

    def start(self, toxics: Sequence[Toxic]) -> None:
        """Begin to read data through these toxics."""
        outlet: Link | Channel = self
        for toxic in reversed(toxics):
            self._stages.insert(0, ToxicStage(toxic, outlet, self._spawn))
            outlet = self._stages[0].inlet
            if toxic.attributes.resets:
                self.source.reset_when_closed()
                self.sink.reset_when_closed()
        self._watch_head()
        for stage in self._stages:
            stage.start()
        self.source.attach(self)

    def feed(self, data: bytes) -> None:
        """Accept data from the source."""
        self._received_bytes += len(data)
        if not self._stages:
            self._write(data)
            return
        head, now = self._stages[0].inlet, monotonic()
        view = memoryview(data)
        for offset in range(0, len(data), _CHUNK_BYTES):
            head.offer(Chunk(view[offset : offset + _CHUNK_BYTES], now))
        self.regulate()

    def feed_end(self) -> None:
        """Handle the end of the source's data."""
        if self._at_end:
            return
        self._at_end = True
        self._count("received", self._received_bytes)
        if self._stages:
            self._stages[0].inlet.close()
        else:
            self.close()

    def regulate(self) -> None:
        """Read from the source while there is room for it."""
        choked = self._stages[0].inlet.full if self._stages else self.sink.choked
        self.source.read(not choked)

    def writable(self) -> None:
        """Handle that the sink accepts data again, or that it is gone."""
        if self.on_room is not None and not self.full:
            self.on_room()
        self.regulate()

    @property
    def full(self) -> bool:
        """Whether the last stage has to wait."""
        return self.sink.choked

    def offer(self, chunk: Chunk) -> None:
        """Send a chunk to the sink: the link itself is the last stage's outlet."""
        self._write(chunk.data)

    def close(self) -> None:
        """Close the sink: the last stage has passed on the end."""
        if not self.ended:
            self.ended = True
            self.sink.close()
            if not self._failed:
                self._count("sent", self._sent_bytes)
            # Earlier stages would wait for ever to send.
            self.abandon()

    def abandon(self) -> None:
        """Stop all stages: there is no receiver any more."""
        self.ended = True
        for stage in self._stages:
            stage.abandon()

    async def add(self, toxic: Toxic) -> None:
        """Add a toxic behind the others."""
        if self.ended:
            return
        stage = ToxicStage(toxic, self, self._spawn)
        last = self._stages[-1] if self._stages else None
        self._stages.append(stage)
        if last is None:
            self._watch_head()
            stage.start()
        elif await last.interrupt():
            last.outlet = stage.inlet
            stage.start()
            last.start()
        else:
            stage.closed = True

    async def update(self, toxic: Toxic) -> None:
        """Restart a toxic with new settings."""
        stage = self._stage_of(toxic)
        if stage is not None and await stage.interrupt():
            stage.start()

    async def remove(self, toxic: Toxic) -> None:
        """Remove a toxic, and pass on at once the data that it holds."""
        stage = self._stage_of(toxic)
        if stage is None or not await stage.interrupt():
            return
        if toxic.attributes.closes_when_removed:
            stage.close()
            return
        index = self._stages.index(stage)
        previous = self._stages[index - 1] if index else None
        if previous is not None:
            await previous.interrupt()
        while (chunk := stage.inlet.take()) is not None:
            stage.outlet.offer(chunk)
        if stage.inlet.closed:
            stage.close()
            return
        self._stages.remove(stage)
        if previous is None:
            self._watch_head()
        else:
            previous.outlet = stage.outlet
            previous.start()

    def _watch_head(self) -> None:
        """Make the first stage control the reading from the source."""
        if self._stages:
            self._stages[0].inlet.on_room = self.regulate
        self.regulate()

    def _stage_of(self, toxic: Toxic) -> ToxicStage | None:
        return next((stage for stage in self._stages if stage.toxic is toxic), None)

    def _write(self, data: bytes | memoryview) -> None:
        if self.sink.write(data):
            self._sent_bytes += len(data)
        else:
            self._failed = True
