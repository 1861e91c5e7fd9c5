"""Each report in a real browser: whole on every screen, read by keys, silent, and calling nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, expect

from alertdrill.agent.recording.recording import Recording, recording_path, write_recording
from alertdrill.agent.report import plot
from alertdrill.agent.report.drill import files, index
from alertdrill.agent.report.load import html as load_html
from alertdrill.agent.verdict.judge import judge
from tests.agent.report.load.test_html import load_story
from tests.agent.report.load.test_phases import WALK
from tests.support.browsing import needs_chromium, watched, what_is_wrong
from tests.support.served_agent import shown

pytestmark = [pytest.mark.servers, needs_chromium]


def _reported(folder: Path, recording: Recording, name: str) -> Path:
    """Write the recording and the reports of a drill, and return its page."""
    named = recording.model_copy(update={"drill": recording.drill.model_copy(update={"name": name})})
    path = recording_path(folder, named)
    write_recording(named, path)
    return files.write(named, judge(named), path)


async def _answers_keys(figure: Locator) -> None:
    told, ticks = figure.locator(".told"), figure.locator(".x span:not(.hidden)")
    before, along = await told.inner_text(), await ticks.all_inner_texts()
    await figure.focus()
    await figure.press("ArrowRight")
    await expect(told).not_to_have_text(before)
    await figure.press("+")
    enlarged = await ticks.all_inner_texts()
    assert enlarged != along
    await figure.press("Escape")
    assert (await told.inner_text(), await ticks.all_inner_texts()) == (before, along)


async def test_a_report_is_whole_on_each_screen_and_is_read_by_keys(
    browser: Browser, tmp_path: Path, passed: Recording, missed: Recording, hostile: Recording
) -> None:
    pages = {_reported(tmp_path, one, name): 1 for one, name in ((passed, "one"), (missed, "two"), (hostile, "three"))}
    path = tmp_path / "load.html"
    path.write_text(load_html.render(replace(load_story(), phases=tuple(WALK))))
    folder = index.write(tmp_path)
    assert folder is not None
    async with watched(browser, tmp_path.as_uri()) as (page, wrong):
        for report, count in (pages | {path: 3, folder: 0}).items():
            await page.goto(report.as_uri())
            assert await what_is_wrong(page, in_cards=False) == [], report.name
            figures = page.locator(".plot")
            assert await figures.count() == count
            for figure in await figures.all():
                await _answers_keys(figure)
        assert wrong == []


async def test_an_agent_shows_a_report_that_may_load_nothing(
    browser: Browser, tmp_path: Path, passed: Recording
) -> None:
    (tmp_path / "kept").mkdir()
    _reported(tmp_path / "kept", passed, passed.drill.name)
    async with shown(tmp_path) as one, watched(browser, one.url) as (page, wrong):
        _, listed, _ = await one.get("/runs")
        address = f"/runs/{listed['items'][0]['id']}"
        await page.goto(one.url + address)
        async with page.expect_response(f"**{address}/report") as answer:
            await page.click("text=report")
        headers = await (await answer.value).all_headers()
        assert headers["content-security-policy"] == plot.policy(has_figures=True)
        assert headers["content-security-policy"].startswith("default-src 'none'; ")
        await _answers_keys(page.locator(".plot"))
        assert wrong == []
