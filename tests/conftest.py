"""Which tests start real servers, which of them share one, and in which order several workers take them."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Folders in which every test needs a real server or starts processes.
FOLDERS_OF_SERVERS = ("integration", "kubernetes", "lab")
# Servers that are kept for a whole run: their tests go to one worker, or each worker would start its own.
SHARED = ("control_plane", "lab", "databases")
# These take longest: a worker that began one of them last would keep the others waiting.
FIRST = (
    "kubernetes: control_plane",
    "integration: lab",
    "integration/test_predictions.py",
    "simulator",
    "chaos/safety",
)


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need servers, group those that share one, and put the longest groups first."""
    for item in items:
        path = item.path.relative_to(TESTS)
        if path.parts[0] in FOLDERS_OF_SERVERS or _shared(item):
            item.add_marker("servers")
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: _rank(_group(item)))


def _group(item: pytest.Item) -> str:
    path = item.path.relative_to(TESTS)
    return f"{path.parts[0]}: {fixture}" if (fixture := _shared(item)) else path.as_posix()


def _shared(item: pytest.Item) -> str | None:
    return next((one for one in SHARED if one in item.fixturenames), None)  # type: ignore[attr-defined]


def _rank(group: str) -> int:
    return next((rank for rank, first in enumerate(FIRST) if group.startswith(first)), len(FIRST))
