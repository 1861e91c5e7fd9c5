from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from alertdrill.lab.stack import Lab

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest_asyncio.fixture(scope="package")
async def lab() -> AsyncIterator[Lab]:
    # As many as a test makes payments at once.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALERTDRILL_LAB_CONNECTIONS", "200")
        async with Lab(CONFIGS, 30.0) as started:
            yield started
