"""The example of docs/adding-a-probe.md works as the page shows it."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-probe.md"


@pytest.fixture
def memcached(tmp_path: Path) -> Iterator[ModuleType]:
    """The page's first block of Python, imported."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    file = tmp_path / "memcached.py"
    file.write_text(found[1], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("memcached_of_the_page", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (b"VERSION 1.6.9\r\n", None, ""),
        (b"VERSION 1.5.22\r\n", "check", "VERSION 1.5.22, expected 1.6"),
        (b"ERROR\r\n", "bad_answer", "answered 'ERROR', expected VERSION"),
    ],
)
async def test_the_example_judges_an_answer(
    memcached: Any, serving: Any, answer: bytes, reason: str | None, detail: str
) -> None:
    async def send_version(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await reader.read()

    async with serving(send_version) as address:
        probe = memcached.MemcachedProbe(url=f"tcp://{address}", version="1.6")
        async with memcached.opened(probe, 0, 1) as client:
            outcome = await client.transact()
    assert (outcome.reason, outcome.detail) == (reason, detail)
