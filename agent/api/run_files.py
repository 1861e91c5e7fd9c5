"""The files of a run that ended: its recording, and its report if `alertdrill` wrote one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from aiohttp import web

from alertdrill.agent.api import wire
from alertdrill.agent.api.calls import Call
from alertdrill.agent.api.reading import Reading
from alertdrill.agent.daemon.agent import Agent
from alertdrill.agent.recording.recording import SUFFIX
from alertdrill.agent.serving.door import Refused
from alertdrill.chaos.machine.threads import in_thread

Name = Literal["recording", "report"]


class RunFiles:
    """The files of the runs of one agent; each handler raises Refused."""

    def __init__(self, agent: Agent, reading: Reading) -> None:
        self._agent, self._reading = agent, reading

    def kept(self, run: wire.RunDetail) -> Iterator[Name]:
        """Yield which files of a run are there."""
        names: tuple[Name, ...] = ("report", "recording")
        return (name for name in names if self._path(run, name).is_file())

    def _path(self, run: wire.RunDetail, name: Name) -> Path:
        recording = self._agent.parts.configured.config.recordings / run.recording
        return recording if name == "recording" else recording.with_name(run.recording.removesuffix(SUFFIX) + ".html")

    async def read(self, call: Call, name: Name) -> tuple[str, bytes]:
        """Read a file of a run; returns its name and its content."""
        path = self._path(await self._reading.run(call), name)
        try:
            return path.name, await in_thread(path.read_bytes)
        except OSError as error:
            raise Refused(404, "the file is gone", f"{path.name}: {error.strerror or error}") from error

    async def recording(self, call: Call) -> web.Response:
        """Answer the recording of a run, to download."""
        return _download(*await self.read(call, "recording"), "application/gzip")

    async def report(self, call: Call) -> web.Response:
        """Answer the report of a run, to download."""
        return _download(*await self.read(call, "report"), "text/html")


def _download(name: str, content: bytes, content_type: str) -> web.Response:
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return web.Response(body=content, content_type=content_type, headers=headers)
