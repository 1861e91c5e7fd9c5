"""A real browser for the tests of pages: Debian's chromium, and a tab that collects what must not happen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

_CHROMIUM = "/usr/bin/chromium"
# Long, because a busy machine is slow.
_PATIENCE_MS = 60_000
expect.set_options(timeout=_PATIENCE_MS)
_WIDTHS = (360, 1280, 3840)
# A table that is too wide would scroll its card, and not the page.
_SIDEWAYS = """(inCards) => [...document.querySelectorAll("*")].filter((one) => one.scrollWidth > one.clientWidth
  && (one === document.documentElement || inCards && ["auto", "scroll"].includes(getComputedStyle(one).overflowX)))
  .map((one) => `${one.tagName} ${one.id}: ${one.scrollWidth} > ${one.clientWidth}`)"""
_SQUEEZED = """() => [...document.querySelectorAll("caption")].filter((one) => one.offsetWidth < one.parentElement.offsetWidth / 2)
  .map((one) => `${one.offsetWidth} px for "${one.innerText.slice(0, 20)}"`)"""
_DRAWN = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"

needs_chromium = pytest.mark.skipif(not Path(_CHROMIUM).exists(), reason="`make parts` installs chromium")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser for the length of the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"], timeout=180_000)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def watched(browser: Browser, url: str, **settings: Any) -> AsyncIterator[tuple[Page, list[str]]]:
    """Open a tab, and collect what must not happen: errors, dialogs, calls of other hosts."""
    context = await browser.new_context(**settings)
    page, wrong = await context.new_page(), list[str]()
    page.set_default_timeout(_PATIENCE_MS)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda line: wrong.append(line.text) if line.type in {"error", "warning"} else None)
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    page.on("request", lambda call: None if call.url.startswith(url) else wrong.append(call.url[:100]))
    yield page, wrong
    await context.close()


async def what_is_wrong(page: Page, *, in_cards: bool = True) -> list[str]:
    """List what scrolls sideways or is squeezed at any width, and what axe finds on a light and on a dark screen.

    Without `in_cards`, a card may scroll, and only the page may not.
    """
    found = list[str]()
    for width in _WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        await page.evaluate(_DRAWN)
        found += [f"at {width}: {one}" for one in await page.evaluate(_SIDEWAYS, in_cards)]
        found += [f"at {width}: {one}" for one in await page.evaluate(_SQUEEZED)]
        # A wider page has the same elements as the one before.
        for scheme in ("light", "dark") if width < 3840 else ():
            await page.emulate_media(color_scheme=scheme)
            result = await Axe().run(page)
            found += [
                f"at {width}, {scheme}: {one['help']}: {part['html']}"
                for one in result.response["violations"]
                for part in one["nodes"]
            ]
    return found
