"""Takes the pictures of docs/pages.md: `python -m tools.screenshots`.

It runs a game day on a lab and starts drills, one of them twice; at a time scale of 30 that takes about eight minutes.
On a busy machine choose a lower one, or drills are inconclusive.
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
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import typer
import yaml
from playwright.sync_api import Browser, Page, sync_playwright

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
_WIDTH, _PHONE = 1280, 360
# The game day begins with it, and its alert is pending long enough for some pictures.
_TWICE = "database-latency"
_ONCE = ("system-down", "high-memory-usage")
# An alert of the first of them is stale when the pictures are taken.
_PROVE_WITHIN = {"critical": "1m", "warning": "1h"}
_TRIES = 3
_BLACKOUT_BEGINS, _BLACKOUT_LASTS = timedelta(minutes=40), timedelta(minutes=15)


@dataclass(frozen=True)
class _GameDay:
    """A running agent: its process, what it printed, and where it listens."""

    process: subprocess.Popen[bytes]
    printed: Path
    url: str

    @property
    def config(self) -> Path:
        """Its agent.yml."""
        (path,) = re.findall(r"alertdrill history --config (\S+)", self.printed.read_text())
        return Path(path)

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Ask its API."""
        with urlopen(f"{self.url}/api/v1{path}", timeout=60) as answer:  # noqa: S310 - on loopback
            return json.load(answer)

    def post(self, path: str, **body: str) -> bool:
        """Call its API, and return whether it did what was asked."""
        headers = {"Content-Type": "application/json"}
        call = Request(f"{self.url}/api/v1{path}", json.dumps(body).encode(), headers)  # noqa: S310 - on loopback
        try:
            urlopen(call, timeout=60).close()  # noqa: S310 - on loopback
        except HTTPError:
            return False
        return True


def main(
    folder: Annotated[Path, typer.Argument(help="Where the pictures are written.")] = _ROOT / "docs" / "images",
    time_scale: Annotated[float, typer.Option(help="As of `alertdrill run`.")] = 30.0,
) -> None:
    """Run a game day and take a picture of each page."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, _game_day(Path(place), time_scale) as day, sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        _demand_proofs(day)
        _order_blackout(day)
        for drill in (*_ONCE, _TWICE):
            if not _passed(day, drill):
                _until_passed(day, drill, partial(_run, day, drill))
            _measure(day)
        _until_passed(day, _TWICE, partial(_take_now, day, browser, folder))
        _measure(day)
        run = next(iter(_passed(day, _TWICE) or day.get(f"/runs?drill={_TWICE}")["items"]))
        for name, path in _PATHS.items():
            page = _opened(browser, day.url + path.format(run=run["id"], drill=run["drill"]))
            _take(page, folder / f"pages-{name}.png")
            page.context.close()
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


def _demand_proofs(day: _GameDay) -> None:
    settings = yaml.safe_load(day.config.read_text())
    settings["freshness"] = {"prove_within": _PROVE_WITHIN}
    day.config.write_text(yaml.safe_dump(settings, sort_keys=False))
    _until(day, lambda: day.post("/reload"))


def _order_blackout(day: _GameDay) -> None:
    begins = datetime.now(UTC) + _BLACKOUT_BEGINS
    ends = begins + _BLACKOUT_LASTS
    instants = {"from": f"{begins:%Y-%m-%dT%H:%M:00Z}", "until": f"{ends:%Y-%m-%dT%H:%M:00Z}"}
    _until(day, lambda: day.post("/blackouts", **instants, reason="the migration", by="Ada"))


def _start(day: _GameDay, drill: str) -> None:
    """Start a drill as soon as none of the schedule runs."""
    _until(day, lambda: _is_idle(day) and day.post("/starts", drill=drill, reason="after the upgrade", by="Ada"))


def _run(day: _GameDay, drill: str) -> None:
    _start(day, drill)
    _until(day, lambda: _is_idle(day))


def _until_passed(day: _GameDay, drill: str, run: Callable[[], None]) -> None:
    """Run a drill until it passed once more; on a busy machine it may be inconclusive every time."""
    before = len(_passed(day, drill))
    for _ in range(_TRIES):
        run()
        if len(_passed(day, drill)) > before:
            break


def _passed(day: _GameDay, drill: str) -> list[dict[str, Any]]:
    """Return the runs of a drill that passed, the newest first."""
    return [run for run in day.get(f"/runs?drill={drill}")["items"] if run["exit_code"] == 0]


def _measure(day: _GameDay) -> None:
    # Some KPIs may miss their targets, which does not matter here.
    command = [*_alertdrill("kpi"), "--config", str(day.config)]
    subprocess.run(command, cwd=day.printed.parent, check=False, stdout=subprocess.DEVNULL)


def _take_now(day: _GameDay, browser: Browser, folder: Path) -> None:
    """Start the drill, and take the first page while something is broken and an alert is pending or fires."""
    pages = {
        "light": _opened(browser, day.url),
        "dark": _opened(browser, day.url, scheme="dark"),
        f"{_PHONE}": _opened(browser, day.url, width=_PHONE),
    }
    _start(day, _TWICE)
    _until(day, lambda: _is_idle(day) or _is_interesting(day.get("/status")["running"]))
    # The pages renew the part of the drill every two seconds.
    time.sleep(4)
    for name, page in pages.items():
        _take(page, folder / f"pages-now-{name}.png")
        page.context.close()
    _until(day, lambda: _is_idle(day))


def _is_idle(day: _GameDay) -> bool:
    return day.get("/status")["occurrence"] is None


def _is_interesting(running: dict[str, Any] | None) -> bool:
    return running is not None and bool(running["faults"] and running["alerts"])


def _opened(browser: Browser, url: str, width: int = _WIDTH, scheme: Literal["light", "dark"] = "light") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#connection.good", timeout=60_000)
    # The first figures of the load, and what was asked for anew.
    page.wait_for_timeout(2_500)
    return page


def _take(page: Page, path: Path) -> None:
    """Take a picture of a whole page, in which no folder of this machine may be seen."""
    text = page.inner_text("body")
    for one in (tempfile.gettempdir(), str(_ROOT)):
        if one in text:
            typer.echo(f"{page.url} shows {one}", err=True)
            raise typer.Exit(1)
    size = page.viewport_size
    assert size is not None  # noqa: S101 - it was given
    page.set_viewport_size({"width": size["width"], "height": page.evaluate("document.body.offsetHeight")})
    page.screenshot(path=path)
    typer.echo(path)


if __name__ == "__main__":
    typer.run(main)
