"""The k6 script of the monitoring strategy, unchanged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.config.probe import read_probe_file
from alertdrill.probes.checks.kinds import StatusCheck, TimeCheck
from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.http.step import compile_steps

STRATEGY = Path(__file__).with_name("payment-strategy.js")
PAYMENT = Path(__file__).parents[3] / "configs/probes/payment.yml"
BODY = {
    "fromAccountId": "test-account-1",
    "toAccountId": "test-account-2",
    "paymentTypeId": "test-payment-type",
    "amount": 100,
    "currencyCode": "USD",
    "description": "Load test transaction",
}


@pytest.fixture
def imported(whole: Callable[[str], Any]) -> Any:
    return whole(STRATEGY.read_text())


def test_the_request_is_that_of_the_script(imported: Any) -> None:
    probe = imported.file.probe
    assert (probe.method, probe.url) == ("POST", "http://payment-engine/api/v1/transactions")
    assert probe.json_body == BODY
    assert (probe.bearer_token.get_secret_value(), probe.headers) == ("test-token", {})


def test_the_request_on_the_wire_has_the_headers_and_the_body_of_the_script(imported: Any) -> None:
    [step] = compile_steps(imported.file.probe)
    head, _, body = step.render({}).decode().partition("\r\n\r\n")
    assert "Content-Type: application/json" in head.split("\r\n")
    assert "Authorization: Bearer test-token" in head.split("\r\n")
    assert body == (
        '{"fromAccountId":"test-account-1","toAccountId":"test-account-2","paymentTypeId":"test-payment-type",'
        '"amount":100,"currencyCode":"USD","description":"Load test transaction"}'
    )


def test_both_checks_keep_their_names(imported: Any) -> None:
    status, time = imported.file.probe.checks
    assert (type(status), status.title, status.status) == (StatusCheck, "status is 201", ("201",))
    assert (type(time), time.title, time.time) == (TimeCheck, "response time < 2s", timedelta(seconds=2))


def test_all_nine_stages_become_rates(imported: Any) -> None:
    load = imported.file.load
    assert [(stage.duration / timedelta(minutes=1), stage.target) for stage in load.stages] == [
        (2, 100),
        (5, 100),
        (2, 500),
        (5, 500),
        (2, 1000),
        (5, 1000),
        (2, 2000),
        (10, 2000),
        (2, 0),
    ]
    # k6 begins with one user.
    assert (load.rate, load.start_rate) == (None, 1)


def test_both_thresholds_keep_their_limits(imported: Any) -> None:
    thresholds = {key: [one.threshold for one in of] for key, of in imported.file.thresholds.items()}
    assert thresholds == {"http_req_duration": ["p(95)<2s"], "http_req_failed": ["rate<0.01"]}


def test_it_equals_the_shipped_probe(imported: Any) -> None:
    shipped = read_probe_file(PAYMENT)
    assert imported.file.load == shipped.load.model_copy(update={"start_rate": 1})
    as_shipped = {"http_req_duration": "p(95)<2000", "http_req_failed": ""}
    assert imported.file.thresholds == {
        metric: [one.model_copy(update={"written_as": as_shipped[metric]}) for one in of]
        for metric, of in shipped.thresholds.items()
    }
    assert isinstance(imported.file.probe, HttpProbe)
    assert isinstance(shipped.probe, HttpProbe)
    assert imported.file.probe.checks == shipped.probe.checks
    for name, value in imported.file.probe.json_body.items():
        ours = shipped.probe.json_body[name]
        drawn = shipped.probe.data.get(str(ours).strip("{ }"))
        assert value == ours if drawn is None else value in drawn.of, name


def test_only_the_users_and_the_sleep_are_noted(imported: Any) -> None:
    assert imported.notes == [
        (
            "6: numbers of virtual users become transactions a second:"
            " with sleep(1) a user makes about one iteration a second"
        ),
        "47: sleep(1) is not carried over: the load is an open loop, and arrivals do not wait for it",
    ]


def test_the_file_looks_as_people_write_one(imported: Any) -> None:
    assert imported.text == STRATEGY.with_name("payment-strategy.yml").read_text()
