"""A failed handshake has another reason than a closed port, and takes at most one connection."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import startable
from alertdrill.probes.outcome import Outcome, Reason
from tests.probes.hostile_server import Behaviour, HostileServer, is_silent, reset, then_closes
from tests.probes.meeting import eventually, on_loop, probe, transact

SERVER_NAME = "shop.example"
Expected = tuple[Reason | None, str]
CLIENTS = [("asyncio", "lean"), ("uvloop", "lean"), ("uvloop", "aiohttp")]


@dataclass(frozen=True)
class Signed:
    """A server's context with a certificate for SERVER_NAME, and the authority that signed it."""

    context: ssl.SSLContext
    ca_file: str


@pytest.fixture
def signed(server_context: Callable[..., ssl.SSLContext], ca_file: str) -> Signed:
    return Signed(server_context(SERVER_NAME), ca_file)


@pytest.mark.parametrize(("loop", "client"), CLIENTS)
@pytest.mark.parametrize(
    ("trust", "expected"),
    [
        (lambda file: {"ca_file": file, "server_name": SERVER_NAME}, (None, "")),
        (lambda _: {"insecure_skip_verify": True}, (None, "")),
        (lambda _: {"server_name": SERVER_NAME}, ("tls", "unable to get local issuer certificate")),
        (lambda file: {"ca_file": file, "server_name": "bank.example"}, ("tls", "bank.example")),
        (lambda file: {"ca_file": file}, ("tls", "127.0.0.1")),
    ],
    ids=["the right name", "unverified", "a stranger", "a wrong name", "no name"],
)
def test_a_certificate_is_trusted_or_not(
    signed: Signed, loop: str, client: str, trust: Callable[[str], dict[str, object]], expected: Expected
) -> None:
    async def main() -> None:
        with HostileServer(tls=signed.context) as server:
            (reason, detail), tls = expected, trust(signed.ca_file)
            settings = probe(server.port, scheme="https", tls=tls, client=client, timeout="30s")
            async with open_client(settings) as opened, startable(opened) as ours:
                outcomes = [outcome for _ in range(3) for outcome in await transact(ours)]
            await eventually(lambda: server.open_connections == 0)
            assert {outcome.reason for outcome in outcomes} == {reason}
            assert detail in outcomes[0].detail
            assert server.accepted == (3 if reason else 1)

    on_loop(loop, main)


@dataclass(frozen=True)
class Row:
    behave: Behaviour
    reasons: set[Reason]
    detail: str = ""


def speaks_plain_http(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


ROWS = {
    "speaks plain HTTP": Row(speaks_plain_http, {"tls"}),
    "closes in the handshake": Row(then_closes(lambda connection: connection.recv(100)), {"reset"}),
    "resets in the handshake": Row(lambda connection: (connection.recv(100), reset(connection)), {"reset"}),
    "is silent in the handshake": Row(is_silent, {"timeout"}),
}


@pytest.mark.parametrize(("loop", "client"), CLIENTS)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_failed_handshake_has_a_reason(signed: Signed, row: Row, loop: str, client: str) -> None:
    """The same server completes the handshake on later connections."""

    async def main() -> None:
        with HostileServer(tls=signed.context, before_tls=row.behave) as server:
            settings = probe(
                server.port,
                scheme="https",
                tls={"insecure_skip_verify": True},
                client=client,
                timeout="30s",
                # Short only where it ends the handshake.
                connect_timeout="3s" if row.reasons == {"timeout"} else "30s",
            )
            async with open_client(settings) as opened, startable(opened) as ours:
                (outcome,) = await transact(ours)
                assert await transact(ours, 2) == [Outcome(), Outcome()]
            await eventually(lambda: server.open_connections == 0)
            assert outcome.reason in row.reasons, outcome
            assert outcome.detail

    on_loop(loop, main)
