from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from alertdrill.probes.outcome import Outcome
from alertdrill.probes.tls import TlsClient

Probing = Callable[..., Awaitable[Outcome]]
Contexts = Callable[..., ssl.SSLContext]
CHECK = ("certificate is valid for more than 14d",)


async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send nothing until the other side closes."""
    del writer
    await reader.read()


@pytest.fixture
def with_certificate(outcome_of: Probing, serving: Any, server_context: Contexts, ca_file: str) -> Probing:
    """Return a function that makes one transaction with a server whose certificate is for a name and trusted."""

    async def transact(name: str = "127.0.0.1", dates: dict[str, datetime] | None = None, **settings: Any) -> Outcome:
        async with serving(wait, server_context(name, **(dates or {}))) as address:
            return await outcome_of(**{"kind": "tls", "url": f"tls://{address}", "ca_file": ca_file} | settings)

    return transact


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@pytest.mark.parametrize(("expires_within", "reason"), [("9d", None), ("11d", "check"), ("14d", "check")])
async def test_a_certificate_must_be_valid_for_longer_than_expires_within(
    with_certificate: Probing, expires_within: str, reason: str | None
) -> None:
    outcome = await with_certificate(dates={"not_after": in_days(10)}, expires_within=expires_within)
    assert outcome.reason == reason
    assert bool(outcome.failed_checks) == (reason is not None)


async def test_the_last_valid_instant_is_exact(
    read: Callable[..., Any], serving: Any, server_context: Contexts, ca_file: str
) -> None:
    ends = in_days(100).replace(microsecond=0)
    async with serving(wait, server_context(not_after=ends)) as address:
        probe = read(kind="tls", url=f"tls://{address}", ca_file=ca_file)
        fourteen_days_before = ends.timestamp() - 14 * 86_400
        before = await TlsClient(probe, clock=lambda: fourteen_days_before - 1).transact()
        after = await TlsClient(probe, clock=lambda: fourteen_days_before).transact()
    assert before == Outcome()
    assert (after.reason, after.failed_checks) == ("check", CHECK)
    assert after.detail.endswith(f"{ends:%Y} GMT, in 14d, expected more than 14d")


@pytest.mark.parametrize(
    ("name", "dates", "detail"),
    [
        ("127.0.0.1", {"not_before": in_days(-9), "not_after": in_days(-1)}, "certificate has expired"),
        ("shop.example", {}, "IP address mismatch"),
    ],
)
async def test_an_invalid_certificate_has_the_reason_tls(
    with_certificate: Probing, name: str, dates: dict[str, datetime], detail: str
) -> None:
    outcome = await with_certificate(name, dates)
    assert (outcome.reason, outcome.failed_checks) == ("tls", CHECK)
    assert detail in outcome.detail


async def test_server_name_may_differ_from_the_host(with_certificate: Probing) -> None:
    assert await with_certificate("shop.example", server_name="shop.example") == Outcome()


async def test_a_chain_to_another_authority_is_not_valid(with_certificate: Probing, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    assert (await with_certificate(ca_file=str(other))).reason == "tls"


async def test_a_server_that_requires_a_certificate_receives_the_clients(
    read: Callable[..., Any], serving: Any, server_context: Contexts, authority: trustme.CA, tmp_path: Path
) -> None:
    context = server_context()
    authority.configure_trust(context)
    # With TLS 1.3 a client is refused only after the handshake.
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_2
    ca, client = tmp_path / "ca.pem", tmp_path / "client.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(str(client))
    async with serving(wait, context) as address:
        settings = {"kind": "tls", "url": f"tls://{address}", "ca_file": str(ca)}
        outcome = await TlsClient(read(**settings, cert_file=str(client))).transact()
        without = await TlsClient(read(**settings)).transact()
    assert outcome == Outcome()
    assert without.reason in {"tls", "reset"}


async def test_without_a_handshake_there_is_a_reason(outcome_of: Probing, serving: Any, closed_address: str) -> None:
    async with serving(wait) as silent:
        timed_out = await outcome_of(kind="tls", url=f"tls://{silent}", timeout="200ms")
    refused = await outcome_of(kind="tls", url=f"tls://{closed_address}")
    assert (timed_out.reason, refused.reason) == ("timeout", "refused")


async def test_a_server_without_tls_has_the_reason_tls(outcome_of: Probing, serving: Any) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ESMTP\r\n")
        await reader.read()

    async with serving(greet) as address:
        outcome = await outcome_of(kind="tls", url=f"tls://{address}")
    assert outcome.reason == "tls"


def test_verification_cannot_be_switched_off(read: Callable[..., Any]) -> None:
    with pytest.raises(ValidationError, match="insecure_skip_verify"):
        read(kind="tls", url="tls://a", insecure_skip_verify=True)
