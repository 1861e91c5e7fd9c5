from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.config.probe import read_probe_file
from alertdrill.agent.recording.money import carried
from alertdrill.agent.recording.records import MoneyRecord
from alertdrill.probes.http.settings import HttpProbe
from alertdrill.probes.tcp import TcpProbe

CONFIGS = Path(__file__).parents[3] / "configs"


def http(body: object, **settings: Any) -> HttpProbe:
    return HttpProbe.model_validate({"url": "http://shop:8080", "method": "POST", "json": body, **settings})


def test_a_body_with_one_amount_is_exact() -> None:
    (money,) = carried(http({"amount": 12.5, "currency": "EUR"}))
    assert money == MoneyRecord(currency="EUR", mean=Decimal("12.5"), share=1, is_exact=True)


def test_amounts_and_currencies_drawn_by_weight_are_known_on_average() -> None:
    data = {
        "amount": {"kind": "choice", "of": [100, 10], "weights": [3, 1]},
        "currency": {"kind": "choice", "of": ["EUR", "USD"], "weights": [1, 4]},
    }
    dollars, euros = carried(http({"amount": "{{ amount }}", "currencyCode": "{{ currency }}"}, data=data))
    assert dollars == MoneyRecord(currency="USD", mean=Decimal("77.5"), share=0.8, is_exact=False)
    assert euros == MoneyRecord(currency="EUR", mean=Decimal("77.5"), share=0.2, is_exact=False)


def test_a_range_of_amounts_has_its_middle_as_the_mean() -> None:
    (money,) = carried(http({"amount": "{{ a }}"}, data={"a": {"kind": "range", "from": 10, "to": 20}}))
    assert money == MoneyRecord(currency="", mean=Decimal(15), share=1, is_exact=False)


@pytest.mark.parametrize(
    "probe",
    [
        http({"customer": "c"}),
        http({"amount": "{{ a }}"}, data={"a": {"kind": "sequence"}}),
        http({"amount": "EUR {{ a }}"}, data={"a": {"kind": "choice", "of": [1]}}),
        http({"amount": "twelve"}),
        http({"amount": True}),
        http([{"amount": 1}]),
        http({"amount": 1}, then=[{"url": "http://shop:8080/refund"}]),
        TcpProbe.model_validate({"url": "tcp://shop:80"}),
        read_probe_file(CONFIGS / "probes/mix.yml").probe,
    ],
)
def test_unknown_money_is_not_guessed(probe: Any) -> None:
    assert carried(probe) == []


def test_an_amount_with_an_unknown_currency_is_unknown() -> None:
    body = {"amount": 1, "currency": "{{ c }}"}
    assert carried(http(body, data={"c": {"kind": "uuid"}})) == []


def test_the_shipped_payment_carries_what_its_file_says() -> None:
    money = carried(read_probe_file(CONFIGS / "probes/payment.yml").probe)
    assert [(one.currency, one.share) for one in money] == [("USD", 0.6), ("EUR", 0.3), ("GBP", 0.1)]
    assert {one.mean for one in money} == {Decimal("217.295")}
