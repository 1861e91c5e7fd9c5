"""Whether `alertdrill run` keeps its load exact under abuse: `python -m benchmarks.daemon`, which writes DAEMON.md.

The agent sends 2,000/s, and so does an `alertdrill probe` beside it, which nothing is done to. The load of the agent is
reloaded every 30 seconds, each fourth time from a damaged file, which it reports to a notification target that never
answers. Its history is locked for 20 seconds, a Prometheus scrapes it every second, and a drill with a higher rate runs
every minute. At the end the load is lowered to almost nothing, so that the agent's counts and those of the server can be
compared when nothing is in flight.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.request import urlopen

import typer

from alertdrill.chaos.machine.proc_stat import read_stat
from alertdrill.lab.ports import free_ports
from benchmarks.counting_server import counts
from benchmarks.errors import BenchmarkError, exit_on_error
from benchmarks.results import Circumstances, circumstances
from benchmarks.servers import ROOT, find
from tests.support.killed_agents import stop_agents
from tests.support.processes import children, command_line

PAGE = Path(__file__).with_name("DAEMON.md")
DRILL_FACTOR = 1.25
_ALONE_SECONDS = 60.0
_LONGEST = "24h"
_RELOAD_EVERY_SECONDS = 30.0
_DAMAGED_EVERY = 4
_LOCKED_SECONDS = 20.0
_SAMPLE_EVERY_SECONDS = 2.0
_SETTLED_SECONDS = 120.0
_QUIET_RATE = 0.1
_STOPS = 10
_READY_WITHIN_SECONDS = 120.0

_RULES = "groups: [{name: bench, rules: [{alert: Never, expr: 'vector(0) > 1'}]}]\n"
_PROMETHEUS = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs: [{{job_name: agent, static_configs: [{{targets: ["127.0.0.1:{agent}"]}}]}}]
"""
_PROBE = '{{kind: http, url: "http://127.0.0.1:{server}/", idempotency_key: true, timeout: 5s}}'
_AGENT = """\
probe: {probe}
prometheus: {{url: "http://127.0.0.1:{prometheus}"}}
listen: 127.0.0.1:{agent}
ledger: ledger
recordings: kept
load: {{rate: {rate}, max_in_flight: {in_flight}}}
schedule:
  time_zone: UTC
  entries: [{{name: minutely, drills: [control.drill], cron: "* * * * *"}}]
notify: {{targets: [{{name: hanging, webhook: {{url: "http://127.0.0.1:{hanging}/"}}}}]}}
"""
_DRILL = "drill: control\nload: {{rate: {rate}}}\nbaseline: 5s\nobserve: 10s\n"


@dataclass
class Memory:
    """The memory of one process over the time, in MiB: its proportional set size, which counts shared pages once."""

    samples: list[tuple[float, float]] = field(default_factory=list)

    @property
    def most(self) -> float:
        """The largest sample."""
        return max((mib for _, mib in self.samples), default=0.0)

    @property
    def growth(self) -> float:
        """The median of the last minute minus that of the minute after the first two; of a short run, of its parts.

        A single sample is higher or lower by what a process that ends just then shared.
        """
        if not self.samples:
            return 0.0
        end = self.samples[-1][0]
        settled, minute = min(_SETTLED_SECONDS, end / 2), min(60.0, end / 4)
        first = [mib for at, mib in self.samples if settled <= at <= settled + minute]
        return statistics.median(mib for at, mib in self.samples if at >= end - minute) - statistics.median(first)


@dataclass
class Cost:
    """Processor time of a process that sends, and the transactions that it sent in that time.

    Only what lies between two samples of one process counts: it ends with each change of the load.
    """

    cpu_seconds: float = 0.0
    transactions: float = 0.0
    _last: tuple[int, float, float] = (0, 0.0, 0.0)

    @property
    def text(self) -> str:
        """The processor time of one transaction."""
        return f"{self.cpu_seconds / self.transactions * 1e6:.1f} µs" if self.transactions else "—"

    def add(self, pid: int, metrics: dict[str, float]) -> None:
        """Add a sample: a process, 0 if there is none, and the metrics of its load; without any, it is no sample."""
        stat, before = read_stat(pid) if pid and metrics else None, self._last
        if stat is None:
            self._last = 0, 0.0, 0.0
            return
        self._last = now = pid, stat.cpu_ticks / os.sysconf("SC_CLK_TCK"), _ended(metrics)
        if pid == before[0]:
            self.cpu_seconds += now[1] - before[1]
            self.transactions += now[2] - before[2]


@dataclass
class Outcome:
    """What came of one run; counts are of transactions, `off` counts seconds in which the server saw neither rate."""

    rate: int
    minutes: float
    healthy_seconds: float = 0.0
    stop_seconds: float = 0.0
    reloads: int = 0
    drills: int = 0
    ended: int = 0
    arrived: int = 0
    doubled: int = 0
    dropped: int = 0
    lost: int = 0
    off: int = 0
    unsent: int = 0
    late_p99_seconds: float = 0.0
    bare_late_p99_seconds: float = 0.0
    alone_late_p99_seconds: float = 0.0
    cost: Cost = field(default_factory=Cost)
    bare_cost: Cost = field(default_factory=Cost)
    stops_seconds: list[float] = field(default_factory=list)
    parent: Memory = field(default_factory=Memory)
    worker: Memory = field(default_factory=Memory)


def main(
    rate: Annotated[int, typer.Option(help="Transactions a second.", min=1)] = 2000,
    minutes: Annotated[float, typer.Option(help="How long.", min=0.5)] = 10.0,
    output: Annotated[Path, typer.Option(help="The page to write.")] = PAGE,
) -> None:
    """Run the agent under abuse, and write what came of it."""
    with exit_on_error(), tempfile.TemporaryDirectory() as folder:
        before = circumstances({})
        outcome = _run(Path(folder), rate, minutes)
        output.write_text(page(before, outcome))
    typer.echo(page(before, outcome))


def _run(folder: Path, rate: int, minutes: float) -> Outcome:
    outcome = Outcome(rate, minutes)
    with ExitStack() as stack:
        server, other = stack.enter_context(counting()), stack.enter_context(counting())
        with _bare(folder, other, rate) as bare:
            time.sleep(min(_ALONE_SECONDS, minutes * 60))
            outcome.alone_late_p99_seconds = late_p99(metrics(bare.port))
        before = counts(server).total
        bench = stack.enter_context(_started(folder, server, outcome))
        with _bare(folder, other, rate) as bare:
            bench.abuse(minutes * 60, bare)
            outcome.bare_late_p99_seconds = late_p99(metrics(bare.port))
            bench.compare(before)
        bench.stop()
    (folder / "stops").mkdir()
    outcome.stops_seconds = stop_agents(folder / "stops", _STOPS)
    return outcome


@contextmanager
def counting() -> Iterator[int]:
    """Run the server that counts for the length of the block; yields its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.counting_server"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it was started with a pipe
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class _Bare:
    """A running `alertdrill probe`: where its metrics are, and its process."""

    port: int
    pid: int

    @property
    def worker(self) -> int:
        """The process that sends: one worker alone may do so in the first process."""
        return next(iter(_workers(self.pid)), self.pid)


@contextmanager
def _bare(folder: Path, server: int, rate: int) -> Iterator[_Bare]:
    """Run `alertdrill probe` with the load of the agent for the length of the block."""
    load = f"{{rate: {rate}, duration: {_LONGEST}}}"
    (folder / "bare.yml").write_text(f"probe: {_PROBE.format(server=server)}\nload: {load}\n")
    (listen,) = free_ports(1)
    command = ["probe", str(folder / "bare.yml"), "--workers", "1", "--listen", f"127.0.0.1:{listen}", "--quiet"]
    process = subprocess.Popen(alertdrill(*command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield _Bare(listen, process.pid)
        if process.poll() is not None:
            raise BenchmarkError(f"alertdrill probe ended with {process.returncode}")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _started(folder: Path, server: int, outcome: Outcome) -> Iterator[_Bench]:
    """Start a Prometheus and an agent, and wait until it sends."""
    agent, prometheus = free_ports(2)
    # Nobody accepts: the kernel takes the connections, and no request is ever answered.
    hanging = socket.create_server(("127.0.0.1", 0))
    files = _Files(folder, server, agent, prometheus, hanging.getsockname()[1])
    files.write(10_000, outcome.rate)
    (folder / "rules.yml").write_text(_RULES)
    (folder / "prometheus.yml").write_text(_PROMETHEUS.format(agent=agent))
    (folder / "control.drill").write_text(_DRILL.format(rate=round(outcome.rate * DRILL_FACTOR)))
    command = [str(find("prometheus", "prometheus")), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{prometheus}"]
    begun = time.monotonic()
    with files.log.open("w") as log:
        process = subprocess.Popen(alertdrill("run", "--config", str(files.config)), stdout=log, stderr=log)
    other = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        bench = _Bench(files, process, outcome)
        bench.wait_for("/-/healthy")
        outcome.healthy_seconds = time.monotonic() - begun
        bench.wait_for("/-/ready")
        yield bench
    finally:
        for one in (process, other):
            one.kill()
            one.wait()
        hanging.close()


@dataclass(frozen=True)
class _Files:
    """The folder of an agent, and the ports of all servers."""

    folder: Path
    server: int
    agent: int
    prometheus: int
    hanging: int

    @property
    def config(self) -> Path:
        return self.folder / "agent.yml"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def write(self, in_flight: int, rate: float | str) -> None:
        """Replace the configuration, as a whole; with a rate that is no number, it is damaged."""
        beside = self.folder / "agent.new"
        beside.write_text(
            _AGENT.format(
                probe=_PROBE.format(server=self.server),
                prometheus=self.prometheus,
                hanging=self.hanging,
                agent=self.agent,
                rate=rate,
                in_flight=in_flight,
            )
        )
        beside.rename(self.config)


class _Bench:
    """A running agent, and all that is done to it."""

    def __init__(self, files: _Files, process: subprocess.Popen[bytes], outcome: Outcome) -> None:
        self._files, self._process, self._outcome = files, process, outcome

    def abuse(self, seconds: float, bare: _Bare) -> None:
        """Reload, lock the history, and sample memory and processor time for so long."""
        begun, reloaded, sampled = time.monotonic(), time.monotonic(), 0.0
        locking = threading.Timer(seconds / 3, self._lock_history)
        locking.start()
        while (elapsed := time.monotonic() - begun) < seconds:
            self._require_running()
            if time.monotonic() - reloaded >= _RELOAD_EVERY_SECONDS:
                reloaded = time.monotonic()
                self._outcome.reloads += 1
                damaged = self._outcome.reloads % _DAMAGED_EVERY == 0
                self._reload(10_000 - self._outcome.reloads % 2, "damaged" if damaged else self._outcome.rate)
            if elapsed - sampled >= _SAMPLE_EVERY_SECONDS:
                sampled = elapsed
                self._sample(elapsed)
                self._outcome.bare_cost.add(bare.worker, metrics(bare.port))
            time.sleep(0.2)
        locking.join()

    def compare(self, before: int) -> None:
        """Lower the load to almost nothing, wait until all is answered, and compare the counts."""
        self._outcome.late_p99_seconds = late_p99(metrics(self._files.agent))
        self._reload(10_000, _QUIET_RATE)
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        while metrics(self._files.agent).get("alertdrill_target_transactions_per_second") != _QUIET_RATE:
            self._require_running()
            if time.monotonic() > deadline:
                raise BenchmarkError("the load was not lowered")
            time.sleep(0.5)
        # One transaction comes every ten seconds.
        time.sleep(3.0)
        found, now = counts(self._files.server), metrics(self._files.agent)
        outcome = self._outcome
        outcome.ended = round(_ended(now))
        outcome.dropped, outcome.lost = round(_transactions(now, "dropped")), round(_transactions(now, "lost"))
        outcome.arrived, outcome.doubled = found.total - before, found.doubled
        outcome.drills = round(sum(value for name, value in now.items() if name.startswith("alertdrill_runs_total")))
        outcome.off = _off(found.by_second, outcome.rate)
        outcome.unsent = round(now['alertdrill_notifications_waiting{target="hanging"}'])

    def stop(self) -> None:
        """Tell the agent to stop, and wait for its end."""
        begun = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        if self._process.wait(60) != 0:
            raise BenchmarkError(f"alertdrill run ended with {self._process.returncode}")
        self._outcome.stop_seconds = time.monotonic() - begun

    def _reload(self, in_flight: int, rate: float | str) -> None:
        self._files.write(in_flight, rate)
        self._process.send_signal(signal.SIGHUP)

    def _lock_history(self) -> None:
        with contextlib.closing(sqlite3.connect(self._files.folder / "kept" / "history.db", timeout=60)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(_LOCKED_SECONDS)
            connection.rollback()

    def _sample(self, elapsed: float) -> None:
        pid = self._process.pid
        self._outcome.parent.samples.append((elapsed, _pss_mib(pid)))
        # During a change there are two.
        workers = _workers(pid)
        self._outcome.worker.samples += [(elapsed, max(map(_pss_mib, workers), default=0.0))]
        self._outcome.cost.add(workers[0] if len(workers) == 1 else 0, metrics(self._files.agent))

    def wait_for(self, path: str) -> None:
        """Wait until a path is answered with 200."""
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        while not get(self._files.agent, path):
            self._require_running()
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{path} was not answered with 200")
            time.sleep(0.01)

    def _require_running(self) -> None:
        if self._process.poll() is not None:
            last = self._files.log.read_text().splitlines()[-3:]
            raise BenchmarkError(f"alertdrill run ended with {self._process.returncode}: {' | '.join(last)}")


def _workers(pid: int) -> list[int]:
    """Return the processes that send for an agent; a drill may just be judged in another one."""
    return [one for one in children(pid) if "spawn_main" in command_line(one)]


def alertdrill(*words: str) -> list[str]:
    """Return the command line of an alertdrill of this interpreter."""
    return [sys.executable, "-c", "from alertdrill.agent.cli import main; main()", *words]


def get(port: int, path: str) -> str:
    """Return what an agent answers; empty when it does not answer with 200."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def metrics(port: int) -> dict[str, float]:
    """Return the value of each series, by its name with its labels."""
    return {found[1]: float(found[2]) for found in re.finditer(r"^(\w\S*) (\S+)$", get(port, "/metrics"), re.MULTILINE)}


def _transactions(metrics: dict[str, float], outcome: str) -> float:
    return metrics[f'alertdrill_transactions_total{{outcome="{outcome}"}}']


def _ended(metrics: dict[str, float]) -> float:
    return _transactions(metrics, "succeeded") + _transactions(metrics, "failed")


def late_p99(metrics: dict[str, float]) -> float:
    """Return the 99th percentile of the sends' lateness, from the buckets as `histogram_quantile` does it."""
    buckets = []
    for name, count in metrics.items():
        if (found := re.match(r'alertdrill_send_lateness_seconds_bucket\{le="(\S+)"\}', name)) is not None:
            buckets.append((float(found[1]), count))
    buckets.sort()
    if not buckets or not buckets[-1][1]:
        raise BenchmarkError("nothing was sent")
    rank, low, below = 0.99 * buckets[-1][1], 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            return low + (bound - low) * (rank - below) / (count - below)
        low, below = bound, count
    return low


def _off(by_second: dict[int, int], rate: int) -> int:
    """Count the seconds in which the server saw neither rate, by more than a hundredth."""
    whole = [by_second[at] for at in sorted(by_second)[1:-1] if by_second[at] > rate / 10]
    return sum(min(abs(count - one) for one in (rate, rate * DRILL_FACTOR)) > rate / 100 for count in whole)


def _pss_mib(pid: int) -> float:
    with contextlib.suppress(OSError):
        found = re.search(r"^Pss: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def page(before: Circumstances, outcome: Outcome) -> str:
    """Return the page with the figures of a run."""
    versions = ", ".join(f"{name} {version}" for name, version in before.versions.items())
    drill, stops = round(outcome.rate * DRILL_FACTOR), outcome.stops_seconds
    rows = [
        ("transactions that ended, by the agent", f"{outcome.ended:,}"),
        ("requests that arrived, by the server", f"{outcome.arrived:,}"),
        ("sent and not arrived", f"{max(outcome.ended - outcome.arrived, 0):,}"),
        ("arrived twice, by their idempotency keys", f"{outcome.doubled:,}"),
        ("dropped (more than a second late, or too many in flight)", f"{outcome.dropped:,}"),
        ("lost with a worker", f"{outcome.lost:,}"),
        ("seconds with neither rate at the server", f"{outcome.off:,}"),
        ("messages that the hanging target has not taken", f"{outcome.unsent:,}"),
        ("lateness p99 of the agent", f"{outcome.late_p99_seconds * 1000:.3f} ms"),
        ("lateness p99 of the bare load beside it", f"{outcome.bare_late_p99_seconds * 1000:.3f} ms"),
        ("the first, as a multiple of the second", f"{outcome.late_p99_seconds / outcome.bare_late_p99_seconds:.2f}"),
        ("lateness p99 of the bare load alone", f"{outcome.alone_late_p99_seconds * 1000:.3f} ms"),
        (
            "processor time of a transaction: agent, bare load",
            f"{outcome.cost.text}, {outcome.bare_cost.text}",
        ),
        ("memory of the parent: most, growth", f"{outcome.parent.most:.1f} MiB, {outcome.parent.growth:+.1f} MiB"),
        ("memory of a worker: most, growth", f"{outcome.worker.most:.1f} MiB, {outcome.worker.growth:+.1f} MiB"),
        ("from the start to `/-/healthy`", f"{outcome.healthy_seconds:.2f} s"),
        ("from SIGTERM to the end", f"{outcome.stop_seconds:.2f} s"),
        (
            f"the same while a fault is in force, in {len(stops)} tries: median, most",
            f"{statistics.median(stops):.2f} s, {max(stops):.2f} s",
        ),
    ]
    return _PAGE.format(
        rate=outcome.rate,
        minutes=outcome.minutes,
        every=_RELOAD_EVERY_SECONDS,
        reloads=outcome.reloads,
        locked=_LOCKED_SECONDS,
        drill=drill,
        drills=outcome.drills,
        machine=f"{before.date}, {before.cpu}, {before.cores} cores, {before.memory_gib:.1f} GiB, {before.kernel}",
        load=before.load_before,
        versions=versions,
        rows="\n".join(f"| {name} | {value} |" for name, value in rows),
    )


_PAGE = """\
# The agent under abuse
Written by `python -m benchmarks.daemon --rate {rate:d} --minutes {minutes:g}`; do not edit.

`alertdrill run` sends {rate:,} transactions a second for {minutes:g} minutes with one worker.
Meanwhile its load is reloaded every {every:.0f} s ({reloads} times), each fourth time from a damaged file.
It reports that to a notification target that takes connections and never answers.
Its history is locked for {locked:.0f} s, a Prometheus scrapes it every second, and a drill each minute has {drill:,} a second ({drills} drills were judged).

- At the end the load is lowered to almost nothing, so that both sides have counted the same transactions.
- **Seconds with neither rate** differ by more than a hundredth from both.
  The server's seconds are not those of the load, so each change of the rate may make one.
- **Lateness** is from the due time to the send, as the buckets of the histogram show it.
  The bare load is an `alertdrill probe` with the same rate and a server of its own.
  It runs beside the agent for the whole time, because both then share what else the machine does; and alone for a minute before.
- **Processor time** is that of the process that sends, of both kinds, between samples of one process.
- **Memory** is the proportional set size.
  **Growth** is from the median of the third minute to that of the last, or of parts of a shorter run.

{machine}, load average before {load:.2f}. {versions}.

| figure | value |
| --- | --- |
{rows}
"""


if __name__ == "__main__":
    typer.run(main)
