"""The wall of alerts, without a browser: which alerts, in which order, and what it says of each."""

from __future__ import annotations

import re
from pathlib import Path

from alertdrill.agent.recording.recording import Recording
from tests.agent.drilling.virtual_site import unix_time
from tests.support.drilled import drilled
from tests.support.served_agent import shown

DAY = 86_400.0
FRESHNESS = {"prove_within": {"page": "8d"}}
SEVERITIES = {"Fresh": "page", "Old": "page", "Silent": "page", "Unlimited": "info"}


def _drilled(recording: Recording, alert: str, days_ago: float) -> Recording:
    """Return the recording of the same drill of another alert, some days before now."""
    # An alert is gone when the newest recording has no rule of it.
    rules = [
        recording.rules[0].model_copy(update={"alert": name, "labels": {"severity": severity}})
        for name, severity in SEVERITIES.items()
    ]
    text = recording.model_dump_json(by_alias=True).replace('"page"', f'"{SEVERITIES[alert]}"')
    other = drilled(Recording.model_validate_json(text), alert, unix_time() - days_ago * DAY)
    return other.model_copy(update={"rules": rules})


def _rows(text: str) -> dict[str, str]:
    """Return the rows of the table in their order, by the names of their alerts."""
    found = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', text, flags=re.DOTALL)
    assert len(dict(found)) == len(found)
    return dict(found)


def _words(row: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", row).split())


async def test_alerts_are_chosen_by_severity_and_state_and_the_stalest_is_the_first(
    tmp_path: Path, passed: Recording, missed: Recording
) -> None:
    recordings = (
        _drilled(passed, "Fresh", 3.5),
        _drilled(passed, "Fresh", 5.5),
        _drilled(passed, "Old", 12.5),
        _drilled(passed, "Unlimited", 20.5),
        _drilled(missed, "Silent", 1.5),
    )
    shows = {
        "": ["Silent", "Slow", "Old", "Fresh", "Unlimited"],
        "?order=name": ["Fresh", "Old", "Silent", "Slow", "Unlimited"],
        "?severity=page": ["Silent", "Old", "Fresh"],
        "?severity=info": ["Unlimited"],
        "?severity=nobody": [],
        "?state=proven": ["Fresh", "Unlimited"],
        "?state=stale": ["Old"],
        "?state=not_proven&order=name": ["Silent", "Slow"],
        "?state=proven&severity=page": ["Fresh"],
    }
    async with shown(tmp_path, *recordings, freshness=FRESHNESS) as one:
        for query, names in shows.items():
            status, text, _ = await one.ask("GET", f"/alerts{query}")
            assert (status, list(_rows(text))) == (200, names), query
            assert ("No alert matches." in text) == (not names), query
        _, text, _ = await one.ask("GET", "/alerts?severity=info")
        assert re.findall(r'<option value="([^"]*)" selected>', text) == ["info", "stalest"]
        _, text, _ = await one.ask("GET", "/alerts")
        assert re.findall(r'<option value="([^"]*)" selected>', text) == ["stalest"]
        for query in ("?state=unknown", "?order=newest", "?sort=name"):
            status, text, _ = await one.ask("GET", f"/alerts{query}")
            assert (status, "its query is wrong" in text) == (400, True), query


async def test_a_row_has_the_age_the_allowed_age_the_reason_and_the_trend(
    tmp_path: Path, passed: Recording, missed: Recording
) -> None:
    recordings = (
        _drilled(passed, "Fresh", 3.5),
        _drilled(missed, "Fresh", 5.5),
        _drilled(passed, "Old", 12.5),
        _drilled(passed, "Unlimited", 20.5),
    )
    async with shown(tmp_path, *recordings, freshness=FRESHNESS) as one:
        _, text, _ = await one.ask("GET", "/alerts")
        rows = _rows(text)
        assert _words(rows["Fresh"]) == "page ✓ 3 d ago allowed 8 d slow-database ✓ passed 15.2 s"
        assert _words(rows["Old"]) == (
            "page ! 12 d ago allowed 8 d its last proof is older than 8d slow-database ✓ passed 15.2 s"
        )
        assert _words(rows["Unlimited"]) == "info ✓ 20 d ago slow-database ✓ passed 15.2 s"
        assert _words(rows["Slow"]) == "— ✗ never no drill of it ran yet; slow-service would slow-service"
        assert {name: row.count('class="spark"') for name, row in rows.items()} == {
            "Silent": 0, "Slow": 0, "Old": 0, "Unlimited": 0, "Fresh": 1,
        }  # fmt: skip
        assert re.findall(r'<(path|circle) class="(\w+)"', rows["Fresh"]) == [("path", "bad"), ("circle", "good")]
        assert "2 of 5 proven" in text
