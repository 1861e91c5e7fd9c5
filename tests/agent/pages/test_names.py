"""Long names: the usual ones stay whole, and of one with ten thousand characters each page shows its beginning."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser

from alertdrill.agent.recording.recording import Recording
from tests.agent.drilling.virtual_site import unix_time
from tests.support.browsing import needs_chromium, watched, what_is_wrong
from tests.support.drilled import drilled
from tests.support.served_agent import shown

LONG = "x" * 10_000
USUAL = "DatabaseConnectionsExhausted"
_LINES = """(one) => { const range = document.createRange(); range.selectNodeContents(one);
  return new Set([...range.getClientRects()].map((line) => line.top)).size; }"""

pytestmark = [pytest.mark.servers, needs_chromium]


async def test_a_long_name_is_cut_and_leaves_no_page_wider(browser: Browser, tmp_path: Path, passed: Recording) -> None:
    async with (
        shown(tmp_path, *(drilled(passed, LONG, unix_time() - hours * 3600) for hours in (2, 1))) as one,
        watched(browser, one.url) as (page, wrong),
    ):
        _, listed, _ = await one.get("/runs")
        # By the lengths of its cut forms.
        for path, lengths in {
            "/": {60},
            "/alerts": {120},
            "/runs": {60},
            f"/runs/{listed['items'][0]['id']}": {80, 120},
        }.items():
            await page.goto(one.url + path)
            await page.wait_for_selector("#connection.good")
            words = (await page.inner_text("main")).split()
            assert {len(word) for word in words if word.startswith("xxx")} == lengths, path
            assert all(word.endswith("x…") for word in words if word.startswith("xxx")), path
            assert await what_is_wrong(page) == [], path
        assert wrong == []


async def test_a_usual_name_is_on_one_line(browser: Browser, tmp_path: Path, passed: Recording) -> None:
    run = drilled(passed, USUAL, unix_time() - 3600)
    async with shown(tmp_path, run) as one, watched(browser, one.url) as (page, _):
        for width in (1280, 900, 360):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.goto(f"{one.url}/alerts")
            assert await page.locator("th", has_text=USUAL).evaluate(_LINES) == 1, width
