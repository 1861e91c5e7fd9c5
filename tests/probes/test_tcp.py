from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from alertdrill.probes.outcome import Outcome

Probing = Callable[..., Awaitable[Outcome]]


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the greeting of a mail server in two parts, and answer one line."""
    writer.write(b"220 mail ")
    await writer.drain()
    await asyncio.sleep(0.01)
    writer.write(b"ESMTP\r\n")
    writer.write(b"you said " + await reader.readline())
    await writer.drain()
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read one line and close without an answer."""
    del writer
    await reader.readline()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    await reader.readline()
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send without end."""
    del reader
    while True:
        writer.write(b"x" * 10_000)
        await writer.drain()


@pytest.fixture
def probing(outcome_of: Probing, serving: Any) -> Probing:
    """Return a function that makes one transaction with a server of the given behaviour."""

    async def transact(answer: Any, **settings: Any) -> Outcome:
        async with serving(answer) as address:
            return await outcome_of(kind="tcp", url=f"tcp://{address}", **settings)

    return transact


async def test_a_connection_is_enough_when_nothing_is_expected(probing: Probing) -> None:
    assert await probing(hang_up) == Outcome()


async def test_an_answer_may_come_in_parts(probing: Probing) -> None:
    outcome = await probing(greet, send="EHLO drill\r\n", expect="^220 mail ESMTP\r\nyou said EHLO drill")
    assert outcome == Outcome()


async def test_another_answer_fails_the_check_and_is_quoted(probing: Probing) -> None:
    outcome = await probing(flood, expect="^220")
    assert (outcome.reason, outcome.failed_checks) == ("check", ("answer matches ^220",))
    assert outcome.detail.startswith("answer is 'xxx")
    assert outcome.detail.endswith("…', expected it to match '^220'")


@pytest.mark.parametrize(
    ("answer", "limit", "reason", "detail"),
    [
        (hang_up, "10s", "bad_answer", "the connection was closed without an answer"),
        (reset, "10s", "reset", "Connection reset by peer"),
        (greet, "6s", "timeout", "no answer within 6 s, only '220 mail ESMTP\\r\\nyou said x\\n'"),
    ],
)
async def test_without_an_answer_there_is_a_reason(
    probing: Any, answer: Any, limit: str, reason: str, detail: str
) -> None:
    outcome = await probing(answer, send="x\n", expect="^250", timeout=limit)
    assert (outcome.reason, outcome.failed_checks) == (reason, ("answer matches ^250",))
    assert detail in outcome.detail


async def test_a_closed_port_is_refused(outcome_of: Probing, closed_address: str) -> None:
    port = closed_address.partition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        assert (await outcome_of(kind="tcp", url=f"tcp://{host}:{port}")).reason == "refused"


async def test_an_unknown_name_is_unreachable(outcome_of: Probing) -> None:
    outcome = await outcome_of(kind="tcp", url="tcp://nowhere.invalid:1")
    assert outcome.reason == "unreachable"
    assert "name cannot be resolved" in outcome.detail


async def test_tls_is_verified_unless_the_file_says_otherwise(
    outcome_of: Probing, serving: Any, server_context: Callable[..., ssl.SSLContext], ca_file: str
) -> None:
    async with serving(greet, server_context()) as address:
        settings: dict[str, Any] = {"kind": "tcp", "url": f"tcp://{address}", "send": "x\n", "expect": "said x"}
        assert await outcome_of(**settings, tls={"ca_file": ca_file}) == Outcome()
        assert await outcome_of(**settings, tls={"insecure_skip_verify": True}) == Outcome()
        untrusted = await outcome_of(**settings, tls={})
    assert untrusted.reason == "tls"
    assert "certificate verify failed" in untrusted.detail


async def test_a_certificate_of_another_name_is_accepted_with_server_name(
    outcome_of: Probing, serving: Any, server_context: Callable[..., ssl.SSLContext], ca_file: str
) -> None:
    async with serving(greet, server_context("shop.example")) as address:
        settings: dict[str, Any] = {"kind": "tcp", "url": f"tcp://{address}", "expect": "^220"}
        other = await outcome_of(**settings, tls={"ca_file": ca_file})
        same = await outcome_of(**settings, tls={"ca_file": ca_file, "server_name": "shop.example"})
    assert (other.reason, same.reason) == ("tls", None)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"url": "tcp://a"}, "has no port, expected tcp://host:port"),
        ({"url": "http://a:1"}, "is not a URL of this kind, expected tcp://host:port"),
        ({"url": "tcp://a:1/x"}, "has a path, expected tcp://host:port"),
        ({"url": "tcp://a:1", "expect": "("}, "is not a regular expression"),
        ({"url": "tcp://a:1", "tls": {"ca_file": "/nowhere"}}, "cannot be read: /nowhere: No such file"),
    ],
)
def test_inconsistent_settings_are_refused(read: Callable[..., Any], settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected.replace("(", r"\(")):
        read(kind="tcp", **settings)
