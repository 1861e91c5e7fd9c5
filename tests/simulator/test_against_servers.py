"""Prometheus and Alertmanager do what the simulator predicts from their phases.

The servers scrape the simulator's own services, whose faults are far from any scrape.
There are many equal groups of rules with different offsets. Only those whose evaluations are far from the scrapes
count: for the others, the schedule of this machine decides.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
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

SCRAPE: Millis = 1000
TIMEOUT: Millis = 500
EVALUATION: Millis = 2000
LASTS: Millis = 9000
GROUPS = [f"group{index}" for index in range(16)]
# So no flush comes at the instant of an evaluation.
ROUTING = Routing(group_by=("alertname", "group"), group_wait=1100, group_interval=3300, transit=5, delivery=5)
# How late a scrape and an evaluation may be before their order changes.
EARLY_MS, LATE_MS = 60, 250


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

    services: dict[str, Service]
    heard: list[tuple[Millis, dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    async def show(self, request: web.Request) -> web.Response:
        """Expose a service, or fail like it."""
        service, at = self.services[request.match_info["job"]], now_ms()
        answer = service.answer(at)
        if answer == "hangs":
            await asyncio.sleep(2 * TIMEOUT / 1000)
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

    async def instants(self, selector: str) -> dict[Labels, list[Millis]]:
        """Return the timestamps of all samples of some series."""
        data = await self.ask("/api/v1/query", query=f"{selector}[5m]")
        return {
            tuple(sorted(series["metric"].items())): [round(at * 1000) for at, _ in series["values"]]
            for series in data["result"]
        }


def _quiet(job: str) -> Service:
    return Service((Gauge("depth", 0, 1), Gauge("level", 1, None)), (0,), Stretches(), JOBS[job])


def _configure(directory: Path, own: int, alertmanager: int) -> None:
    def rules(name: str) -> list[dict[str, Any]]:
        drawn = [
            {"alert": rule.alert, "expr": str(rule.expression), "for": spell(rule.hold), "labels": {"group": name}}
            | ({"keep_firing_for": spell(rule.keep)} if rule.keep else {})
            for rule in chain(*RULES.values())
        ]
        return [{"record": "evaluated", "expr": "vector(1)", "labels": {"group": name}}, *drawn]

    scrapes = [
        {"job_name": job, "metrics_path": f"/{job}", "static_configs": [{"targets": [f"127.0.0.1:{own}"]}]}
        for job in JOBS
    ]
    files: dict[str, Any] = {
        "rules.yml": {"groups": [{"name": name, "interval": "2s", "rules": rules(name)} for name in GROUPS]},
        "prometheus.yml": {
            "global": {"scrape_interval": "1s", "scrape_timeout": spell(TIMEOUT), "evaluation_interval": "2s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": scrapes,
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
        },
        "alertmanager.yml": {
            "route": {
                "receiver": "pager",
                "group_by": list(ROUTING.group_by),
                "group_wait": spell(ROUTING.group_wait),
                "group_interval": spell(ROUTING.group_interval),
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


@pytest_asyncio.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    directory = tmp_path_factory.mktemp("servers")
    own, prometheus, alertmanager = free_ports(3)
    stage = Stage({job: _quiet(job) for job in JOBS}, url=f"http://127.0.0.1:{prometheus}")
    application = web.Application()
    application.add_routes([web.get("/{job}", stage.show), web.post("/heard", stage.hear)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", own).start()
    _configure(directory, own, alertmanager)
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

    jobs: dict[str, Millis]
    groups: dict[str, Millis]

    def clear_groups(self, job: str) -> list[str]:
        """Return the groups whose evaluations come neither just before nor just after a job's samples are written."""
        writes = [self.jobs[job], self.jobs[job] + (TIMEOUT if JOBS[job] == "hangs" else 0)]
        return [
            group
            for group, offset in self.groups.items()
            if all((offset - at) % SCRAPE >= LATE_MS and (at - offset) % SCRAPE >= EARLY_MS for at in writes)
        ]


def _phase(instants: list[Millis], interval: Millis) -> Millis:
    """Return the usual phase: a late scrape keeps its own time."""
    return Counter(at % interval for at in instants).most_common(1)[0][0]


async def _phases(stage: Stage) -> Phases:
    """Wait until every job was scraped and every group was evaluated a few times."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ups, marks = await stage.instants("up"), await stage.instants("evaluated")
        if len(ups) == len(JOBS) and len(marks) == len(GROUPS) and all(len(found) > 3 for found in marks.values()):
            return Phases(
                {dict(labels)["job"]: _phase(found, SCRAPE) for labels, found in ups.items()},
                {dict(labels)["group"]: _phase(found, EVALUATION) for labels, found in marks.items()},
            )
        await asyncio.sleep(0.5)
    raise AssertionError("Prometheus neither scraped nor evaluated")


def _case(rule: Rule, group: str, offset: Millis, targets: dict[str, Target], ends: Millis) -> Case:
    fault = next(iter(targets.values())).service.fault
    return Case(
        kind=rule.alert,
        begins=fault.of[0][0] - 3000,
        ends=ends,
        fault=fault,
        targets=tuple(targets.values()),
        rule=replace(rule, labels=labels_of(group=group)),
        group=Group(EVALUATION, offset, lag=2),
        routing=ROUTING,
        version=Version.V2,
        scraped_since=fault.of[0][0] - 10_000,
    )


def _targets(phases: Phases, services: dict[str, Service], own: str) -> dict[str, Target]:
    return {job: Target(job, own, services[job], SCRAPE, phases.jobs[job], TIMEOUT, duration=5) for job in JOBS}


async def test_prometheus_and_alertmanager_do_what_the_simulator_says(stage: Stage) -> None:
    phases = await _phases(stage)
    begins = now_ms() + 2000
    for job, phase in phases.jobs.items():
        # Half way between two scrapes.
        at = begins + (phase + SCRAPE // 2 - begins) % SCRAPE
        stage.services[job] = replace(stage.services[job], fault=Stretches(((at, at + LASTS),)))
    ends = begins + LASTS + 16_000
    await asyncio.sleep((ends - now_ms()) / 1000)

    own = dict(next(iter(await stage.instants("up"))))["instance"]
    targets = _targets(phases, stage.services, own)
    observed = await stage.instants("ALERTS")
    for job, rules in RULES.items():
        assert phases.clear_groups(job)
        for group, rule in product(phases.clear_groups(job), rules):
            truth = _case(rule, group, phases.groups[group], targets, ends - 2000).run()
            _compare(truth, observed, stage, {"group": group, "alertname": rule.alert})


def _compare(truth: Truth, observed: dict[Labels, list[Millis]], stage: Stage, labels: dict[str, str]) -> None:
    assert _shown(observed, labels, truth.evaluations[0].at) == {
        dict(found)["alertstate"]: [sample.at for sample in samples if sample.value is not None]
        for found, samples in truth.alerts.items()
    }
    told = [(one.at, one.alerts[0].status, one.alerts[0].starts_at) for one in truth.notifications]
    heard = _heard(stage, labels)
    assert [one[1:] for one in heard] == [one[1:] for one in told]
    assert all(-20 <= real[0] - said[0] <= 1000 for real, said in zip(heard, told, strict=True))


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
