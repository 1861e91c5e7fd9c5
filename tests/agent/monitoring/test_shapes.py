"""A changed answer is read, or it is a one-line error: never a KeyError, a TypeError or another exception."""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from tests.agent.monitoring.answers import GROUP, HELD, SILENCE, STATUS
from tests.agent.monitoring.conftest import Serve
from tests.support.answering import patient_server

ROW = {"metric": {"a": "b"}, "values": [[1.5, "2"]], "histograms": [[2.5, {"count": "1"}]]}
ASKED: dict[str, tuple[Callable[[MonitoringServer], Awaitable[object]], Any]] = {
    "rules": (lambda at: Prometheus(at).rules(), {"groups": [GROUP], "groupNextToken": ""}),
    "targets": (
        lambda at: Prometheus(at).scrape_seconds(),
        {"activeTargets": [{"labels": {"job": "a"}, "health": "up", "scrapeInterval": "5s"}]},
    ),
    "runtime": (lambda at: Prometheus(at).runtime(), {"startTime": "2026-01-02T03:04:05Z"}),
    "flags": (lambda at: Prometheus(at).flags(), {"query.lookback-delta": "5m"}),
    "version": (lambda at: Prometheus(at).version(), {"version": "3.0.0"}),
    "samples": (lambda at: Prometheus(at).alert_samples(1, 2), {"resultType": "matrix", "result": [ROW]}),
    "values": (lambda at: Prometheus(at).values("x", 1, 2, 1), {"resultType": "matrix", "result": [ROW]}),
    "clock": (lambda at: Prometheus(at).clock_offset(), {"resultType": "scalar", "result": [1.5, "2"]}),
    "labels": (lambda at: Prometheus(at).label_values("a", 1, 2), ["up"]),
    "status": (
        lambda at: Alertmanager(at).status(),
        STATUS | {"cluster": {"name": "a", "peers": [{"name": "a"}]}},
    ),
    "alerts": (lambda at: Alertmanager(at).alerts(), [HELD]),
    "groups": (lambda at: Alertmanager(at).groups(), [{"labels": {}, "receiver": {"name": "a"}, "alerts": [HELD]}]),
    "silences": (lambda at: Alertmanager(at).silences(), [SILENCE]),
    "receivers": (lambda at: Alertmanager(at).receivers(), [{"name": "a"}]),
}
OF_ALERTMANAGER = {"status", "alerts", "groups", "silences", "receivers"}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1e999", "9999-12-31T23:59:59-23:59"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places(value: object, path: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def bent(answer: Any, path: tuple[int | str, ...], instead: object, *, removed: bool) -> Any:
    if not path:
        return instead
    changed = copy.deepcopy(answer)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    if removed:
        del parent[path[-1]]
    else:
        parent[path[-1]] = instead
    return changed


def whole(name: str) -> Any:
    answer = ASKED[name][1]
    return answer if name in OF_ALERTMANAGER else {"status": "success", "data": answer}


@pytest.mark.parametrize("name", ASKED)
async def test_a_right_answer_is_read(serve: Serve, name: str) -> None:
    started = await serve(lambda _: web.json_response(whole(name)))
    assert await ASKED[name][0](patient_server(started.url)) is not None


@dataclass
class Bendable:
    """A server whose one answer can be changed."""

    url: str
    answer: object = None


@pytest_asyncio.fixture
async def bendable(serve: Serve) -> Bendable:
    def say(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(started.answer), content_type="application/json")

    started = Bendable((await serve(say)).url)
    return started


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("name", ASKED)
async def test_a_changed_answer_is_read_or_is_a_one_line_error(
    bendable: Bendable, name: str, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(places(whole(name)))))
    bendable.answer = bent(whole(name), path, data.draw(JSON), removed=data.draw(st.booleans()))
    said = None
    try:
        await ASKED[name][0](patient_server(bendable.url))
    except ServiceUnavailable as error:
        said = str(error)
    assert said is None or (said.isprintable() and bendable.url in said and said.endswith("is `url` right?"))


async def test_peers_that_are_not_a_list_are_an_error(serve: Serve) -> None:
    answer = bent(whole("status"), ("cluster", "peers"), instead=True, removed=False)
    started = await serve(lambda _: web.json_response(answer))
    with pytest.raises(ServiceUnavailable, match="cluster: expected a list of peers"):
        await ASKED["status"][0](patient_server(started.url))


async def test_a_series_of_alerts_without_its_name_is_an_error(serve: Serve) -> None:
    row = {"metric": {"alertstate": "firing"}, "values": [[1.5, "1"]]}
    answer = {"status": "success", "data": {"resultType": "matrix", "result": [row]}}
    started = await serve(lambda _: web.json_response(answer))
    with pytest.raises(ServiceUnavailable, match="a series of ALERTS has no alertname"):
        await Prometheus(patient_server(started.url)).alert_samples(1, 2)


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        (
            "rules",
            ("data", "groups", 0, "rules", 0, "alerts", 0, "labels", "alertname"),
            "groups.0.rules.0.alerts.0.labels: an alert without alertname",
        ),
        ("rules", ("data", "groups", 0, "rules", 0, "duration"), "groups.0.rules.0.duration: Field required"),
        ("rules", ("data", "groups"), "groups: Field required"),
        ("rules", ("status",), "status: expected success"),
        (
            "rules",
            ("data", "groups", 0, "rules", 0, "alerts", 0, "activeAt"),
            "groups.0.rules.0.alerts.0.activeAt: Field required",
        ),
        ("alerts", (0, "status", "state"), "0.status.state: Field required"),
        ("status", ("versionInfo",), "versionInfo.version: Field required"),
    ],
)
async def test_a_missing_field_is_named(serve: Serve, name: str, path: tuple[int | str, ...], words: str) -> None:
    answer = bent(whole(name), path, None, removed=True)
    started = await serve(lambda _: web.json_response(answer))
    with pytest.raises(ServiceUnavailable) as refused:
        await ASKED[name][0](patient_server(started.url))
    server = "Alertmanager" if name in OF_ALERTMANAGER else "Prometheus"
    assert str(refused.value).startswith(f"{server} at {started.url}/api/v")
    assert f"did not answer as {server} does: {words}; is `url` right?" in str(refused.value)
