"""What the agent's server lets in: each call goes to a real server, over a real connection."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.drilling.progress import Progress
from alertdrill.agent.drilling.site import MOST_NOTIFICATIONS, RunningDrill
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.records import NotificationRecord
from alertdrill.agent.serving.door import CallsPerSecond, Door, Refused
from alertdrill.agent.serving.server import serving
from alertdrill.agent.serving.webhook import MOST_ALERTS, MOST_BYTES, Inbox
from alertdrill.lab.ports import free_ports
from tests.agent.drilling.virtual_site import World
from tests.support.virtual_time import loop_time

WEBHOOK, STOP = "/api/v1/webhook/pager", "/-/stop"
TOKEN = "hush-hush"  # noqa: S105 - of a test
ALERT = {
    "status": "firing",
    "labels": {"alertname": "Slow"},
    "annotations": {"summary": "It is slow.\nVery slow."},
    "startsAt": "2026-01-02T03:04:05.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
}


def _call(**changes: Any) -> str:
    return json.dumps({"version": "4", "receiver": "pager", "alerts": [ALERT | changes]})


def _labels(**labels: Any) -> str:
    return _call(labels={"alertname": "Slow", **labels})


class Served:
    """A site that a drill runs on, and how to call it."""

    def __init__(self, port: int, running: RunningDrill, stopped: list[str]) -> None:
        self.port = port
        self.running = running
        self.stopped = stopped

    async def post(self, body: str | bytes = "", path: str = WEBHOOK, **headers: str) -> tuple[int, str]:
        """Call the server; the body is JSON unless the headers say otherwise."""
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{self.port}{path}", data=body, headers=sent) as answer,
        ):
            return answer.status, await answer.text()

    async def raw(self, sent: bytes) -> bytes:
        """Send bytes that are not HTTP, and return the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        try:
            return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def served(folder: Path, steady: Callable[[], float] = loop_time, **config: Any) -> AsyncIterator[Served]:
    """Serve on a free port while a drill runs; calls are counted by the clock `steady`."""
    world = World(folder, steady=steady)
    (port,) = free_ports(1)
    world.config = {"listen": f"127.0.0.1:{port}"} | config
    async with world.site() as site, site.serving():
        drill = world.drill(world.slowness())
        progress = Progress(drill, Observer(site.prometheus, site.alertmanager, drill, world.tell), tell=world.tell)
        stopped: list[str] = []
        running = RunningDrill(progress, stopped.append)
        with site.hosting(running):
            yield Served(int(world.config["listen"].rsplit(":", 1)[1]), running, stopped)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as one:
        yield one


async def test_a_call_of_alertmanager_is_taken(server: Served) -> None:
    assert await server.post(_call()) == (200, "OK\n")
    (taken,) = server.running.notifications
    assert (taken.receiver, taken.labels, taken.ends_at) == ("pager", {"alertname": "Slow"}, None)
    assert taken.starts_at == pytest.approx(1767323045.123456)
    assert server.running.refusals == {}


DEEP = '{"alerts":' + "[" * 200_000


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ("", 400, "it is not JSON"),
        ("{", 400, "it is not JSON"),
        (b"\xff\xfe\xff", 400, "it is not JSON"),
        ('{"alerts": NaN}', 400, "NaN is not a value of JSON"),
        ('{"alerts": [' + "9" * 5000 + "]}", 400, "it is not JSON"),
        (DEEP, 400, "it is nested too deep: at most 8 levels"),
        ('{"alerts": [], "more": ' + "[" * 8 + "]" * 8 + "}", 400, "it is nested too deep: at most 8 levels"),
        ("[]", 400, "it has no list `alerts`"),
        ('{"alerts": 5}', 400, "it has no list `alerts`"),
        ('{"alerts": [5]}', 400, "an alert is not an object"),
        (_call(status="over"), 400, "the status of an alert is neither firing nor resolved"),
        (_call(status=["firing"]), 400, "the status of an alert is neither firing nor resolved"),
        (_call(startsAt="yesterday"), 400, "startsAt of an alert is not a time"),
        (_call(startsAt="0001-01-01T00:00:00Z"), 400, "an alert has no startsAt"),
        (_call(endsAt=7), 400, "endsAt of an alert is not a time"),
        (_call(startsAt="9999-12-31T23:59:59-23:59"), 400, "is not a time of this calendar"),
        (_call(labels=["a"]), 400, "labels of an alert are not texts by name"),
        (_call(labels={"a": 1}), 400, "labels of an alert are not texts by name"),
        (_call(annotations={"a": None}), 400, "annotations of an alert are not texts by name"),
        (_labels(a="\ud800"), 400, "a value in labels has the character U+D800"),
        (_labels(a="x\0y"), 400, "a value in labels has the character U+0000"),
        (_labels(a="\x1b[31mred"), 400, "a value in labels has the character U+001B"),
        (_labels(a="\x9b31m"), 400, "a value in labels has the character U+009B"),
        (_labels(a="\u202etxt"), 400, "a value in labels has the character U+202E"),
        (_labels(**{"a\u2066": "x"}), 400, "a name in labels has the character U+2066"),
        (_call(annotations={"a": "\x07"}), 400, "a value in annotations has the character U+0007"),
        (_labels(a="b" * 16_385), 413, "a value in labels has 16385 characters, at most 16384"),
        (_labels(**{"a" * 1_025: "b"}), 413, "a name in labels has 1025 characters, at most 1024"),
        (_call(labels={f"l{n}": "" for n in range(129)}), 413, "it has 129 labels, at most 128"),
        (json.dumps({"alerts": [ALERT] * (MOST_ALERTS + 1)}), 413, f"{MOST_ALERTS + 1}, at most {MOST_ALERTS}"),
        (" " * (MOST_BYTES + 1), 413, f"it is too large: at most {MOST_BYTES} bytes"),
    ],
)
async def test_a_wrong_body_is_refused_in_one_line(server: Served, body: str, status: int, says: str) -> None:
    assert (answer := await server.post(body))[0] == status, answer
    assert says in answer[1]
    assert answer[1].count("\n") == 1
    assert answer[1].isascii()
    assert server.running.notifications == []
    assert [one.count for one in server.running.refusals.values()] == [1]


async def test_what_people_write_is_not_broken_text(server: Served) -> None:
    labels = {"alertname": "Slow", "city": "Zürich 東京 القاهرة", "text": "two\nlines\tand a tab", "sign": "👩‍🚒"}
    assert await server.post(_call(labels=labels)) == (200, "OK\n")
    assert server.running.notifications[0].labels == labels


@pytest.mark.parametrize("size", [MOST_BYTES - 1000, MOST_BYTES])
async def test_a_body_up_to_the_limit_is_read(server: Served, size: int) -> None:
    assert await server.post(_call().ljust(size)) == (200, "OK\n")


async def test_a_body_without_a_length_is_not_read_beyond_the_limit(server: Served) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 65_536

    headers = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{server.port}{WEBHOOK}"
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(url, data=endless(), headers=headers) as answer:
                assert answer.status == 413
        except aiohttp.ClientConnectionError:
            pass  # it closed the connection while the client still sent
    assert list(server.running.refusals) == ["it is too large"]


async def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    (port,) = free_ports(1)
    inbox = Inbox(lambda _: None)
    async with serving([inbox.route(Door(seconds_for_a_body=0.2))], f"127.0.0.1:{port}"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100"
        writer.write(f"POST {WEBHOOK} HTTP/1.1\r\n{head}\r\n\r\n{{".encode())
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408")
    assert answer.endswith(b"its body took too long\n")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
ODD_ALERTS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["firing", "resolved"]) | JSON,
        "labels": st.dictionaries(st.text(), st.text()) | JSON,
        "annotations": st.dictionaries(st.text(), st.text()) | JSON,
        "startsAt": st.datetimes().map(lambda at: f"{at.isoformat()}Z") | JSON,
        "endsAt": st.datetimes(timezones=st.timezones()).map(str) | JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given(st.text(), JSON | st.fixed_dictionaries({"alerts": st.lists(ODD_ALERTS, max_size=3) | JSON}))
def test_any_call_is_either_taken_or_refused(receiver: str, call: Any) -> None:
    """What is taken can be written and read again."""
    taken: list[NotificationRecord] = []
    try:
        Inbox(taken.extend).receive(receiver, call)
    except Refused as refused:
        assert 400 <= refused.status < 500  # noqa: PT017 - either end is right
    for one in taken:
        assert NotificationRecord.model_validate_json(one.model_dump_json()) == one


async def test_a_compressed_body_is_not_unpacked(server: Served) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert await server.post(bomb, Content_Encoding="gzip") == (415, "it is compressed\n")


@pytest.mark.parametrize(
    ("receiver", "status"),
    [
        ("team%20lead", 200),
        ("t%C3%A9am", 200),
        ("a%00b", 400),
        ("%1b%5b31mred", 400),
        ("%e2%80%ae", 400),
        ("r" * 257, 413),
    ],
)
async def test_the_name_of_the_receiver_is_checked_too(server: Served, receiver: str, status: int) -> None:
    assert (await server.post(_call(), f"/api/v1/webhook/{receiver}"))[0] == status


@pytest.mark.parametrize(
    ("headers", "status", "says"),
    [
        ({"Content_Type": "text/plain"}, 415, "its Content-Type is not application/json"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415, "its Content-Type is not application/json"),
        ({"Content_Type": "application/json; charset=utf-8"}, 200, "OK"),
        ({"Origin": "https://evil.example"}, 403, "a browser sent it"),
        ({"Origin": "null"}, 403, "a browser sent it"),
        ({"Sec_Fetch_Site": "cross-site"}, 403, "a browser sent it"),
        ({"Host": "evil.example"}, 403, "its Host is not an address: evil.example"),
        ({"Host": "evil.example:9095"}, 403, "its Host is not an address: evil.example:9095"),
        ({"Host": "127.0.0.1.evil.example"}, 403, "its Host is not an address"),
        ({"Host": "localhost:9095"}, 200, "OK"),
        ({"Host": "LocalHost"}, 200, "OK"),
        ({"Host": "[::1]:9095"}, 200, "OK"),
        ({"Host": "[::1]"}, 200, "OK"),
        ({"Host": "10.1.2.3:9095"}, 200, "OK"),
    ],
)
async def test_browsers_and_made_up_names_are_refused(
    server: Served, headers: dict[str, str], status: int, says: str
) -> None:
    answer = await server.post(_call(), **headers)
    assert answer[0] == status, answer
    assert says in answer[1]


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}])
async def test_a_browser_cannot_stop_a_drill(server: Served, headers: dict[str, str]) -> None:
    assert (await server.post("now", STOP, **headers))[0] == 403
    assert server.stopped == []


async def test_the_reason_of_a_stop_is_one_short_line(server: Served) -> None:
    said = b"customers\n\x1b[31mcall\xff " + "\u202e".encode() + b"x" * 1000
    assert await server.post(said, STOP) == (200, "stopping: undoing what is broken\n")
    (reason,) = server.stopped
    assert reason.startswith("stopped by POST /-/stop from 127.0.0.1: customers [31mcall")
    assert reason.isprintable()
    assert len(reason) < 300
    assert (await server.post(b"x" * 5_000, STOP))[0] == 413


async def test_more_calls_than_allowed_are_told_when_to_come_again(tmp_path: Path) -> None:
    """The clock stands still, however long the machine takes for the calls."""
    async with served(tmp_path, lambda: 0.0) as server:
        statuses = [(await server.post("{}"))[0] for _ in range(520)]
        assert statuses == [400] * 500 + [503] * 20
        assert server.running.refusals["too many calls"].count == 20


def test_calls_are_counted_by_time() -> None:
    now = 0.0
    calls = CallsPerSecond(rate=2, at_once=3, clock=lambda: now)
    assert [calls.take() for _ in range(4)] == [True, True, True, False]
    now = 0.5
    assert [calls.take() for _ in range(2)] == [True, False]
    now = 60
    assert [calls.take() for _ in range(4)] == [True, True, True, False]


async def test_too_many_notifications_end_the_drill(server: Served) -> None:
    full = json.dumps({"alerts": [ALERT] * MOST_ALERTS})
    statuses = [(await server.post(full))[0] for _ in range(MOST_NOTIFICATIONS // MOST_ALERTS + 1)]
    assert statuses == [200] * (MOST_NOTIFICATIONS // MOST_ALERTS) + [413]
    assert len(server.running.notifications) == MOST_NOTIFICATIONS
    assert server.stopped == [f"more than {MOST_NOTIFICATIONS} notifications, or too large ones, were received"]


async def test_many_large_notifications_end_the_drill(server: Served) -> None:
    large = _labels(**{f"l{n}": "x" * 16_000 for n in range(60)})
    statuses = [(await server.post(large))[0] for _ in range(20)]
    assert statuses[:16] == [200] * 16
    assert statuses[-1] == 413
    assert server.stopped


@pytest.mark.parametrize("sent", [b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
async def test_what_is_not_http_leaves_no_trace(server: Served, sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    answer = await server.raw(sent)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"Traceback" not in answer
    assert capfd.readouterr().err == ""


def _basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    ("config", "right", "wrong"),
    [
        ({"webhook_token": TOKEN}, f"Bearer {TOKEN}", [f"Bearer {TOKEN}x", "Bearer", TOKEN, _basic(f"a:{TOKEN}")]),
        (
            {"webhook_basic_auth": {"username": "am", "password": "pässwörd"}},
            _basic("am:pässwörd"),
            [_basic("am:pass"), _basic("AM:pässwörd"), "Basic ???", "Bearer pässwörd"],
        ),
    ],
)
async def test_webhooks_and_stop_need_the_credential(
    tmp_path: Path, config: dict[str, Any], right: str, wrong: list[str]
) -> None:
    async with served(tmp_path, **config) as server:
        for path, body in ((WEBHOOK, _call()), (STOP, "why")):
            assert await server.post(body, path) == (401, "it has no credential: see webhook_token_file in agent.yml\n")
            for one in wrong:
                assert (await server.post(body, path, Authorization=one))[0] == 401, one
            assert (await server.post(body, path, Authorization=right))[0] == 200
            scheme, _, rest = right.partition(" ")
            assert (await server.post(body, path, Authorization=f"{scheme.upper()} {rest}"))[0] == 200
        assert len(server.running.notifications) == 2
        # A page in a browser does not know the credential, so any name of this machine will do.
        assert (await server.post(_call(), Authorization=right, Host="alertdrill.shop.svc:9095"))[0] == 200
        assert (await server.post(_call(), Authorization=right, Origin="https://evil.example"))[0] == 403


async def test_metrics_and_health_need_no_credential(tmp_path: Path) -> None:
    async with served(tmp_path, webhook_token=TOKEN) as server, aiohttp.ClientSession() as session:
        for path in ("/metrics", "/-/healthy"):
            async with session.get(f"http://127.0.0.1:{server.port}{path}") as answer:
                assert answer.status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "alertdrill", "192.0.2.1"])
async def test_an_agent_that_others_can_reach_does_not_serve_without_a_credential(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match=f"listen: {host}:1.*add `webhook_token_file: FILE`"):
        async with served(tmp_path, listen=f"{host}:1"):
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST"])
def test_this_machine_may_be_served_without_a_credential(tmp_path: Path, host: str) -> None:
    world = World(tmp_path)
    world.config["listen"] = f"{host}:9095"
    assert world.settings().listen_problem == ""
