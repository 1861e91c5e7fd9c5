"""Transactions of one request and of several, and their outcomes."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import socket
from typing import Any

import pytest
from pydantic import ValidationError

from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import startable
from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.outcome import Outcome
from tests.probes.hostile_server import Behaviour, HostileServer, answers, is_silent, read_request, then_closes
from tests.probes.meeting import on_loop, probe, transact

CLIENTS = ["lean", "aiohttp"]


def counting() -> Behaviour:
    """Answer each request with the next number, one for `/given/N` with N, and one for `/given/N?M` only if they agree."""
    numbers = itertools.count()

    def behave(connection: socket.socket) -> None:
        while request := read_request(connection):
            asked = re.match(rb"GET /given/(\d+)(?:\?(\d+))?", request)
            status = 200 if asked is None or asked[2] in {None, asked[1]} else 409
            body = json.dumps({"id": int(asked[1]) if asked else next(numbers), "half": "\ud83d"}).encode()
            connection.sendall(b"HTTP/1.1 %d So\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

    return behave


def sequence(port: int, client: str, **settings: Any) -> HttpProbe:
    """Get a number, ask for it twice, and check that it is the same each time."""
    url = f"http://127.0.0.1:{port}"
    again = {"url": url + "/given/{{ id }}", "carry": {"again": "$.id"}, "name": "second"}
    same = {"url": url + "/given/{{ again }}?{{ id }}", "name": "third", "checks": [{"status": "2xx"}]}
    return HttpProbe.model_validate(
        {"url": url + "/new", "carry": {"id": "$.id"}, "then": [again, same], "client": client, "timeout": "30s"}
        | settings
    )


@pytest.mark.parametrize("client", CLIENTS)
def test_transactions_do_not_share_carried_values(client: str) -> None:
    """Many transactions at once, without values from `data`."""

    async def main() -> None:
        with HostileServer(*[counting()] * 100) as server:
            async with open_client(sequence(server.port, client)) as opened, startable(opened) as ours:
                outcomes = await transact(ours, 20)
            assert {outcome.reason for outcome in outcomes} == {None}
            assert all([request.name for request in one.requests] == ["/new", "second", "third"] for one in outcomes)

    on_loop("uvloop", main)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_carried_value_that_cannot_be_sent_is_a_bad_answer(client: str) -> None:
    """A lone surrogate, which JSON can hold and UTF-8 cannot; and a path without a value.

    The request that could not be made counts as failed, and so do its checks.
    """

    async def main() -> None:
        for path, failed in (("$.half", ["second"]), ("$.missing", [])):
            with HostileServer(counting()) as server:
                settings = sequence(server.port, client, carry={"id": path})
                async with open_client(settings) as opened, startable(opened) as ours:
                    (outcome,) = await transact(ours)
                assert outcome.reason == "bad_answer", outcome
                assert outcome.detail
                assert [request.name for request in outcome.requests if request.failed] == failed

    on_loop("uvloop", main)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_sequence_ends_with_its_first_failure(client: str) -> None:
    async def main() -> None:
        with HostileServer(then_closes(answers())) as server:
            settings = sequence(server.port, client, method="POST")
            async with open_client(settings) as opened, startable(opened) as ours:
                (outcome,) = await transact(ours)
            assert outcome.reason == "reset"
            assert [(request.name, request.failed) for request in outcome.requests] == [("/new", True)]

    on_loop("uvloop", main)


def test_closing_gives_no_outcomes_and_leaves_nothing_open() -> None:
    """A stopped load counts running transactions as in flight, so no outcome may come afterwards."""

    async def main() -> None:
        with HostileServer(*[is_silent] * 50) as server:
            outcomes: list[Outcome] = []
            settings = probe(server.port, timeout="30s", max_connections=30)
            async with open_client(settings) as opened, startable(opened) as ours:
                for _ in range(20):
                    ours.start(outcomes.append)
                await asyncio.sleep(0.05)  # some are connected
                for _ in range(20):
                    ours.start(outcomes.append)  # some connect, and some wait for a connection
            await asyncio.sleep(0.05)
            assert outcomes == []

    on_loop("uvloop", main)


def test_two_requests_with_the_same_name_are_refused() -> None:
    """Without names, a POST and a GET of one path would be counted under the same name."""
    url = "http://here/orders"
    with pytest.raises(ValidationError, match="2 requests are named '/orders', expected a `name` of its own for each"):
        HttpProbe.model_validate({"url": url, "method": "POST", "then": [{"url": url}]})
    read = HttpProbe.model_validate({"url": url, "method": "POST", "then": [{"url": url, "name": "list"}]})
    assert [request.name for request in read.counted] == ["/orders", "list"]


@pytest.mark.parametrize("port", ["99999", "0", "shop"])
def test_a_wrong_port_is_refused(port: str) -> None:
    with pytest.raises(ValidationError, match="has a wrong port"):
        HttpProbe.model_validate({"url": f"http://here:{port}/"})


@pytest.mark.parametrize("client", CLIENTS)
def test_a_host_header_of_the_file_is_sent(client: str) -> None:
    async def main() -> None:
        with HostileServer() as server:
            for headers in ({}, {"Host": "shop.example"}):
                settings = probe(server.port, client=client, headers=headers)
                async with open_client(settings) as opened, startable(opened) as ours:
                    assert await transact(ours) == [Outcome()]
            hosts = [re.findall(rb"(?i)\r\nhost: (\S+)", request) for request in server.requests]
            assert hosts == [[b"127.0.0.1:%d" % server.port], [b"shop.example"]]

    on_loop("uvloop", main)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_user_and_password_in_the_url_are_sent_decoded(client: str) -> None:
    """Special characters are percent-encoded in the URL; a bearer token of the file is sent instead."""

    async def main() -> None:
        with HostileServer() as server:
            url = f"http://me%40here:p%3Aw%25%C3%A9@127.0.0.1:{server.port}/"
            for token in ({}, {"bearer_token": "mine"}):
                settings = probe(server.port, client=client, url=url, **token)
                async with open_client(settings) as opened, startable(opened) as ours:
                    assert await transact(ours) == [Outcome()]
            sent = [re.findall(rb"(?i)\r\nauthorization: ([^\r]+)", request) for request in server.requests]
            assert sent == [[b"Basic " + base64.b64encode("me@here:p:w%é".encode())], [b"Bearer mine"]]

    on_loop("uvloop", main)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_keys_of_successful_transactions_are_returned_once(client: str) -> None:
    keys: list[str] = []

    def behave(connection: socket.socket) -> None:
        while request := read_request(connection):
            keys.extend(key.decode() for key in re.findall(rb"Idempotency-Key: (\S+)", request))
            connection.sendall(b"HTTP/1.1 %d So\r\nContent-Length: 0\r\n\r\n" % (500 if len(keys) == 2 else 201))

    async def main() -> None:
        with HostileServer(behave) as server:
            settings = probe(server.port, client=client, idempotency_key=True, timeout="30s")
            async with open_client(settings) as opened, startable(opened) as ours:
                outcomes = [outcome for _ in range(3) for outcome in await transact(ours)]
                assert [outcome.reason for outcome in outcomes] == [None, "check", None]
                assert ours.take_acknowledged() == [keys[0], keys[2]]
                assert ours.take_acknowledged() == []

    on_loop("uvloop", main)


@pytest.mark.parametrize("client", CLIENTS)
def test_each_third_transaction_has_a_trace_and_a_failure_names_it(client: str) -> None:
    requests: list[bytes] = []

    def answer(status: int) -> Behaviour:
        def behave(connection: socket.socket) -> None:
            while request := read_request(connection):
                requests.append(request)
                connection.sendall(b'HTTP/1.1 %d So\r\nContent-Length: 9\r\n\r\n{"id": 1}' % status)

        return behave

    def sent() -> list[list[tuple[bytes, bytes]]]:
        # https://www.w3.org/TR/trace-context/#traceparent-header
        form = rb"(?i)\r\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-01\r\n"
        found = [re.findall(form, request) for request in requests]
        requests.clear()
        return found

    async def main() -> None:
        with HostileServer(answer(500)) as server:
            settings = probe(server.port, client=client, trace_every=3, timeout="30s")
            async with open_client(settings) as opened, startable(opened) as ours:
                outcomes = [outcome for _ in range(6) for outcome in await transact(ours)]
        traces = ["".join(trace.decode() for trace, _ in found) for found in sent()]
        assert list(map(bool, traces)) == [False, False, True] * 2
        assert [one.trace_id for one in outcomes] == traces
        assert traces[2] != traces[5]
        with HostileServer(answer(200)) as server:
            async with open_client(sequence(server.port, client, trace_every=1)) as opened, startable(opened) as ours:
                assert [one.trace_id for one in await transact(ours)] == [""]
        ((first,), (second,), (third,)) = sent()
        assert first[0] == second[0] == third[0]
        assert len({first[1], second[1], third[1]}) == 3

    on_loop("uvloop", main)


def test_two_sources_of_the_trace_header_are_refused() -> None:
    with pytest.raises(ValidationError, match="has both trace_every and a header traceparent"):
        HttpProbe.model_validate({"url": "http://a/", "headers": {"Traceparent": "00-1-2-01"}, "trace_every": 10})
