"""Starts a server again whenever it ends, as systemd does with `Restart=always`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from alertdrill.lab.errors import LabError
from alertdrill.lab.server import Server

_log = logging.getLogger(__name__)


async def supervise(start: Callable[[], Server], first: Server, pause: timedelta) -> None:
    """Start the server again after the pause each time that it ends, until cancelled.

    The pause is systemd's `RestartSec`: long enough that whoever watches the server sees it down.
    """
    server = first
    while True:
        code = await server.ended()
        _log.info("%s ended with %d and is started again", server.spec.name, code)
        await asyncio.sleep(pause.total_seconds())
        server = start()
        try:
            await server.wait_ready()
        except LabError as error:
            # What it needs may be broken on purpose; it is tried again as long as that lasts.
            _log.info("%s", error)
            await server.stop()
