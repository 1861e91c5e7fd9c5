from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from tests.agent.monitoring.conftest import Serve
from tests.support import bombs

pytestmark = pytest.mark.servers

TOO_LARGE = {
    "gzip": (bombs.gzip, "its answer is larger than 64 MiB when it is unpacked; is `url` right?"),
    "deflate": (bombs.deflate, "its answer is larger than 64 MiB when it is unpacked; is `url` right?"),
    "an error": (bombs.refusing, "its answer is larger than 64 MiB when it is unpacked; is `url` right?"),
    "endless": (bombs.endless, "its answer is larger than 64 MiB; is `url` right?"),
}


async def refused(name: str, url: str, timeout: str) -> str:  # noqa: ASYNC109 - the text of a setting
    server = MonitoringServer.model_validate({"url": url, "timeout": timeout})
    door: Any = {"Prometheus": Prometheus, "Alertmanager": Alertmanager}[name](server)
    with pytest.raises(ServiceUnavailable) as error:
        await (door.rules() if name == "Prometheus" else door.status())
    return str(error.value)


@pytest.mark.parametrize("name", ["Prometheus", "Alertmanager"])
@pytest.mark.parametrize(("answer", "words"), TOO_LARGE.values(), ids=TOO_LARGE)
async def test_an_answer_that_is_too_large_is_one_line_and_bounded_memory(
    serve: Serve, name: str, answer: Any, words: str
) -> None:
    url = (await serve(answer)).url
    tracemalloc.start()
    told = await refused(name, url, "60s")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    path = {"Prometheus": "/api/v1/rules", "Alertmanager": "/api/v2/status"}[name]
    assert told == f"{name} at {url}{path}: {words}"
    # The limit itself, a copy while it grows, and the server of this test.
    assert peak < 200 * 2**20


@pytest.mark.parametrize("answer", [bombs.refusing_with_values, bombs.refusing_with_words])
async def test_a_refusal_is_not_unpacked_beyond_its_first_words(serve: Serve, answer: Any) -> None:
    url = (await serve(answer)).url
    tracemalloc.start()
    told = await refused("Prometheus", url, "60s")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(told) < 400
    assert peak < 120 * 2**20


@pytest.mark.parametrize("name", ["Prometheus", "Alertmanager"])
async def test_an_answer_that_drips_is_cut_at_the_time_limit(serve: Serve, name: str) -> None:
    url = (await serve(bombs.dripping)).url
    # Without the limit it would drip for ever.
    async with asyncio.timeout(60):
        told = await refused(name, url, "500ms")
    assert "no answer within 500ms" in told


async def test_an_answer_of_too_many_values_is_one_line(serve: Serve) -> None:
    from aiohttp import web

    body = b"[" + b"[]," * 2_500_000 + b"[]]"
    url = (await serve(lambda _: web.Response(body=body))).url
    told = await refused("Prometheus", url, "60s")
    assert told.endswith("invalid JSON, perhaps it was cut off: holds more than 4,000,000 values")
