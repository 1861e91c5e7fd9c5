"""The TLS probe: a handshake, with a valid chain and name, and a certificate that does not expire soon.

kind: tls
url: tls://shop.example:443
expires_within: 14d               # fails when the certificate expires within this time
ca_file: ca.pem                   # other keys are cert_file, key_file and server_name, see units/tls.py
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from alertdrill.probes.connection import connected
from alertdrill.probes.failures import explain
from alertdrill.probes.outcome import Outcome
from alertdrill.probes.probe import SingleRequestProbe
from alertdrill.units.duration import Duration, format_duration
from alertdrill.units.secrecy import shown_url
from alertdrill.units.server_url import ServerUrl, parse_server_url
from alertdrill.units.tls import VerifiedTls

_PORTS = {"tls": 443}


class TlsProbe(VerifiedTls, SingleRequestProbe):
    """A handshake for each transaction. `expires_within` is about the server's own certificate, not its issuers'."""

    kind: Literal["tls"] = "tls"
    url: str
    expires_within: Duration = Field(default=timedelta(days=14), ge=timedelta(0))

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if parse_server_url(url, _PORTS).path:
            msg = f"{shown_url(url)!r} has a path, expected tls://host or tls://host:port"
            raise ValueError(msg)
        return url

    @property
    def server(self) -> ServerUrl:
        """The server to connect to."""
        return parse_server_url(self.url, _PORTS)

    @property
    def check_names(self) -> tuple[str, ...]:
        """The name of the check on the certificate's expiry."""
        return (f"certificate is valid for more than {format_duration(self.expires_within)}",)


class TlsClient:
    """Makes the transactions of one `TlsProbe`; `clock` returns Unix time in seconds."""

    def __init__(self, probe: TlsProbe, clock: Callable[[], float] = time.time) -> None:
        self._probe = probe
        self._server = probe.server
        self._context = probe.context()
        self._limit_seconds = probe.timeout.total_seconds()
        self._clock = clock

    async def transact(self) -> Outcome:
        """Make one transaction; every failure is an Outcome with a reason."""
        try:
            async with (
                asyncio.timeout(self._limit_seconds),
                connected(self._server, self._context, self._probe.server_name) as (_, writer),
            ):
                certificate = writer.get_extra_info("peercert")
        except OSError as error:
            return self._probe.without_answer(*explain(error, self._limit_seconds))
        return self._judge(certificate["notAfter"])

    def _judge(self, not_after: str) -> Outcome:
        left = timedelta(seconds=ssl.cert_time_to_seconds(not_after) - self._clock())
        if left > self._probe.expires_within:
            return Outcome()
        expected = f"expected more than {format_duration(self._probe.expires_within)}"
        detail = f"the certificate expires at {not_after}, in {format_duration(left)}, {expected}"
        return self._probe.without_answer("check", detail)


@asynccontextmanager
async def opened(probe: TlsProbe, shard: int, shards: int) -> AsyncIterator[TlsClient]:
    """Yield the client; its transactions share nothing."""
    del shard, shards
    yield TlsClient(probe)
