"""What the pages of `alertdrill run` cost: `python -m benchmarks.pages`, which writes PAGES.md.

An agent has thousands of runs in its history and sends a load all the time. Its pages are asked for, and shown by a
Chromium. Then event streams, or browsers, are open beside the load, in turns with none. At last one page gets as many
events as it would get in a day.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import selectors
import socket
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from playwright.sync_api import Browser, Playwright, sync_playwright

from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.index import indexed, save_runs
from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.verdict.judge import judge
from alertdrill.lab.ports import free_ports
from benchmarks.daemon import alertdrill, counting, get, late_p99, metrics
from benchmarks.errors import BenchmarkError, exit_on_error
from benchmarks.results import Circumstances, circumstances
from tools.screenshots import CHROMIUM

PAGE = Path(__file__).with_name("PAGES.md")
_SAMPLES = Path(__file__).parents[1] / "tests/recordings"
_ASKED = ("/", "/alerts", "/runs")
_SHOWN = (*_ASKED, "/schedule", "/load", "/kpis", "/drills", "/drills/slow-database")
_BETWEEN_RUNS_SECONDS = 1_800.0
_AT_ONCE = 500
_READY_WITHIN_SECONDS = 180.0
_EVENTS_AT_ONCE = 900
_MIB = 2**20

_AGENT = """\
probe: {{kind: http, url: "http://127.0.0.1:{server}/", timeout: 5s}}
prometheus: {{url: "http://127.0.0.1:{prometheus}"}}
listen: 127.0.0.1:{agent}
ledger: ledger
recordings: kept
load: {{rate: {rate}}}
schedule:
  time_zone: UTC
  entries: [{{name: yearly, drills: [slow.drill], cron: "@yearly"}}]
freshness: {{prove_within: {{warning: 30d, critical: 7d}}}}
"""
_DRILL = "drill: slow-database\nload: {rate: 100}\nbaseline: 5s\nobserve: 10s\n"
_KEEP_STREAM = """\
const Native = EventSource;
window.EventSource = class extends Native { constructor(...given) { super(...given); window.stream = this; } };
"""
_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_SEND = """async ([from, until]) => {
  window.begun ??= Date.now();
  for (let second = from; second < until; second++) {
    const data = JSON.stringify({ seen_at: new Date(window.begun + second * 1000).toISOString(), target_rate: 200, due: 200,
      succeeded: 199 - second % 5, failed: 1 + second % 5, dropped: 0, lost: 0, in_flight: second % 9, p50_seconds: 0.002,
      p95_seconds: 0.01, p99_seconds: 0.01 + second % 7 / 1000, lateness_p99_seconds: 0.0001 });
    window.stream.dispatchEvent(new MessageEvent("load", { data }));
    if (second % 10 === 0) await null;
  }
  window.stream.dispatchEvent(new MessageEvent("status", { data: "{}" }));
  await new Promise((done) => setTimeout(done, 1500));
}"""


@dataclass(frozen=True)
class Heap:
    """A page after so many events: its heap in MiB, its nodes and its listeners."""

    events: int
    mib: float
    nodes: int
    listeners: int


@dataclass
class Outcome:
    """What came of one run: by path, seconds to the answer, bytes over the wire and seconds to the first paint.

    `late_p99_seconds` has the lateness of sends by who watched: in each round, and `late_p99_of_all_seconds` in all of
    them together.
    """

    runs: int
    rate: int
    watchers: int
    seconds: float
    answers: dict[str, list[float]] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    paints: dict[str, list[float]] = field(default_factory=dict)
    late_p99_seconds: dict[str, list[float]] = field(default_factory=dict)
    late_p99_of_all_seconds: dict[str, float] = field(default_factory=dict)
    heaps: list[Heap] = field(default_factory=list)


def main(  # noqa: PLR0913, PLR0917 - the sizes of all parts
    runs: Annotated[int, typer.Option(help="Runs in the history.", min=10)] = 10_000,
    rate: Annotated[int, typer.Option(help="Transactions a second.", min=1)] = 1_000,
    asks: Annotated[int, typer.Option(help="How often each page is asked for.", min=20)] = 200,
    visits: Annotated[int, typer.Option(help="How often a browser opens each page.", min=1)] = 10,
    watchers: Annotated[int, typer.Option(help="Streams, or browsers, at once.", min=1, max=64)] = 64,
    rounds: Annotated[int, typer.Option(help="Rounds with each kind of watchers.", min=1)] = 4,
    seconds: Annotated[float, typer.Option(help="Of a round.", min=1)] = 20.0,
    events: Annotated[int, typer.Option(help="Events that one page gets.", min=2_000)] = 86_400,
    output: Annotated[Path, typer.Option(help="The page to write.")] = PAGE,
) -> None:
    """Measure the pages, and write what came of it."""
    with exit_on_error(), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alertdrill-pages-")))
        browser = stack.enter_context(_chromium(stack.enter_context(sync_playwright())))
        before = circumstances({"Chromium": browser.version})
        outcome = Outcome(runs, rate, watchers, seconds)
        _fill(folder / "kept", runs)
        port = stack.enter_context(_agent(folder, rate))
        for path in _ASKED:
            outcome.answers[path] = _answer_seconds(port, path, asks)
        _fill(folder / "elsewhere" / "kept", runs)
        elsewhere = stack.enter_context(_agent(folder / "elsewhere", 1))
        _lateness(port, elsewhere, outcome, rounds)
        for path in _SHOWN:
            visited = [_visit(browser, f"http://127.0.0.1:{port}{path}") for _ in range(visits)]
            outcome.weights[path] = max(size for size, _ in visited)
            outcome.paints[path] = [paint for _, paint in visited]
        outcome.heaps = list(_heaps(browser, f"http://127.0.0.1:{port}/", events))
        output.write_text(page(before, outcome))
    typer.echo(page(before, outcome))


def _fill(folder: Path, count: int) -> None:
    """Write runs into the history, one every half an hour up to now."""
    read = (read_recording(path) for path in sorted(_SAMPLES.glob("*.recording.json.gz")))
    samples, now = [(one, judge(one)) for one in read], time.time()
    with opened(HistorySettings(), folder) as database:
        for begin in range(0, count, _AT_ONCE):
            made = []
            for number in range(begin, min(begin + _AT_ONCE, count)):
                recording, judgement = samples[number % len(samples)]
                later = now - (number + 1) * _BETWEEN_RUNS_SECONDS - recording.started_at
                times = {"started_at": recording.started_at + later, "ended_at": recording.ended_at + later}
                own = {"alertdrill": str(number), "time_scale": 1.0}
                made.append(indexed(recording.model_copy(update=times | own), judgement))
            with database.writing():
                save_runs(database, *made)


@contextmanager
def _agent(folder: Path, rate: int) -> Iterator[int]:
    """Run an agent for the length of the block, and wait until it sends and knows its history; yields its port."""
    agent, prometheus = free_ports(2)
    with counting() as server:
        config = folder / "agent.yml"
        config.write_text(_AGENT.format(server=server, prometheus=prometheus, agent=agent, rate=rate))
        (folder / "slow.drill").write_text(_DRILL)
        log = folder / "log"
        with log.open("w") as file:
            process = subprocess.Popen(alertdrill("run", "--config", str(config)), stdout=file, stderr=file)
        try:
            _wait_until_known(agent, process, log)
            yield agent
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_known(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while not get(port, "/-/ready") or not json.loads(get(port, "/api/v1/alerts") or '{"items": []}')["items"]:
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchmarkError(f"the agent is not ready: {' | '.join(log.read_text().splitlines()[-3:])}")
        time.sleep(0.1)


def _answer_seconds(port: int, path: str, count: int) -> list[float]:
    """Ask for a page again and again on one connection."""
    connection, found = http.client.HTTPConnection("127.0.0.1", port, timeout=60), []
    for _ in range(count):
        begun = time.perf_counter()
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        answer.read()
        found.append(time.perf_counter() - begun)
        if answer.status != 200:
            raise BenchmarkError(f"{path} was answered with {answer.status}")
    connection.close()
    return found


def _lateness(port: int, elsewhere: int, outcome: Outcome, rounds: int) -> None:
    """Measure the lateness of sends with two kinds of watchers, in turns, so that both have the same machine.

    `elsewhere` is the port of another agent, which some of them watch instead.
    """
    sums = {name: Counter[str]() for name in _WATCHERS}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _yield_the_processor) as watching:
        for name in rounds * ["nobody", "streams"] + rounds * [_ELSEWHERE, "browsers"]:
            watched = elsewhere if name == _ELSEWHERE else port
            work = watching.submit(_counted_beside, port, name, watched, outcome.watchers, outcome.seconds)
            counted = work.result()
            sums[name].update(counted)
            outcome.late_p99_seconds.setdefault(name, []).append(late_p99(counted))
    outcome.late_p99_of_all_seconds = {name: late_p99(dict(total)) for name, total in sums.items()}


def _yield_the_processor() -> None:
    """Let this process and its children run only when no other wants to: browsers have machines of their own."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _counted_beside(port: int, name: str, watched: int, count: int, seconds: float) -> dict[str, float]:
    """Count by series what happens to an agent in so many seconds, once all are there that watch it or another one."""
    with _WATCHERS[name](watched, count) as watch:
        before = metrics(port)
        watch(seconds)
        return {series: value - before.get(series, 0.0) for series, value in metrics(port).items()}


@contextmanager
def _nobody(_port: int, _count: int) -> Iterator[Callable[[float], None]]:
    yield time.sleep


@contextmanager
def _streams(port: int, count: int) -> Iterator[Callable[[float], None]]:
    """Open so many streams; yields what reads all that they send, for so many seconds."""
    with selectors.DefaultSelector() as selector, ExitStack() as stack:

        def read(seconds: float) -> None:
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if not key.fileobj.recv(65_536):  # type: ignore[union-attr]
                        raise BenchmarkError("a stream ended")

        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            one.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if not one.recv(65_536).startswith(b"HTTP/1.1 200 "):
                raise BenchmarkError("a stream was refused")
            selector.register(one, selectors.EVENT_READ)
        yield read


@contextmanager
def _browsers(port: int, count: int) -> Iterator[Callable[[float], None]]:
    """Open the first page in so many browsers with nothing in common; yields what keeps them open."""
    with sync_playwright() as playwright, _chromium(playwright) as browser:
        pages = [browser.new_context().new_page() for _ in range(count)]

        def live() -> None:
            for one in pages:
                one.wait_for_selector("#connection.good", timeout=_READY_WITHIN_SECONDS * 1_000)

        for one in pages:
            one.goto(f"http://127.0.0.1:{port}/", timeout=_READY_WITHIN_SECONDS * 1_000)
        live()
        yield lambda seconds: pages[0].wait_for_timeout(seconds * 1_000)
        live()


_ELSEWHERE = "browsers that watch another agent"
_WATCHERS = {"nobody": _nobody, "streams": _streams, _ELSEWHERE: _browsers, "browsers": _browsers}


@contextmanager
def _chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    try:
        yield browser
    finally:
        browser.close()


def _visit(browser: Browser, url: str) -> tuple[int, float]:
    """Open a page in a browser that knows nothing of it; returns its bytes over the wire and the seconds to its paint."""
    context = browser.new_context()
    opened_page, sizes = context.new_page(), list[int]()
    session = context.new_cdp_session(opened_page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    opened_page.goto(url)
    opened_page.wait_for_selector("#connection.good")
    # The pages forbid eval, which wait_for_function needs when it looks again.
    while (painted := opened_page.evaluate(_FIRST_PAINT)) is None:
        opened_page.wait_for_timeout(20)
    context.close()
    return sum(sizes), float(painted) / 1000


def _heaps(browser: Browser, url: str, events: int) -> Iterator[Heap]:
    """Send one page the events of its stream, as fast as it takes them, and look at it eight times."""
    context = browser.new_context()
    context.add_init_script(_KEEP_STREAM)
    opened_page = context.new_page()
    session = context.new_cdp_session(opened_page)
    session.send("HeapProfiler.enable")
    opened_page.goto(url)
    opened_page.wait_for_selector("#connection.good")
    # From then on its charts are full.
    sent, next_look = 0, 2.0 * _EVENTS_AT_ONCE
    while sent < events:
        until = min(sent + _EVENTS_AT_ONCE, events)
        opened_page.evaluate(_SEND, [sent, until])
        sent = until
        if sent >= next_look or sent == events:
            next_look = sent + (events - 2 * _EVENTS_AT_ONCE) / 8
            session.send("HeapProfiler.collectGarbage")
            used = session.send("Runtime.getHeapUsage")["usedSize"]
            counters = session.send("Memory.getDOMCounters")
            yield Heap(sent, used / _MIB, counters["nodes"], counters["jsEventListeners"])
    context.close()


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def _change(seconds: dict[str, float], name: str) -> str:
    """Return by how much watchers change a time, compared with those that leave the agent alone."""
    other = {"streams": "nobody", "browsers": _ELSEWHERE}.get(name)
    return "" if other is None else f"{(seconds[name] / seconds[other] - 1) * 100:+.1f} % against {other}"


def page(before: Circumstances, outcome: Outcome) -> str:
    """Return the page with the figures of a run."""
    answers = "\n".join(
        f"| `{path}` | {statistics.median(found) * 1000:.1f} ms | {_p95(found) * 1000:.1f} ms | {max(found) * 1000:.1f} ms |"
        for path, found in outcome.answers.items()
    )
    shown = "\n".join(
        f"| `{path}` | {size / 1000:.1f} kB | {statistics.median(outcome.paints[path]) * 1000:.0f} ms"
        f" | {max(outcome.paints[path]) * 1000:.0f} ms |"
        for path, size in outcome.weights.items()
    )
    late = "\n".join(
        f"| {name} | {whole * 1000:.3f} ms | {_change(outcome.late_p99_of_all_seconds, name)}"
        f" | {', '.join(f'{one * 1000:.3f}' for one in outcome.late_p99_seconds.get(name, []))} ms |"
        for name, whole in outcome.late_p99_of_all_seconds.items()
    )
    heaps = "\n".join(
        f"| {one.events:,} | {one.mib:.2f} MiB | {one.nodes:,} | {one.listeners:,} |" for one in outcome.heaps
    )
    return _PAGE.format(
        runs=outcome.runs,
        rate=outcome.rate,
        seconds=outcome.seconds,
        asks=max(map(len, outcome.answers.values()), default=0),
        visits=max(map(len, outcome.paints.values()), default=0),
        answers=answers,
        shown=shown,
        late=late,
        watchers=outcome.watchers,
        heaps=heaps,
        every=_EVENTS_AT_ONCE,
        machine=before.words,
    )


_PAGE = """\
# What the pages cost
Written by `make bench-pages`; do not edit.

`alertdrill run` has {runs:,} runs in its history, one every half an hour, and sends {rate:,} transactions a second.

## Answers
Each page is asked for {asks} times, one after another on one connection.

| page | median | p95 | slowest |
| --- | --- | --- | --- |
{answers}

## In a browser
Chromium opens each page {visits} times, each time with nothing in its cache.
The bytes are those over the wire, with headers, of the page and of all that it loads before it is live.
The first paint counts from the begin of the navigation.

| page | bytes | first paint, median | slowest |
| --- | --- | --- | --- |
{shown}

## Watchers beside a load
Rounds of {seconds:g} s on one agent: without watchers and with {watchers} event streams, in turns; then with the first page open in
{watchers} browsers. Counted is from when all are open.
Browsers keep the processors of this machine busy whomever they watch. So they also watch another agent on it, which sends one
transaction a second, and what counts is by how much more the load is late when they watch its own agent.
Lateness is from the due time to the send, p99, as the buckets of the histogram show it.
The streams' reader and the browsers run only when no other process wants to: they would be on machines of their own.

| who watches | all rounds together | change | each round |
| --- | --- | --- | --- |
{late}

## A page left open
The first page gets the events of its stream as fast as it takes them: one for each second, and a change of the status
after every {every} of them, at which its parts renew themselves.
The heap is what is in use after a garbage collection; the first row is when all charts are full.

| events | heap | nodes | listeners |
| --- | --- | --- | --- |
{heaps}

{machine}"""


if __name__ == "__main__":
    typer.run(main)
