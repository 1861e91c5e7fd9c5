"""Takes the pictures of docs/pages.md: `python -m tools.screenshots`.

It runs a game day on a lab until some drills ended and one more is in its fault phase; at a time scale of 30 that takes
about seven minutes. With several widths, the pictures of all but the first have the width in their names.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.request import urlopen

import typer
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium"
_ROOT = Path(__file__).parents[1]
_WITHIN_SECONDS = 1_800.0
_PATHS = {
    "alerts": "/alerts",
    "runs": "/runs",
    "run": "/runs/{run}",
    "schedule": "/schedule",
    "load": "/load?span=hour",
    "kpis": "/kpis",
    "drills": "/drills",
    "drill": "/drills/{drill}",
}
_HIGHEST = 900


@dataclass(frozen=True)
class _GameDay:
    """A running agent: its process, what it printed, and where it listens."""

    process: subprocess.Popen[bytes]
    printed: Path
    url: str

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Ask its API."""
        with urlopen(f"{self.url}/api/v1{path}", timeout=60) as answer:  # noqa: S310 - on loopback
            return json.load(answer)


def main(
    folder: Annotated[Path, typer.Argument(help="Where the pictures are written.")] = _ROOT / "docs" / "images",
    drills: Annotated[int, typer.Option(help="How many drills end before the pictures.", min=1)] = 2,
    time_scale: Annotated[float, typer.Option(help="As of `alertdrill run`.")] = 30.0,
    width: Annotated[list[int] | None, typer.Option(help="In pixels; may be given several times.")] = None,
) -> None:
    """Run a game day and take a picture of each page."""
    folder.mkdir(parents=True, exist_ok=True)
    widths = width or [1280]
    with tempfile.TemporaryDirectory() as place, _game_day(Path(place), time_scale) as day, sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        _until(day, lambda: len(day.get("/runs")["items"]) >= drills and _is_interesting(day.get("/status")["running"]))
        for scheme in ("light", "dark"):
            _picture(browser, day.url, folder / f"pages-now-{scheme}.png", widths, scheme)
        (own,) = re.findall(r"alertdrill history --config (\S+)", day.printed.read_text())
        # Some KPIs may miss their targets, which does not matter here.
        subprocess.run([*_alertdrill("kpi"), "--config", own], cwd=place, check=False, stdout=subprocess.DEVNULL)
        _until(day, lambda: day.get("/status")["occurrence"] is None)
        run = day.get("/runs")["items"][0]
        for name, path in _PATHS.items():
            url = day.url + path.format(run=run["id"], drill=run["drill"])
            _picture(browser, url, folder / f"pages-{name}.png", widths)
        browser.close()


def _alertdrill(command: str) -> list[str]:
    return [sys.executable, "-m", "alertdrill", command]


@contextmanager
def _game_day(place: Path, time_scale: float) -> Iterator[_GameDay]:
    printed = place / "printed"
    command = [*_alertdrill("run"), "--lab", "--time-scale", f"{time_scale:g}"]
    with printed.open("wb") as file:
        process = subprocess.Popen(command, cwd=place, stdout=file, stderr=file)
    try:
        day = _GameDay(process, printed, "")
        _until(day, lambda: "look at this agent: " in printed.read_text())
        (url,) = re.findall(r"look at this agent: (\S+?)/?[,\s]", printed.read_text())
        day = _GameDay(process, printed, url.removesuffix("/metrics"))
        _until(day, lambda: "drill " in printed.read_text())
        yield day
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(120)


def _until(day: _GameDay, holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + _WITHIN_SECONDS
    while not holds():
        if day.process.poll() is not None or time.monotonic() > ends:
            typer.echo(day.printed.read_text(), err=True)
            raise typer.Exit(1)
        time.sleep(0.5)


def _is_interesting(running: dict[str, Any] | None) -> bool:
    """Whether something is broken and an alert of the drill is pending."""
    return running is not None and bool(running["faults"] and running["alerts"])


def _picture(
    browser: Browser, url: str, path: Path, widths: list[int], scheme: Literal["light", "dark"] = "light"
) -> None:
    for number, width in enumerate(widths):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("#connection.good", timeout=60_000)
        # The first figures of the load, and what was asked for anew.
        page.wait_for_timeout(2_500)
        height = min(page.evaluate("document.body.offsetHeight"), _HIGHEST)
        page.set_viewport_size({"width": width, "height": height})
        name = path.name if number == 0 else f"{path.stem}-{width}.png"
        page.screenshot(path=path.with_name(name))
        typer.echo(path.with_name(name))
        context.close()


if __name__ == "__main__":
    typer.run(main)
