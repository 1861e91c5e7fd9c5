"""Prometheus and Alertmanager do what the simulator predicts from their phases.

The servers scrape the simulator's own services, whose faults are far from any scrape.
There are many equal groups of rules with different offsets. Only those whose evaluations are far from the scrapes
count: for the others, the schedule of this machine decides.
The servers' own samples tell whether the machine kept them to their schedule. If it did not, all is tried again with
longer intervals.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise, product
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec
from simulator import (
    Absent,
    Case,
    Compare,
    Gauge,
    Group,
    Labels,
    Millis,
    Routing,
    Rule,
    Selector,
    Service,
    Stretches,
    Target,
    Truth,
    Version,
)
from simulator.promql import spell
from simulator.service import Answer
from simulator.values import NAME, labels_of
from tests.support.waiting import until

GROUPS = [f"group{index}" for index in range(16)]


@dataclass(frozen=True)
class Pace:
    """All durations; they are `slowness` times as long as they need be on an idle machine."""

    slowness: int

    def longer(self, duration: Millis) -> Millis:
        return duration * self.slowness

    @property
    def scrape(self) -> Millis:
        return self.longer(1000)

    @property
    def timeout(self) -> Millis:
        return self.longer(500)

    @property
    def evaluation(self) -> Millis:
        return self.longer(2000)

    @property
    def lasts(self) -> Millis:
        return self.longer(9000)

    @property
    def routing(self) -> Routing:
        """So no flush comes at the instant of an evaluation."""
        wait, interval = self.longer(1100), self.longer(3300)
        by = ("alertname", "group")
        return Routing(group_by=by, group_wait=wait, group_interval=interval, transit=5, delivery=5)

    @property
    def early(self) -> Millis:
        """How early a scrape may be before its order with an evaluation changes."""
        return self.longer(60)

    @property
    def late(self) -> Millis:
        """How late a scrape may be written before its order with an evaluation changes."""
        return self.longer(250)

    @property
    def rules(self) -> dict[str, tuple[Rule, ...]]:
        return {
            job: tuple(replace(one, hold=self.longer(one.hold), keep=self.longer(one.keep)) for one in rules)
            for job, rules in RULES.items()
        }


DEEP = Compare(Selector("depth", labels_of(job="gauge")), "==", 1.0)
RULES = {
    "gauge": (
        Rule("Step", DEEP),
        Rule("Multiple", DEEP, 4000),
        Rule("Between", DEEP, 5000),
        Rule("TooLong", DEEP, 14_000),
        Rule("Kept", DEEP, 2000, 5000),
        # With `for`, because all series are absent until the first scrape.
        Rule("Vanished", Absent(Selector("level", labels_of(job="gauge"))), 5000),
    ),
    "refuses": (
        Rule("Down", Compare(Selector("up", labels_of(job="refuses")), "==", 0.0), 2000),
        Rule("Blind", Absent(Selector("depth", labels_of(job="refuses"))), 5000),
    ),
    "hangs": (Rule("Hung", Compare(Selector("up", labels_of(job="hangs")), "==", 0.0)),),
}
JOBS: dict[str, Answer] = {"gauge": "answers", "refuses": "refuses", "hangs": "hangs"}


def now_ms() -> Millis:
    return time.time_ns() // 1_000_000


@dataclass
class Stage:
    """The services as they are set now, and the notifications that their receiver got."""

    pace: Pace
    services: dict[str, Service]
    heard: list[tuple[Millis, dict[str, Any]]] = field(default_factory=list)
    longest_lateness: Millis = 0
    url: str = ""

    async def show(self, request: web.Request) -> web.Response:
        """Expose a service, or fail like it."""
        service, at = self.services[request.match_info["job"]], now_ms()
        answer = service.answer(at)
        if answer == "hangs":
            await asyncio.sleep(2 * self.pace.timeout / 1000)
        if answer != "answers":
            return web.Response(status=503)
        return web.Response(
            text="".join(f"{dict(labels)[NAME]} {value}\n" for labels, value in service.read(at).items())
        )

    async def hear(self, request: web.Request) -> web.Response:
        """Receive a notification."""
        self.heard.append((now_ms(), await request.json()))
        return web.Response()

    async def ask(self, path: str, **query: str) -> Any:
        """Query Prometheus."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path, params=query) as response:
            return (await response.json())["data"]

    async def values(self, selector: str) -> dict[str, list[tuple[Millis, float]]]:
        """Return the instants and values of all samples of a series of each job."""
        data = await self.ask("/api/v1/query", query=f"{selector}[10m]")
        return {
            series["metric"]["job"]: [(round(at * 1000), float(value)) for at, value in series["values"]]
            for series in data["result"]
        }

    async def instants(self, selector: str) -> dict[Labels, list[Millis]]:
        """Return the timestamps of all samples of some series."""
        data = await self.ask("/api/v1/query", query=f"{selector}[10m]")
        return {
            tuple(sorted(series["metric"].items())): [round(at * 1000) for at, _ in series["values"]]
            for series in data["result"]
        }


def _quiet(job: str) -> Service:
    return Service((Gauge("depth", 0, 1), Gauge("level", 1, None)), (0,), Stretches(), JOBS[job])


def _configure(pace: Pace, directory: Path, own: int, alertmanager: int) -> None:
    directory.mkdir()

    def rules(name: str) -> list[dict[str, Any]]:
        drawn = [
            {"alert": rule.alert, "expr": str(rule.expression), "for": spell(rule.hold), "labels": {"group": name}}
            | ({"keep_firing_for": spell(rule.keep)} if rule.keep else {})
            for rule in chain(*pace.rules.values())
        ]
        return [{"record": "evaluated", "expr": "vector(1)", "labels": {"group": name}}, *drawn]

    scrapes = [
        {"job_name": job, "metrics_path": f"/{job}", "static_configs": [{"targets": [f"127.0.0.1:{own}"]}]}
        for job in JOBS
    ]
    files: dict[str, Any] = {
        "rules.yml": {
            "groups": [{"name": name, "interval": spell(pace.evaluation), "rules": rules(name)} for name in GROUPS]
        },
        "prometheus.yml": {
            "global": {
                "scrape_interval": spell(pace.scrape),
                "scrape_timeout": spell(pace.timeout),
                "evaluation_interval": spell(pace.evaluation),
            },
            "rule_files": ["rules.yml"],
            "scrape_configs": scrapes,
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
        },
        "alertmanager.yml": {
            "route": {
                "receiver": "pager",
                "group_by": list(pace.routing.group_by),
                "group_wait": spell(pace.routing.group_wait),
                "group_interval": spell(pace.routing.group_interval),
            },
            "receivers": [{"name": "pager", "webhook_configs": [{"url": f"http://127.0.0.1:{own}/heard"}]}],
        },
    }
    for name, content in files.items():
        (directory / name).write_text(yaml.safe_dump(content))


def _specs(directory: Path, prometheus: int, alertmanager: int) -> list[Spec]:
    programs = {name: str(path) for name, path in find_programs().items()}
    return [
        Spec(
            "alertmanager",
            [
                programs["alertmanager"],
                f"--config.file={directory}/alertmanager.yml",
                f"--storage.path={directory}/alertmanager",
                f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
            ],
            alertmanager,
            health="/-/ready",
        ),
        Spec(
            "prometheus",
            [
                programs["prometheus"],
                f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/prometheus",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            ],
            prometheus,
            health="/-/ready",
        ),
    ]


@asynccontextmanager
async def staged(pace: Pace, directory: Path) -> AsyncIterator[Stage]:
    own, prometheus, alertmanager = free_ports(3)
    stage = Stage(pace, {job: _quiet(job) for job in JOBS}, url=f"http://127.0.0.1:{prometheus}")
    application = web.Application()
    application.add_routes([web.get("/{job}", stage.show), web.post("/heard", stage.hear)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", own).start()
    _configure(pace, directory, own, alertmanager)
    setpriv = find_programs()["setpriv"]
    servers = [Server(spec, directory, setpriv) for spec in _specs(directory, prometheus, alertmanager)]
    try:
        for server in servers:
            await server.wait_ready()
        yield stage
    finally:
        for server in reversed(servers):
            await server.stop()
        await runner.cleanup()


@dataclass(frozen=True)
class Phases:
    """The phases that are read from the server: of each job's scrapes, and of each group's evaluations."""

    pace: Pace
    jobs: dict[str, Millis]
    groups: dict[str, Millis]

    def clear_groups(self, job: str) -> list[str]:
        """Return the groups whose evaluations come neither just before nor just after a job's samples are written."""
        pace = self.pace
        writes = [self.jobs[job], self.jobs[job] + (pace.timeout if JOBS[job] == "hangs" else 0)]
        return [
            group
            for group, offset in self.groups.items()
            if all(
                (offset - at) % pace.scrape >= pace.late and (at - offset) % pace.scrape >= pace.early for at in writes
            )
        ]


def _phase(instants: list[Millis], interval: Millis) -> Millis:
    """Return the usual phase: a late scrape keeps its own time."""
    return Counter(at % interval for at in instants).most_common(1)[0][0]


async def _phases(stage: Stage) -> Phases:
    """Wait until every job was scraped and every group was evaluated a few times."""
    found: list[Phases] = []

    async def are_known() -> bool:
        ups, marks = await stage.instants("up"), await stage.instants("evaluated")
        if len(ups) == len(JOBS) and len(marks) == len(GROUPS) and all(len(seen) > 3 for seen in marks.values()):
            jobs = {dict(labels)["job"]: _phase(seen, stage.pace.scrape) for labels, seen in ups.items()}
            groups = {dict(labels)["group"]: _phase(seen, stage.pace.evaluation) for labels, seen in marks.items()}
            found.append(Phases(stage.pace, jobs, groups))
        return bool(found)

    await until(are_known, "Prometheus scrapes and evaluates", 300)
    return found[0]


def _case(stage: Stage, rule: Rule, group: Group, targets: dict[str, Target], ends: Millis) -> Case:
    pace, fault = stage.pace, next(iter(targets.values())).service.fault
    return Case(
        kind=rule.alert,
        begins=fault.of[0][0] - pace.longer(3000),
        ends=ends,
        fault=fault,
        targets=tuple(targets.values()),
        rule=rule,
        group=group,
        routing=pace.routing,
        version=Version.V2,
        scraped_since=fault.of[0][0] - pace.longer(10_000),
    )


def _targets(stage: Stage, phases: Phases, own: str) -> dict[str, Target]:
    pace = stage.pace
    return {
        job: Target(job, own, stage.services[job], pace.scrape, phases.jobs[job], pace.timeout, duration=5)
        for job in JOBS
    }


async def test_prometheus_and_alertmanager_do_what_the_simulator_says(tmp_path: Path) -> None:
    for slowness in (1, 2, 4, 8):
        pace = Pace(slowness)
        async with staged(pace, tmp_path / str(slowness)) as stage:
            differences, disturbances = await _differences(stage)
        if not differences or not disturbances:
            break
    assert differences == [], disturbances


async def _differences(stage: Stage) -> tuple[list[object], list[str]]:
    """Break the services; return what came otherwise than predicted, and how the machine disturbed the servers."""
    pace, phases = stage.pace, await _phases(stage)
    begins = now_ms() + pace.longer(2000)
    for job, phase in phases.jobs.items():
        # Half way between two scrapes.
        at = begins + (phase + pace.scrape // 2 - begins) % pace.scrape
        stage.services[job] = replace(stage.services[job], fault=Stretches(((at, at + pace.lasts),)))
    ends = begins + pace.lasts + pace.longer(16_000)
    await _watch_own_lateness(stage, ends)

    own = dict(next(iter(await stage.instants("up"))))["instance"]
    targets = _targets(stage, phases, own)
    observed = await stage.instants("ALERTS")
    unclear = [f"every evaluation is near a scrape of {job}" for job in JOBS if not phases.clear_groups(job)]
    differences: list[object] = [*unclear]
    for job, rules in pace.rules.items():
        for label, rule in product(phases.clear_groups(job), rules):
            group = Group(pace.evaluation, phases.groups[label], lag=2)
            labelled = replace(rule, labels=labels_of(group=label))
            truth = _case(stage, labelled, group, targets, ends - pace.longer(2000)).run()
            differences += _compared(truth, observed, stage, {"group": label, "alertname": rule.alert})
    return differences, unclear + await _disturbances(stage, phases, begins, ends)


async def _watch_own_lateness(stage: Stage, ends: Millis) -> None:
    """Wait, and note how late this process comes to run: its services answer as late, and hear notifications so."""
    while now_ms() < ends:
        due = now_ms() + 20
        await asyncio.sleep(0.02)
        stage.longest_lateness = max(stage.longest_lateness, now_ms() - due)


async def _disturbances(stage: Stage, phases: Phases, begins: Millis, ends: Millis) -> list[str]:
    """Return how the servers were kept from their schedule, as their own samples tell."""
    pace, found = stage.pace, list[str]()
    took = await stage.values("scrape_duration_seconds")
    since = begins - pace.longer(3000)
    for job, phase in phases.jobs.items():
        written = [at + round(1000 * seconds) for at, seconds in took[job] if since <= at < ends]
        expected = len(range(since + (phase - since) % pace.scrape, ends, pace.scrape))
        limit = pace.late + (pace.timeout if JOBS[job] == "hangs" else 0)
        latest = max((at - phase) % pace.scrape for at in written)
        if latest > limit or len(written) < expected:
            found.append(f"{len(written)} of {expected} scrapes of {job}, written up to {latest} ms late")
    for labels, instants in (await stage.instants("evaluated")).items():
        seen = [at for at in instants if since <= at < ends]
        if any(after - at != pace.evaluation for at, after in pairwise(seen)):
            found.append(f"evaluations of {dict(labels)['group']} left out")
    if stage.longest_lateness > pace.early:
        found.append(f"this process ran {stage.longest_lateness} ms late")
    return found


def _compared(
    truth: Truth, observed: dict[Labels, list[Millis]], stage: Stage, labels: dict[str, str]
) -> Iterator[object]:
    """Yield what differs between the truth and what the servers did."""
    shown = _shown(observed, labels, truth.evaluations[0].at)
    predicted = {
        dict(found)["alertstate"]: [sample.at for sample in samples if sample.value is not None]
        for found, samples in truth.alerts.items()
    }
    if shown != predicted:
        yield labels, shown, predicted
    told = [(one.at, one.alerts[0].status, one.alerts[0].starts_at) for one in truth.notifications]
    heard = _heard(stage, labels)
    in_time = all(-20 <= real[0] - said[0] <= 1000 for real, said in zip(heard, told, strict=False))
    if [one[1:] for one in heard] != [one[1:] for one in told] or not in_time:
        yield labels, heard, told


def _shown(observed: dict[Labels, list[Millis]], labels: dict[str, str], since: Millis) -> dict[str, list[Millis]]:
    return {
        dict(series)["alertstate"]: [at for at in instants if at >= since]
        for series, instants in observed.items()
        if labels.items() <= dict(series).items() and instants[-1] >= since
    }


def _heard(stage: Stage, labels: dict[str, str]) -> list[tuple[Millis, str, Millis]]:
    """Return instant, status and start of the alert for each notification about it."""
    return [
        (at, alert["status"], _instant(alert["startsAt"]))
        for at, body in stage.heard
        for alert in body["alerts"]
        if labels.items() <= alert["labels"].items()
    ]


def _instant(text: str) -> Millis:
    """Parse a time with up to nine digits after the second."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    seconds = int(time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))) - time.timezone
    return seconds * 1000 + int((rest + "000")[:3])
