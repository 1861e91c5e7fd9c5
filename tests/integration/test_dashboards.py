"""Every query of every panel has data on real servers, while a load runs through all parts of the lab."""

from __future__ import annotations

import asyncio
import math
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml

from dashboards.catalogue import DASHBOARDS
from dashboards.panel import Dashboard, Panel, Query
from dashboards.prometheus_queries import QueryRunner, TimeRange
from tests.integration.conftest import ALERTDRILL, LONGEST_SECONDS, ROOT

SCALE = 20
# Those of a cluster are asked for where there is one: tests/kubernetes.
QUERIES = [
    pytest.param(spec, panel, query, id=f"{spec.uid}: {panel.title}: {query.legend}")
    for spec in DASHBOARDS
    for panel in spec.panels
    for query in panel.queries
    if "kube_" not in query.expr
]


@dataclass
class Loaded:
    """A lab with all its parts, and a load on it."""

    prometheus_url: str


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    lab = subprocess.Popen(
        [
            "setpriv",
            "--pdeathsig",
            "INT",
            *ALERTDRILL,
            "lab",
            "--time-scale",
            str(SCALE),
            "--kafka",
            "--replicas",
            "2",
            "--no-color",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    try:
        assert lab.stdout is not None
        config = next(Path(found[1]) for line in lab.stdout if (found := re.search(r"--config (\S+)", line)))
        settings = yaml.safe_load(config.read_text())
        probe = tmp_path_factory.mktemp("load") / "payment.yml"
        payment = yaml.safe_load((ROOT / "configs/probes/payment.yml").read_text())["probe"]
        probe.write_text(yaml.safe_dump({"probe": payment | {"url": settings["probe"]["url"]}, "load": {"rate": 60}}))
        load = subprocess.Popen(
            [*ALERTDRILL, "probe", str(probe), "--listen", settings["listen"], "--quiet", "--duration", "1h"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            yield Loaded(settings["prometheus"]["url"])
        finally:
            load.send_signal(signal.SIGINT)
            load.wait(LONGEST_SECONDS)
    finally:
        lab.send_signal(signal.SIGINT)
        lab.communicate(timeout=LONGEST_SECONDS)


@pytest_asyncio.fixture
async def runner(loaded: Loaded) -> AsyncIterator[QueryRunner]:
    async with aiohttp.ClientSession() as session:
        yield QueryRunner(session, loaded.prometheus_url, SCALE)


@pytest.mark.parametrize(("spec", "panel", "query"), QUERIES)
async def test_every_query_has_data(runner: QueryRunner, spec: Dashboard, panel: Panel, query: Query) -> None:
    values: list[float] = []
    deadline = time.monotonic() + 60
    while not values and time.monotonic() < deadline:
        now = time.time()
        lines = await runner.lines(query, spec, TimeRange(now - 2.0, now, 0.5))
        values = [value for line in lines for _, value in line.samples if not math.isnan(value)]
    assert values, panel.title


async def test_the_load_shows_in_the_figures(runner: QueryRunner, loaded: Loaded) -> None:
    """Data alone may be zeroes: what is known of the load must be what the panels say."""
    del loaded
    (operations, health, business, infrastructure) = DASHBOARDS

    async def last(spec: Dashboard, title: str) -> dict[str, float]:
        now = time.time()
        (panel,) = (one for one in spec.panels if one.title == title)
        lines = await runner.panel(panel, spec, TimeRange(now - 3.0, now, 0.5))
        return {line.legend: line.samples[-1][1] for line in lines}

    async def shown() -> dict[str, bool]:
        rate = (await last(operations, "Transactions a second")).get("transactions", 0)
        pool = await last(health, "Pool in use")
        brokers = await last(infrastructure, "Brokers")
        return {
            "rate": 54 <= rate < 66,
            "target": (await last(operations, "Transactions a second over time")).get("synthetic, target") == 60,
            "errors": (await last(operations, "Error rate")).get("errors") == 0,
            "tenants": (await last(business, "Transactions a second by tenant")).keys()
            == {"acme", "globex", "initech"},
            "fees": (await last(business, "Fees collected")).get("USD", 0) > 0,
            "servers": set((await last(infrastructure, "Servers up")).values()) == {1.0},
            "brokers": list(brokers.values()) == [1],
            "pool": pool.keys() >= {"in use", "pool"} and 0 <= pool["in use"] < pool["pool"],
        }

    # The load has just begun, and the rate is that of a while. After a stall of this machine scrapes are missing, and the
    # load catches up, for a while beyond its rate.
    for _ in range(600):
        said = await shown()
        if all(said.values()):
            break
        await asyncio.sleep(0.5)
    assert [title for title, is_right in said.items() if not is_right] == []
