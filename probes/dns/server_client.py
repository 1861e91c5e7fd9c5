"""The only file that uses dnspython: asks a DNS server."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.asyncbackend
import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype
from dns.exception import DNSException

from alertdrill.probes.dns.settings import DnsProbe, split_server
from alertdrill.probes.failures import explain
from alertdrill.probes.outcome import Outcome


class ServerClient:
    """Makes the transactions of one `DnsProbe` by asking one server."""

    def __init__(self, probe: DnsProbe) -> None:
        self._probe = probe
        self._address, self._port = split_server(probe.server or "")
        self._family = socket.AF_INET if ipaddress.ip_address(self._address).version == 4 else socket.AF_INET6
        self._type = dns.rdatatype.from_text(probe.record)
        self._backend = dns.asyncbackend.get_backend("asyncio")
        self._limit_seconds = probe.timeout.total_seconds()

    async def transact(self) -> Outcome:
        """Make one transaction; every failure is an Outcome with a reason."""
        try:
            async with asyncio.timeout(self._limit_seconds):
                answer = await self._ask()
        except OSError as error:
            return self._probe.without_answer(*explain(error, self._limit_seconds))
        except (EOFError, DNSException) as error:
            return self._probe.without_answer("bad_answer", str(error) or type(error).__name__)
        if answer.rcode() != dns.rcode.NOERROR:
            return self._probe.without_answer("bad_answer", f"the server answered {dns.rcode.to_text(answer.rcode())}")
        return self._probe.judge(
            [record.address for records in answer.answer if records.rdtype == self._type for record in records]
        )

    async def _ask(self) -> dns.message.Message:
        question = dns.message.make_query(self._probe.resolve, self._type)
        # Only a connected socket receives the ICMP message that the port is closed, instead of a timeout.
        where = (self._address, self._port)
        made = self._backend.make_socket(self._family, socket.SOCK_DGRAM, 0, None, where)  # type: ignore[no-untyped-call]
        async with await made as connected:
            answer, _ = await dns.asyncquery.udp_with_fallback(
                question, self._address, port=self._port, udp_sock=connected, backend=self._backend
            )
        return answer


@asynccontextmanager
async def opened(probe: DnsProbe, shard: int, shards: int) -> AsyncIterator[ServerClient]:
    """Yield the client; its transactions share nothing."""
    del shard, shards
    yield ServerClient(probe)
