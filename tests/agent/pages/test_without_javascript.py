"""Every page in a browser without JavaScript: its tables, or why there are none, in the words of people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from alertdrill.agent.recording.recording import Recording
from tests.agent.drilling.virtual_site import unix_time
from tests.support.browsing import needs_chromium, watched
from tests.support.drilled import drilled
from tests.support.served_agent import shown

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
OF_THE_SCHEDULE = {
    "/alerts": ["no drill of it ran yet; slow-service would", "0 of 1 proven"],
    "/schedule": ["freeze", "skipped (blackout)", "Nothing yet.", 'ctl pause --for 2h --reason "the release"'],
    "/drills": ["slow-service", "weekly"],
    "/drills/slow-service": [
        "so far nothing was broken",
        "expects Slow within 30s",
        "alertdrill ctl start slow-service",
    ],
    "/load": ["The load of the last day", "20"],
}
OF_AN_EMPTY_HISTORY = OF_THE_SCHEDULE | {
    "/": ["The last seconds of the load", "No drill ended in this time."],
    "/runs": ["No drill ended yet."],
    "/kpis": ["agent.yml has no kpis."],
    "/drills/unknown": ["the schedule has no such drill: unknown"],
    "/runs/unknown": ["no such run"],
}

pytestmark = [pytest.mark.servers, needs_chromium]


async def _says(page: Page, address: str, words: list[str]) -> None:
    answer = await page.goto(address)
    assert answer is not None
    assert (await answer.all_headers())["content-security-policy"] == POLICY, address
    text = await page.inner_text("main")
    assert [one for one in words if one not in text] == [], (address, text)
    assert not re.findall(r"\b(None|True|False|nan|inf)\b", text), (address, text)
    assert await page.locator("[data-needs-script]:visible, button[data-call]:visible").count() == 0, address


async def test_an_agent_that_has_just_begun_says_so_on_each_page(browser: Browser, tmp_path: Path) -> None:
    async with shown(tmp_path) as one, watched(browser, one.url, java_script_enabled=False) as (page, _):
        for path, words in OF_AN_EMPTY_HISTORY.items():
            await _says(page, one.url + path, words)


async def test_what_the_history_has_is_in_tables(browser: Browser, tmp_path: Path, passed: Recording) -> None:
    runs = [drilled(passed, "OrdersSlow", unix_time() - hours * 3600) for hours in (2, 1)]
    async with shown(tmp_path, *runs) as one, watched(browser, one.url, java_script_enabled=False) as (page, _):
        newest = f"/runs/{(await one.get('/runs'))[1]['items'][0]['id']}"
        for path, words in {
            "/": ["Drills of the last day", "slow-database", "✓ passed OrdersSlow"],
            "/alerts": ["1 of 3 proven", "OrdersSlow", "allowed 30 d", "15.2 s"],
            "/runs": ["✓ passed", "slow-database", "140 s"],
            newest: ["fired in its window", "moved by", "+0.0 s"],
        }.items():
            await _says(page, one.url + path, words)
            assert await page.locator("main table tbody tr:visible").count() > 0, path
