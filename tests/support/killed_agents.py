"""`alertdrill run` is killed again and again around an occurrence; each next agent finds what the one before left.

Each round has an entry of its own, with one occurrence that is due when the agent starts, and a drill whose fault a
server counts. The processes, the signals and Prometheus are real.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from alertdrill.agent.schedule.journal import NAME, Journal, Watch
from alertdrill.lab.ports import free_ports
from alertdrill.units.text import utc_text
from tests.support.breakable import Breakable, breakable
from tests.support.processes import children
from tests.support.waiting import wait_until

_WITHIN_SECONDS = 120.0
# An agent is killed at an instant, which must not wait for a look.
_until = partial(wait_until, seconds=_WITHIN_SECONDS, every_seconds=0.01)
# A round is killed within this time after one of these lines, so that each phase of an occurrence has its share.
_LATEST_SECONDS = 1.5
AFTER = ("listening on", "drill {name}, by", "fault injected", "fault healed", "drill {name} ended")

_AGENT = """\
probe: {{kind: http, url: "http://127.0.0.1:{server}/", timeout: 5s}}
prometheus: {{url: "http://127.0.0.1:{prometheus}"}}
listen: 127.0.0.1:{listen}
ledger: ledger
recordings: kept
load: {{rate: 20}}
schedule:
  time_zone: UTC
  entries: [{entries}]
"""
DRILL = """\
drill: {name}
load: {{rate: 20}}
baseline: 1s
observe: 1s
faults:
  - kind: http
    begin: {{url: "http://127.0.0.1:{server}/begin/{name}"}}
    end: {{url: "http://127.0.0.1:{server}/end/{name}"}}
"""
_PROMETHEUS = "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
_RULES = "groups: [{name: none, rules: [{alert: Never, expr: 'vector(0) > 1'}]}]\n"


@dataclass
class Outcome:
    """What came of all rounds; `problems` has a line for each promise that was not kept."""

    rounds: int = 0
    killed_in: Counter[str] = field(default_factory=Counter)
    ended_as: Counter[str] = field(default_factory=Counter)
    begun: int = 0
    mended_by: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def kill_agents(folder: Path, rounds: int, seed: int) -> Outcome:
    """Kill an agent in each of so many rounds, start a last one, and compare what is on record."""
    with breakable() as server, quiet_prometheus(folder) as prometheus:
        return _Rounds(folder, server, prometheus, random.Random(seed)).run(rounds)  # noqa: S311 - a sample


def stop_agents(folder: Path, rounds: int) -> list[float]:
    """Stop agents by SIGTERM just after they injected a fault; return the seconds until each has ended.

    Raises AssertionError when a fault is in force then.
    """
    with breakable() as server, quiet_prometheus(folder) as prometheus:
        one = _Rounds(folder, server, prometheus, random.Random(0))  # noqa: S311 - it draws nothing
        return [one.stop(f"s{number}") for number in range(rounds)]


@contextmanager
def quiet_prometheus(folder: Path) -> Iterator[int]:
    """Run a Prometheus whose one rule never fires for the length of the block; yields its port."""
    (port,) = free_ports(1)
    (folder / "rules.yml").write_text(_RULES)
    (folder / "prometheus.yml").write_text(_PROMETHEUS)
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    process = subprocess.Popen(command)
    try:
        _until(lambda: _answers(f"http://127.0.0.1:{port}/-/ready"), "Prometheus is ready")
        yield port
    finally:
        process.kill()
        process.wait()


class _Rounds:
    def __init__(self, folder: Path, server: Breakable, prometheus: int, chance: random.Random) -> None:
        self._folder, self._server, self._prometheus, self._chance = folder, server, prometheus, chance
        self._names: list[str] = []
        self._crons: dict[str, str] = {}
        self._left: set[tuple[int, str]] = set()
        self._outcome = Outcome()

    def run(self, rounds: int) -> Outcome:
        for number in range(rounds):
            self._round(f"k{number}", AFTER[number % len(AFTER)])
        self._end()
        return self._compare()

    def _round(self, name: str, after: str) -> None:
        """Start an agent whose occurrence is due, and kill it after a line that it tells."""
        self._add(name)
        begun = time.monotonic()
        process, log = self._started(name)
        _until(lambda: after.format(name=name) in log.read_text() or process.poll() is not None, f"{name}: {after}")
        time.sleep(self._chance.uniform(0, _LATEST_SECONDS))
        if process.poll() is not None:
            self._complain(f"the agent of {name} ended by itself: {log.read_text()[-500:]}")
        self._left |= _children(process.pid)
        process.kill()
        process.wait()
        self._outcome.rounds += 1
        self._outcome.killed_in[self._phase(name, log)] += 1
        self._look_at_the_one_before(name, begun)
        if self._chance.random() < 0.5:
            _until(lambda: name not in self._server.broken, f"the fault of {name} is undone by its watchdog")

    def stop(self, name: str) -> float:
        """Start an agent whose occurrence is due, and stop it while its fault is in force; return how long that took."""
        self._add(name)
        process, log = self._started(name)
        _until(lambda: name in self._server.broken or process.poll() is not None, f"the fault of {name} is injected")
        assert process.poll() is None, log.read_text()[-500:]
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(_WITHIN_SECONDS) == 0, log.read_text()[-500:]
        took_seconds = time.monotonic() - begun
        assert name not in self._server.broken, log.read_text()[-500:]
        return took_seconds

    def _add(self, name: str) -> None:
        """Add an entry with one occurrence in the last minute, on which nobody decided yet."""
        at = datetime.now(UTC) - timedelta(minutes=1)
        self._names.append(name)
        self._crons[name] = f"{at.minute} {at.hour} * * *"
        before = utc_text(at - timedelta(minutes=1))
        Journal(self._folder / "kept").add(Watch(name, self._crons[name], before))
        (self._folder / f"{name}.drill").write_text(DRILL.format(name=name, server=self._server.server_port))

    def _started(self, name: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Start an agent with the entries of this round and of the one before."""
        (self._listen,) = free_ports(1)
        entries = ", ".join(
            f'{{name: {one}, drills: ["{one}.drill"], cron: "{self._crons[one]}"}}' for one in self._names[-2:]
        )
        ports = {"server": self._server.server_port, "prometheus": self._prometheus, "listen": self._listen}
        config, log = self._folder / "agent.yml", self._folder / f"{name}.log"
        config.write_text(_AGENT.format(entries=entries, **ports))
        main = "from alertdrill.agent.cli import main; main()"
        with log.open("wb") as file:
            command = [sys.executable, "-c", main, "run", "--config", str(config)]
            return subprocess.Popen(command, stdout=file, stderr=file), log

    def _phase(self, name: str, log: Path) -> str:
        """Say in which phase of the occurrence the agent was killed, by what it had told."""
        told = log.read_text()
        said = [line for line in AFTER if line.format(name=name) in told]
        phases = {
            "listening on": "before the drill",
            "drill {name}, by": "baseline",
            "fault injected": "fault",
            "fault healed": "recovery and verdict",
            "drill {name} ended": "after the drill",
        }
        return phases[said[-1]] if said else "start"

    def _look_at_the_one_before(self, name: str, begun: float) -> None:
        """Count by whom the fault of the round before was undone: its agent and watchdog, or the next agent."""
        if len(self._names) < 2:
            return
        before = self._names[-2]
        if before in self._server.broken:
            self._complain(f"the fault of {before} is in force after the start of the agent of {name}")
        elif before in self._server.ended:
            healed = "its agent or its watchdog" if self._server.ended[before] < begun else "a later one"
            self._outcome.mended_by[healed] += 1

    def _end(self) -> None:
        """Start a last agent, let it decide on what is left, and tell it to stop."""
        last = self._names[-1]
        process, log = self._started("end")
        ready = f"http://127.0.0.1:{self._listen}/-/ready"
        _until(lambda: _answers(ready) or process.poll() is not None, "the last agent is ready")
        _until(lambda: self._is_decided(last) or process.poll() is not None, f"{last} is decided on")
        process.send_signal(signal.SIGTERM)
        if process.wait(_WITHIN_SECONDS) != 0 or "nothing is broken" not in log.read_text():
            self._complain(f"the last agent ended with {process.returncode}: {log.read_text()[-500:]}")
        _until(lambda: not _living(self._left), "all processes of killed agents end")

    def _is_decided(self, name: str) -> bool:
        states = [one.state for one in Journal(self._folder / "kept").records.values() if one.entry == name]
        return states in (["done"], ["skipped"], ["interrupted"])

    def _compare(self) -> Outcome:
        """Compare the journal, the history and what the server has counted."""
        kept = self._folder / "kept"
        records = Journal(kept).records.values()
        begun = Counter[str]()
        for line in (kept / NAME).read_text().splitlines():
            values = json.loads(line)
            begun[values["entry"]] += values.get("state") == "running"
        states = {one.entry: one.state for one in records}
        self._outcome.ended_as.update(states.values())
        self._outcome.begun = sum(self._server.begun.values())
        for name in self._names:
            if begun[name] > 1 or self._server.begun[name] > 1:
                self._complain(f"{name} ran {begun[name]} times, and was broken {self._server.begun[name]} times")
            if states.get(name) not in {"done", "skipped", "interrupted"}:
                self._complain(f"{name} has no end in the journal: {states.get(name)}")
        self._compare_with_history(sorted((one.entry, one.instant, one.state) for one in records))
        if self._server.broken:
            self._complain(f"still broken: {sorted(self._server.broken)}")
        return self._outcome

    def _compare_with_history(self, expected: list[tuple[str, str, str]]) -> None:
        rows = self._history("occurrences")
        if sorted((one["entry"], one["instant"], one["state"]) for one in rows) != expected:
            self._complain("the history has other occurrences than the journal")
        recordings = len(list((self._folder / "kept").glob("*.recording.json.gz")))
        if (runs := len(self._history("runs"))) != recordings:
            self._complain(f"the history has {runs} runs of {recordings} recordings")

    def _history(self, what: str) -> list[dict[str, str]]:
        main = "from alertdrill.agent.cli import main; main()"
        command = [sys.executable, "-c", main, "history", what, "--json", "--config", str(self._folder / "agent.yml")]
        found: list[dict[str, str]] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return found

    def _complain(self, problem: str) -> None:
        self._outcome.problems.append(problem)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=10):  # noqa: S310 - http
            return True
    except (URLError, OSError):
        return False


def _children(pid: int) -> set[tuple[int, str]]:
    """Return the processes that a process has started, each with the instant of its start."""
    return {(one, started) for one in children(pid) if (started := _started_at(one))}


def _started_at(pid: int) -> str:
    """Return when a process was started; empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _living(processes: set[tuple[int, str]]) -> bool:
    return any(_started_at(pid) == started for pid, started in processes)
