"""`alertdrill run` on the lab: a drill by schedule under the load that runs all the time."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml
from playwright.async_api import expect

from alertdrill.agent.api.table import BASE, ROUTES
from alertdrill.agent.errors import INCONCLUSIVE
from alertdrill.agent.pages.rendering import PAGES
from alertdrill.agent.recording.recording import Recording, read_recording
from alertdrill.agent.schedule.journal import Journal, Watch
from alertdrill.agent.verdict.judge import judge
from alertdrill.units.text import utc_text
from tests.integration.conftest import (
    ALERTDRILL,
    DRILL_RATE,
    LONGEST_SECONDS,
    ROOT,
    SCALE,
    KeptLab,
    ended_by_no_alert,
    wait_until,
)
from tests.integration.drilling import call
from tests.support.browsing import chromium, needs_chromium, watched
from tests.support.waiting import until

RATE = DRILL_RATE


def written(lab: KeptLab, folder: Path, drill: Path, cron: str = "* * * * *") -> Path:
    """Write the lab's configuration with an entry, by default for every minute, of which the last one is due at once."""
    entry = {"name": "minutely", "drills": [str(drill)], "cron": cron}
    own = {
        "load": {"rate": RATE},
        "recordings": str(folder / "kept"),
        "schedule": {"time_zone": "Europe/Berlin", "entries": [entry]},
    }
    path = folder / "agent.yml"
    path.write_text(yaml.safe_dump(lab.settings() | own))
    minute_ago = utc_text(datetime.now(UTC) - timedelta(seconds=60))
    Journal(folder / "kept").add(Watch("minutely", "* * * * *", minute_ago))
    return path


def start(config: Path, out: Path) -> subprocess.Popen[bytes]:
    # An agent whose tests were killed must not stay.
    command = ["setpriv", "--pdeathsig", "TERM", *ALERTDRILL, "run", "--config", str(config)]
    with out.open("ab") as file:
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)


def wait_while_alive(holds: Callable[[], Any], agent: subprocess.Popen[bytes], out: Path) -> None:
    deadline = time.monotonic() + 300
    while not holds():
        assert agent.poll() is None, out.read_text()
        assert time.monotonic() < deadline, out.read_text()
        time.sleep(0.1)


def states(folder: Path) -> list[str]:
    # On a slow machine an occurrence may come before the agent looks, or while the drill before it runs: it is skipped.
    return [one.state for one in Journal(folder / "kept").records.values() if one.state != "skipped"]


def recordings(folder: Path) -> list[Recording]:
    return [read_recording(path) for path in sorted((folder / "kept").glob("*.recording.json.gz"))]


def answers(url: str) -> bool:
    """Tell whether a call is answered with 200; one of events goes on for ever, so nothing is read."""
    try:
        with urlopen(url, timeout=LONGEST_SECONDS) as answer:  # noqa: S310 - of the lab
            return bool(answer.status == 200)
    except HTTPError:
        return False


@pytest.mark.usefixtures("quiet")
def test_a_scheduled_drill_that_is_stopped_is_undone_and_the_next_one_counts_on_the_running_load(
    lab: KeptLab, drill_file: Callable[..., Path], tmp_path: Path
) -> None:
    config, out = written(lab, tmp_path, drill_file(baseline="1m")), tmp_path / "out"
    agent = start(config, out)
    wait_while_alive(lambda: "fault injected" in out.read_text(), agent, out)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(LONGEST_SECONDS) == 0, out.read_text()
    assert lab.toxic_names() == []
    # On a busy machine nothing may have been broken in those before, because an alert fired in the baseline.
    *spoiled, stopped = recordings(tmp_path)
    assert [judge(one).exit_code for one in spoiled] == [INCONCLUSIVE] * len(spoiled)
    assert states(tmp_path) == ["done"] * len(spoiled) + ["interrupted"]
    assert stopped.aborted.startswith("it was interrupted in the fault phase")

    agent = start(config, out)
    wait_while_alive(lambda: "done" in states(tmp_path)[len(spoiled) :], agent, out)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(LONGEST_SECONDS) == 0, out.read_text()
    whole = recordings(tmp_path)[len(spoiled) + 1]
    assert whole.scheduled is not None
    assert whole.scheduled.entry == "minutely"
    assert whole.load.target_rate == RATE
    seconds = whole.load.seconds
    assert whole.load.due == sum(second.due for second in seconds)
    assert {round(later.at - second.at, 3) for second, later in pairwise(seconds)} == {1.0}
    assert seconds[0].at >= whole.started_at - 0.1
    assert seconds[-1].at <= whole.ended_at + 0.1


@needs_chromium
@pytest.mark.usefixtures("quiet")
async def test_a_drill_is_started_and_stopped_by_clicks(
    lab: KeptLab, drill_file: Callable[..., Path], tmp_path: Path
) -> None:
    # Hours of fault: only the click ends it.
    drill = drill_file(**ended_by_no_alert(), baseline="1m")
    config, out = written(lab, tmp_path, drill, "@yearly"), tmp_path / "out"
    url, agent = f"http://{lab.settings()['listen']}", start(config, out)
    wait_while_alive(lambda: "next, by minutely" in out.read_text(), agent, out)

    async def is_in_history() -> bool:
        return bool(call(f"{url}/api/v1/runs")["items"])

    async with chromium() as browser, watched(browser, url) as (page, wrong):
        await page.goto(f"{url}/drills/database-latency")
        await page.fill("input[name=reason]", "a look at it")
        await page.click("text=Start it")
        await page.wait_for_url(f"{url}/")
        await expect(page.locator("#drill")).to_contain_text("latency")
        await expect(page.locator("#drill")).to_contain_text("● 1")
        assert len(lab.toxic_names()) == 1
        await page.fill("input[name=reason]", "customers call")
        await page.click("text=Stop and heal")
        await expect(page.locator("#drill")).not_to_contain_text("database-latency")
        await expect(page.locator("#state")).to_contain_text("ready")
        assert lab.toxic_names() == []
        # On a busy machine, it takes a minute until it is judged.
        await until(is_in_history, "the run is in the history", 300)
        await page.goto(url)
        await page.click("#day a:text('database-latency')")
        await expect(page.locator("dl.facts")).to_contain_text("stopped by 127.0.0.1: customers call")
        await expect(page.locator("h1 + .unsure")).to_contain_text("inconclusive")
        assert wrong == []
    status = call(f"{url}/api/v1/status")
    assert (status["running"], status["faults_unhealed"], status["problem"]) == (None, 0, "")
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(LONGEST_SECONDS) == 0, out.read_text()
    (record,) = Journal(tmp_path / "kept").records.values()
    assert (record.entry, record.state, record.verdicts) == ("@api", "done", (("database-latency", 3),))
    assert record.asked == "by 127.0.0.1: a look at it"


def test_a_game_day_on_a_lab_of_its_own_says_where_to_look_and_ends_all_that_it_started(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["setpriv", "--pdeathsig", "TERM", *ALERTDRILL, "run", "--lab", "--time-scale", SCALE]
    with out.open("wb") as file:
        agent = subprocess.Popen(command, cwd=tmp_path, stdout=file, stderr=file)
    wait_while_alive(lambda: "drill database-latency, by game-day" in out.read_text(), agent, out)
    (url,) = re.findall(r"look at this agent: (\S+)/\n", out.read_text())
    metrics = call(f"{url}/metrics")
    assert 'alertdrill_schedule_next_run_timestamp_seconds{entry="game-day"}' in metrics
    for path, well in {"/-/healthy": "alertdrill is healthy.\n", "/-/ready": "alertdrill is ready.\n"}.items():
        # On a busy machine a worker may be silent for a moment.
        wait_while_alive(partial(answers, url + path), agent, out)
        assert call(url + path) == well
    # Between the line in the log and the drill lies what is looked at before it.
    wait_while_alive(lambda: "database-latency" in call(f"{url}/"), agent, out)
    paths = [path for path, _ in PAGES] + ["/drills/database-latency", "/metrics"]
    paths += [BASE + one.path for one in ROUTES.values() if one.method == "GET" and "{" not in one.path]
    assert [path for path in paths if not answers(url + path)] == []
    (config,) = re.findall(r"alertdrill history --config (\S+)", out.read_text())
    assert (Path(config).parent / "prometheus").is_dir()
    agent.send_signal(signal.SIGINT)
    assert agent.wait(LONGEST_SECONDS) == 0, out.read_text()
    wait_until(lambda: not Path(config).parent.exists(), "the lab's folder is gone")
    (folder,) = (tmp_path / "recordings").glob("game-day-*")
    assert folder.joinpath("occurrences.jsonl").is_file()
