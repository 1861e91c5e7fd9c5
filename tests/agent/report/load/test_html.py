"""The page of a load has the figures of the tally, loads nothing, and runs no text from outside."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from pydantic import TypeAdapter

from alertdrill.agent.report import plot
from alertdrill.agent.report.load import figure as load_figure
from alertdrill.agent.report.load import html as load_html
from alertdrill.agent.report.load.story import LoadStory
from alertdrill.probes.figures.figures import measures
from alertdrill.probes.figures.honesty import Honesty, Sending, honesty
from alertdrill.probes.figures.measures import Trend
from alertdrill.probes.figures.summary import LoadSummary
from alertdrill.probes.figures.thresholds import Thresholds, evaluate
from alertdrill.probes.load.second_counter import Samples, SecondCounts
from alertdrill.probes.load.tally import LoadSecond, Tally
from alertdrill.probes.outcome import Counted
from tests.support.drawn import DrawnRow, drawn_rows

THRESHOLDS: TypeAdapter[Thresholds] = TypeAdapter(Thresholds)
EVIL = "<script>alert(1)</script>"
VOID = {"meta", "link", "br"}


def _samples(*seconds: float) -> Samples:
    samples = Samples(sum_seconds=sum(seconds))
    samples.counts.update(round(value * 1e6) for value in seconds)
    return samples


def _second(offset: int, check: str) -> SecondCounts:
    second = SecondCounts(offset, target_rate=10.0 + offset, due=10, ended=8, failed=2, dropped=1, lost=1, in_flight=3)
    second.latencies = _samples(*[0.004] * 7, 0.9)
    second.durations = _samples(*[0.003] * 7, 0.5)
    second.lateness = _samples(*[0.0002] * 8)
    second.reasons.update({"check": 1, "timeout": 1})
    second.details = {"check": "status 500, expected 200", "timeout": f"no answer {EVIL}"}
    second.failed_checks.update([check])
    second.refused_requests = 2
    return second


def load_story(check: str = "status is 200", *thresholds: str, ending: str = "") -> LoadStory:
    tally = Tally()
    for offset in range(5):
        tally.add(_second(offset, check))
    figures = measures(tally, [Counted("orders", (check, "body is OK"))], 5.0)
    judged = evaluate(THRESHOLDS.validate_python({"latency": ["p(99)<2s", *thresholds]}), figures)
    summary = LoadSummary(
        figures, tuple(judged), 10.0, 8.0, 5.0, tally.reasons, tally.details, honesty(Sending.of(tally, 5.0))
    )
    return LoadStory("shop", 1_790_000_000.0, summary, tally, ending)


class _Outline(HTMLParser):
    """Checks that every element is closed, and collects the text of table cells."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.cells[-1] += data


def _outline(page: str) -> _Outline:
    outline = _Outline()
    outline.feed(page)
    outline.close()
    return outline


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    """One script for two figures; no element fetches anything, and the policy in its head forbids it."""
    page = load_html.render(load_story())
    outline = _outline(page)
    assert outline.open == []
    assert outline.sources == ["data:,"]
    without_scripts = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert not re.search(r"https?://|<script[^>]+src=|@import|url\(", without_scripts)
    assert "default-src 'none'" in without_scripts
    assert page.count("<script>") == 1
    assert "script-src 'sha256-" in page
    assert [page.count(f'<figure class="plot" id="{name}"') for name in ("timeline", "distribution")] == [1, 1]


def test_its_numbers_are_those_of_the_tally() -> None:
    story = load_story()
    cells = [cell.strip() for cell in _outline(load_html.render(story)).cells]
    tally = story.tally
    counts = [tally.due, tally.succeeded, tally.failed, tally.dropped, tally.lost, tally.in_flight]
    assert counts == [50, 30, 10, 5, 5, 3]
    at = cells.index("50")
    assert cells[at : at + 6] == [str(count) for count in counts]
    assert cells[cells.index("timeout") : cells.index("timeout") + 3] == ["timeout", "5", f"no answer {EVIL}"]
    at = cells.index("status is 200")
    assert cells[at - 1 : at + 4] == ["✗", "status is 200", "35", "5", "87.50%"]
    at = len(cells) - 1 - cells[::-1].index("latency")
    assert cells[at + 1 : at + 8] == ["116ms", "4ms", "4ms", "900ms", "900ms", "900ms", "900ms"]
    assert cells[cells.index("http_reqs") + 1 :][:2] == ["40", "8/s"]


@pytest.mark.parametrize(
    ("story", "badge", "mark"),
    [
        (load_story(), '<span class="badge good">passed</span>', "✓"),
        (load_story("a check", "p(99)<1ms"), '<span class="badge bad">threshold crossed</span>', "✗"),
        (replace(load_story(), was_crossed=True), '<span class="badge bad">threshold crossed</span>', "✓"),
        (load_story(ending="interrupted"), '<span class="badge unsure">stopped early</span>', "✓"),
    ],
)
def test_it_shows_the_result_of_the_load(story: LoadStory, badge: str, mark: str) -> None:
    page = load_html.render(story)
    assert badge in page
    assert ("Ended early: interrupted." in page) == bool(story.ending)
    one = story.summary.judged[-1]
    cells = [cell.strip() for cell in _outline(page).cells]
    assert cells[cells.index(one.source) - 2 :][:4] == [mark, "latency", one.source, one.spelling]


def test_it_warns_when_the_load_was_not_sent_as_requested() -> None:
    story = load_story()
    words = "it dropped 5 of 50 transactions and lost 5 with a worker, more than 1 %"
    assert words in load_html.render(story)
    honest = replace(story, summary=replace(story.summary, honesty=Honesty()))
    assert "not the load that was requested" not in load_html.render(honest)


def test_foreign_text_is_escaped_everywhere() -> None:
    """Names of files, checks and the details of failures."""
    page = load_html.render(replace(load_story(EVIL, ending=EVIL), name=EVIL))
    assert EVIL not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
    assert _outline(page).open == []


def test_a_load_of_less_than_a_second_gives_a_page() -> None:
    tally = Tally()
    tally.add(replace(_second(0, "c"), is_whole=False))
    story = load_story()
    figures = measures(tally, [Counted("orders", ("c",))], 0.4)
    page = load_html.render(replace(story, tally=tally, summary=replace(story.summary, measures=figures)))
    assert _outline(page).open == []


def test_the_same_load_gives_the_same_page() -> None:
    """The page has no random names and reads no clock."""
    assert load_html.render(load_story()) == load_html.render(load_story())


def _timeline(seconds: Sequence[LoadSecond]) -> list[DrawnRow]:
    return drawn_rows(plot.html(load_figure.timeline(seconds)))


def test_the_time_line_draws_every_second() -> None:
    rates, outcomes, latency, lateness, in_flight = _timeline(load_story().tally.seconds)
    assert rates.lines["target"] == [(0, 10), (1, 11), (2, 12), (3, 13), (4, 14)]
    assert rates.lines["achieved"] == [(0.5, 8), (4.5, 8)]  # of equal values, the first and the last
    assert outcomes.areas == {
        "succeeded": [(0, 6), (5, 6)],
        "failed": [(0, 8), (5, 8)],
        "dropped": [(0, 9), (5, 9)],
        "lost": [(0, 10), (5, 10)],
    }
    assert [latency.values(name)[0] for name in ("p50", "p95", "p99")] == pytest.approx([0.004, 0.9, 0.9])
    assert lateness.values("p99")[0] == pytest.approx(0.0002)
    assert [x for x, _ in in_flight.lines["in flight"]] == [1, 5]


def test_a_day_of_load_is_a_small_page_that_loses_no_peak() -> None:
    """Of each column of a screen the smallest and the largest value, whatever is drawn."""
    chance = random.Random(2)  # noqa: S311 - made data
    seconds = [
        LoadSecond(at, 10, 10, chance.randrange(9), chance.randrange(3), 1, 0, 1, chance.random(), 0.2, 0.3, None)
        for at in range(86_400)
    ]
    seconds[50_000] = replace(seconds[50_000], succeeded=0, failed=24, p99_seconds=9.0, in_flight=77, target_rate=3)
    rates, outcomes, latency, lateness, in_flight = _timeline(seconds)
    assert min(rates.values("target")) == 3
    assert max(top for _, top in outcomes.areas["failed"]) == 24
    assert max(latency.values("p99")) == pytest.approx(9.0, rel=1e-3)
    assert max(in_flight.values("in flight")) == 77
    assert lateness.lines["p99"] == []
    story, tally = load_story(), copy(load_story().tally)
    tally.seconds = seconds
    assert len(load_html.render(replace(story, tally=tally)).encode()) <= 250_000


def test_a_time_line_without_its_first_seconds_says_so() -> None:
    story, tally = load_story(), copy(load_story().tally)
    assert "the seconds before are in the sums" not in load_html.render(story)
    tally.seconds = [replace(second, offset=second.offset + 14_400) for second in tally.seconds]
    assert "From 14,400 s on: the seconds before are in the sums" in load_html.render(replace(story, tally=tally))


def test_the_distribution_ends_at_the_largest_sample() -> None:
    figures = load_story().summary.measures
    latency, duration = figures["latency"], figures["iteration_duration"]
    assert isinstance(latency, Trend)
    assert isinstance(duration, Trend)
    figure = load_figure.distribution({"from due time": latency, "from send": duration})
    (row,) = drawn_rows(plot.html(figure))
    assert row.keys == ["from due time", "from send"]
    # The histogram keeps three digits.
    assert [row.values(name)[0] for name in row.keys] == pytest.approx([0.004, 0.003], rel=1e-3)
    assert [row.values(name)[-1] for name in row.keys] == pytest.approx([0.9, 0.5], rel=1e-3)
    assert figure.rows[0].is_log
    assert {round(10**x): text for x, text in (figure.axis.ticks or {}).items()} == {1: "0%", 2: "50%", 10: "90%"}
    # 35 of 40 samples are fast: the line rises at seven eighths.
    assert max(10**x for x, y in row.lines["from due time"] if y < 0.01) <= 8
