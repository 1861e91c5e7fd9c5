"""Which tests start real servers, which of them share one, and in which order several workers take them."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Folders and files whose tests mostly need real servers, or processes of their own.
WITH_SERVERS = (
    "agent/commands/test_missing_extras.py",
    "agent/commands/test_probe.py",
    "agent/drilling/test_evidence.py",
    "agent/drilling/test_healing.py",
    "agent/explaining/test_from_servers.py",
    "agent/loading/",
    "agent/rules/test_prospect_promtool.py",
    "benchmarks/",
    "chaos/http/",
    "chaos/machine/",
    "chaos/postgres/",
    "chaos/redis/",
    "chaos/safety/",
    "chaos/toxiproxy/",
    "integration/",
    "kubernetes/",
    "lab/",
    "probes/http/test_hostile_http.py",
    "probes/http/test_pool.py",
    "probes/load/test_coordinated_omission.py",
    "probes/load/test_workers.py",
    "probes/test_extras.py",
    "simulator/test_against_",
)
# Hundreds of drawn cases each.
THOROUGH = (
    "agent/verdict/test_odd_values.py",
    "agent/verdict/test_simulated.py",
    "simulator/test_case.py",
    "simulator/test_mutants.py",
)
# Tests that look for the processes of this checkout would find those of one another.
FOLDERS_OF_PROCESSES = ("chaos/machine/", "chaos/postgres/", "chaos/safety/")
# Servers that are kept for a whole run: their tests go to one worker, or each worker would start its own.
SHARED = ("control_plane", "lab", "databases")
# These take longest: a worker that began one of them last would keep the others waiting.
FIRST = (
    "kubernetes: control_plane",
    "integration: lab",
    "integration/test_predictions.py",
    "simulator",
    "chaos: processes",
)


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need servers, group those that share one, and put the longest groups first."""
    for item in items:
        if _path(item).startswith(WITH_SERVERS) or _shared(item):
            item.add_marker("servers")
        if _path(item).startswith(THOROUGH):
            item.add_marker("thorough")
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: _rank(_group(item)))


def _group(item: pytest.Item) -> str:
    path = _path(item)
    if path.startswith(FOLDERS_OF_PROCESSES):
        return "chaos: processes"
    return f"{path.partition('/')[0]}: {fixture}" if (fixture := _shared(item)) else path


def _path(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).as_posix()


def _shared(item: pytest.Item) -> str | None:
    return next((one for one in SHARED if one in item.fixturenames), None)  # type: ignore[attr-defined]


def _rank(group: str) -> int:
    return next((rank for rank, first in enumerate(FIRST) if group.startswith(first)), len(FIRST))
