"""Which series an alert was made of, by its labels and the rule's."""

from __future__ import annotations

import pytest

from alertdrill.agent.rules.labels import is_of, listed, series_of, spell
from tests.support.one_rule import ALERT, QUEUE, part, rule, series


@pytest.mark.parametrize(
    ("alert", "labels", "of"),
    [
        (ALERT, {}, QUEUE),
        # The name of the series is not a label of the alert, and an empty label counts as missing.
        (ALERT, {}, QUEUE | {"__name__": "other"}),
        (ALERT, {}, QUEUE | {"zone": ""}),
        (ALERT | {"zone": ""}, {}, QUEUE),
        # The rule's own labels are added.
        (ALERT | {"severity": "page"}, {"severity": "page"}, QUEUE),
        (ALERT | {"severity": "page"}, {"severity": "page"}, QUEUE | {"severity": "info"}),
        # An empty label of the rule removes that of the series.
        ({"alertname": "QueueGrows", "job": "shop"}, {"instance": ""}, QUEUE),
        # The text of a template is not known.
        (ALERT | {"summary": "9 waiting"}, {"summary": "{{ $value }} waiting"}, QUEUE),
        (ALERT, {"summary": "{{ $labels.zone }}"}, QUEUE),
        # An alert on other alerts: its series has their name and state, and the alert itself does not.
        (ALERT, {}, QUEUE | {"__name__": "ALERTS", "alertname": "Other", "alertstate": "firing"}),
        # `alertname` is its own name, whatever the rule's labels are.
        (ALERT, {"alertname": "SomethingElse"}, QUEUE),
        ({"alertname": "QueueGrows"}, {}, {}),
    ],
)
def test_an_alert_is_of_the_series_whose_labels_it_has(
    alert: dict[str, str], labels: dict[str, str], of: dict[str, str]
) -> None:
    assert is_of(alert, rule(labels=labels), of)


@pytest.mark.parametrize(
    ("alert", "labels", "of"),
    [
        (ALERT, {}, QUEUE | {"instance": "other:80"}),
        (ALERT, {}, QUEUE | {"zone": "a"}),
        (ALERT | {"zone": "a"}, {}, QUEUE),
        (ALERT | {"severity": "info"}, {"severity": "page"}, QUEUE),
        (ALERT, {"severity": "page"}, QUEUE | {"severity": "page"}),
        (ALERT, {"instance": ""}, QUEUE),
    ],
)
def test_an_alert_is_not_of_a_series_with_other_labels(
    alert: dict[str, str], labels: dict[str, str], of: dict[str, str]
) -> None:
    assert not is_of(alert, rule(labels=labels), of)


def test_the_series_is_found_among_many() -> None:
    other = series("TF", QUEUE | {"instance": "other:80"})
    assert series_of(ALERT, rule(), part("queue > 5", other, series("FT"))) == series("FT")
    assert series_of(ALERT, rule(), part("queue > 5", other)) is None
    assert series_of(ALERT, rule(), None) is None


def test_labels_are_formatted_as_promql_without_those_that_all_alerts_have() -> None:
    assert spell({"b": "2", "alertname": "A", "alertstate": "firing", "a": "1"}) == '{a="1", b="2"}'
    assert spell({"alertname": "A"}) == ""


@pytest.mark.parametrize(("count", "text"), [(0, ""), (1, "0"), (5, "0, 1, 2, 3, 4"), (8, "0, 1, 2, 3, 4 and 3 more")])
def test_a_long_list_is_cut_and_the_rest_counted(count: int, text: str) -> None:
    assert listed(str(number) for number in range(count)) == text
