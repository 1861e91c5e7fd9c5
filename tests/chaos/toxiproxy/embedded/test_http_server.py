"""How one connection of the API is read and written, in memory and in virtual time."""

from __future__ import annotations

import asyncio
import re

import pytest

from alertdrill.chaos.toxiproxy.embedded.http_server import Answer, Response, ToxiproxyRequest, serve_connection
from tests.support.virtual_time import in_virtual_time, loop_time

HEAD = b"POST /a HTTP/1.1\r\nHost: a\r\n"
LONG_SECONDS = 1000.0
OTHER = b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n"


class Client(asyncio.Transport):
    """A client, and the transport to it: what the server wrote, and when it closed."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = asyncio.StreamReader()
        self.protocol = asyncio.StreamReaderProtocol(self.reader)
        self.received = b""
        self.has_end = False
        self.closed_at: float | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.received += data

    def write_eof(self) -> None:
        self.has_end = True

    def is_closing(self) -> bool:
        return self.closed_at is not None

    def close(self) -> None:
        self.closed_at = loop_time()

    @property
    def statuses(self) -> list[str]:
        return re.findall(r"HTTP/1\.1 (.*)\r\n", self.received.decode())


async def _echo(request: ToxiproxyRequest) -> Response:
    return Response(200, f"{request.origin} {request.path} {request.query} ".encode() + await request.read_body())


async def _ignore(_: ToxiproxyRequest) -> Response:
    return Response(404)


def _serve(
    *pieces: bytes | float,
    ends: bool = True,
    answer: Answer = _echo,
    is_reading: bool = True,
) -> Client:
    """Send pieces, with pauses in seconds; returns the client when the connection has ended."""

    async def serve() -> Client:
        client = Client()
        if not is_reading:
            client.protocol.pause_writing()
        writer = asyncio.StreamWriter(client, client.protocol, client.reader, asyncio.get_running_loop())
        serving = asyncio.create_task(serve_connection(client.reader, writer, answer))
        for piece in pieces:
            if isinstance(piece, bytes):
                client.reader.feed_data(piece)
            await asyncio.sleep(0 if isinstance(piece, bytes) else piece)
        if ends:
            client.reader.feed_eof()
        async with asyncio.timeout(LONG_SECONDS):
            await serving
        return client

    return in_virtual_time(serve)


@pytest.mark.parametrize(
    ("sent", "statuses"), [((), []), ((OTHER,), ["200 OK"]), ((OTHER, 30.0, OTHER), ["200 OK"] * 2)]
)
def test_a_silent_client_is_left_after_a_minute(sent: tuple[bytes | float, ...], statuses: list[str]) -> None:
    client = _serve(*sent, ends=False)
    assert client.statuses == statuses
    assert client.closed_at == 60 + sum(piece for piece in sent if isinstance(piece, float))


def test_a_head_must_be_there_15_seconds_after_its_beginning() -> None:
    client = _serve(50.0, b"GET /a HTTP/1.1\r\n", 14.0, b"Host: a\r\n", ends=False)
    assert client.received == b""
    assert client.closed_at == 65


@pytest.mark.parametrize("answer", [_echo, _ignore])
def test_a_body_must_be_there_15_seconds_after_the_beginning_of_the_head(
    answer: Answer,
) -> None:
    client = _serve(HEAD, 10.0, b"Content-Length: 9\r\n\r\n1234", ends=False, answer=answer)
    assert client.statuses == ["200 OK" if answer is _echo else "404 Not Found"]
    assert client.received.endswith(b"\r\nConnection: close\r\n\r\n" + (b" /a  1234" if answer is _echo else b""))
    assert client.closed_at == 15.5


def test_of_a_body_that_breaks_off_the_beginning_is_used_and_the_connection_ends() -> None:
    for broken in (b"Content-Length: 9\r\n\r\n1234", b"Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\nx"):
        client = _serve(HEAD + broken)
        assert client.received.endswith(b"\r\nConnection: close\r\n\r\n /a  1234"), broken


def test_a_client_that_does_not_read_is_left_after_30_seconds() -> None:
    assert _serve(OTHER, ends=False, is_reading=False).closed_at == 30


@pytest.mark.parametrize("ends", [True, False])
def test_what_a_refused_client_still_sends_is_read_for_half_a_second(ends: bool) -> None:  # noqa: FBT001 - a case
    client = _serve(b"GET\r\n\r\n", b"more" * 100_000, 0.25, ends=ends)
    assert client.statuses == ["400 Bad Request"]
    assert client.has_end
    assert client.closed_at == (0.25 if ends else 0.5)
    assert not client.reader._buffer  # type: ignore[attr-defined]  # noqa: SLF001 - what is left unread would reset the connection


def test_a_head_that_breaks_off_is_refused() -> None:
    assert _serve(b"GET /a HTTP/1.1\r\nHo").statuses == ["400 Bad Request"]


@pytest.mark.parametrize(
    ("length", "status"), [(1_048_000, "200 OK"), (1_060_000, "431 Request Header Fields Too Large")]
)
def test_a_head_may_have_a_mebibyte(length: int, status: str) -> None:
    sent = b"GET /a HTTP/1.1\r\nHost: a\r\nX: " + b"x" * length + b"\r\n\r\n"
    assert _serve(sent).statuses == [status]


def test_a_request_may_arrive_in_pieces_and_several_at_once() -> None:
    sent = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3;x\r\ntwo\r\n0\r\n\r\n" + OTHER
    for pieces in ([sent], [sent[number : number + 1] for number in range(len(sent))]):
        client = _serve(*pieces, ends=False)
        assert client.statuses == ["200 OK"] * 2
        assert b"\r\n\r\n /a  onetwoHTTP/1.1" in client.received
        assert client.received.endswith(b" /b  ")


def test_only_a_path_is_quoted_that_curl_sent_as_it_was_typed() -> None:
    sent = "POST /bücher?ü HTTP/1.1\r\nHost: a\r\nX: ü\r\nContent-Length: 2\r\n\r\nü".encode()
    for pieces in ([sent], [sent[number : number + 1] for number in range(len(sent))]):
        assert _serve(*pieces).received.endswith(" /b%C3%BCcher ?%C3%BC ü".encode())


def test_lines_may_end_with_lf_alone() -> None:
    sent = b"POST /a HTTP/1.1\nHost: a\nX: y\n z\nContent-Length: 4\n\n1\r\n2" + OTHER.replace(b"\r\n", b"\n")
    client = _serve(sent)
    assert client.statuses == ["200 OK"] * 2
    assert b" /a  1\r\n2HTTP" in client.received


def test_a_body_that_waits_for_a_word_is_asked_for_only_if_it_is_wanted() -> None:
    sent = HEAD + b"Expect: 100-Continue\r\nContent-Length: 4\r\n\r\n"
    assert _serve(sent, b"1234").statuses == ["100 Continue", "200 OK"]
    refused = _serve(sent, ends=False, answer=_ignore)
    assert refused.statuses == ["404 Not Found"]
    assert b"\r\nConnection: close\r\n" in refused.received
    assert refused.closed_at == 0.5


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("http://h:1/a//b?c=d?e", "http://h:1 /a//b ?c=d?e"),
        ("HTTP://h?c", "HTTP://h  ?c"),
        ("//h/a", " //h/a "),
        ("/a://b", " /a://b "),
        ("/?%", " / ?%"),
        ("/%2f#x", " /%2f#x "),
        ("*", " * "),
    ],
)
def test_a_target_may_be_a_path_or_an_absolute_address(target: str, parts: str) -> None:
    assert _serve(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).received.endswith(f"\r\n\r\n{parts} ".encode())


@pytest.mark.parametrize("target", ["a", "?a", "*a", "mailto:a", "/%", "/%4", "http://h/%g0"])
def test_other_targets_are_refused(target: str) -> None:
    assert _serve(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).statuses == ["400 Bad Request"]


def test_a_request_that_fails_ends_its_connection_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: ToxiproxyRequest) -> Response:
        raise ValueError("of a bug")

    assert _serve(OTHER, ends=False, answer=fail).closed_at == 0
    assert "of a bug" in caplog.text
