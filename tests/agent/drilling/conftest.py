"""A Toxiproxy to break, and the ledger of its faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.server import Server
from tests.support.toxiproxy_server import toxiproxy_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with toxiproxy_server(tmp_path) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger", "slow")
