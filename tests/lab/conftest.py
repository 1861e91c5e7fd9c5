from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from alertdrill.lab.stack import Lab

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest_asyncio.fixture(scope="package")
async def lab() -> AsyncIterator[Lab]:
    async with Lab(CONFIGS, 30.0) as started:
        yield started
