"""A run of a load in this process, on a client with prepared answers."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter
from rich.console import Console

from alertdrill.agent.config.probe import ProbeFile
from alertdrill.agent.console import ConsoleLines
from alertdrill.agent.loading.options import LoadOptions
from alertdrill.agent.loading.outputs import Outputs
from alertdrill.agent.loading.run import LoadRun
from alertdrill.agent.report.load.story import LoadStory
from alertdrill.probes.client import Ended
from alertdrill.probes.figures.thresholds import Thresholds
from alertdrill.probes.load.settings import LoadSettings
from alertdrill.probes.outcome import Counted, Outcome

REFUSED = Outcome("reset", "gone")


@dataclass
class Client:
    """Answers each transaction, by its number, within 50 ms."""

    outcome: Callable[[int], Outcome]
    counted: tuple[Counted, ...] = (Counted("order", ()),)
    started: int = 0

    def start(self, ended: Ended) -> None:
        delay_seconds = self.started * 7919 % 50_000 / 1e6
        asyncio.get_running_loop().call_later(delay_seconds, ended, self.outcome(self.started))
        self.started += 1

    def take_acknowledged(self) -> list[str]:
        return []


@asynccontextmanager
async def _as_it_is(client: Any) -> AsyncIterator[Any]:
    yield client


async def ran(outcome: Callable[[int], Outcome], load: dict[str, Any], **thresholds: Any) -> LoadStory:
    """Run a load to its end, and again if the machine kept it from being sent, which dropped transactions show."""
    for _ in range(3):
        story = await _ran(outcome, load, thresholds)
        if not story.tally.dropped:
            break
    return story


async def _ran(outcome: Callable[[int], Outcome], load: dict[str, Any], thresholds: dict[str, Any]) -> LoadStory:
    read = TypeAdapter[Any](Thresholds).validate_python(thresholds)
    file = ProbeFile.model_construct(probe=cast("Any", Client(outcome)), thresholds=read)
    console = Console(file=io.StringIO())
    options = LoadOptions(Path("shop.yml"), workers=1, quiet=True)
    settings, lines = LoadSettings.model_validate(load), ConsoleLines(console, is_quiet=True)
    run = LoadRun(file, settings, options, lines, lambda _: None, open_client=_as_it_is)
    await run.run(console, Outputs([]))
    story = run.story()
    assert story is not None
    return story


def stopping_at(threshold: str) -> list[dict[str, Any]]:
    return [{"threshold": threshold, "abort_on_fail": True}]


async def test_a_second_that_is_only_partly_added_does_not_stop_a_load() -> None:
    """A third fails. With the counts of the second second but without its durations, it would be two thirds."""
    story = await ran(
        lambda number: REFUSED if number % 3 == 0 else Outcome(),
        {"rate": 4000, "duration": "2500ms"},
        http_req_failed=stopping_at("rate<0.4"),
    )
    assert (story.ending, story.verdict) == ("", "passed")


async def test_a_load_that_a_threshold_ended_counts_as_crossed() -> None:
    """A load in phases is not judged at its end, so its last figures cannot show it."""
    story = await ran(
        lambda _: REFUSED,
        {"phases": [{"phase": "calm", "to": 20, "hold": "1h"}]},
        http_req_failed=stopping_at("rate<0.5"),
    )
    assert story.ending.startswith("threshold rate<0.5 on http_req_failed was crossed")
    assert (story.summary.judged, story.phases, story.verdict) == ((), (), "crossed")


async def test_rates_are_of_the_whole_duration() -> None:
    """The last of three transactions is due in second 2 of 3."""
    story = await ran(lambda _: Outcome(), {"rate": 1, "duration": "3s"})
    assert (story.summary.seconds, story.summary.target_rate, story.summary.achieved_rate) == (3.0, 1.0, 1.0)


async def test_a_last_phase_in_whose_last_second_nothing_is_due_is_judged() -> None:
    story = await ran(
        lambda _: REFUSED, {"phases": [{"phase": "calm", "to": 0.5, "hold": "4s"}]}, http_req_failed=["rate<0.5"]
    )
    assert [(phase.name, phase.seconds, phase.passed) for phase in story.phases] == [("calm", 4, False)]
    assert story.verdict == "not carried"


async def test_a_load_without_a_single_answer_does_not_pass() -> None:
    """A bound on the times holds for what was refused at once, and still nothing was measured."""
    story = await ran(
        lambda _: Outcome("refused", "gone"), {"rate": 20, "duration": "1s"}, http_req_duration=["p(95)<5s"]
    )
    assert all(one.ok for one in story.summary.judged)
    assert story.verdict == "unanswered"


async def test_a_wrong_answer_is_an_answer() -> None:
    story = await ran(lambda _: Outcome("bad_answer", "not HTTP"), {"rate": 20, "duration": "1s"})
    assert story.verdict == "passed"
