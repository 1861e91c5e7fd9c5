from __future__ import annotations

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from alertdrill.lab.ports import free_ports
from alertdrill.probes.outcome import Outcome

Probing = Callable[..., Awaitable[Outcome]]

NO_ERROR, SERVER_FAILED, NO_SUCH_NAME = 0, 2, 3
A, CNAME, AAAA = 1, 5, 28
ADDRESSES = {
    (b"shop.test", A): ["10.1.2.3", "10.1.2.4"],
    (b"shop.test", AAAA): ["fd00::1"],
    (b"cut.test", A): [f"10.9.0.{last}" for last in range(1, 100)],
}


def answer(question: bytes, *, over_tcp: bool = False) -> bytes | None:
    """Answer by RFC 1035 (section 4); the names in records point to the name in the question, at byte 12."""
    end = question.index(b"\0", 12) + 5
    name, (kind,) = _name(question), struct.unpack(">H", question[end - 4 : end - 2])
    if name == b"silent.test":
        return None
    if name == b"nonsense.test":
        return question[:2] + b"\x81\x80" + b"\xff" * 9
    code = {b"gone.test": NO_SUCH_NAME, b"broken.test": SERVER_FAILED}.get(name, NO_ERROR)
    records = [_record(kind, ipaddress.ip_address(one).packed) for one in ADDRESSES.get((name, kind), [])]
    if name == b"alias.test":
        records = [_record(CNAME, b"\x04shop\x04test\0"), _record(A, b"\x0a\x01\x02\x03", b"\x04shop\x04test\0")]
    is_cut = name == b"cut.test" and not over_tcp
    flags = 0x8180 | code | (0x0200 if is_cut else 0)
    head = question[:2] + struct.pack(">HHHHH", flags, 1, 0 if is_cut else len(records), 0, 0)
    return head + question[12:end] + (b"" if is_cut else b"".join(records))


def _name(question: bytes) -> bytes:
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]])
        at += 1 + question[at]
    return b".".join(labels)


def _record(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


class _Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if (reply := answer(data)) is not None:
            self._transport.sendto(reply, addr)


async def _tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    (length,) = struct.unpack(">H", await reader.readexactly(2))
    reply = answer(await reader.readexactly(length), over_tcp=True)
    assert reply is not None
    writer.write(struct.pack(">H", len(reply)) + reply)
    writer.close()


@pytest_asyncio.fixture(scope="module")
async def server() -> AsyncIterator[str]:
    """A small server on one port, over UDP and TCP."""
    (port,) = free_ports(1)
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Udp, ("127.0.0.1", port))
    tcp = await asyncio.start_server(_tcp, "127.0.0.1", port)
    yield f"127.0.0.1:{port}"
    udp.close()
    tcp.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"resolve": "shop.test"},
        {"resolve": "shop.test.", "addresses": ["10.1.2.4", "10.1.2.3"]},
        {"resolve": "shop.test", "record": "AAAA", "addresses": ["fd00:0::0:1"]},
        {"resolve": "alias.test", "addresses": ["10.1.2.3"]},
    ],
)
async def test_a_server_gives_the_addresses(outcome_of: Probing, server: str, settings: dict[str, Any]) -> None:
    assert await outcome_of(kind="dns", server=server, **settings) == Outcome()


async def test_a_truncated_answer_is_asked_for_again_over_tcp(outcome_of: Probing, server: str) -> None:
    every = ADDRESSES[b"cut.test", A]
    assert await outcome_of(kind="dns", server=server, resolve="cut.test", addresses=every) == Outcome()


@pytest.mark.parametrize("expected", [["10.1.2.3"], ["10.1.2.3", "10.1.2.4", "10.1.2.5"]])
async def test_addresses_must_be_exactly_those_expected(outcome_of: Probing, server: str, expected: list[str]) -> None:
    outcome = await outcome_of(kind="dns", server=server, resolve="shop.test", addresses=expected)
    assert (outcome.reason, outcome.failed_checks) == ("check", (f"addresses are {', '.join(expected)}",))
    assert outcome.detail == f"addresses are 10.1.2.3, 10.1.2.4, expected {', '.join(expected)}"


@pytest.mark.parametrize(
    ("name", "reason", "detail"),
    [
        ("gone.test", "bad_answer", "the server answered NXDOMAIN"),
        ("broken.test", "bad_answer", "the server answered SERVFAIL"),
        ("empty.test", "bad_answer", "empty.test has no record A"),
        ("nonsense.test", "bad_answer", ""),
        ("silent.test", "timeout", "no answer within 0.2 s"),
    ],
)
async def test_without_addresses_there_is_a_reason(
    outcome_of: Probing, server: str, name: str, reason: str, detail: str
) -> None:
    timeout = "200ms" if reason == "timeout" else "10s"
    outcome = await outcome_of(kind="dns", server=server, resolve=name, addresses=["10.1.2.3"], timeout=timeout)
    assert (outcome.reason, outcome.failed_checks) == (reason, ("addresses are 10.1.2.3",))
    assert outcome.detail.startswith(detail)
    assert outcome.detail


async def test_a_closed_port_is_refused_at_once(outcome_of: Probing, closed_address: str) -> None:
    assert (await outcome_of(kind="dns", server=closed_address, resolve="shop.test")).reason == "refused"


async def test_the_system_resolver_knows_localhost(outcome_of: Probing) -> None:
    assert await outcome_of(kind="dns", resolve="localhost", addresses=["127.0.0.1"]) == Outcome()
    outcome = await outcome_of(kind="dns", resolve="localhost", addresses=["127.0.0.2"])
    assert (outcome.reason, outcome.detail) == ("check", "addresses are 127.0.0.1, expected 127.0.0.2")


async def test_the_system_resolver_does_not_know_an_invalid_name(outcome_of: Probing) -> None:
    outcome = await outcome_of(kind="dns", resolve="nowhere.invalid", addresses=["127.0.0.1"])
    # Without a network the resolver cannot be reached.
    assert outcome.reason in {"bad_answer", "unreachable"}
    assert outcome.failed_checks == ("addresses are 127.0.0.1",)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"resolve": ""}, "is not the name of a host"),
        ({"resolve": "a..b"}, "is not the name of a host"),
        ({"resolve": "a" * 64}, "is not the name of a host"),
        ({"resolve": "http://a"}, "is not the name of a host"),
        ({"resolve": "a", "server": "dns.example"}, "is not a server, expected an address such as 10.0.0.53"),
        ({"resolve": "a", "server": "10.0.0.53:99999"}, "is not a server"),
        ({"resolve": "a", "server": "[fd00::53"}, "is not a server"),
        ({"resolve": "a", "record": "MX"}, "record"),
        ({"resolve": "a", "addresses": ["10.0.0"]}, "does not appear to be an IPv4 or IPv6 address"),
        ({"resolve": "a", "addresses": ["fd00::1"]}, "addresses has fd00::1, which is not an address for a record A"),
        ({"resolve": "a", "addresses": []}, "addresses"),
    ],
)
def test_inconsistent_settings_are_refused(read: Callable[..., Any], settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(kind="dns", **settings)
    assert expected in str(refused.value)


@pytest.mark.parametrize("server", ["10.0.0.53", "10.0.0.53:5353", "fd00::53", "[fd00::53]", "[fd00::53]:53"])
def test_a_server_is_an_address_with_or_without_a_port(read: Callable[..., Any], server: str) -> None:
    assert read(kind="dns", resolve="a", server=server).server == server
