"""Targets that speak HTTP: calls of the agent's webhook, and answers of Prometheus, Alertmanager and a probed service."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import random
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic_core import PydanticSerializationError

from alertdrill.agent.config.drill import Drill, DrillLoad, Expectation
from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.drilling.evidence import Evidence
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.held import SilenceMatcher
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.records import NotificationRecord, Record
from alertdrill.agent.serving.door import CallsPerSecond, Door
from alertdrill.agent.serving.server import serving
from alertdrill.agent.serving.webhook import Inbox
from alertdrill.lab.ports import free_ports
from alertdrill.probes.any_probe import open_client
from alertdrill.probes.client import startable
from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.outcome import Outcome
from tools.fuzz import samples
from tools.fuzz.loops import LoopTarget, Sayer, http_answer
from tools.fuzz.mutation import changed_bytes, changed_json, changed_values
from tools.fuzz.target import crooked

_JSON = "Content-Type: application/json"
_TOKEN = "Bearer of-a-test"  # noqa: S105 - of a test
_NO_LIMIT = 1e12
_PACKERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
_MATCHER = SilenceMatcher("alertname", "Down", is_regex=False)


class WebhookCalls(LoopTarget):
    """Calls of the agent's webhook, on its real server: what is taken can be recorded, what is refused is not taken."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._taken_records: list[NotificationRecord] = []
        self._port = free_ports(1)[0]
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Serve the webhook as the agent does, without its limit of calls a second."""
        door = Door(credentials=(_TOKEN,), calls=CallsPerSecond(_NO_LIMIT, _NO_LIMIT))
        inbox = Inbox(self._taken_records.extend, wall=lambda: 1767323045.25)
        async with serving([inbox.route(door)], f"127.0.0.1:{self._port}"):
            yield
            self._hang_up()

    def make(self, draw: random.Random) -> bytes:
        """Change the body of a call, or sometimes its head."""
        body = changed_json(draw, draw.choice(samples.CALLS))
        head = b"POST /api/v1/webhook/team-lead HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        call = head + b"Authorization: %s\r\nContent-Length: %d\r\n\r\n" % (_TOKEN.encode(), len(body)) + body
        if draw.random() < 0.9:
            return b"whole\n" + call
        at = call.index(b"\r\n\r\n")
        rest = changed_bytes(draw, call[at:]) if draw.random() < 0.3 else call[at:]
        return b"changed\n" + changed_bytes(draw, call[:at]) + rest

    async def take(self, draw: random.Random, content: bytes) -> str:  # noqa: ARG002 - of all targets
        """Call the webhook, and look at the answer."""
        told, _, call = content.partition(b"\n")
        is_whole = told == b"whole"
        if not is_whole:
            self._hang_up()
        self._taken_records.clear()
        status = await self._status(call, is_whole=is_whole)
        if not is_whole:
            self._hang_up()
        if status >= 500 or (is_whole and not status):
            return f"answered {status or 'nothing'}"
        # Without an answer, the caller is gone before it came.
        if status not in {0, 200} and self._taken_records:
            return f"answered {status}, and took the call"
        return next((problem for one in self._taken_records if (problem := _unwritable(one))), "")

    async def _status(self, call: bytes, *, is_whole: bool) -> int:
        """Return the status of the answer; 0 if the connection was closed without one."""
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._connection
        try:
            writer.write(call)
            if not is_whole:
                # Otherwise the server waits for the rest of a body.
                writer.write_eof()
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or b"0"))
        except (asyncio.IncompleteReadError, OSError):
            self._hang_up()
            return 0
        if b"connection: close" in head.lower():
            self._hang_up()
        return int(head.split(b" ", 2)[1])

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection[1].close()
        self._connection = None


def _unwritable(record: Record, *, repairs: bool = False) -> str:
    """Return why a record would not be the same again in a recording; empty if it would.

    Halves of characters are replaced when a recording is written, so they are not a reason if `repairs`.
    """
    try:
        again = type(record).model_validate_json(record.model_dump_json())
    except PydanticSerializationError as error:
        return "" if repairs else f"was taken, and cannot be written: {error}"
    except ValueError as error:
        return f"was taken, and cannot be recorded: {error}"
    # As text, because NaN is not equal to itself.
    return "" if again.model_dump_json() == record.model_dump_json() else "was taken, and would be recorded differently"


class _Answers(LoopTarget):
    """Answers of one of the monitoring servers to each question that the agent asks."""

    BODIES: ClassVar[dict[str, Any]]
    """A valid answer for each path, as JSON or as text."""
    ASKED: ClassVar[tuple[tuple[str, Callable[[Any], Awaitable[object]]], ...]]
    """A path of the server, and a question that leads there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._sayer = Sayer()
        self._drilled = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Serve answers, and open the clients of both servers."""
        async with self._sayer.serving():
            server = MonitoringServer(url=f"http://127.0.0.1:{self._sayer.port}", timeout=timedelta(seconds=50))
            prometheus = Prometheus(server, clock=itertools.count(samples.AT).__next__)
            async with prometheus as self._prometheus, Alertmanager(server) as self._alertmanager:
                yield

    @property
    def client(self) -> Any:  # noqa: ANN401 - of either server
        """The client of the server that answers."""
        raise NotImplementedError

    def make(self, draw: random.Random) -> bytes:
        """Change an answer: its body, or sometimes its head."""
        path = draw.choice(list(self.BODIES))
        valid = self.BODIES[path]
        body = changed_bytes(draw, valid.encode()) if isinstance(valid, str) else _changed_answer(draw, valid)
        head = [_JSON]
        if draw.random() < 0.03:
            encoding = draw.choice(("gzip", "deflate", "br", "zstd"))
            body = _PACKERS.get(encoding, bytes)(body)
            body, head = (
                changed_bytes(draw, body) if draw.random() < 0.5 else body,
                [*head, f"Content-Encoding: {encoding}"],
            )
        status = draw.choice(samples.STATUSES) if draw.random() < 0.05 else "200 OK"
        answer = http_answer(body, *head, status=status)
        is_whole = draw.random() < 0.95
        return f"{path} {is_whole}\n".encode() + (answer if is_whole else changed_bytes(draw, answer))

    async def take(self, draw: random.Random, content: bytes) -> str:
        """Ask for the answer, or sometimes watch a whole drill in which it is given."""
        told, _, answer = content.partition(b"\n")
        path, is_whole = told.decode().split(" ")
        self._sayer.answer, self._sayer.closes = answer, is_whole == "False"
        if draw.random() < 0.02:
            self._sayer.answers = {one: said for one, said in _VALID.items() if one != path}
            return await _drilled(self._prometheus, self._alertmanager)
        self._sayer.answers = {}
        _, ask = draw.choice([one for one in self.ASKED if one[0] == path])
        await ask(self.client)
        return ""


def _changed_answer(draw: random.Random, valid: Any) -> bytes:  # noqa: ANN401 - JSON
    # Most changes are inside the data, where there is more to misread.
    if isinstance(valid, dict) and "data" in valid and draw.random() < 0.85:
        return json.dumps(valid | {"data": changed_values(draw, valid["data"])}).encode()
    return changed_json(draw, valid)


class PrometheusAnswers(_Answers):
    """Answers of Prometheus."""

    BODIES = samples.PROMETHEUS
    ASKED = (
        ("/api/v1/status/buildinfo", lambda server: server.version()),
        ("/api/v1/status/runtimeinfo", lambda server: server.runtime()),
        ("/api/v1/status/flags", lambda server: server.flags()),
        ("/api/v1/rules", lambda server: server.rules()),
        ("/api/v1/rules", lambda server: server.rule_groups()),
        ("/api/v1/targets", lambda server: server.targets()),
        ("/api/v1/targets", lambda server: server.scrape_seconds()),
        ("/api/v1/query", lambda server: server.clock_offset()),
        ("/api/v1/query", lambda server: server.instant("up")),
        ("/api/v1/query", lambda server: server.alert_samples(samples.AT, samples.AT + 60)),
        ("/api/v1/query_range", lambda server: server.values("up", samples.AT, samples.AT + 60, 15.0)),
        ("/api/v1/label/__name__/values", lambda server: server.label_values("__name__", samples.AT, samples.AT + 60)),
    )

    @property
    def client(self) -> Prometheus:
        """The client of the server that answers."""
        return self._prometheus


class AlertmanagerAnswers(_Answers):
    """Answers of Alertmanager."""

    BODIES = samples.ALERTMANAGER
    ASKED = (
        ("/api/v2/status", lambda server: server.status()),
        ("/api/v2/alerts", lambda server: server.alerts()),
        ("/api/v2/alerts/groups", lambda server: server.groups()),
        ("/api/v2/silences", lambda server: server.silences()),
        ("/api/v2/silences", lambda server: server.add_silence([_MATCHER], samples.LATER, "me", "a drill")),
        ("/api/v2/receivers", lambda server: server.receivers()),
        ("/metrics", lambda server: server.notification_counts()),
    )

    @property
    def client(self) -> Alertmanager:
        """The client of the server that answers."""
        return self._alertmanager


_VALID = {
    path: http_answer(body.encode() if isinstance(body, str) else json.dumps(body).encode(), _JSON)
    for path, body in (samples.PROMETHEUS | samples.ALERTMANAGER).items()
}
_DRILL = Drill(
    drill="a", load=DrillLoad(rate=1), expect=[Expectation(alert="Down")], abort_if=["vector(0) > 1"]
)  # fmt: skip


async def _drilled(prometheus: Prometheus, alertmanager: Alertmanager) -> str:
    """Watch a drill from its begin to its end, and make the records of both servers."""
    told: list[str] = []
    clock = itertools.count(samples.AT)
    observer = Observer(prometheus, alertmanager, _DRILL, told.append, wall=clock.__next__)
    await observer.begin()
    for _ in range(2):
        await observer.look()
    await observer.look_for_abort()
    evidence = Evidence(prometheus, samples.AT, samples.AT + 60)
    alerts = await evidence.alerts()
    await evidence.earlier(60.0)
    records: list[Record] = [*observer.groups, *observer.active, *alerts, *observer.outages]
    for rule in observer.rules:
        watched, targets = await evidence.watched(rule, observer.groups, alerts, observer.active)
        records += [rule, watched, *targets]
    records += [await observer.prometheus_record(), await observer.alertmanager_record()]
    return crooked(told) or next((problem for one in records if (problem := _unwritable(one, repairs=True))), "")


class _ProbeAnswers(LoopTarget):
    """Answers to the HTTP probe: each transaction ends in an outcome, within its time limit."""

    CLIENT: ClassVar[Literal["lean", "aiohttp"]]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._sayer = Sayer()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Serve answers, and open a client that reads all of each."""
        async with self._sayer.serving():
            self._sayer.answers = {"/other": samples.ANSWERS[0]}
            probe = HttpProbe.model_validate(
                samples.PROBE | {"client": self.CLIENT, "url": f"http://127.0.0.1:{self._sayer.port}/"}
            )
            async with open_client(probe) as client, startable(client) as self._client:
                yield

    def make(self, draw: random.Random) -> bytes:
        """Change an answer: its head, its body, the frames of its body."""
        answer = draw.choice(samples.ANSWERS)
        head, end, body = answer.partition(b"\r\n\r\n")
        kind = draw.random()
        if kind < 0.3:
            answer = changed_bytes(draw, head) + end + body
        elif kind < 0.5:
            answer = head + end + changed_bytes(draw, body)
        elif kind < 0.65:
            body = changed_json(draw, samples.ANSWER)
            answer = http_answer(body, _JSON)
        elif kind < 0.7:
            answer += draw.choice(samples.ANSWERS)
        else:
            answer = changed_bytes(draw, answer)
        # A server that neither answers nor closes costs a real wait until the time limit.
        return (b"open\n" if draw.random() < 0.002 else b"closed\n") + answer

    async def take(self, draw: random.Random, content: bytes) -> str:  # noqa: ARG002 - of all targets
        """Make a transaction."""
        told, _, self._sayer.answer = content.partition(b"\n")
        self._sayer.closes = told == b"closed"
        ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._client.start(ended.set_result)
        outcome = await ended
        self._client.take_acknowledged()
        return crooked([outcome.detail]) if outcome.reason is not None else ""


class LeanAnswers(_ProbeAnswers):
    """Answers to the lean client."""

    CLIENT = "lean"


class AiohttpAnswers(_ProbeAnswers):
    """Answers to aiohttp's client."""

    CLIENT = "aiohttp"
