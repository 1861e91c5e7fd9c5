"""What is fetched when a drill is over, from servers with prepared answers and from a real Prometheus."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from aiohttp import web

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.drilling.evidence import Evidence
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.records import (
    ActiveRecord,
    AlertSamples,
    EvaluationRecord,
    GroupRecord,
    RuleRecord,
    TargetRecord,
    WatchedRecord,
)
from tests.support import monitoring_servers, one_rule
from tests.support.answering import Answering, answering, patient_server
from tests.support.monitoring_servers import Configuration
from tests.support.waiting import until

START = 1_790_000_000.0
LABELS = {"alertname": "QueueGrows", "job": "shop", "severity": "ticket"}
QUEUE = {"__name__": "queue", "job": "shop", "instance": "shop:80"}
# The value of an expression at an instant, in seconds after START; None where it has none.
Curve = Callable[[float], float | None]


@dataclass
class Stored:
    """The answers of a Prometheus: raw samples by metric, curves by expression, everything else by path."""

    raw: dict[str, list[tuple[dict[str, str], dict[float, float]]]] = field(default_factory=dict)
    curves: dict[str, list[tuple[dict[str, str], Curve]]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    targets: list[dict[str, Any]] | None = None
    requested: list[dict[str, str]] = field(default_factory=list)

    def answer(self, request: web.Request) -> web.Response:
        last, requested = request.path.rsplit("/", 1)[1], dict(request.query)
        self.requested.append(requested | {"path": last})
        if (error := self.refused.get(requested.get("query", ""))) is not None:
            return web.json_response({"status": "error", "errorType": "execution", "error": error}, status=422)
        if last == "targets" and self.targets is None:
            return web.Response(status=404)
        answers: dict[str, Callable[[], Any]] = {
            "query": lambda: _matrix(self.raw.get(requested["query"].split("{")[0].split("[")[0], [])),
            "query_range": lambda: self._range(requested),
            "values": lambda: self.names,
            "targets": lambda: {"activeTargets": self.targets},
        }
        return web.json_response({"status": "success", "data": answers[last]()})

    def _range(self, requested: dict[str, str]) -> dict[str, Any]:
        first, last, step = (round(1000 * float(requested[name])) for name in ("start", "end", "step"))
        grid = [at / 1000 for at in range(first, last + 1, step)]
        return _matrix(
            [
                (labels, {at - START: value for at in grid if (value := curve(at - START)) is not None})
                for labels, curve in self.curves.get(requested["query"], [])
            ]
        )

    @property
    def queries(self) -> list[str]:
        return [requested["query"] for requested in self.requested if requested["path"] == "query_range"]


def _matrix(found: list[tuple[dict[str, str], dict[float, float]]]) -> dict[str, Any]:
    rows = [
        {"metric": labels, "values": [[round(START + at, 3), str(v)] for at, v in samples.items()]}
        for labels, samples in found
        if samples
    ]
    return {"resultType": "matrix", "result": rows}


def _between(first: float, last: float, value: float = 9.0) -> Curve:
    return lambda at: value if first <= at <= last else None


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest_asyncio.fixture
async def server(stored: Stored) -> AsyncIterator[Answering]:
    async with answering(stored.answer) as started:
        yield started


def _evidence(server: Answering, ended: float = 60.0) -> Evidence:
    return Evidence(Prometheus(patient_server(server.url)), START, START + ended)


def _rule(expr: str = "queue > 5", **update: Any) -> RuleRecord:
    return one_rule.rule(expr, **({"interval_seconds": 15, "for_seconds": 15} | update))


def _alert(
    *at: float,
    state: Literal["pending", "firing"] = "pending",
    since: float | None = None,
    labels: dict[str, str] = LABELS,
) -> AlertSamples:
    began = [] if since is None else [int(START + since)] * len(at)
    return AlertSamples(labels=labels, state=state, instants=[START + one for one in at], since=began)


async def _watched(
    server: Answering, rule: RuleRecord, *, ended: float = 60.0, **known: Any
) -> tuple[WatchedRecord, list[TargetRecord]]:
    values: dict[str, Any] = {"groups": [], "alerts": [], "active": []} | known
    return await _evidence(server, ended).watched(rule, **values)


async def test_alerts_have_their_activeat_when_all_of_it_was_stored(server: Answering, stored: Stored) -> None:
    other = LABELS | {"job": "bank"}
    stored.raw["ALERTS"] = [
        ({"__name__": "ALERTS", "alertstate": "pending"} | LABELS, {1.5: 1, 16.5: 1}),
        ({"__name__": "ALERTS", "alertstate": "firing"} | LABELS, {31.5: 1}),
        ({"__name__": "ALERTS", "alertstate": "firing"} | other, {31.5: 1, 46.5: 1}),
    ]
    stored.raw["ALERTS_FOR_STATE"] = [
        ({"__name__": "ALERTS_FOR_STATE"} | LABELS, dict.fromkeys((1.5, 16.5, 31.5), START + 1)),
        ({"__name__": "ALERTS_FOR_STATE"} | other, {31.5: START + 1}),
    ]
    assert await _evidence(server).alerts() == [
        _alert(1.5, 16.5, since=1),
        _alert(31.5, state="firing", since=1),
        _alert(31.5, 46.5, state="firing", labels=other),
    ]


async def test_only_firing_alerts_are_fetched_from_before_the_drill(server: Answering, stored: Stored) -> None:
    stored.raw["ALERTS"] = [
        ({"alertstate": "pending"} | LABELS, {-20.0: 1}),
        ({"alertstate": "firing"} | LABELS, {-301.0: 1, -300.0: 1, -5.0: 1, 5.0: 1}),
    ]
    assert await _evidence(server).earlier(300) == [_alert(-300, -5, state="firing")]


def _seen(*at: float) -> list[GroupRecord]:
    looks = [
        EvaluationRecord(at=START + one, looked_before_at=START + one - 1, looked_at=START + one + 1) for one in at
    ]
    return [GroupRecord(group="orders", file="rules.yml", interval_seconds=15, evaluations=looks)]


OTHERS = _alert(7, labels={"alertname": "QueueGrows", "severity": "page"})


@pytest.mark.parametrize(
    ("known", "ended", "first", "count"),
    [
        # A sample is an exact instant: 33.5 - 2 * 15.
        ({"alerts": [_alert(33.5)]}, 60, 3.5, 4),
        ({"alerts": [_alert(33.5)]}, 48.5, 3.5, 4),
        ({"alerts": [_alert(33.5)]}, 48.4, 3.5, 3),
        # Samples of another alert, or of another rule of the same name, do not count.
        ({"alerts": [_alert(7, labels={"alertname": "DiskFull"}), _alert(33.5)]}, 60, 3.5, 4),
        ({"alerts": [OTHERS, _alert(33.5)]}, 60, 3.5, 4),
        ({"alerts": [OTHERS], "groups": _seen(18.5)}, 60, 3.5, 4),
        # Evaluations are late, and the least late one is the best, in whatever order they come.
        ({"groups": _seen(18.507, 33.503, 48.51)}, 60, 3.503, 4),
        ({"groups": _seen(18.503, 33.507, 48.51)}, 60, 3.503, 4),
        # A drill that ends before the first evaluation has no evaluations.
        ({"alerts": [_alert(3.5)]}, 3.5, 3.5, 1),
        ({"alerts": [_alert(3.5)]}, 3.4, 3.5, 0),
        ({"alerts": [_alert(14.9)]}, 1, 14.9, 0),
        # Without samples and evaluations: on whole intervals since the epoch; 1790000010 is one of 15 s.
        ({}, 60, 10, 4),
    ],
)
async def test_a_rule_is_evaluated_again_at_the_same_instants(
    server: Answering, known: dict[str, Any], ended: float, first: float, count: int
) -> None:
    record, _ = await _watched(server, _rule(labels={"severity": "ticket"}), ended=ended, **known)
    assert (round(record.first_at - START, 3), record.count) == (first, count)


def _listed(at: float, labels: dict[str, str] = LABELS) -> list[ActiveRecord]:
    return [ActiveRecord(labels=labels, state="pending", active_at=START + at, seen_at=START + at)]


@pytest.mark.parametrize(
    ("for_seconds", "alerts", "active", "offset"),
    [
        # activeAt is the instant of the evaluation; the sample has that of the data.
        (15, [_alert(3.5, since=3)], _listed(3.5), 0),
        (15, [_alert(3.5, since=3)], _listed(3.504), 0),
        (15, [_alert(3.5, since=13)], _listed(13.5), 10),
        (15, [_alert(3.5, since=4)], _listed(4.123), 0.623),
        # Without `for` an alert fires at once.
        (0, [_alert(3.5, state="firing", since=13)], _listed(13.5), 10),
        # With `for`, a firing alert is older than its first sample.
        (15, [_alert(18.5, state="firing", since=13)], _listed(13.5), 0),
        (15, [_alert(18.5, state="firing", since=13), _alert(3.5, since=13)], _listed(13.5), 10),
        # Samples and alerts that do not match give no offset.
        (15, [_alert(3.5)], _listed(13.5), 0),
        (15, [_alert(3.5, since=12)], _listed(13.5), 0),
        (15, [_alert(3.5, since=13)], _listed(13.5, LABELS | {"job": "bank"}), 0),
        (15, [_alert(3.5, since=13, labels={"alertname": "Other"})], _listed(13.5, {"alertname": "Other"}), 0),
        (15, [], [], 0),
    ],
)
async def test_the_query_offset_follows_from_activeat(
    server: Answering, for_seconds: float, alerts: list[AlertSamples], active: list[ActiveRecord], offset: float
) -> None:
    record, _ = await _watched(server, _rule(for_seconds=for_seconds), alerts=alerts, active=active)
    assert record.query_offset_seconds == offset


@pytest.mark.parametrize(("ended", "count"), [(58.5, 4), (58.4, 3), (13.5, 1), (13.4, 0)])
async def test_data_younger_than_the_query_offset_is_not_evaluated(server: Answering, ended: float, count: int) -> None:
    """With an offset of ten seconds the data of 48.5 are evaluated at 58.5."""
    alerts = [_alert(3.5, since=13)]
    record, _ = await _watched(server, _rule(), ended=ended, alerts=alerts, active=_listed(13.5))
    assert (round(record.first_at - START, 3), record.count) == (3.5, count)


async def test_each_part_has_its_values_by_the_number_of_the_evaluation(server: Answering, stored: Stored) -> None:
    """Evaluations at 3.5, 18.5, 33.5 and 48.5."""
    stored.curves = {
        "queue > 5": [(QUEUE, lambda at: 9.0 if at in {18.5, 48.5} else None)],
        "queue": [(QUEUE, _between(0, 60, 4.0)), (QUEUE | {"instance": "new:80"}, _between(40, 60, 1.0))],
    }
    record, _ = await _watched(server, _rule(), alerts=[_alert(33.5)])
    assert [(part.expr, part.total, part.error) for part in record.parts] == [("queue > 5", 1, ""), ("queue", 2, "")]
    whole, value = record.parts
    assert [(one.first, one.values) for one in whole.series] == [(1, [9, None, 9])]
    # Sorted by their labels.
    assert [(one.first, one.values) for one in value.series] == [(3, [1]), (0, [4, 4, 4, 4])]


@pytest.mark.parametrize("away", [-1e12, -20.0, 200.0, 1e12])
async def test_samples_that_were_not_asked_for_are_left_out(stored: Stored, away: float) -> None:
    """A proxy between may answer from another range: values far away would fill a recording with gaps."""

    def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("query_range"):
            return web.json_response({"status": "success", "data": _matrix([(QUEUE, {away: 1.0, 18.5: 9.0})])})
        return stored.answer(request)

    async with answering(answer) as started:
        record, _ = await _watched(started, _rule(), alerts=[_alert(33.5)])
    assert [(one.first, one.values) for one in record.parts[0].series] == [(1, [9])]


@pytest.mark.parametrize("since", [float("nan"), float("inf")])
async def test_an_activeat_that_is_no_number_is_not_known(server: Answering, stored: Stored, since: float) -> None:
    firing = {"__name__": "ALERTS", "alertstate": "firing", "alertname": "Slow"}
    stored.raw["ALERTS"] = [(firing, {15.0: 1.0})]
    stored.raw["ALERTS_FOR_STATE"] = [({"__name__": "ALERTS_FOR_STATE", "alertname": "Slow"}, {15.0: since})]
    (alert,) = await _evidence(server).alerts()
    assert alert.since == []


async def test_at_most_fifty_series_are_kept_and_all_are_counted(server: Answering, stored: Stored) -> None:
    many = [({"__name__": "queue", "shard": f"{number:02}"}, _between(0, 60)) for number in range(51)]
    stored.curves["queue > 5"] = many[::-1]
    record, _ = await _watched(server, _rule())
    whole = record.parts[0]
    assert whole.total == 51
    assert [one.labels["shard"] for one in whole.series] == [f"{number:02}" for number in range(50)]


async def test_an_expression_that_prometheus_refuses_is_recorded_with_the_error(
    server: Answering, stored: Stored
) -> None:
    stored.refused["queue > 5"] = "many-to-many matching not allowed"
    record, _ = await _watched(server, _rule())
    assert [(part.expr, part.error) for part in record.parts] == [
        ("queue > 5", "execution: many-to-many matching not allowed"),
        ("queue", ""),
    ]


async def test_an_expression_that_cannot_be_parsed_is_evaluated_as_a_whole(server: Answering, stored: Stored) -> None:
    record, targets = await _watched(server, _rule("new_syntax ~~ 5"))
    assert stored.queries == [part.expr for part in record.parts] == ["new_syntax ~~ 5"]
    assert (targets, record.between, record.near_names) == ([], None, {})


async def test_a_selector_that_finds_nothing_is_queried_again_with_fewer_matchers(
    server: Answering, stored: Stored
) -> None:
    stored.curves["queue"] = [(QUEUE, _between(0, 60))]
    record, _ = await _watched(server, _rule('queue{job="shop", env="x"} > 5'))
    requested = [part.expr for part in record.parts]
    assert requested[3:] == ["queue", 'queue{env="x"}', 'queue{job="shop"}']
    assert record.near_names == {}


async def test_no_query_is_sent_twice_or_without_need(server: Answering, stored: Stored) -> None:
    """One part is the whole metric. A selector with fewer matchers returns more, so Prometheus would refuse that too."""
    await _watched(server, _rule('queue{job="shop"} / queue > 5'))
    assert stored.queries.count("queue") == 1
    stored.requested.clear()
    stored.refused['queue{job="shop"}'] = "too many samples"
    await _watched(server, _rule('queue{job="shop"} > 5'))
    assert "queue" not in stored.queries


async def test_a_metric_that_does_not_exist_has_the_nearest_names_recorded(server: Answering, stored: Stored) -> None:
    stored.names = ["queue_length", "queue_depth", "up", "queues", "queue_len"]
    record, _ = await _watched(server, _rule("queue_lenght > 5"))
    (near,) = record.near_names.values()
    assert list(record.near_names) == ["queue_lenght"]
    assert near == ["queue_length", "queue_len", "queue_depth"]


NEWEST = "max(max_over_time(timestamp(queue)"


@pytest.mark.parametrize(
    ("newest", "is_open", "ages"),
    [
        (-540.0, True, {"queue": 600.0}),
        # A series that ended in the usual way has a mark behind its last sample.
        (-540.0, False, {}),
        (30.0, True, {}),
        (None, True, {}),
    ],
)
async def test_samples_with_timestamps_that_no_evaluation_sees_have_their_age_recorded(
    server: Answering, stored: Stored, newest: float | None, *, is_open: bool, ages: dict[str, float]
) -> None:
    stored.names = ["queue", "queues"]
    stored.raw[NEWEST] = [({}, {60.0: START + newest})] if newest is not None else []
    stored.raw["queue"] = [(QUEUE, {-450.0: 1.0})] if is_open else []
    record, _ = await _watched(server, _rule())
    assert record.near_names == {"queue": ["queue", "queues"]}
    assert record.sample_ages == ages


async def test_the_ages_of_the_newest_samples_are_recorded(server: Answering, stored: Stored) -> None:
    stored.curves["queue"] = [(QUEUE, _between(0, 60))]
    stored.raw["time() - max(timestamp(queue))"] = [({}, {60.0: 45.5})]
    record, _ = await _watched(server, _rule())
    assert record.sample_ages == {"queue": 45.5}


async def test_the_sides_of_set_operators_are_evaluated_too(server: Answering, stored: Stored) -> None:
    await _watched(server, _rule("(queue > 5 unless on (job) quiet) or vector(0) > 1"))
    expected = ["queue > 5 unless on (job) quiet", "vector(0) > 1", "vector(0)", "queue > 5", "quiet"]
    assert set(expected) <= set(stored.queries)


def _scraped(stored: Stored, *targets: dict[str, str], up: dict[float, float], took: dict[float, float]) -> None:
    stored.raw["up"] = [({"__name__": "up"} | one, up) for one in targets]
    stored.raw["scrape_duration_seconds"] = [({"__name__": "scrape_duration_seconds"} | one, took) for one in targets]


SHOP, BANK = {"job": "shop", "instance": "shop:80"}, {"job": "shop", "instance": "bank:80"}


@pytest.mark.parametrize(
    ("listed", "interval", "timeout"),
    [
        ([{"labels": SHOP, "health": "up", "scrapeInterval": "15s", "scrapeTimeout": "5s"}], 15, 5),
        # Without an entry in the list of targets the interval is that of the scrapes, mostly 10 s.
        ([{"labels": BANK, "health": "up", "scrapeInterval": "15s", "scrapeTimeout": "5s"}], 10, 10),
        (None, 10, 10),
    ],
)
async def test_the_scrapes_of_the_targets_behind_a_rule_are_fetched(
    server: Answering,
    stored: Stored,
    listed: list[dict[str, Any]] | None,
    interval: float,
    timeout: float,  # noqa: ASYNC109 - of a scrape
) -> None:
    stored.curves["queue"] = [(QUEUE, _between(0, 60))]
    stored.targets = listed
    _scraped(stored, SHOP, BANK, up={0.1: 1, 10.1: 1, 20.1: 0, 50.1: 1}, took={0.1: 0.02, 10.1: 0.03, 20.1: 5})
    _, (target,) = await _watched(server, _rule())
    assert (target.job, target.instance, target.interval_seconds, target.timeout_seconds) == (
        "shop",
        "shop:80",
        interval,
        timeout,
    )
    assert [round(at - START, 3) for at in target.instants] == [0.1, 10.1, 20.1, 50.1]
    assert target.up == [1, 1, 0, 1]
    assert target.durations_seconds == [0.02, 0.03, 5, 0]


@pytest.mark.parametrize(
    ("url", "scraped"),
    [
        ("http://shop:80/metrics", "shop:80"),
        ("https://SHOP/metrics", "shop:443"),
        ("http://localhost:8080/metrics", "127.0.0.1:8080"),
        ("http://shop:port/metrics", ""),
        ("", ""),
    ],
)
async def test_the_address_of_a_target_is_that_of_its_url(
    server: Answering, stored: Stored, url: str, scraped: str
) -> None:
    stored.curves["queue"] = [(QUEUE, _between(0, 60))]
    stored.targets = [{"labels": SHOP, "health": "up", "scrapeUrl": url}]
    _scraped(stored, SHOP, up={0.1: 1}, took={0.1: 0.02})
    _, (target,) = await _watched(server, _rule())
    assert target.address == scraped


async def test_a_condition_is_evaluated_twice_for_each_scrape(server: Answering, stored: Stored) -> None:
    """Scraped every 10 s, so evaluated every 5 s: true from the 2nd to the 4th of 13 times, and at the last two."""
    stored.curves = {
        "queue > 5": [(QUEUE, lambda at: 9.0 if 10 <= at <= 20 or at >= 55 else None)],
        "queue": [(QUEUE, _between(0, 60))],
    }
    _scraped(stored, SHOP, up={0.1: 1, 10.1: 1, 20.1: 1}, took={})
    record, _ = await _watched(server, _rule())
    assert record.between is not None
    assert (record.between.first_at, record.between.step_seconds, record.between.count) == (START, 5, 13)
    assert [(one.labels, one.stretches) for one in record.between.series] == [(QUEUE, [(2, 3), (11, 2)])]


@pytest.mark.parametrize("status", [500, 404, 503])
async def test_a_server_that_answers_an_error_is_reported(status: int) -> None:
    async with answering(lambda _: web.Response(status=status)) as server:
        for requested in (_evidence(server).alerts(), _evidence(server).earlier(300), _watched(server, _rule())):
            with pytest.raises(ServiceUnavailable, match=f"answered {status}"):
                await requested


async def test_a_server_that_hangs_is_reported() -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    async with answering(hang) as server:
        at = MonitoringServer.model_validate({"url": server.url, "timeout": "100ms"})
        with pytest.raises(ServiceUnavailable, match="no answer within 100ms"):
            await Evidence(Prometheus(at), START, START + 60).alerts()


ODD = 'a.b|c(d) "e" \\f'
REAL_RULES = [
    {"alert": "Waits", "expr": 'up{job!="none"} == 1', "for": "1s"},
    {"alert": "Pairs", "expr": "up / on () group_right () up > 1"},
    {"alert": "Misspelt", "expr": "prometheus_build_inf > 0"},
]


@pytest.mark.parametrize("generation", ["old", "new"])
async def test_a_real_prometheus_is_queried_at_the_exact_instants_of_its_evaluations(
    generation: str, tmp_path: Path
) -> None:
    odd = {"job_name": ODD, "static_configs": [{"targets": ["127.0.0.1:1"]}], "scrape_interval": "500ms"}
    configuration = Configuration(
        rule_groups=[{"name": "g", "interval": "500ms", "rules": REAL_RULES}],
        scrape_configs=[odd | {"scrape_timeout": "200ms"}],
    )
    servers = monitoring_servers.find(generation)
    async with servers.started(tmp_path, configuration) as started, Prometheus(started.prometheus) as prometheus:
        begun, ended = await _fired(prometheus)
        evidence = Evidence(prometheus, begun, ended)
        alerts = await evidence.alerts()
        by_name = {rule.alert: rule for rule in await prometheus.rules()}
        active = [
            ActiveRecord(labels=alert.labels, state=alert.state, active_at=alert.active_at, seen_at=begun)
            for group in await prometheus.rule_groups()
            for rule in group.rules
            for alert in rule.alerts
        ]
        found = {name: await evidence.watched(rule, [], alerts, active) for name, rule in by_name.items()}
    waits, targets = found["Waits"]
    grid = [round(waits.first_at + 0.5 * number, 3) for number in range(waits.count)]
    (whole,) = waits.parts[0].series
    held = {at for at, value in zip(grid[whole.first :], whole.values, strict=False) if value is not None}
    assert waits.query_offset_seconds == 0
    for samples in alerts:
        assert samples.labels["alertname"] == "Waits"
        assert len(samples.since) == len(samples.instants)
        assert set(samples.instants) <= held
    assert sorted((target.job, target.interval_seconds) for target in targets) == [(ODD, 0.5), ("prometheus", 1)]
    assert not any(up for target in targets if target.job == ODD for up in target.up)
    assert "found duplicate series" in found["Pairs"][0].parts[0].error
    assert found["Misspelt"][0].near_names["prometheus_build_inf"][0] == "prometheus_build_info"


async def _fired(prometheus: Prometheus) -> tuple[float, float]:
    """Wait until the alert Waits fires, and return a time in which each scrape of Prometheus itself succeeded.

    On a busy machine one may take too long. That it failed is stored at its begin, which is before the evaluations that
    did not know of it yet.
    """
    begun = ended = time.time()

    def since() -> str:
        return f"[{math.ceil(time.time() - begun)}s]"

    async def has_failed() -> bool:
        return await prometheus.holds(f'min_over_time(up{{job="prometheus"}}{since()}) == 0')

    async def has_fired() -> bool:
        nonlocal begun, ended
        firing = f'count_over_time(ALERTS{{alertname="Waits", alertstate="firing"}}{since()}) > 2'
        if await has_failed():
            begun = time.time()
        if not await prometheus.holds(firing):
            return False
        ended = time.time()
        await until(lambda: prometheus.holds(f'timestamp(up{{job="prometheus"}}) > {ended}'), "it was scraped again")
        return not await has_failed()

    await until(has_fired, "Waits fires while no scrape fails", 180)
    return begun, ended


def _stamped(request: web.Request) -> web.Response:
    """Export samples that are ten minutes old, and others that are 40 s old, by their own timestamps."""
    del request
    lines = [f"{name} 1 {round((time.time() - age) * 1000)}\n" for name, age in (("ancient", 600), ("elder", 40))]
    return web.Response(text="".join(lines))


async def test_a_real_prometheus_tells_how_old_samples_with_own_timestamps_are(tmp_path: Path) -> None:
    rules = [{"alert": name, "expr": f"{name.lower()} > 5"} for name in ("Ancient", "Elder")]
    servers = monitoring_servers.find("old")
    async with answering(_stamped) as exporter:
        job = {"job_name": "batch", "static_configs": [{"targets": [exporter.url.removeprefix("http://")]}]}
        configuration = Configuration(rule_groups=[{"name": "g", "rules": rules}], scrape_configs=[job])
        async with servers.started(tmp_path, configuration) as started, Prometheus(started.prometheus) as prometheus:
            begun = time.time()
            scraped = "count_over_time(ancient[15m]) > 2 and on (job) count_over_time(elder[5m]) > 2"
            await until(lambda: prometheus.holds(scraped), "both were scraped")
            evidence = Evidence(prometheus, begun, time.time())
            found = [await evidence.watched(rule, [], [], []) for rule in await prometheus.rules()]
    ages = {name: age for record, _ in found for name, age in record.sample_ages.items()}
    assert ages.keys() == {"ancient", "elder"}
    # On a busy machine the last scrape may be a while ago.
    assert ages["ancient"] >= 600
    assert ages["ancient"] > ages["elder"] >= 40
    assert [series for record, _ in found for series in record.parts[0].series] == []
