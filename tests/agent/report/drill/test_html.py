"""The page shows the drill, loads nothing, and runs no text from outside."""

from __future__ import annotations

import random
import re
from base64 import b64encode
from hashlib import sha256

import pytest

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import AlertSamples, SecondRecord, SeriesRecord, WatchedRecord
from alertdrill.agent.report import plot
from alertdrill.agent.report.drill import figure, html
from alertdrill.agent.verdict.judge import judge
from tests.support.drawn import DrawnRow, bands, drawn_rows, labels

MOST_BYTES = 250_000


def _figure(recording: Recording) -> str:
    return plot.html(figure.figure(recording, judge(recording)))


def _rows(recording: Recording) -> list[DrawnRow]:
    return drawn_rows(_figure(recording))


def _page(recording: Recording) -> str:
    return html.render(recording, judge(recording))


def test_a_passed_drill_is_shown_in_full(passed: Recording) -> None:
    """Badge, instant, window, arithmetic, rule, fault, allowed alert, versions."""
    page = _page(passed)
    assert '<span class="badge good">passed</span>' in page
    assert "2026-09-21 14:13:20 UTC" in page
    assert "+15.20 s" in page
    assert "[15.20 … 15.20]" in page
    assert "ceil(for 10 s / interval 1 s)" in page
    assert "orders:p95_seconds &gt; 0.5" in page
    assert "<code>latency: 300ms</code>" in page
    assert "Allowed alerts that fired: QueueGrows." in page
    assert "Prometheus 3.5.0, Alertmanager 0.28.1" in page


def test_a_missed_drill_says_why(missed: Recording) -> None:
    """The reason is on the card."""
    page = _page(missed)
    assert '<span class="badge bad">failed</span>' in page
    assert "never crossed: largest value 0.48, at +5.2 s; it fires at &gt; 0.5" in page


def test_what_came_of_a_fault_is_shown_below_its_settings(passed: Recording) -> None:
    """Escaped, like all text from outside; nothing for a fault without an outcome."""
    assert '</code><p class="soft">' not in _page(passed)
    fault = passed.faults[0].model_copy(update={"outcome": "left at <2> replicas; cannot be read back"})
    page = _page(passed.model_copy(update={"faults": [fault]}))
    assert '</code><p class="soft">left at &lt;2&gt; replicas; cannot be read back</p></td>' in page


def test_the_page_loads_nothing(passed: Recording) -> None:
    """No element fetches anything, and the policy in its head forbids it."""
    page = _page(passed)
    head_and_body = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert not re.search(r"https?://|<script[^>]+src=|@import|url\(", head_and_body)
    assert re.findall(r"<link[^>]+href=\"([^\"]*)", head_and_body) == ["data:,"]
    assert "default-src 'none'" in head_and_body


def test_the_page_allows_one_script_by_its_hash(passed: Recording) -> None:
    page = _page(passed)
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    hashed = b64encode(sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    assert dict(part.split(" ", 1) for part in policy.split("; ")) == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "script-src": f"'sha256-{hashed}'",
    }


def test_foreign_text_is_escaped_everywhere(hostile: Recording) -> None:
    """Neither the page nor the figure's labels hold an element from outside."""
    page = _page(hostile)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    drawn = _rows(hostile)
    assert any("<script>alert(1)</script>" in text for _, _, _, text in drawn[-1].bars)
    assert any("<script>alert(1)</script>" in text for _, _, _, text in drawn[-1].marks)


def test_the_same_recording_gives_the_same_page(passed: Recording) -> None:
    """The page has no random names and reads no clock."""
    assert _page(passed) == _page(passed)


def test_the_figure_shows_windows_and_the_fault(passed: Recording) -> None:
    """Each milestone has its band in seconds after the fault; each row is shaded while the fault lasts."""
    drawn = _figure(passed)
    rows = drawn_rows(drawn)
    windows = [(start, end) for key, start, end, _ in rows[-1].bars if key == "lawful window"]
    assert any(abs(start - 15.198) < 1e-3 and abs(end - 15.202) < 1e-3 for start, end in windows)
    assert bands(drawn) == [(0, 60)]
    assert drawn.count('class="band"') == len(rows) == 4
    assert labels(drawn) == ["latency begins +0.0 s, ends +60.0 s"]


def test_the_figure_shows_the_load_and_the_value_of_the_rule(passed: Recording) -> None:
    load, latency, value, alerts = _rows(passed)
    seconds = passed.load.seconds
    assert load.keys == ["succeeded", "failed", "dropped"]
    assert load.areas["succeeded"][0] == (-30, seconds[0].succeeded)
    assert max(top for _, top in load.areas["failed"]) == max(one.succeeded + one.failed for one in seconds)
    assert load.areas["dropped"] == []
    assert max(latency.values("p99")) == pytest.approx(max(one.p99_seconds or 0 for one in seconds), rel=1e-3)
    assert value.title == "OrdersSlow: the value of its rule"
    assert value.values("fires at > 0.5") == [0.5, 0.5]
    assert set(value.values("value")) == {0.02, 0.66}
    assert alerts.labels == ["OrdersSlow", "condition", "pending", "firing", "notified", "resolved", "QueueGrows"]


def test_states_notifications_and_milestones_say_what_they_are(passed: Recording) -> None:
    """A shape beside each colour: a check where a milestone was inside its window, a cross where it was not."""
    alerts = _rows(passed)[-1]
    texts = [text for _, _, _, text in alerts.bars]
    assert any(text.startswith("OrdersSlow pending +5.20 s to +15.20 s\n") for text in texts)
    assert any(text.startswith("firing: lawful [15.20 … 15.20]\n") for text in texts)
    marks = {(key, shape) for key, shape, _, _ in alerts.marks}
    assert {("notified: firing", "down"), ("notified: resolved", "down-open"), ("inside it", "check")} <= marks
    assert ("firing +15.20 s") in [text for _, _, _, text in alerts.marks]


def test_a_row_is_described_for_readers_who_do_not_see_it(passed: Recording) -> None:
    for row in _rows(passed):
        assert row.svg.get("role") == "img"
        title, description = row.svg.findall("title") + row.svg.findall("desc")
        assert row.svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text
        assert description.text


def test_an_empty_recording_gives_a_page(missed: Recording) -> None:
    """A drill that was aborted at once has no seconds, no samples, no faults."""
    load = missed.load.model_copy(update={"seconds": [], "due": 0, "reasons": {}})
    empty = missed.model_copy(update={"load": load, "faults": [], "values": [], "rules": [], "phases": []})
    assert '<span class="badge unsure">inconclusive</span>' in _page(empty)


def _noisy_second(at: float, chance: random.Random) -> SecondRecord:
    ended, failed = chance.randrange(80, 120), chance.randrange(9)
    late = chance.random()
    return SecondRecord(
        at=at, due=ended, succeeded=ended - failed, failed=failed, dropped=chance.randrange(3), in_flight=3,
        p50_seconds=late / 3, p95_seconds=late / 2, p99_seconds=late,
    )  # fmt: skip


def _with_many_series(record: WatchedRecord, start: float, chance: random.Random) -> WatchedRecord:
    whole, value = record.parts
    series = [
        SeriesRecord(labels={"pod": f"pod-{number}"}, first=0, values=[chance.random() for _ in range(3600)])
        for number in range(60)
    ]
    parts = [whole, value.model_copy(update={"series": series, "total": len(series)})]
    return record.model_copy(update={"parts": parts, "first_at": start, "count": 3600})


def _hour(passed: Recording) -> Recording:
    """A drill of an hour, in which everything changes every second."""
    chance, start = random.Random(1), passed.started_at  # noqa: S311 - made data
    load = passed.load.model_copy(update={"seconds": [_noisy_second(start + at, chance) for at in range(3600)]})
    load.seconds[1234] = load.seconds[1234].model_copy(update={"failed": 70, "p99_seconds": 9.0})
    flapping = [
        AlertSamples(labels={"alertname": "QueueGrows", "n": f"{n}"}, state="firing", instants=[start + at + n / 9])
        for n in range(9)
        for at in range(0, 3600, 8)
    ]
    (told, *_), (fault, *_) = passed.notifications, passed.faults
    begins = [start + at for at in range(60, 3600, 60)]
    return passed.model_copy(
        update={
            "ended_at": start + 3600,
            "load": load,
            "watched": [_with_many_series(passed.watched[0], start, chance)],
            "alerts": [*passed.alerts, *flapping],
            "notifications": [told.model_copy(update={"received_at": start + at}) for at in range(0, 3600, 5)],
            "faults": [fault.model_copy(update={"injected_at": at, "healed_at": at + 9}) for at in begins],
        }
    )


def test_an_hour_with_changes_every_second_is_a_small_page_that_loses_no_peak(passed: Recording) -> None:
    recording = _hour(passed)
    page = _page(recording)
    assert len(page.encode()) <= MOST_BYTES
    load, latency, value, alerts = _rows(recording)
    assert max(latency.values("p99")) == pytest.approx(9.0, rel=1e-3)
    assert max(top for _, top in load.areas["failed"]) >= 70
    assert len(value.keys) == 40
    assert value.title.endswith("; 21 more lines are not drawn")
    assert any(re.search(r"QueueGrows firing \d+ times", text) for _, _, _, text in alerts.bars)


def test_names_of_ten_thousand_characters_are_cut_and_shown_whole_by_pointing_at_them(passed: Recording) -> None:
    long = "Слишком" * 1500
    expected = [one.model_copy(update={"alert": long}) for one in passed.drill.expect]
    drill = passed.drill.model_copy(update={"name": long, "expect": expected})
    faults = [fault.model_copy(update={"kind": long, "target": long}) for fault in passed.faults]
    page = _page(passed.model_copy(update={"drill": drill, "faults": faults}))
    assert f'<h1><span title="{long}">{long[:79]}…</span></h1>' in page
    shown = re.sub(r"<script>.*</script>|<title>.*?</title>|<style>.*</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert max(map(len, shown.split())) <= 1000


def test_settings_are_spelled_as_in_their_file(passed: Recording) -> None:
    """No word of Python; what is not set is not shown."""
    settings = {
        "kind": "latency", "repeat": None, "ramp": {"every": "1m", "to": None}, "toxicity": 1.0, "match": ["a", "b, c"],
        "force": True,
    }  # fmt: skip
    fault = passed.faults[0].model_copy(update={"settings": settings})
    page = _page(passed.model_copy(update={"faults": [fault]}))
    shown = re.findall(r"<code>(\w+: [^<]*)</code>", page)
    assert shown == ["ramp: {every: 1m}", "toxicity: 1", "match: [a, &#34;b, c&#34;]", "force: true"]
    assert not re.search(r"\b(None|True|False)\b", page)


def test_a_later_try_is_told_with_its_reason(passed: Recording) -> None:
    again = passed.model_copy(update={"attempt": 2, "time_scale": 15.0})
    told = "run 15 times as fast as written, at the second try, alone at time scale 15"
    assert f"{told}, because the machine was too busy before." in " ".join(_page(again).split())
    assert "the machine was too busy" not in _page(passed)
