"""The pages of an agent in a real browser: what they show, that they renew themselves, and what they never do."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, expect

from alertdrill.agent.api.calls import ApiCall
from alertdrill.agent.api.reading import ReadHandlers
from alertdrill.agent.api.table import BASE
from alertdrill.agent.api.wire import Alert, Status
from alertdrill.agent.config.drill import Drill, Expectation
from alertdrill.agent.config.history import HistorySettings
from alertdrill.agent.daemon.agent import Agent
from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.history.database import opened
from alertdrill.agent.history.load import LoadPeriod, save_periods
from alertdrill.agent.pages.pages import staleness
from alertdrill.agent.pages.routes import Pages
from alertdrill.agent.recording.recording import Recording, recording_name
from alertdrill.agent.schedule.journal import Journal
from alertdrill.agent.schedule.occurrences import Pause
from alertdrill.agent.scorecard.earlier_runs import CardRun, KpiValue
from alertdrill.lab.ports import free_ports
from alertdrill.probes.load.second_counter import SecondCounts
from alertdrill.units.text import utc_text
from tests.agent.drilling.virtual_site import World
from tests.support.browsing import needs_chromium, watched, what_is_wrong
from tests.support.postgres_server import PASSWORD as PASSWORD_OF_SERVER
from tests.support.postgres_server import postgres_server
from tests.support.served_agent import JSON, PASSWORD, Served, basic, served, shown, web_yml, with_a_surge
from tests.support.waiting import until

PATHS = ("/", "/alerts", "/runs", "/schedule", "/drills", "/drills/slow-service", "/load", "/kpis")
LISTS = ("/", "/alerts", "/runs")
EVIL = '<script>document.title = "evil"</script><img src=x onerror=alert(1)>'
LONG = "x" * 10_000
KPIS = [
    {"kpi": "latency p95", "series": "a", "objective": "< 2", "yellow_from": 1, "unit": "seconds"},
    {"kpi": EVIL, "series": "b", "objective": ">= 99.5", "unit": "%"},
    {"kpi": LONG, "series": "c", "objective": "< 80"},
    {"kpi": "queue", "series": "d"},
]

pytestmark = [pytest.mark.servers, needs_chromium]


def with_odd_names(passed: Recording) -> Recording:
    """Let a drill expect alerts whose names and labels no page should trust."""
    odd = [Expectation(alert=EVIL, labels={"team": EVIL}), Expectation(alert="Long", labels={"text": LONG})]
    drill = passed.drill.model_copy(update={"expect": [*passed.drill.expect, *odd], "summary": EVIL})
    return passed.model_copy(update={"drill": drill, "aborted": EVIL})


class Failing(ReadHandlers):
    """Fails in a way that nobody expects."""

    async def status(self, _: ApiCall) -> Status:
        raise ZeroDivisionError("CANARY")


class FailingPages(Pages):
    """The API and the pages of an agent whose state cannot be told."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.reading = Failing(agent)
        self._handlers["status"] = self.reading.status


def keep_load(folder: Path) -> None:
    """Write some minutes of load into the history."""
    now = int(time.time()) // 60 * 60
    counts = {"whole_seconds": 60, "target": 2_400.0, "due": 2_400, "succeeded": 2_340, "failed": 60}
    minutes = [LoadPeriod(60, now - ago, **counts) for ago in (300, 240, 180)]
    with opened(HistorySettings(), folder) as database, database.writing():
        save_periods(database, [one.row() for one in minutes])


def keep_kpis(folder: Path) -> None:
    """Write two runs of KPIs: one met only just, one missed, one far off with a label, one without a value."""
    values = [
        KpiValue(kpi="latency p95", value=1.5),
        KpiValue(kpi=EVIL, value=98.0),
        KpiValue(kpi=LONG, labels={"pod": LONG}, value=1e9),
    ]
    runs = [CardRun(at=at, window_seconds=300, values=values) for at in (1_790_000_000.0, 1_790_000_300.0)]
    folder.joinpath("kpis.jsonl").write_text("".join(f"{run.model_dump_json()}\n" for run in runs))


async def test_every_page_is_whole_on_each_screen_and_runs_nothing_of_others(
    browser: Browser, tmp_path: Path, passed: Recording
) -> None:
    before = passed.model_copy(update={"started_at": passed.started_at - 86_400})
    keep_load(tmp_path / "kept")
    keep_kpis(tmp_path / "kept")
    async with (
        shown(tmp_path, before, with_odd_names(passed), kpis={"kpis": KPIS}) as one,
        watched(browser, one.url) as (page, wrong),
    ):
        _, listed, _ = await one.get("/runs")
        for path in (*PATHS, f"/runs/{listed['items'][0]['id']}"):
            answer = await page.goto(one.url + path)
            assert answer is not None
            assert answer.status == 200, path
            await page.wait_for_selector("#connection.good")
            assert await what_is_wrong(page) == [], path
            assert await page.title() != "evil"
            assert await page.locator("main tbody tr:visible").count() > 0 or path == "/", path
        assert wrong == []
        assert EVIL[:8] in await page.inner_text("main")
        await page.goto(f"{one.url}/kpis")
        rows = (await page.inner_text("tbody")).splitlines()
        assert [row.partition("\t")[0] for row in rows] == ["! yellow", "✗ red", "✗ red", "? unknown"]


async def test_a_page_that_says_why_not_is_whole_too(browser: Browser, tmp_path: Path) -> None:
    async with shown(tmp_path) as one, watched(browser, one.url) as (page, wrong):
        for path, words in (("runs", "no such run"), ("drills", "the schedule has no such drill")):
            answer = await page.goto(f"{one.url}/{path}/{quote(EVIL, safe='')}")
            assert answer is not None
            assert answer.status == 404
            await page.wait_for_selector("#connection.good")
            assert words in await page.inner_text("main")
            assert await what_is_wrong(page) == []
        # Chromium itself tells of the status.
        assert [line for line in wrong if "404" not in line] == []


async def test_a_run_links_to_its_post_mortem_as_long_as_its_recording_is_there(
    browser: Browser, tmp_path: Path, passed: Recording
) -> None:
    async with shown(tmp_path, with_odd_names(passed)) as one, watched(browser, one.url) as (page, wrong):
        run = (await one.get("/runs"))[1]["items"][0]["id"]
        await page.goto(f"{one.url}/runs/{run}")
        await page.click("text=post-mortem")
        assert (await page.inner_text("pre")).startswith("# Post-incident report: slow-database\n")
        assert EVIL[:8] in await page.inner_text("pre")
        await page.wait_for_selector("#connection.good")
        assert await what_is_wrong(page) == []
        assert wrong == []
        recording = tmp_path / "kept" / recording_name(passed.drill.name, passed.started_at)
        recording.write_bytes(b"broken")
        status, text, _ = await one.ask("GET", f"/runs/{run}/postmortem")
        assert (status, "the post-mortem cannot be made" in text) == (503, True)
        recording.unlink()
        assert (await one.ask("GET", f"/runs/{run}/postmortem"))[0] == 404
        assert "post-mortem" not in (await one.ask("GET", f"/runs/{run}"))[1]


async def test_figures_arrive_while_one_looks(browser: Browser, tmp_path: Path) -> None:
    async with shown(tmp_path) as one, watched(browser, one.url) as (page, wrong):
        await page.goto(one.url)
        await page.wait_for_selector("#connection.good")
        tally = one.agent.parts.load.tally
        tally.add(SecondCounts(offset=0, due=1_234, target_rate=1_500))
        await expect(page.locator("[data-tile=sent]")).to_have_text("1,234")
        tally.add(SecondCounts(offset=1, due=77, target_rate=1_500))
        await expect(page.locator("[data-value=sent] output")).to_have_text("77")
        assert await page.locator("#missed.bad").count() == 0
        tally.add(SecondCounts(offset=2, due=2_000, dropped=1_500, lost=2, failed=498, target_rate=1_500))
        await expect(page.locator("#missed.bad")).to_have_text(re.compile(r"1,502 of 3,311$"))
        await expect(page.locator("[data-sum=failed]")).to_have_text("498")
        assert wrong == []


@asynccontextmanager
async def drilling(one: Served) -> AsyncIterator[None]:
    """Run the agent's drill for the length of the block."""
    drill = one.agent.parts.configured.by_name["slow-service"]
    running = asyncio.ensure_future(Conductor(one.agent.parts.site, drill, lambda _: None).run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_what_is_typed_stays_while_the_page_is_kept_new(browser: Browser, tmp_path: Path) -> None:
    def long(world: World) -> Drill:
        return world.drill(world.slowness(), baseline="1h")

    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(shown(tmp_path, drill=long))
        page, wrong = await stack.enter_async_context(watched(browser, one.url))
        await stack.enter_async_context(drilling(one))
        await page.goto(one.url)
        phase, reason = page.locator("[aria-current=step]"), page.locator("#stop input[name=reason]")

        async def is_renewed() -> None:
            await expect(phase).not_to_have_text(await phase.inner_text())

        await expect(page.locator("#told")).to_have_text("slow-service, baseline, Slow inactive")
        await reason.fill("customers call")
        await is_renewed()
        await reason.blur()
        await is_renewed()
        await expect(reason).to_have_value("customers call")
        await page.click("text=Stop and heal")
        # No occurrence of the schedule runs it.
        await expect(page.locator("#stopped")).to_have_text("no drill is running")
        await is_renewed()
        await expect(page.locator("#stopped")).to_have_text("no drill is running")
        assert await page.evaluate(
            "[...document.querySelectorAll('[aria-live], [role=status]')].map((one) => one.id)"
        ) == [
            "connection",
            "told",
        ]
        assert await what_is_wrong(page) == []
        await page.goto(f"{one.url}/schedule")
        reason = page.locator("#pause input[name=reason]")
        await reason.fill("the release")
        await reason.blur()
        soon = utc_text(one.agent.parts.site.clocks.now() + timedelta(hours=1))
        call = json.dumps({"until": soon, "reason": "the migration"})
        assert (await one.ask("POST", f"{BASE}/blackouts", call, JSON))[0] == 201
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await expect(page.locator("#closed")).to_contain_text("the migration")
        await expect(reason).to_have_value("the release")
        assert [line for line in wrong if "409" not in line] == []


async def test_an_open_page_goes_on_with_an_agent_that_was_started_again(browser: Browser, tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    async with watched(browser, f"http://{listen}") as (page, _):
        async with shown(tmp_path, listen=listen):
            await page.goto(f"http://{listen}/schedule")
            await page.wait_for_selector("#connection.good")
        await page.wait_for_selector("#connection.unsure")
        until_then = datetime.now(UTC) + timedelta(hours=1)
        Journal(tmp_path / "kept").set_pause(Pause(until_then, "an update", "Ada"), datetime.now(UTC))
        async with shown(tmp_path, listen=listen):
            await page.wait_for_selector("#connection.good")
            await expect(page.locator("#pause")).to_contain_text("by Ada: an update")


async def test_the_schedule_is_paused_and_resumed_by_clicks(browser: Browser, tmp_path: Path) -> None:
    async with shown(tmp_path) as one, watched(browser, one.url) as (page, wrong):
        await page.goto(f"{one.url}/schedule")
        await page.click("text=Pause")
        assert one.agent.parts.journal.pause is None, "it has no reason yet"
        await page.fill("input[name=reason]", EVIL)
        await page.click("text=Pause")
        await page.click("text=Resume")
        await until(lambda: asyncio.sleep(0, "the pause is ended" in one.told), "the pause is ended")
        await page.wait_for_selector("text=Pause")
        assert [line for line in one.told if "pause" in line] == [
            f"paused by 127.0.0.1 until {one.told[0][26:46]}: {EVIL}",
            "the pause is ended",
        ]
        assert wrong == []


async def test_a_blackout_is_added_and_ended_by_clicks(browser: Browser, tmp_path: Path) -> None:
    async with shown(tmp_path) as one, watched(browser, one.url) as (page, wrong):
        await page.goto(f"{one.url}/schedule")
        await page.fill("form:has(input[name=until]) input[name=reason]", EVIL)
        await page.fill("input[name=until]", utc_text(one.agent.parts.site.clocks.now() + timedelta(hours=1)))
        await page.click("text=Add it")
        await expect(page.locator("#closed")).to_contain_text(EVIL)
        await page.click("text=End it")
        await expect(page.locator("#closed")).not_to_contain_text(EVIL)
        assert [line.partition(" ")[0] for line in one.told] == ["from", "the"]
        assert wrong == []


async def test_a_drill_that_only_surges_is_not_shown_as_harmless(tmp_path: Path) -> None:
    def surging(world: World) -> Drill:
        return with_a_surge(world).model_copy(update={"faults": []})

    async with served(tmp_path, kind=Pages, drill=surging) as one:
        _, text, _ = await one.ask("GET", "/drills/slow-service")
        rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", text)]
        assert rows[1:] == [
            ["0 s", "10 s", "baseline", "the load", "30/s"],
            ["12 s", "10s", "surge", "the load", "50 transactions a second more"],
        ]
        assert "<li>expects Slow within 30s of the first fault, and pager notified</li>" in text
        assert "surge of 50 transactions a second more" in (await one.ask("GET", "/drills"))[1]


async def test_the_times_of_the_schedule_are_written_as_all_others(tmp_path: Path) -> None:
    zone = {"name": "weekly", "drills": ["*"], "cron": "30 10 * * TUE"}
    async with served(tmp_path, kind=Pages, schedule={"time_zone": "Asia/Kathmandu", "entries": [zone]}) as one:
        _, listed, _ = await one.get("/schedule")
        coming = datetime.fromisoformat(listed["items"][0]["starts_at"])
        _, text, _ = await one.ask("GET", "/schedule")
        assert (
            f'<td class="number">{coming:%Y-%m-%d} 04:45:00</td><td class="number">{coming:%Y-%m-%d} 10:30:00</td>'
            in text
        )
        assert not re.search(r"<td[^>]*>[^<]*\d{4}-\d\d-\d\dT", text)


async def test_without_its_history_an_agent_shows_what_it_knows(tmp_path: Path, passed: Recording) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgres_server())
        url = f"postgresql://postgres@{server.address}/postgres"
        history = {"url": url, "agent": "shop", "password": PASSWORD_OF_SERVER}
        async with shown(tmp_path, passed, history=history) as one:
            alert, line = passed.drill.expect[0].alert, "! the history cannot be read now: PostgreSQL at 127.0.0.1:"
            for path in ("/", "/runs"):
                status, text, _ = await one.ask("GET", path)
                assert (status, line in text, passed.drill.name in text) == (200, False, True), path
            await stack.aclose()
            for path in LISTS:
                status, text, _ = await one.ask("GET", path)
                assert (status, text.count(line)) == (200, 1), path
                assert (alert in text, "No drill ended" in text) == (path == "/alerts", False)
                assert f">{passed.drill.name}</a>" not in text
            assert (await one.ask("GET", "/load"))[0] == 503


async def test_of_a_history_that_was_never_read_no_proof_is_denied(tmp_path: Path) -> None:
    tmp_path.joinpath("folder").mkdir()
    async with served(tmp_path, kind=Pages, history={"url": f"sqlite:{tmp_path}/folder"}) as one:
        status, text, _ = await one.ask("GET", "/alerts")
        assert (status, text.count("not known"), "never" in text, "proven</span>" in text) == (200, 2, False, False)


async def test_without_javascript_the_tables_are_there(browser: Browser, tmp_path: Path, passed: Recording) -> None:
    async with shown(tmp_path, passed) as one, watched(browser, one.url, java_script_enabled=False) as (page, _):
        one.agent.parts.load.tally.add(SecondCounts(offset=0, due=1_234, target_rate=1_500))

        async def is_counted() -> bool:
            return bool((await one.get("/load"))[1]["seconds"])

        await until(is_counted, "the second is counted")
        await page.goto(one.url)
        assert "1234" in await page.inner_text("noscript table")
        assert not await page.is_visible("[data-chart]")
        await page.goto(f"{one.url}/alerts")
        assert passed.drill.expect[0].alert in await page.inner_text("#alerts table")


async def test_alerts_are_filtered_and_sorted_without_javascript(
    browser: Browser, tmp_path: Path, passed: Recording
) -> None:
    async with shown(tmp_path, passed) as one, watched(browser, one.url, java_script_enabled=False) as (page, _):
        await page.goto(f"{one.url}/alerts")
        names, selected = page.locator("#alerts tbody th"), page.locator("option[selected]")
        assert await names.all_inner_texts() == ["QueueGrows", "Slow", "OrdersSlow"]
        assert re.fullmatch(r". \d+ \w+ ago\s+allowed 30 d", await page.inner_text("td:has-text('ago')"))
        assert await selected.all_text_contents() == ["the stalest first"]
        for name, value, left in (
            ("order", "name", ["OrdersSlow", "QueueGrows", "Slow"]),
            ("severity", "page", ["OrdersSlow", "QueueGrows"]),
            ("severity", "(none)", ["Slow"]),
            ("state", "proven", []),
        ):
            await page.select_option(f"select[name={name}]", value)
            await page.click("text=Show")
            await expect(names).to_have_text(left)
        await expect(selected).to_have_text(["(none)", "proven", "by name"])


def test_the_stalest_alert_has_used_the_most_of_its_time() -> None:
    ages = {
        "new": (1, None),
        "fresh": (9, 90),
        "never": (None, 30),
        "old": (99, None),
        "half": (15, 30),
        "stale": (40, 30),
    }
    alerts = [
        Alert.model_validate(
            dict.fromkeys(("last_proven_at", "proven_by", "prove_by", "last_verdict"))
            | {"alert": name, "severity": "", "state": "proven" if age else "not_proven", "reason": "", "drills": []}
            | {"age_seconds": age, "prove_within_seconds": within}
        )
        for name, (age, within) in ages.items()
    ]
    in_order = sorted(alerts, key=staleness)
    assert [one.alert for one in in_order] == ["never", "stale", "half", "fresh", "old", "new"]


async def test_a_page_with_all_that_it_loads_is_small(tmp_path: Path, passed: Recording) -> None:
    async with shown(tmp_path, passed) as one:
        compressed = {"Accept-Encoding": "gzip"}
        async with one.session.get(one.url, headers=compressed, auto_decompress=False) as answer:
            body = await answer.read()
        whole = len(body)
        links = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', gzip.decompress(body).decode()))
        assert len(links) == 6
        for link in links:
            async with one.session.get(one.url + link, headers=compressed, auto_decompress=False) as answer:
                assert answer.headers["Cache-Control"].endswith("immutable")
                whole += len(await answer.read())
        # Its charts begin with all that is kept of the load.
        one.agent.parts.load.tally.kept_seconds = None
        for offset in range(900):
            load = SecondCounts(offset=offset, due=200 + offset % 7, ended=190, failed=offset % 11, target_rate=200)
            one.agent.parts.load.tally.add(load)
        url = f"{one.url}/api/v1/load?seconds=900"

        async def are_counted() -> bool:
            return len((await one.get("/load?seconds=900"))[1]["seconds"]) == 900

        await until(are_counted, "the seconds are counted")
        async with one.session.get(url, headers=compressed, auto_decompress=False) as answer:
            body = await answer.read()
        assert whole + len(body) <= 120_000


async def test_a_page_of_the_load_has_its_periods(tmp_path: Path) -> None:
    async with shown(tmp_path) as one:
        status, text, _ = await one.ask("GET", "/load?span=hour")
        assert (status, '"due": 200' in text) == (200, True)


async def test_a_page_that_fails_is_told_without_the_text_of_the_error(tmp_path: Path) -> None:
    async with served(tmp_path, kind=FailingPages) as one:
        for path in ("/kpis", "/api/v1/status"):
            status, text, _ = await one.ask("GET", path)
            assert (status, "CANARY" in str(text)) == (500, False)
        assert [line.partition(" in ")[0] for line in one.told] == [
            "the page /kpis failed: ZeroDivisionError",
            "GET /api/v1/status failed: ZeroDivisionError",
        ]


async def test_who_may_not_read_sees_nothing_of_the_agent(tmp_path: Path) -> None:
    async with served(tmp_path, kind=Pages, web={"config_file": web_yml(tmp_path)}) as one:
        for path in PATHS[:-1]:
            status, text, headers = await one.ask("GET", path)
            assert (status, headers["WWW-Authenticate"].partition(" ")[0]) == (401, "Basic"), path
            assert "slow-service" not in text
            assert (await one.ask("GET", path, None, basic("alice", PASSWORD)))[0] == 200, path
