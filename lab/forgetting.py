"""A running Prometheus that forgets what it saw: quicker than a new one, which scrapes nothing in its first five seconds.

Rules that leave the configuration take the state of their alerts with them, and come back without it; samples are
deleted through the admin API (Prometheus HTTP API, "TSDB Admin APIs").
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import yaml

from alertdrill.lab.errors import LabError

_TIMEOUT = aiohttp.ClientTimeout(total=10.0)


@asynccontextmanager
async def forgetting(url: str, config: Path) -> AsyncIterator[None]:
    """Take every rule from a Prometheus for the length of the block, then delete its samples and give them back.

    `config` is the file that it was started with. Raises LabError.
    """
    async with aiohttp.ClientSession(url, timeout=_TIMEOUT) as session:
        with _without_rules(config):
            await _post(session, "/-/reload")
            yield
            # Samples that come meanwhile are of the time to come.
            until = {"match[]": '{__name__=~".+"}', "end": f"{time.time():.3f}"}
            await _post(session, "/api/v1/admin/tsdb/delete_series", until)
        await _post(session, "/-/reload")


@contextmanager
def _without_rules(config: Path) -> Iterator[None]:
    whole = config.read_text(encoding="utf-8")
    config.write_text(yaml.safe_dump(yaml.safe_load(whole) | {"rule_files": []}), encoding="utf-8")
    try:
        yield
    finally:
        config.write_text(whole, encoding="utf-8")


async def _post(session: aiohttp.ClientSession, path: str, values: dict[str, str] | None = None) -> None:
    try:
        async with session.post(path, params=values) as response:
            if not response.ok:
                raise LabError(f"Prometheus refuses {path}: {response.status} {(await response.text()).strip()}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LabError(f"Prometheus does not answer {path}: {error}") from error
