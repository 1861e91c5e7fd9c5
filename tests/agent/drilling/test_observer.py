"""What an observer keeps of Prometheus and Alertmanager; here they are HTTP servers with prepared answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from alertdrill.agent.config.drill import Drill, Expectation
from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.drilling.observer import Observer
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.records import TargetRecord
from tests.agent.monitoring.answers import GROUP, HELD, RULE, SILENCE, STATUS
from tests.support import one_rule
from tests.support.answering import Answering, answering

AT = 1_767_323_045.5
QUIET = RULE | {"alerts": [], "health": "ok", "lastError": "", "state": "inactive"}
COUNTS = 'alertmanager_notifications_total{{integration="webhook"}} {}\n'
FAILED = 'alertmanager_notifications_failed_total{{integration="webhook"}} {}\n'


def _spell(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _active(state: str, name: str = "Down", at: float = AT, instance: str = "a") -> dict[str, Any]:
    labels = {"alertname": name, "instance": instance}
    return {"labels": labels, "annotations": {}, "state": state, "activeAt": _spell(at), "value": "1"}


def _groups(*alerts: dict[str, Any], evaluated: float | None = AT, **update: Any) -> dict[str, Any]:
    """Serve one group of one rule with its active alerts."""
    last = {} if evaluated is None else {"lastEvaluation": _spell(evaluated)}
    return {"groups": [GROUP | last | {"rules": [QUIET | {"alerts": list(alerts)} | update]}]}


@dataclass
class Answers:
    """The answers of the two servers, by the last part of the path; an int is a status."""

    answers: dict[str, Any] = field(default_factory=dict)
    delay_seconds: float = 0.0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.delay_seconds)
        prepared = self.answers.get(request.path.rsplit("/", 1)[1], 404)
        if isinstance(prepared, int):
            return web.Response(status=prepared, text="no")
        if isinstance(prepared, str):
            return web.Response(text=prepared)
        is_prometheus = request.path.startswith("/api/v1/")
        return web.json_response({"status": "success", "data": prepared} if is_prometheus else prepared)


@dataclass
class Watching:
    """An observer of two servers, and the lines that it printed."""

    observer: Observer
    answers: Answers
    lines: list[str]
    server: Answering

    def asked_for(self, last: str) -> int:
        return sum(path.split("?")[0].endswith(f"/{last}") for path in self.server.asked)


def _drill(*abort_if: str) -> Drill:
    values = {"drill": "d", "load": {"rate": 1}, "expect": [{"alert": "Down"}], "abort_if": list(abort_if)}
    return Drill.model_validate(values)


async def _begun(
    server: Answering,
    answers: Answers,
    drill: Drill,
    patience: str = "30s",
    wall: Callable[[], float] = time.time,
) -> Watching:
    lines: list[str] = []
    at = MonitoringServer.model_validate({"url": server.url, "timeout": patience})
    observer = Observer(Prometheus(at), Alertmanager(at), drill, lines.append, wall)
    await observer.begin()
    return Watching(observer, answers, lines, server)


@pytest.fixture
def answers() -> Answers:
    return Answers(
        {
            "rules": _groups(),
            "flags": {"rules.alert.resend-delay": "1m", "rules.alert.for-grace-period": "10m"},
            "runtimeinfo": {"startTime": _spell(AT - 100), "lastConfigTime": _spell(AT - 50)},
            "buildinfo": {"version": "3.5.0"},
            "query": {"resultType": "scalar", "result": [AT, str(AT)]},
            "status": STATUS | {"cluster": {"name": "b", "peers": [{"name": "a"}, {"name": "b"}]}},
            "metrics": COUNTS.format(4) + FAILED.format(1),
            "alerts": [HELD],
            "silences": [],
        }
    )


@pytest_asyncio.fixture
async def watching(answers: Answers) -> AsyncIterator[Watching]:
    async with answering(answers.answer) as server:
        yield await _begun(server, answers, _drill("up == 0", "vector(1) > 2"))


@pytest.mark.parametrize("missing", ["rules", "flags", "metrics", "status"])
async def test_nothing_begins_without_a_server_that_answers(answers: Answers, missing: str) -> None:
    answers.answers[missing] = 500
    async with answering(answers.answer) as server:
        with pytest.raises(ServiceUnavailable, match="answered 500"):
            await _begun(server, answers, _drill())


async def test_each_change_of_an_alert_s_state_is_printed_once(watching: Watching) -> None:
    for alerts, states in (
        ([], {}),
        ([_active("pending")], {"Down": "pending"}),
        ([_active("pending")], {"Down": "pending"}),
        # Of several alerts of one name, the firing one gives the state, in whatever order they come.
        ([_active("firing"), _active("pending", instance="b")], {"Down": "firing"}),
        ([_active("pending", instance="b"), _active("firing")], {"Down": "firing"}),
        ([_active("pending", instance="b"), _active("pending", "Full")], {"Down": "pending", "Full": "pending"}),
        ([], {}),
    ):
        watching.answers.answers["rules"] = _groups(*alerts)
        await watching.observer.look()
        assert watching.observer.states == states
    assert watching.lines == [
        "alert Down: pending",
        "alert Down: firing",
        "alert Down: pending",
        "alert Full: pending",
        "alert Down: inactive",
        "alert Full: inactive",
    ]


async def test_an_active_alert_is_kept_once_for_each_begin_and_state_with_its_last_look(
    watching: Watching,
) -> None:
    for alerts in ([_active("pending")], [_active("firing")], [_active("firing")], [_active("firing", at=AT + 60)]):
        before = time.time()
        watching.answers.answers["rules"] = _groups(*alerts)
        await watching.observer.look()
    active = watching.observer.active
    assert [(one.state, one.active_at) for one in active] == [("pending", AT), ("firing", AT), ("firing", AT + 60)]
    assert active[0].seen_at < active[1].seen_at < before <= active[2].seen_at <= time.time()


async def test_a_change_of_an_expected_alert_is_noted_with_the_evaluation_that_found_it(watching: Watching) -> None:
    for number, alerts in (
        (0, []),
        (1, [_active("pending")]),
        (2, [_active("pending")]),
        # The state of the next evaluation is shown a moment before its instant.
        (2, [_active("firing")]),
        (3, [_active("firing"), _active("pending", instance="b")]),
        (6, [_active("firing", instance="b")]),
    ):
        at = AT + 15 * number
        watching.answers.answers["rules"] = _groups(*alerts, evaluated=at, lastEvaluation=_spell(at))
        await watching.observer.look()
    found = [(one.labels["instance"], one.state, one.at - AT, one.before) for one in watching.observer.changes.seen]
    assert found == [
        ("a", "pending", 15, AT),
        ("a", "firing", 45, AT + 30),
        ("b", "pending", 45, AT + 30),
        ("b", "firing", 90, AT + 45),
        ("a", "inactive", 90, AT + 45),
    ]


async def test_an_evaluation_is_noted_once_with_the_looks_before_and_after_it(
    watching: Watching,
) -> None:
    looks = []
    for evaluated in (AT, AT, AT + 15, AT + 15, AT + 30):
        watching.answers.answers["rules"] = _groups(evaluated=evaluated)
        looks.append((time.time(), await watching.observer.look(), time.time()))
    (group,) = watching.observer.groups
    assert (group.group, group.file, group.interval_seconds) == ("g", "/etc/rules.yml", 15)
    assert [one.at for one in group.evaluations] == [AT, AT + 15, AT + 30]
    for evaluation, number in zip(group.evaluations, (1, 2, 4), strict=True):
        assert looks[number - 1][0] <= evaluation.looked_before_at <= looks[number - 1][2]
        assert looks[number][0] <= evaluation.looked_at <= looks[number][2]


async def test_a_slow_answer_says_nothing_about_the_time_that_it_took(watching: Watching) -> None:
    """An evaluation during the request may be in the answer or not: that time lies between the two looks."""
    await watching.observer.look()
    watching.answers.delay_seconds = 0.3
    for number in (1, 2):
        watching.answers.answers["rules"] = _groups(evaluated=AT + 15 * number)
        await watching.observer.look()
    first, second = watching.observer.groups[0].evaluations
    assert first.looked_at - first.looked_before_at >= 0.3
    assert second.looked_at - second.looked_before_at >= 0.6


async def test_a_group_before_its_first_evaluation_has_no_evaluations(watching: Watching) -> None:
    watching.answers.answers["rules"] = _groups(evaluated=None)
    for _ in range(2):
        await watching.observer.look()
    assert watching.observer.groups == []


async def test_an_evaluation_names_the_rules_that_failed(watching: Watching) -> None:
    for evaluated, update in ((AT, {}), (AT + 15, {"health": "err", "lastError": "many-to-many"}), (AT + 30, {})):
        for _ in range(2):
            watching.answers.answers["rules"] = _groups(evaluated=evaluated, **update)
            await watching.observer.look()
    (group,) = watching.observer.groups
    assert [one.errors for one in group.evaluations] == [{}, {"Down": "many-to-many"}, {}]


@pytest.mark.parametrize(
    ("alerts", "groups", "interval"), [(["Down"], ["g"], 15), (["Full"], ["h"], 5), (["Down", "Full"], ["g", "h"], 5)]
)
async def test_only_groups_with_an_expected_alert_are_kept_and_the_shortest_interval_counts(
    answers: Answers, alerts: list[str], groups: list[str], interval: float
) -> None:
    others = GROUP | {"name": "h", "interval": 5, "lastEvaluation": _spell(AT), "rules": [QUIET | {"name": "Full"}]}
    answers.answers["rules"] = {"groups": [*_groups()["groups"], others]}
    async with answering(answers.answer) as server:
        drill = _drill().model_copy(update={"expect": [Expectation(alert=alert) for alert in alerts]})
        watching = await _begun(server, answers, drill)
        for _ in range(2):
            await watching.observer.look()
    assert [one.group for one in watching.observer.groups] == groups
    assert [one.alert for one in watching.observer.rules] == ["Down", "Full"]
    assert watching.observer.interval_seconds == interval


LATE = 'Get "http://shop:80/metrics?token=hush": context deadline exceeded'


async def test_errors_of_scrapes_are_kept_while_an_alert_is_active_that_is_not_allowed(watching: Watching) -> None:
    down = {
        "labels": {"job": "shop", "instance": "shop:80"},
        "health": "down",
        "lastError": LATE,
    }
    watching.answers.answers["targets"] = {"activeTargets": [down, down | {"labels": {"job": "bank"}, "lastError": ""}]}
    await watching.observer.look()
    watching.answers.answers["rules"] = _groups(_active("firing"))
    await watching.observer.look()
    assert watching.asked_for("targets") == 0
    watching.answers.answers["rules"] = _groups(_active("pending", name="ShopDown"))
    await watching.observer.look()
    watching.answers.answers["targets"] = {"activeTargets": [down | {"lastError": ""}]}
    await watching.observer.look()
    scraped = {"interval_seconds": 1, "timeout_seconds": 1, "instants": [], "up": [], "durations_seconds": []}
    records = [TargetRecord(job=job, instance=f"{job}:80", **scraped) for job in ("shop", "bank")]
    kept = [watching.observer.with_error(one).last_error for one in records]
    assert kept == ["context deadline exceeded", ""]


async def test_alertmanager_is_queried_only_while_an_expected_alert_fires(watching: Watching) -> None:
    for alerts, looks in (([_active("pending")], 0), ([_active("firing", "Full")], 0), ([_active("firing")], 1)):
        watching.answers.answers["rules"] = _groups(*alerts)
        await watching.observer.look()
        assert watching.asked_for("alerts") == looks
    record = await watching.observer.alertmanager_record()
    assert record.looks == 1


async def test_an_alert_of_alertmanager_is_kept_with_its_first_and_its_last_look(watching: Watching) -> None:
    watching.answers.answers["rules"] = _groups(_active("firing"))
    active = HELD | {"status": {"state": "active", "silencedBy": [], "inhibitedBy": []}}
    again = active | {"startsAt": _spell(AT + 60)}
    for listed in ([HELD], [HELD], [active], [again]):
        watching.answers.answers["alerts"] = listed
        await watching.observer.look()
    held = (await watching.observer.alertmanager_record()).alerts
    started = 1_767_323_045.123
    assert [(one.state, one.starts_at) for one in held] == [
        ("suppressed", started),
        ("active", started),
        ("active", AT + 60),
    ]
    assert held[0].first_seen_at < held[0].last_seen_at < held[1].first_seen_at
    assert held[1].first_seen_at == held[1].last_seen_at < held[2].first_seen_at
    assert (held[0].receivers, held[0].silenced_by, held[0].inhibited_by) == (["pager", "chat"], ["s1"], ["b2", "c3"])


async def test_an_outage_is_printed_once_and_recorded_with_its_whole_length(watching: Watching) -> None:
    watching.answers.answers["rules"] = 503
    for _ in range(3):
        await watching.observer.look()
    (outage,) = watching.observer.outages
    assert outage.server == "Prometheus"
    assert "answered 503" in outage.reason
    assert outage.first_at < outage.last_at
    assert watching.lines == [outage.reason]
    watching.answers.answers["rules"] = _groups()
    await watching.observer.look()
    watching.answers.answers["rules"] = 502
    for _ in range(2):
        await watching.observer.look()
    first, second = watching.observer.outages
    assert first == outage
    assert second.first_at < second.last_at
    assert len(watching.lines) == 2


async def test_each_server_has_its_own_outages(watching: Watching) -> None:
    watching.answers.answers |= {"rules": _groups(_active("firing")), "alerts": 500}
    for _ in range(2):
        await watching.observer.look()
    assert [one.server for one in watching.observer.outages] == ["Alertmanager"]
    assert not watching.observer.is_away
    assert (await watching.observer.alertmanager_record()).looks == 0


async def test_a_server_that_hangs_counts_as_away_after_its_timeout(answers: Answers) -> None:
    async with answering(answers.answer) as server:
        watching = await _begun(server, answers, _drill(), patience="3s")
        answers.delay_seconds = 3600
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(60):
            await watching.observer.look()
        assert asyncio.get_running_loop().time() - began >= 3
    assert [one.server for one in watching.observer.outages] == ["Prometheus"]


@pytest.mark.parametrize(
    ("server", "seconds", "answers_again", "is_away"),
    [
        ("Prometheus", 5.1, False, True),
        ("Prometheus", 4.5, False, False),
        ("Prometheus", 5.1, True, False),
        # Without Alertmanager the alerts can still be watched.
        ("Alertmanager", 60.0, False, False),
    ],
)
async def test_prometheus_is_away_after_five_seconds_without_an_answer(
    answers: Answers, server: str, seconds: float, *, answers_again: bool, is_away: bool
) -> None:
    now = AT
    async with answering(answers.answer) as servers:
        observer = (await _begun(servers, answers, _drill(), wall=lambda: now)).observer
        observer.note_outage(server, "connection refused")
        now += seconds
        other = {"Prometheus": "Alertmanager", "Alertmanager": "Prometheus"}[server]
        observer.note_outage(other, "connection refused")
        observer.note_outage(server, "connection refused")
        if answers_again:
            await observer.look()
    assert observer.is_away is is_away


async def test_a_drill_is_aborted_when_an_abort_condition_has_a_result(watching: Watching) -> None:
    watching.answers.answers["query"] = {"resultType": "vector", "result": []}
    await watching.observer.look_for_abort()
    assert watching.observer.aborted == ""
    watching.answers.answers["query"] = {"resultType": "vector", "result": [{"metric": {}, "value": [AT, "0"]}]}
    await watching.observer.look_for_abort()
    assert watching.observer.aborted == "abort_if became true: vector(1) > 2"
    assert watching.lines == ["abort_if became true: up == 0", "abort_if became true: vector(1) > 2"]


def _targets(error: str) -> dict[str, Any]:
    labels = {"job": "shop", "instance": "shop:80"}
    return {"activeTargets": [{"labels": labels, "health": "down" if error else "up", "lastError": error}]}


async def test_the_error_of_a_scrape_during_the_fault_is_kept(watching: Watching) -> None:
    """Prometheus forgets it with the next scrape that succeeds."""
    observer = watching.observer
    for error in ("sample limit exceeded", ""):
        watching.answers.answers["targets"] = _targets(error)
        await observer.note_scrape_errors()
    assert observer.with_error(one_rule.target(3)).last_error == "sample limit exceeded"
    assert observer.with_error(one_rule.target(3, instance="other:80")).last_error == ""


async def test_an_error_of_a_scrape_that_cannot_be_read_is_no_outage(watching: Watching) -> None:
    watching.answers.answers["targets"] = 500
    await watching.observer.note_scrape_errors()
    assert watching.observer.outages == []


async def test_version_flags_and_clock_of_prometheus_are_recorded(watching: Watching) -> None:
    before = time.time()
    record = await watching.observer.prometheus_record()
    after = time.time()
    assert (record.version, record.started_at, record.loaded_at) == ("3.5.0", [AT - 100], [AT - 50])
    waits = (record.for_grace_seconds, record.resend_delay_seconds, record.lookback_seconds)
    assert waits == (600, 60, None)
    assert record.clock_ahead_seconds is not None
    assert AT - after <= record.clock_ahead_seconds <= AT - before
    assert 0 < record.clock_unsure_seconds <= after - before


async def test_a_restart_and_a_reload_leave_two_instants(watching: Watching) -> None:
    watching.answers.answers["runtimeinfo"] = {"startTime": _spell(AT), "lastConfigTime": _spell(AT + 1)}
    watching.answers.answers["status"] |= {"uptime": _spell(AT + 2)}
    record = await watching.observer.prometheus_record()
    assert (record.started_at, record.loaded_at) == ([AT - 100, AT], [AT - 50, AT + 1])
    assert (await watching.observer.alertmanager_record()).started_at == [1_767_323_045.123, AT + 2]


async def test_a_configuration_of_alertmanager_that_changed_is_kept_beside_the_first(watching: Watching) -> None:
    watching.answers.answers["status"] |= {"config": {"original": "route: {receiver: b}"}}
    record = await watching.observer.alertmanager_record()
    assert (record.config, record.config_at_end) == ("route: {receiver: a}", "route: {receiver: b}")


async def test_a_server_that_is_away_at_the_end_is_an_outage_and_not_an_error(watching: Watching) -> None:
    watching.answers.answers = dict.fromkeys(watching.answers.answers, 500)
    record = await watching.observer.prometheus_record()
    assert (record.version, record.started_at, record.clock_ahead_seconds) == ("unknown", [AT - 100], None)
    held = await watching.observer.alertmanager_record()
    assert (held.version, held.config, held.config_at_end, held.peers) == ("0.25.0", "route: {receiver: a}", None, 2)
    assert (held.silences, held.deliveries) == ([], [])
    assert await watching.observer.rules_at_end() is None
    assert [one.server for one in watching.observer.outages] == ["Prometheus", "Alertmanager"]


async def test_the_rules_are_fetched_again_at_the_end(watching: Watching) -> None:
    watching.answers.answers["rules"] = _groups(duration=45)
    found = await watching.observer.rules_at_end()
    assert found is not None
    assert [rule.for_seconds for rule in found] == [45]
    assert [rule.for_seconds for rule in watching.observer.rules] == [30]


@pytest.mark.parametrize(
    ("matcher", "spelled"),
    [
        ({"isRegex": False}, 'path="/a"'),
        ({"isRegex": True}, 'path=~"/a"'),
        ({"isRegex": False, "isEqual": False}, 'path!="/a"'),
        ({"isRegex": True, "isEqual": False}, 'path!~"/a"'),
        # As amtool does: quotes and backslashes are escaped.
        ({"isRegex": True, "value": r"\d+"}, r'path=~"\\d+"'),
        ({"isRegex": False, "value": 'a"bä'}, r'path="a\"bä"'),
    ],
)
async def test_a_silence_is_written_as_alertmanager_writes_it(
    watching: Watching, matcher: dict[str, Any], spelled: str
) -> None:
    watching.answers.answers["silences"] = [SILENCE | {"matchers": [{"name": "path", "value": "/a"} | matcher]}]
    (silence,) = (await watching.observer.alertmanager_record()).silences
    assert silence.matchers == [spelled]
    assert (silence.silence_id, silence.created_by, silence.comment) == ("s1", "me", "maintenance")


@pytest.mark.parametrize(("silence_id", "kept"), [("s1", ["s1"]), ("s2", [])])
async def test_an_expired_silence_is_kept_if_it_silenced_an_alert(
    watching: Watching, silence_id: str, kept: list[str]
) -> None:
    watching.answers.answers["rules"] = _groups(_active("firing"))
    await watching.observer.look()
    watching.answers.answers["silences"] = [SILENCE | {"id": silence_id, "status": {"state": "expired"}}]
    record = await watching.observer.alertmanager_record()
    assert [one.silence_id for one in record.silences] == kept


@pytest.mark.parametrize(
    ("metrics", "sent"),
    [
        (COUNTS.format(4) + FAILED.format(1), []),
        (COUNTS.format(7) + FAILED.format(2), [("webhook", 3, 1)]),
        # After a restart the counters begin at zero.
        (COUNTS.format(2) + FAILED.format(1), [("webhook", 2, 1)]),
        # An integration that is new.
        (COUNTS.format(4) + FAILED.format(1) + COUNTS.format(5).replace("webhook", "email"), [("email", 5, 0)]),
        (COUNTS.format(5).replace("}", ',receiver_name="pager"}'), [("webhook of pager", 5, 0)]),
    ],
)
async def test_only_what_was_sent_during_the_drill_is_counted(
    watching: Watching, metrics: str, sent: list[tuple[str, int, int]]
) -> None:
    watching.answers.answers["metrics"] = metrics
    record = await watching.observer.alertmanager_record()
    assert [(one.integration, one.sent, one.failed) for one in record.deliveries] == sent


async def test_an_alertmanager_without_a_cluster_counts_as_one_peer(answers: Answers) -> None:
    answers.answers["status"] = STATUS
    async with answering(answers.answer) as server:
        watching = await _begun(server, answers, _drill())
        assert (await watching.observer.alertmanager_record()).peers == 1


REQUESTS = 'alertmanager_notification_requests_total{{integration="webhook"}} {}\n'


@pytest.mark.parametrize(
    ("metrics", "calls"),
    [
        (COUNTS.format(4), 0),
        (COUNTS.format(7), 3),
        # A notification whose first calls failed is several calls.
        (COUNTS.format(5) + REQUESTS.format(9), 5),
        (COUNTS.format(6) + REQUESTS.format(3), 2),
        (
            COUNTS.format(6).replace("}", ',receiver_name="a"}') + COUNTS.format(1).replace("}", ',receiver_name="b"}'),
            3,
        ),
        # Calls of other kinds are none of the webhook.
        (COUNTS.format(4) + COUNTS.format(9).replace("webhook", "email"), 0),
        # After a restart the counters begin at zero, so nothing can be compared; and there may be none.
        (COUNTS.format(2), None),
        (COUNTS.format(9).replace("webhook", "email"), None),
        (404, None),
        (500, None),
    ],
)
async def test_alertmanager_s_own_count_of_calls_is_compared_where_it_can_be(
    answers: Answers, metrics: str | int, calls: int | None
) -> None:
    answers.answers["status"] = STATUS
    async with answering(answers.answer) as server:
        watching = await _begun(server, answers, _drill())
        answers.answers["metrics"] = metrics
        assert await watching.observer.webhook_calls(0) == calls


async def test_calls_that_alertmanager_counts_late_are_waited_for(answers: Answers) -> None:
    answers.answers["status"] = STATUS
    async with answering(answers.answer) as server:
        watching = await _begun(server, answers, _drill())
        asking = asyncio.ensure_future(watching.observer.webhook_calls(2))
        while watching.asked_for("metrics") < 3:  # noqa: ASYNC110 - a server does not tell who asked
            await asyncio.sleep(0.01)
        answers.answers["metrics"] = COUNTS.format(6)
        assert await asking == 2


async def test_of_a_cluster_no_count_is_compared(watching: Watching) -> None:
    """Any of its instances may call."""
    assert await watching.observer.webhook_calls(0) is None
