from __future__ import annotations

import math
from typing import Any

import pytest
from aiohttp import web

from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.prometheus import ClockOffset, Prometheus
from alertdrill.agent.monitoring.series import Series
from alertdrill.agent.monitoring.status import Flags, RuntimeInfo
from alertdrill.agent.monitoring.targets import Target
from alertdrill.agent.recording.records import AlertSamples
from tests.agent.monitoring.answers import AT, GROUP, RULE
from tests.agent.monitoring.conftest import Answer, Serve
from tests.support.answering import patient_server


def success(data: object) -> web.Response:
    return web.json_response({"status": "success", "data": data})


def tabled(**answers: Any) -> Answer:
    """Answer each path by its last part; a path that is not in the table is not served."""

    def answer(request: web.Request) -> web.Response:
        last = request.path.rsplit("/", 1)[1]
        return success(answers[last]) if last in answers else web.Response(status=404, text="404 page not found")

    return answer


async def prometheus(serve: Serve, answer: Answer) -> Prometheus:
    return Prometheus(patient_server((await serve(answer)).url))


async def test_a_group_its_rules_and_their_active_alerts_come_in_one_answer(serve: Serve) -> None:
    (group,) = await (await prometheus(serve, tabled(rules={"groups": [GROUP]}))).rule_groups()
    assert (group.name, group.file, group.interval_seconds, group.evaluation_seconds) == (
        "g",
        "/etc/rules.yml",
        15,
        0.003,
    )
    assert group.query_offset_seconds is None
    assert group.last_evaluation_at is None
    (rule,) = group.rules
    assert (rule.name, rule.expr, rule.for_seconds, rule.keep_firing_for_seconds) == ("Down", "up == 0", 30, 0)
    assert (rule.health, rule.last_error, rule.state) == ("err", "many-to-many", "firing")
    assert rule.last_evaluation_at == 1767319475.001
    (alert,) = rule.alerts
    assert (alert.state, alert.active_at, alert.value) == ("firing", AT, math.inf)
    assert alert.labels == {"alertname": "Down", "instance": "a"}


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"state": "unknown"}, "state", "unknown"),
        ({"keepFiringFor": 5}, "keep_firing_for_seconds", 5.0),
        ({"alerts": None}, "alerts", ()),
        ({"annotations": None}, "annotations", {}),
        ({"lastEvaluation": "0001-01-01T00:00:00Z"}, "last_evaluation_at", None),
    ],
)
async def test_extra_fields_of_newer_and_other_servers_are_read(
    serve: Serve, changes: dict[str, object], field: str, expected: object
) -> None:
    answer = tabled(rules={"groups": [GROUP | {"rules": [RULE | changes]}]})
    (group,) = await (await prometheus(serve, answer)).rule_groups()
    assert getattr(group.rules[0], field) == expected


async def test_recording_rules_and_groups_of_nothing_else_are_left_out(serve: Serve) -> None:
    recording = {"type": "recording", "name": "a:b", "query": "1", "health": "ok", "labels": {}}
    groups = [GROUP | {"rules": [recording, RULE]}, GROUP | {"rules": [recording]}, GROUP | {"rules": None}]
    (rule,) = await (await prometheus(serve, tabled(rules={"groups": groups}))).rules()
    assert rule.alert == "Down"


async def test_groups_are_fetched_page_by_page(serve: Serve) -> None:
    def page(request: web.Request) -> web.Response:
        number = int(request.query.get("group_next_token", "0"))
        more = {"groupNextToken": str(number + 1)} if number < 3 else {}
        return success({"groups": [GROUP | {"name": f"g{number}"}]} | more)

    started = await serve(page)
    groups = await Prometheus(patient_server(started.url)).rule_groups()
    assert [group.name for group in groups] == ["g0", "g1", "g2", "g3"]
    assert all("type=alert&group_limit=500" in asked for asked in started.asked)


async def test_pages_that_never_end_are_an_error(serve: Serve) -> None:
    with pytest.raises(ServiceUnavailable, match="the same page again"):
        await (await prometheus(serve, tabled(rules={"groups": [], "groupNextToken": "a"}))).rule_groups()


async def test_a_target_has_its_scrape_settings(serve: Serve) -> None:
    active = {
        "labels": {"job": "orders", "instance": "a"},
        "discoveredLabels": {},
        "scrapePool": "orders",
        "scrapeUrl": "http://a/metrics",
        "lastError": "connection refused",
        "lastScrape": "2026-01-02T03:04:05.123456789Z",
        "lastScrapeDuration": 0.01,
        "health": "down",
        "scrapeInterval": "1m30s",
        "scrapeTimeout": "10s",
    }
    asking = await prometheus(serve, tabled(targets={"activeTargets": [active, active | {"scrapeInterval": "5s"}]}))
    targets = await asking.targets()
    assert targets is not None
    assert targets[0] == Target(
        labels={"job": "orders", "instance": "a"},
        health="down",
        url="http://a/metrics",
        pool="orders",
        interval_seconds=90.0,
        timeout_seconds=10.0,
        last_scrape_at=AT,
        last_scrape_seconds=0.01,
        last_error="connection refused",
    )
    assert await asking.scrape_seconds() == {"orders": 90.0}


async def test_pages_that_mimir_does_not_serve_are_none(serve: Serve) -> None:
    mimir = await prometheus(serve, tabled(rules={"groups": [GROUP]}, flags={}))
    assert await mimir.version() == "unknown"
    assert await mimir.runtime() is None
    assert await mimir.flags() == Flags()
    assert await mimir.targets() is None
    assert await mimir.scrape_seconds() == {}
    assert len(await mimir.rules()) == 1


async def test_a_missing_page_that_is_needed_is_an_error(serve: Serve) -> None:
    nothing = await prometheus(serve, tabled())
    for asked in (nothing.rules(), nothing.holds("up"), nothing.clock_offset()):
        with pytest.raises(ServiceUnavailable, match=r"answered 404.*is the path of `url` right\?"):
            await asked


async def test_flags_and_state_are_read(serve: Serve) -> None:
    flags = {
        "rules.alert.for-grace-period": "10m",
        "rules.alert.for-outage-tolerance": "1h",
        "rules.alert.resend-delay": "1m",
        "query.lookback-delta": "5m",
        "web.listen-address": "0.0.0.0:9090",
    }
    running = {
        "startTime": "2026-01-02T03:04:05.123456789Z",
        "reloadConfigSuccess": False,
        "lastConfigTime": "0001-01-01T00:00:00Z",
    }
    asking = await prometheus(serve, tabled(flags=flags, runtimeinfo=running))
    assert await asking.flags() == Flags(600.0, 3600.0, 60.0, 300.0)
    assert await asking.runtime() == RuntimeInfo(AT, None, reload_succeeded=False)


async def test_an_instant_that_no_recording_can_have_is_refused(serve: Serve) -> None:
    """Its time zone leads into the year 10000."""
    asking = await prometheus(serve, tabled(runtimeinfo={"startTime": "9999-12-31T23:59:59-23:59"}))
    with pytest.raises(ServiceUnavailable, match="startTime: expected an instant before the year 10000"):
        await asking.runtime()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"resultType": "vector", "result": []}, []),
        ({"resultType": "scalar", "result": [1.5, "2"]}, [Series({}, ((1.5, 2.0),))]),
        (
            {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1.5, "-Inf"]}]},
            [Series({"a": "b"}, ((1.5, -math.inf),))],
        ),
        (
            {"resultType": "vector", "result": [{"metric": {}, "histogram": [1.5, {"count": "3", "sum": "1"}]}]},
            [Series({}, (), (1.5,))],
        ),
        (
            {
                "resultType": "matrix",
                "result": [{"metric": {}, "values": [[1, "1"], [3, "+Inf"]], "histograms": [[2.001, {"count": "3"}]]}],
            },
            [Series({}, ((1.0, 1.0), (3.0, math.inf)), (2.001,))],
        ),
    ],
)
async def test_results_of_every_type_are_series(serve: Serve, data: object, expected: list[Series]) -> None:
    assert await (await prometheus(serve, tabled(query=data))).instant("x", 1.0) == expected


async def test_a_value_that_is_not_a_number_is_kept(serve: Serve) -> None:
    answer = tabled(query={"resultType": "vector", "result": [{"metric": {}, "value": [1, "NaN"]}]})
    (series,) = await (await prometheus(serve, answer)).instant("x")
    assert math.isnan(series.samples[0][1])


@pytest.mark.parametrize("left_open", [False, True])
async def test_raw_samples_are_those_of_the_span_whether_ranges_are_left_open_or_not(
    serve: Serve, *, left_open: bool
) -> None:
    stored = [9.999, 10.0, 10.001, 19.999, 20.0, 20.001]

    def answer(request: web.Request) -> web.Response:
        assert request.query["query"] == "up[10001ms]"
        end = float(request.query["time"])
        first = end - 10.001
        kept = [at for at in stored if at <= end and (at > first + 1e-6 if left_open else at >= first - 1e-6)]
        return success({"resultType": "matrix", "result": [{"metric": {}, "values": [[at, "1"] for at in kept]}]})

    (series,) = await (await prometheus(serve, answer)).raw_samples("up", 10.0, 20.0)
    assert [at for at, _ in series.samples] == [10.0, 10.001, 19.999, 20.0]


async def test_samples_of_alerts_are_grouped_by_alert_and_state(serve: Serve) -> None:
    row = {"metric": {"__name__": "ALERTS", "alertname": "A", "alertstate": "pending"}, "values": [[5, "1"], [6, "1"]]}
    other = {"metric": {"__name__": "ALERTS", "alertname": "A"}, "values": [[5, "1"]]}
    asking = await prometheus(serve, tabled(query={"resultType": "matrix", "result": [row, other]}))
    assert await asking.alert_samples(5, 6) == [
        AlertSamples(labels={"alertname": "A"}, state="pending", instants=[5, 6])
    ]


@pytest.mark.parametrize("points", [1, 2, 9_999, 10_000, 10_001, 20_000, 25_003])
async def test_a_range_of_any_number_of_points_is_whole_and_no_query_asks_for_too_many(
    serve: Serve, points: int
) -> None:
    def answer(request: web.Request) -> web.Response:
        start, end, step = (round(float(request.query[name]) * 1000) for name in ("start", "end", "step"))
        assert (end - start) // step < 11_000
        values = [[at / 1000, "1"] for at in range(start, end + 1, step)]
        return success({"resultType": "matrix", "result": [{"metric": {"a": "b"}, "values": values}]})

    (series,) = await (await prometheus(serve, answer)).range("x", 100.0, 100.0 + (points - 1) * 0.25, 0.25)
    assert [at for at, _ in series.samples] == [100.0 + index * 0.25 for index in range(points)]


async def test_values_leave_native_histograms_out(serve: Serve) -> None:
    rows = [{"metric": {"a": "b"}, "values": [[1, "2"]]}, {"metric": {}, "histograms": [[1, {}]]}]
    asking = await prometheus(serve, tabled(query_range={"resultType": "matrix", "result": rows}))
    assert await asking.values("x", 1, 1, 1) == [({"a": "b"}, [(1.0, 2.0)])]


async def test_metric_names_are_those_of_a_span(serve: Serve) -> None:
    started = await serve(tabled(values=["up", "ALERTS"]))
    names = await Prometheus(patient_server(started.url)).label_values("__name__", 1, 2.5)
    assert names == ["up", "ALERTS"]
    assert started.asked == ["/api/v1/label/__name__/values?start=1.000&end=2.500"]


async def test_the_most_certain_reading_of_the_clock_counts(serve: Serve) -> None:
    """Our clock starts at 100, with round trips of 0.4, 0.2, 0.1, 0.2 and 0.4 s; the server's is 10 s ahead."""
    ours = iter([100.0, 100.4, 101.0, 101.2, 102.0, 102.1, 103.0, 103.2, 104.0, 104.4])
    theirs = iter([110.2, 111.1, 112.05, 113.1, 114.2])

    def answer(_: web.Request) -> web.Response:
        return success({"resultType": "scalar", "result": [1, str(next(theirs))]})

    asking = Prometheus(patient_server((await serve(answer)).url), clock=lambda: next(ours))
    offset = await asking.clock_offset()
    assert offset == ClockOffset(pytest.approx(10.0005), pytest.approx(0.0505))


async def test_a_query_that_has_no_result_leaves_the_clock_unknown(serve: Serve) -> None:
    with pytest.raises(ServiceUnavailable, match=r"time\(\) has no value"):
        await (await prometheus(serve, tabled(query={"result": []}))).clock_offset()
