from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.toxiproxies import KINDS, ToxiproxyServer, running


# New servers for each file, because a proxy with a slash in its name can never be removed.
@pytest_asyncio.fixture(scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[ToxiproxyServer, ToxiproxyServer]]:
    folder = tmp_path_factory.mktemp("toxiproxies")
    async with running("real", folder) as real, running("embedded", folder) as embedded:
        yield real, embedded


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, both: tuple[ToxiproxyServer, ToxiproxyServer]) -> Iterator[ToxiproxyServer]:
    """Each of the two servers, without proxies."""
    one = both[KINDS.index(request.param)]
    one.clear()
    yield one
    one.clear()
