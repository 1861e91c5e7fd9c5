"""The files of a run that ended: its recording, its report if `alertdrill` wrote one, and the post-mortem made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from aiohttp import web

from alertdrill.agent.api import wire
from alertdrill.agent.api.calls import ApiCall
from alertdrill.agent.api.reading import ReadHandlers
from alertdrill.agent.daemon.agent import Agent
from alertdrill.agent.daemon.judging import NotJudged, postmortem
from alertdrill.agent.recording.recording import SUFFIX
from alertdrill.agent.serving.door import Refused
from alertdrill.chaos.machine.threads import in_thread
from alertdrill.units.text import one_line

Name = Literal["recording", "report", "postmortem"]
_MADE_WITHIN_SECONDS = 60.0
_MOST_KEPT = 8


class RunFiles:
    """The files of the runs of one agent; each handler raises Refused."""

    def __init__(self, agent: Agent, reading: ReadHandlers) -> None:
        self._agent, self._reading = agent, reading
        # Each takes a processor for a second or more, and the load needs them.
        self._one_at_a_time = asyncio.Lock()
        # A page that is open is asked for again at each event.
        self._made: dict[tuple[str, int], str] = {}

    def kept(self, run: wire.RunDetail) -> Iterator[Name]:
        """Yield which files of a run are there."""
        names: tuple[Name, ...] = ("report", "postmortem", "recording")
        return (name for name in names if self._path(run, name).is_file())

    def _path(self, run: wire.RunDetail, name: Name) -> Path:
        recording = self._agent.parts.configured.config.recordings / run.recording
        return recording.with_name(run.recording.removesuffix(SUFFIX) + ".html") if name == "report" else recording

    async def postmortem_of(self, run: wire.RunDetail) -> str:
        """Make the post-mortem of a run from its recording, as Markdown, in a process of its own."""
        path = self._path(run, "postmortem")
        try:
            key = path.name, (await in_thread(path.stat)).st_mtime_ns
        except OSError as error:
            raise _gone(path, error) from error
        try:
            async with asyncio.timeout(_MADE_WITHIN_SECONDS), self._one_at_a_time:
                if key not in self._made:
                    made = *self._made.items(), (key, await postmortem(path))
                    self._made = dict(made[-_MOST_KEPT:])
                return self._made[key]
        except TimeoutError as error:
            why = f"it takes longer than {_MADE_WITHIN_SECONDS:g} s, or others are being made"
            raise Refused(503, "the post-mortem cannot be made now", why, Retry_After="60") from error
        except NotJudged as error:
            raise Refused(503, "the post-mortem cannot be made", one_line(error)) from error

    async def read(self, call: ApiCall, name: Name) -> tuple[str, bytes]:
        """Read a file of a run; returns its name and its content."""
        path = self._path(await self._reading.run(call), name)
        try:
            return path.name, await in_thread(path.read_bytes)
        except OSError as error:
            raise _gone(path, error) from error

    async def recording(self, call: ApiCall) -> web.Response:
        """Return the recording of a run, to download."""
        return _download(*await self.read(call, "recording"), "application/gzip")

    async def report(self, call: ApiCall) -> web.Response:
        """Return the report of a run, to download."""
        return _download(*await self.read(call, "report"), "text/html")

    async def postmortem(self, call: ApiCall) -> web.Response:
        """Return the post-mortem of a run, to download."""
        run = await self._reading.run(call)
        text = await self.postmortem_of(run)
        return _download(run.recording.removesuffix(SUFFIX) + ".md", text.encode(), "text/markdown")


def _gone(path: Path, error: OSError) -> Refused:
    return Refused(404, "the file is gone", f"{path.name}: {error.strerror or error}")


def _download(name: str, content: bytes, content_type: str) -> web.Response:
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return web.Response(body=content, content_type=content_type, headers=headers)
