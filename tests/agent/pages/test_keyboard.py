"""Pages by the keyboard alone, and on paper."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from alertdrill.agent.recording.recording import Recording
from tests.support.browsing import needs_chromium, watched
from tests.support.served_agent import shown
from tests.support.waiting import until

FOCUSED = "() => document.activeElement.name || document.activeElement.innerText"
# The pages stand between the link to the content and the content.
LINKS = ["to the content", "alertdrill", "Now", "Alerts", "Runs", "Schedule", "Load", "KPIs", "Start a drill"]
ONLY_ON_SCREEN = "button:visible, .bar nav:visible, .filters:visible, .chart:visible, .told:visible"

pytestmark = [pytest.mark.servers, needs_chromium]


async def _tab(page: Page) -> str:
    """Press Tab, and return what has the focus now; whoever looks must see it."""
    await page.keyboard.press("Tab")
    outline = await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    left = await page.evaluate("() => document.activeElement.getBoundingClientRect().left")
    assert left >= 0
    return str(await page.evaluate(FOCUSED))


async def test_the_schedule_is_paused_without_a_mouse(browser: Browser, tmp_path: Path) -> None:
    async with shown(tmp_path) as one, watched(browser, one.url) as (page, wrong):
        await page.goto(f"{one.url}/schedule")
        await page.wait_for_selector("#connection.good")
        assert [await _tab(page) for _ in LINKS] == LINKS
        await page.goto(f"{one.url}/schedule")
        await page.wait_for_selector("#connection.good")
        assert await _tab(page) == "to the content"
        await page.keyboard.press("Enter")
        assert [await _tab(page), await _tab(page)] == ["for", "reason"]
        await page.keyboard.type("the release")
        assert await _tab(page) == "by"
        await page.keyboard.type("Ada")
        assert await _tab(page) == "Pause"
        await page.keyboard.press("Enter")
        journal = one.agent.parts.journal
        await until(lambda: asyncio.sleep(0, journal.pause is not None), "the schedule is paused")
        assert journal.pause is not None
        assert (journal.pause.reason, journal.pause.by) == ("the release", "Ada")
        await page.wait_for_selector("text=Resume")
        assert wrong == []


async def test_a_printed_page_has_its_tables_and_no_buttons(
    browser: Browser, tmp_path: Path, passed: Recording
) -> None:
    async with shown(tmp_path, passed) as one, watched(browser, one.url) as (page, wrong):
        run = f"/runs/{(await one.get('/runs'))[1]['items'][0]['id']}"
        on_screen = 0
        for path in ("/alerts", "/runs", run, "/schedule", "/drills/slow-service", "/load"):
            await page.goto(one.url + path)
            await page.emulate_media(media="screen", color_scheme="dark")
            tables = await page.locator("table:visible").count()
            on_screen += await page.locator(ONLY_ON_SCREEN).count()
            await page.emulate_media(media="print", color_scheme="dark")
            assert await page.locator(ONLY_ON_SCREEN).count() == 0, path
            assert await page.locator("table:visible").count() == tables, path
            assert await page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert on_screen > 10
        assert wrong == []
