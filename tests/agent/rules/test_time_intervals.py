"""Which instants a time interval of Alertmanager covers, by a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from alertdrill.agent.rules.time_intervals import covers

# A Monday; the month has 30 days.
NOON = datetime(2026, 9, 21, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("interval", "is_covered"),
    [
        ({}, True),
        ({"times": [{"start_time": "12:00", "end_time": "13:00"}]}, True),
        ({"times": [{"start_time": "11:00", "end_time": "12:00"}]}, False),
        ({"times": [{"start_time": "00:00", "end_time": "24:00"}]}, True),
        ({"times": [{"start_time": "14:00", "end_time": "15:00"}], "location": "Europe/Berlin"}, True),
        ({"weekdays": ["monday:friday"]}, True),
        ({"weekdays": ["saturday", "sunday"]}, False),
        ({"days_of_month": ["1:5", "21"]}, True),
        ({"days_of_month": ["-3:-1"]}, False),
        ({"days_of_month": ["-10"]}, True),
        ({"months": ["9"]}, True),
        ({"months": ["january:march", "September"]}, True),
        ({"months": ["10:12"]}, False),
        ({"years": ["2020:2026"]}, True),
        ({"years": ["2025"]}, False),
        ({"weekdays": ["monday"], "years": ["2025"]}, False),
    ],
)
def test_every_field_must_cover_the_instant(interval: dict[str, Any], *, is_covered: bool) -> None:
    assert covers(interval, NOON) is is_covered


@pytest.mark.parametrize("location", ["Local", "Nowhere/Else", "../x"])
def test_an_unknown_time_zone_is_an_error(location: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        covers({"location": location}, NOON)
