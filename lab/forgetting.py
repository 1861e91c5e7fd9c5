"""Clears a running Prometheus, which is faster than a restart: a new one scrapes nothing in its first five seconds.

A rule that is removed from the configuration loses the state of its alerts, and has none when it is added again.
Samples are deleted through the admin API (Prometheus HTTP API, "TSDB Admin APIs").
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import yaml

from alertdrill.lab.errors import LabError

# Many times the usual time, for busy machines.
_TIMEOUT = aiohttp.ClientTimeout(total=60.0)


@asynccontextmanager
async def forgetting(url: str, config: Path) -> AsyncIterator[None]:
    """Remove all rules during the block; afterwards delete all samples and add the rules again.

    `config` is the configuration file of this Prometheus. Raises LabError.
    """
    async with aiohttp.ClientSession(url, timeout=_TIMEOUT) as session:
        with _without_rules(config):
            await _post(session, "/-/reload")
            yield
            # Samples that arrive during the deletion belong to the next drill and stay.
            until = {"match[]": '{__name__=~".+"}', "end": f"{time.time():.3f}"}
            await _post(session, "/api/v1/admin/tsdb/delete_series", until)
        await _post(session, "/-/reload")


@contextmanager
def _without_rules(config: Path) -> Iterator[None]:
    original = config.read_text(encoding="utf-8")
    config.write_text(yaml.safe_dump(yaml.safe_load(original) | {"rule_files": []}), encoding="utf-8")
    try:
        yield
    finally:
        config.write_text(original, encoding="utf-8")


async def _post(session: aiohttp.ClientSession, path: str, values: dict[str, str] | None = None) -> None:
    try:
        async with session.post(path, params=values) as response:
            if not response.ok:
                raise LabError(f"Prometheus refused {path}: {response.status} {(await response.text()).strip()}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LabError(f"Prometheus did not answer {path}: {error}") from error
