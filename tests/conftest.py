"""Which tests start real servers, which of them share one, and in which order several workers take them."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.support.scratch import folder_in_memory

# On a busy machine an example may take any time. Each test keeps the profile that is in force when its file is read.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

_FOLDER = pytest.StashKey[Path]()

# Folders and files whose tests mostly need real servers, or processes of their own.
WITH_SERVERS = (
    "agent/api/test_described.py",
    "agent/api/test_events.py",
    "agent/commands/test_interrupts.py",
    "agent/commands/test_missing_extras.py",
    "agent/commands/test_probe.py",
    "agent/daemon/test_bad_luck.py",
    "agent/daemon/test_killed.py",
    "agent/daemon/test_reload.py",
    "agent/daemon/test_run.py",
    "agent/daemon/test_seams.py",
    "agent/daemon/test_telling.py",
    "agent/drilling/test_evidence.py",
    "agent/drilling/test_giving_up.py",
    "agent/drilling/test_healing.py",
    "agent/drilling/test_raw_samples.py",
    "agent/explaining/test_from_servers.py",
    "agent/explaining/test_many_rules.py",
    "agent/history/test_databases.py",
    "agent/loading/",
    "agent/pages/",
    "agent/regression/test_promtool.py",
    "agent/regression/test_pytest_plugin.py",
    "agent/regression/test_regress.py",
    "agent/regression/test_incident.py",
    "agent/regression/test_sample_repository.py",
    "agent/regression/test_shipped_files.py",
    "agent/regression/test_simulated.py",
    "agent/report/test_in_browser.py",
    "agent/rules/test_prospect_promtool.py",
    "agent/rules/test_seed_claims.py",
    "agent/test_canaries.py",
    "benchmarks/",
    "chaos/http/",
    "chaos/machine/",
    "chaos/postgres/",
    "chaos/redis/",
    "chaos/safety/",
    "chaos/test_fault.py",
    "chaos/toxiproxy/",
    "image/",
    "integration/",
    "kubernetes/",
    "lab/",
    "probes/http/test_hostile_http.py",
    "probes/http/test_pool.py",
    "probes/load/test_coordinated_omission.py",
    "probes/load/test_workers.py",
    "probes/test_extras.py",
    "probes/test_postgres.py",
    "probes/test_redis.py",
    "simulator/test_against_",
)
# Hundreds of drawn cases each, or hours in virtual time.
THOROUGH = (
    "agent/daemon/test_away_for_a_day.py",
    "agent/daemon/test_clock_steps.py",
    "agent/regression/test_simulated.py",
    "agent/verdict/test_odd_values.py",
    "agent/verdict/test_simulated.py",
    "simulator/test_case.py",
    "simulator/test_mutants.py",
)
# Files whose tests share something go to one worker together; all others go by file.
TOGETHER = {
    "kubernetes/test_every_step.py": "a control plane",
    "kubernetes/test_drill.py": "a control plane",
    "kubernetes/": "another control plane",
    # These look for processes of this checkout, and would find those of one another.
    "chaos/machine/": "processes",
    "chaos/postgres/": "processes",
    "chaos/safety/": "processes",
    "integration/test_guards.py": "a lab",
    "integration/test_strategy_drills.py": "a lab",
    "integration/test_kpi.py": "a lab",
    "integration/test_outages.py": "a lab",
    "integration/test_runbooks.py": "a lab",
    "integration/test_escalation.py": "monitoring servers",
    "integration/test_monitoring.py": "monitoring servers",
    "lab/": "lab",
    "simulator/": "simulator",
    "probes/test_postgres.py": "databases",
    "probes/test_redis.py": "databases",
}
# Each test of these goes to any worker: they are long, and share nothing.
APART = ("agent/commands/test_probe.py", "agent/regression/test_simulated.py")
# The longest begin first, or the last would keep others waiting. This is the order in which they begin.
LONGEST = (
    "kubernetes/test_every_step.py",
    "kubernetes/test_drill.py",
    "kubernetes/",
    "chaos/safety/",
    "chaos/machine/",
    "chaos/postgres/",
    "integration/test_drill.py",
    "integration/test_strategy_drills.py",
    "integration/test_guards.py",
    "integration/test_kpi.py",
    "integration/test_outages.py",
    "integration/test_runbooks.py",
    "integration/test_cut_short.py",
    "agent/commands/test_probe.py",
    "lab/",
    "integration/test_run.py",
    "integration/test_audit.py",
    "integration/test_predictions.py",
    "agent/daemon/test_bad_luck.py",
    "integration/test_capacity.py",
    "simulator/",
    "agent/regression/test_simulated.py",
    "agent/pages/test_pages.py",
    "integration/test_wheel.py",
    "integration/",
    "agent/regression/",
    "agent/daemon/",
    "agent/drilling/",
    "agent/test_canaries.py",
    "probes/load/test_workers.py",
    "image/",
)


def pytest_configure(config: pytest.Config) -> None:
    """Keep temporary files in memory, those of all workers and of the programs that they start; TMPDIR overrides it."""
    if "TMPDIR" in os.environ or (folder := folder_in_memory()) is None:
        return
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    config.stash[_FOLDER] = folder


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Give the memory back, unless a test failed: then its files may tell why."""
    if exitstatus == pytest.ExitCode.OK and (folder := session.config.stash.get(_FOLDER, None)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def wait_for_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give `asyncio.wait_for` back after a test: a command replaces it as it starts."""
    for module in (asyncio, asyncio.tasks):
        monkeypatch.setattr(module, "wait_for", module.wait_for)


@pytest.fixture
def few_connections(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the labs of a test start and end faster; other tests have labs with all 500 connections."""
    monkeypatch.setenv("ALERTDRILL_LAB_CONNECTIONS", "20")
    return 20


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need servers, and put the longest groups first, or the last would keep others waiting."""
    for item in items:
        path = _path(item.nodeid)
        if path.startswith(WITH_SERVERS):
            item.add_marker("servers")
        if path.startswith(THOROUGH):
            item.add_marker("thorough")
    items.sort(key=lambda item: _rank(_path(item.nodeid)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let no collection of garbage visit all that was read so far: not while tests are read, and not later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker whole groups of tests."""

    def _split_scope(self, nodeid: str) -> str:
        path = _path(nodeid)
        if path in APART:
            return nodeid
        return next((group for start, group in TOGETHER.items() if path.startswith(start)), path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    """Schedule by the groups above; `--dist loadgroup` of pytest-xdist 3.8 does nothing under pytest 9.2."""
    return GroupScheduling(config, log)


def _path(nodeid: str) -> str:
    return nodeid.removeprefix("tests/").partition("::")[0]


def _rank(path: str) -> int:
    return next((rank for rank, start in enumerate(LONGEST) if path.startswith(start)), len(LONGEST))
