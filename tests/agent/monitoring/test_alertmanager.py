from __future__ import annotations

import pytest
from aiohttp import web

from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager, status
from alertdrill.agent.monitoring.held import AlertmanagerCluster, HeldAlert, Receiver, Silence, SilenceMatcher
from tests.agent.monitoring.answers import AT_MILLISECOND, HELD, SILENCE, STATUS
from tests.agent.monitoring.conftest import Answer, Serve
from tests.support.answering import patient_server


async def alertmanager(serve: Serve, answer: object) -> Alertmanager:
    said: Answer = answer if callable(answer) else lambda _: web.json_response(answer)
    return Alertmanager(patient_server((await serve(said)).url))


async def test_the_status_tells_version_configuration_and_start(serve: Serve) -> None:
    told = await (await alertmanager(serve, STATUS)).status()
    assert (told.version, told.config, told.started_at) == ("0.25.0", "route: {receiver: a}", AT_MILLISECOND)
    assert told.cluster == AlertmanagerCluster(peers=0, position=None)


async def test_the_status_can_be_asked_without_a_block(serve: Serve) -> None:
    started = await serve(lambda _: web.json_response(STATUS))
    assert (await status(patient_server(started.url))).version == "0.25.0"


@pytest.mark.parametrize(("own", "position"), [("B", 0), ("C", 1), ("D", 2), ("gone", None)])
async def test_the_position_in_a_cluster_is_that_of_the_name(serve: Serve, own: str, position: int | None) -> None:
    peers = [{"name": name, "address": "127.0.0.1:1"} for name in "DBC"]
    cluster = {"status": "ready", "name": own, "peers": peers}
    told = await (await alertmanager(serve, STATUS | {"cluster": cluster})).status()
    assert told.cluster == AlertmanagerCluster(peers=3, position=position)


async def test_an_alert_lists_what_suppresses_it(serve: Serve) -> None:
    assert await (await alertmanager(serve, [HELD])).alerts() == [
        HeldAlert(
            labels={"alertname": "Down"},
            annotations={"summary": "down"},
            fingerprint="a1b2",
            starts_at=AT_MILLISECOND,
            updated_at=AT_MILLISECOND,
            state="suppressed",
            receivers=(Receiver("pager"), Receiver("chat")),
            ends_at=None,
            silenced_by=("s1",),
            inhibited_by=("b2", "c3"),
            muted_by=(),
        )
    ]


async def test_a_newer_server_lists_the_muting_time_intervals(serve: Serve) -> None:
    muted = HELD | {"status": HELD["status"] | {"silencedBy": None, "mutedBy": ["weekends"]}}
    group = {"labels": {"alertname": "Down"}, "receiver": {"name": "chat"}, "alerts": [muted]}
    (told,) = await (await alertmanager(serve, [group])).groups()
    (alert,) = told.alerts
    assert (told.labels, told.receiver) == ({"alertname": "Down"}, Receiver("chat"))
    assert (alert.muted_by, alert.silenced_by) == (("weekends",), ())


async def test_a_silence_has_its_matchers_and_its_end(serve: Serve) -> None:
    assert await (await alertmanager(serve, [SILENCE])).silences() == [
        Silence(
            id="s1",
            matchers=(SilenceMatcher("alertname", "Do.*", is_regex=True, is_equal=True),),
            starts_at=AT_MILLISECOND,
            ends_at=AT_MILLISECOND + 1,
            state="active",
            created_by="me",
            comment="maintenance",
        )
    ]


async def test_receivers_are_listed_by_name(serve: Serve) -> None:
    assert await (await alertmanager(serve, [{"name": "pager"}, {"name": "chat"}])).receivers() == ["pager", "chat"]


async def test_without_metrics_there_are_no_counts(serve: Serve) -> None:
    missing = await alertmanager(serve, lambda _: web.Response(status=404))
    assert await missing.notification_counts() is None


async def test_a_web_page_instead_of_metrics_is_a_one_line_error(serve: Serve) -> None:
    page = await alertmanager(serve, lambda _: web.Response(text="<!doctype html>\n<p>Sign in"))
    with pytest.raises(
        ServiceUnavailable, match="/metrics did not answer as Alertmanager does: expected metrics: "
    ) as said:
        await page.notification_counts()
    assert str(said.value).isprintable()
