"""An answer in any pieces and with any wrong bytes has one outcome, and does not affect the next answer.

The test calls the connection's methods as an event loop would: a kernel might join the pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertdrill.probes.checks.answer import LONGEST_BODY_BYTES
from alertdrill.probes.http.connection import Connection, Exchange, ReadingConnection
from alertdrill.probes.outcome import Reason

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
LONGEST_HEAD_BYTES = 64 * 1024
BODY = b'{"state": "good", "of": [1, 2, 3]}'
VALID = {
    "a length": b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "no body": b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n"
    + BODY[:5]
    + b"\r\n%x\r\n" % (len(BODY) - 5)
    + BODY[5:]
    + b"\r\n0\r\nX-A: trailer\r\nX-B: c\r\n\r\n",
    "interim answers": b"HTTP/1.1 103 Early\r\nX-A: no\r\nContent-Length: 7\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "two headers of a name": b"HTTP/1.1 201 Created\r\nX-A: b\r\nx-a:\tc \r\nContent-Length: 0\r\n\r\n",
    "a last answer": b"HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "an answer that ends with its connection": b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n" + BODY,
    "a head that only just fits": b"HTTP/1.1 200 OK\r\nX-A: "
    + b"b" * (LONGEST_HEAD_BYTES - 45)
    + b"\r\nContent-Length: 2\r\n\r\nok",
    "a head that does not fit": b"HTTP/1.1 200 OK\r\nX-A: "
    + b"b" * (LONGEST_HEAD_BYTES - 44)
    + b"\r\nContent-Length: 2\r\n\r\nok",
}
Ended = tuple[Reason | None, int, dict[bytes, bytes], bytes]


class Wire:
    """A transport without a socket, which remembers the calls."""

    def __init__(self) -> None:
        self.written = b""
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        assert not self.is_aborted, "a request on a connection that was closed"
        self.written += data

    def abort(self) -> None:
        self.is_aborted = True


class Meeting:
    """One connection, the ends of its exchanges, and whether it is reusable."""

    def __init__(self, make: type[Connection], *, is_head: bool = False) -> None:
        self.connection, self.wire = make(self), Wire()
        self.connection.connection_made(self.wire)  # type: ignore[arg-type]
        self.ends: list[Ended] = []
        self.is_kept = False
        self.is_head = is_head

    def ask(self) -> None:
        """Begin an exchange."""
        exchange = Exchange(REQUEST, is_head=self.is_head, began=0.0, deadline=0.0, ended=self._ended)
        self.connection.begin(exchange)

    def finish(self, exchange: Exchange, reason: Reason | None, reusable: Connection | None) -> None:
        """Take the connection back as a pool does."""
        self.is_kept = reusable is not None
        exchange.ended(exchange, reason)

    def _ended(self, exchange: Exchange, reason: Reason | None) -> None:
        assert bool(reason) == bool(exchange.detail)
        self.ends.append((reason, exchange.status, exchange.headers, exchange.body))

    def receive(self, pieces: Iterable[bytes]) -> None:
        """Receive data as from an event loop: nothing after the connection was aborted."""
        for piece in pieces:
            if piece and not self.wire.is_aborted:
                self.connection.data_received(piece)

    def close(self, error: Exception | None = None) -> None:
        """The server closes, or the connection breaks."""
        if error is None and not self.wire.is_aborted:
            self.connection.eof_received()
        self.connection.connection_lost(error)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def outcome(pieces: Iterable[bytes], make: type[Connection] = ReadingConnection) -> list[Ended]:
    meeting = Meeting(make)
    meeting.ask()
    meeting.receive(pieces)
    meeting.close()
    return meeting.ends


PLACES = st.lists(st.integers(min_value=0, max_value=200_000), max_size=12)
NAMES = st.sampled_from(sorted(VALID))


@pytest.mark.parametrize("make", [Connection, ReadingConnection])
@settings(deadline=None)
@given(name=NAMES, places=PLACES)
def test_the_pieces_of_an_answer_do_not_matter(make: type[Connection], name: str, places: list[int]) -> None:
    whole = outcome([VALID[name]], make)
    assert len(whole) == 1
    assert whole[0][0] == ("bad_answer" if name == "a head that does not fit" else None)
    assert outcome(cut(VALID[name], places), make) == whole


@pytest.mark.parametrize("name", [name for name, answer in VALID.items() if len(answer) < 1000])
def test_an_answer_may_come_byte_by_byte(name: str) -> None:
    answer = VALID[name]
    assert outcome(answer[index : index + 1] for index in range(len(answer))) == outcome([answer])


def test_headers_and_body_are_only_those_of_the_answer() -> None:
    body_of = {
        "no body": b"",
        "two headers of a name": b"",
        "a last answer": b"ok",
        "a head that only just fits": b"ok",
    }
    for name in VALID.keys() - {"a head that does not fit", "a head that only just fits"}:
        ((reason, _, headers, body),) = outcome([VALID[name]])
        assert (reason, body) == (None, body_of.get(name, BODY)), name
        assert headers[b"x-a"] == (b"b, c" if name == "two headers of a name" else b"b"), name


@settings(deadline=None)
@given(answers=st.lists(st.tuples(NAMES, PLACES), min_size=1, max_size=6))
def test_answers_on_a_kept_connection_are_independent(answers: list[tuple[str, list[int]]]) -> None:
    meeting, expected = Meeting(ReadingConnection), []
    for name, places in answers:
        if meeting.wire.is_aborted or meeting.connection.exchange is not None:
            break
        meeting.ask()
        meeting.receive(cut(VALID[name], places))
        expected += outcome([VALID[name]])
    meeting.close()
    assert meeting.ends == expected


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw an answer with bytes changed, inserted, removed, doubled, or cut off at the end."""
    data = bytearray(VALID[draw(NAMES.filter(lambda name: "fit" not in name))])
    for _ in range(draw(st.integers(min_value=1, max_value=4))):
        at = draw(st.integers(min_value=0, max_value=len(data)))
        length = draw(st.integers(min_value=0, max_value=9))
        new = draw(
            st.binary(max_size=6) | st.sampled_from([b"\r\n", b"0\r\n\r\n", b"HTTP/1.1 ", b": ", b"100 ", b"-1"])
        )
        data[at : at + length] = draw(st.sampled_from([new, bytes(data[at : at + length]) * 2, b""]))
    return bytes(data[: draw(st.integers(min_value=0, max_value=len(data)) | st.just(len(data)))])


@settings(deadline=None)
@given(
    data=mutated() | st.binary(max_size=60),
    places=PLACES,
    is_head=st.booleans(),
    error=st.sampled_from([None, ConnectionResetError("reset")]),
    make=st.sampled_from([Connection, ReadingConnection]),
)
def test_wrong_bytes_have_exactly_one_outcome(
    *, data: bytes, places: list[int], is_head: bool, error: Exception | None, make: type[Connection]
) -> None:
    meeting = Meeting(make, is_head=is_head)
    meeting.ask()
    meeting.receive(cut(data, places))
    meeting.close(error)
    assert len(meeting.ends) == 1
    assert meeting.ends[0][0] in {None, "bad_answer", "reset"}
    assert meeting.connection.exchange is None


@settings(deadline=None)
@given(data=mutated(), next_data=mutated(), places=PLACES)
def test_after_wrong_bytes_a_connection_is_idle_or_closed(data: bytes, next_data: bytes, places: list[int]) -> None:
    meeting = Meeting(ReadingConnection)
    meeting.ask()
    meeting.receive(cut(data, places))
    if not meeting.ends:
        return
    assert meeting.connection.exchange is None
    assert meeting.connection.is_closed or (meeting.is_kept and meeting.ends[0][0] is None)
    meeting.receive([next_data])  # without a request
    assert not next_data or meeting.connection.is_closed
    assert len(meeting.ends) == 1


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_body_is_read_up_to_the_longest_allowed(beyond: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * LONGEST_BODY_BYTES * beyond or LONGEST_BODY_BYTES)
    meeting = Meeting(ReadingConnection)
    meeting.ask()
    meeting.receive([head, b"x" * (LONGEST_BODY_BYTES - 1), b"x"])
    assert len(meeting.ends) == 1 - beyond
    meeting.receive([b"x"])
    ((reason, status, _, body),) = meeting.ends
    assert (reason, status, len(body)) == (("bad_answer", 200, 0) if beyond else (None, 200, LONGEST_BODY_BYTES))
