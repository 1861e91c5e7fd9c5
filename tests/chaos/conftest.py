from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alertdrill.lab.server import Server
from tests.support.toxiproxy_server import toxiproxy_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A Toxiproxy for one test, with a proxy `db`."""
    async with toxiproxy_server(tmp_path) as running:
        yield running
