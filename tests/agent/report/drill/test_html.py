"""The page shows the drill, loads nothing, and runs no text from outside."""

from __future__ import annotations

import re

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report.drill import figure, html
from alertdrill.agent.verdict.judge import judge


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


def test_foreign_text_is_escaped_everywhere(hostile: Recording) -> None:
    """Neither the page nor the figure's labels hold an element from outside."""
    page = _page(hostile)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    drawn = figure.figure(hostile, judge(hostile)).to_json()
    assert "script\\u003ealert" not in drawn.replace("\\u0026lt;script\\u0026gt;", "").replace("&lt;script&gt;", "")


def test_the_same_recording_gives_the_same_page(passed: Recording) -> None:
    """The page has no random names and reads no clock."""
    assert _page(passed) == _page(passed)


def test_the_figure_shows_windows_and_the_fault(passed: Recording) -> None:
    """Each milestone has its band in seconds after the fault; each row is shaded while the fault lasts."""
    drawn = figure.figure(passed, judge(passed))
    bands = [(bar.base[0], bar.base[0] + bar.x[0]) for bar in drawn.data if bar.type == "bar"]
    assert any(abs(start - 15.198) < 1e-3 and abs(end - 15.202) < 1e-3 for start, end in bands)
    shades = [shape for shape in drawn.layout.shapes if shape.type == "rect"]
    assert [(shade.x0, shade.x1) for shade in shades] == [(0, 60)] * 4
    notes = [note.text for note in drawn.layout.annotations if note.name == "fault"]
    assert notes == ["latency begins +0.0 s", "latency ends +60.0 s"]


def test_an_empty_recording_gives_a_page(missed: Recording) -> None:
    """A drill that was aborted at once has no seconds, no samples, no faults."""
    load = missed.load.model_copy(update={"seconds": [], "due": 0, "reasons": {}})
    empty = missed.model_copy(update={"load": load, "faults": [], "values": [], "rules": [], "phases": []})
    assert '<span class="badge unsure">inconclusive</span>' in _page(empty)
