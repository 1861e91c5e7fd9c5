"""A real browser for the tests of pages: Debian's chromium, and a tab that collects what must not happen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

_CHROMIUM = "/usr/bin/chromium"
# Long, because a busy machine is slow.
_PATIENCE_MS = 60_000
expect.set_options(timeout=_PATIENCE_MS)

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
