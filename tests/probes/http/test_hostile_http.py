"""Whatever an HTTP server does, a transaction has one outcome with a reason, and the next one succeeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from alertdrill.probes.outcome import Reason
from tests.probes.hostile_server import (
    BODY,
    GOOD,
    HEAD,
    Behaviour,
    HostileServer,
    answers,
    bytewise,
    closes_its_half,
    is_silent,
    reset,
    streams,
    then_closes,
    then_resets,
)
from tests.probes.meeting import meet, on_loop, probe

CHUNKED = b"HTTP/1.1 200 OK\r\nX-State: good\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
TOO_LONG = 17 * 1024 * 1024


@dataclass(frozen=True)
class Row:
    """What a server does, and the expected outcome.

    `reason` and a part of the detail are those of the lean client; `aiohttp` is the reason of aiohttp's client, if it
    differs. Afterwards the connection is `reused` for the next request, or another one is opened.
    """

    behave: Behaviour
    reason: Reason | None = None
    detail: str = ""
    reused: bool = False
    method: str = "GET"
    aiohttp: Reason | Literal["the same", "left out"] | None = "the same"

    @property
    def limit(self) -> str:
        """The time limit of a transaction: short only where it ends one."""
        return "2s" if self.reason == "timeout" else "30s"


ROWS = {
    "a good answer": Row(answers(GOOD), reused=True),
    "no answer": Row(is_silent, "timeout", "no answer within 2 s"),
    "half an answer and silence": Row(answers(HEAD + BODY[:5]), "timeout", "no answer within 2 s"),
    "closes at once": Row(then_closes(lambda _: None), "reset", "closed the connection before"),
    "resets at once": Row(reset, "reset"),
    "closes before the answer": Row(then_closes(answers()), "reset", "before an answer"),
    "resets before the answer": Row(then_resets(answers()), "reset", "before an answer"),
    "closes in the head": Row(then_closes(answers(HEAD[:20])), "reset", "in the middle of the answer"),
    "resets in the head": Row(then_resets(answers(HEAD[:20])), "reset", "in the middle of the answer"),
    "closes in the body": Row(then_closes(answers(HEAD + BODY[:5])), "reset", "in the middle of the answer"),
    "resets in the body": Row(then_resets(answers(HEAD + BODY[:5])), "reset", "in the middle of the answer"),
    "closes its half before the answer": Row(closes_its_half, "reset", "before an answer"),
    "garbage": Row(answers(b"\x00\xff\x16garbage\r\n\r\n"), "bad_answer", "not HTTP/1.1"),
    "another protocol": Row(answers(b"220 mail.here ESMTP ready\r\n"), "bad_answer", "not HTTP/1.1"),
    "a status of four digits": Row(answers(b"HTTP/1.1 2000 OK\r\n\r\n"), "bad_answer", "not HTTP/1.1"),
    "one byte at a time": Row(answers(*bytewise(GOOD)), reused=True),
    "one byte at a time, slowly": Row(answers(*bytewise(GOOD), every_seconds=0.002), reused=True),
    "one byte at a time, too slowly": Row(answers(*bytewise(GOOD), every_seconds=0.1), "timeout", "no answer"),
    "a head of a megabyte": Row(
        answers(b"HTTP/1.1 200 OK\r\n" + b"X-Long: %b\r\n" % (b"x" * 1000) * 1000 + GOOD[17:]),
        "bad_answer",
        "head is longer than 64 KiB",
    ),
    "one header of a megabyte": Row(
        answers(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n" + GOOD[17:]),
        "bad_answer",
        "head is longer than 64 KiB",
    ),
    "a head that never ends": Row(streams(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 500), "bad_answer", "head is longer"),
    "100 Continue before the answer": Row(answers(b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD), reused=True),
    "several interim answers": Row(
        answers(
            b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: a\r\n\r\n",
            b"HTTP/1.1 102 P\r\n\r\n",
            GOOD[:9],
            GOOD[9:],
        ),
        reused=True,
    ),
    "interim answers without end": Row(
        # aiohttp reads them without end, beyond its own time limit.
        streams(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        "bad_answer",
        "head is longer",
        aiohttp="left out",
    ),
    "an interim answer and a close": Row(
        then_closes(answers(b"HTTP/1.1 100 Continue\r\n\r\n")), "reset", "in the middle of the answer"
    ),
    "a body longer than promised": Row(answers(GOOD + b"more"), "bad_answer", "more than its one answer"),
    "a body shorter than promised": Row(then_closes(answers(GOOD[:-1])), "reset", "in the middle of the answer"),
    "two answers": Row(answers(GOOD + GOOD), "bad_answer", "more than its one answer", aiohttp=None),
    "chunks": Row(answers(CHUNKED + CHUNK + CHUNK + b"0\r\n\r\n"), reused=True),
    "chunks with an extension": Row(
        answers(CHUNKED + CHUNK.replace(b"\r\n", b";a=b\r\n", 1) + b"0\r\n\r\n"), reused=True
    ),
    "chunks with trailers": Row(answers(CHUNKED + CHUNK + b"0\r\nX-State: bad\r\nB: c\r\n\r\n"), reused=True),
    "a chunk of a wrong size": Row(answers(CHUNKED + b"3\r\n" + BODY + b"\r\n0\r\n\r\n"), "bad_answer", "not HTTP/1.1"),
    "a chunk of no size": Row(answers(CHUNKED + b"zz\r\n" + BODY + b"\r\n0\r\n\r\n"), "bad_answer", "not HTTP/1.1"),
    "a chunk of a size beyond all": Row(answers(CHUNKED + b"f" * 40 + b"\r\nx"), "bad_answer", "not HTTP/1.1"),
    "chunks without an end, then a close": Row(then_closes(answers(CHUNKED + CHUNK)), "reset", "in the middle"),
    "a length and chunks": Row(
        answers(CHUNKED.replace(b"X-State", b"Content-Length: 5\r\nX-State") + CHUNK + b"0\r\n\r\n"),
        "bad_answer",
        "not HTTP/1.1",
    ),
    "two lengths": Row(answers(HEAD.replace(b"X-", b"Content-Length: 5\r\nX-") + BODY), "bad_answer", "not HTTP/1.1"),
    "a negative length": Row(answers(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "bad_answer", "not HTTP/1.1"),
    "no length, ended by a close": Row(then_closes(answers(b"HTTP/1.1 200 OK\r\nX-State: good\r\n\r\n", BODY))),
    "no length, ended by a reset": Row(
        then_resets(answers(b"HTTP/1.1 200 OK\r\nX-State: good\r\n\r\n", BODY)),
        "reset",
        "in the middle of the answer",
        aiohttp=None,
    ),
    "no length, and a body that looks like a head": Row(
        then_closes(answers(b"HTTP/1.1 200 OK\r\nX-State: good\r\n\r\n" + BODY + b"\r\nContent-Length: 9\r\n"))
    ),
    "no length after an interim answer with one": Row(
        then_closes(
            answers(b"HTTP/1.1 103 E\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX-State: good\r\n\r\n" + BODY)
        )
    ),
    "a coding that is not chunked, ended by a close": Row(
        then_closes(answers(b"HTTP/1.1 200 OK\r\nX-State: good\r\nTransfer-Encoding: identity\r\n\r\n" + BODY))
    ),
    "Connection: close, and it closes": Row(then_closes(answers(HEAD[:-2] + b"Connection: close\r\n\r\n" + BODY))),
    "Connection: close, and it does not": Row(answers(HEAD[:-2] + b"Connection: close\r\n\r\n" + BODY)),
    "HTTP/1.0": Row(answers(GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"))),
    "HTTP/1.0 that is kept alive": Row(
        answers(HEAD.replace(b"HTTP/1.1", b"HTTP/1.0")[:-2] + b"Connection: keep-alive\r\n\r\n" + BODY), reused=True
    ),
    "a version that is none": Row(answers(GOOD.replace(b"HTTP/1.1", b"HTTP/7.3")), "bad_answer", "not HTTP/1.1"),
    "an answer to HEAD": Row(answers(HEAD), method="HEAD"),
    # aiohttp reuses the connection, and reads the body as the beginning of the next answer.
    "an answer to HEAD with a body": Row(answers(GOOD), method="HEAD", aiohttp="left out"),
    "an answer to HEAD in chunks": Row(answers(CHUNKED), method="HEAD"),
    "204": Row(answers(b"HTTP/1.1 204 No Content\r\nX-State: good\r\n\r\n"), reused=True),
    "204 with a body": Row(
        answers(b"HTTP/1.1 204 No Content\r\nX-State: good\r\n\r\n" + BODY), "bad_answer", "more than its one answer"
    ),
    "304 with a length and no body": Row(
        answers(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nX-State: good\r\n\r\n"), "check", "304", reused=True
    ),
    "a switch of protocols": Row(
        answers(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05"),
        "bad_answer",
        "switched to another protocol",
        aiohttp="check",
    ),
    "an offer to switch protocols": Row(
        answers(HEAD[:-2] + b"Connection: upgrade, keep-alive\r\nUpgrade: h2c\r\n\r\n" + BODY), reused=True
    ),
    "a redirect": Row(
        answers(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nX-State: good\r\n\r\n"),
        "check",
        "status 302",
        reused=True,
        aiohttp=None,
    ),
    "a header in latin-1": Row(answers(HEAD[:-2] + b"X-Name: caf\xe9\r\n\r\n" + BODY), reused=True),
    "500": Row(answers(GOOD.replace(b"200 OK", b"500 Oh")), "check", "status 500", reused=True),
}


@pytest.mark.parametrize(("loop", "reads"), [("uvloop", False), ("uvloop", True), ("asyncio", True)])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_lean_client_gives_the_reason_and_continues(row: Row, loop: str, *, reads: bool) -> None:
    async def main() -> None:
        with HostileServer(row.behave) as server:
            outcome = await meet(server, probe(server.port, method=row.method, reads=reads, timeout=row.limit))
            assert outcome.reason == row.reason, outcome
            assert row.detail in outcome.detail
            # After an answer to HEAD the lean client closes the connection, so each request opens one.
            assert server.accepted == (3 if row.method == "HEAD" else 1 if row.reused else 2)

    on_loop(loop, main)


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items() if row.aiohttp != "left out"])
def test_the_aiohttp_client_gives_the_same_reasons(row: Row) -> None:
    """For a request that is not idempotent, because others are sent again."""

    async def main() -> None:
        with HostileServer(row.behave) as server:
            method = row.method.replace("GET", "PATCH")
            settings = probe(server.port, method=method, reads=True, client="aiohttp", timeout=row.limit)
            outcome = await meet(server, settings)
            assert outcome.reason == (row.reason if row.aiohttp == "the same" else row.aiohttp), outcome

    on_loop("uvloop", main)
