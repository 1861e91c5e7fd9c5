"""Asks the system's resolver, through asyncio."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alertdrill.probes.dns.settings import DnsProbe
from alertdrill.probes.failures import explain
from alertdrill.probes.outcome import Outcome

_NO_SUCH_NAME = {socket.EAI_NONAME, socket.EAI_NODATA}


class SystemClient:
    """Makes the transactions of one `DnsProbe` through the system's resolver."""

    def __init__(self, probe: DnsProbe) -> None:
        self._probe = probe
        self._family = socket.AF_INET if probe.record == "A" else socket.AF_INET6
        self._limit_seconds = probe.timeout.total_seconds()

    async def transact(self) -> Outcome:
        """Make one transaction; every failure is an Outcome with a reason."""
        try:
            async with asyncio.timeout(self._limit_seconds):
                found = await asyncio.get_running_loop().getaddrinfo(
                    self._probe.resolve, None, family=self._family, type=socket.SOCK_STREAM
                )
        except socket.gaierror as error:
            is_answer = error.errno in _NO_SUCH_NAME
            return self._probe.without_answer("bad_answer" if is_answer else "unreachable", str(error))
        except OSError as error:
            return self._probe.without_answer(*explain(error, self._limit_seconds))
        return self._probe.judge([str(info[4][0]) for info in found])


@asynccontextmanager
async def opened(probe: DnsProbe, shard: int, shards: int) -> AsyncIterator[SystemClient]:
    """Yield the client; its transactions share nothing."""
    del shard, shards
    yield SystemClient(probe)
