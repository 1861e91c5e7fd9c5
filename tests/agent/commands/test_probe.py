"""`alertdrill probe` as it is run: against a real server, in a process of its own."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from alertdrill.agent.cli import app
from alertdrill.units.waiting import set_within

PROBE = """
probe:
  kind: http
  name: order
  url: {url}
  idempotency_key: true
  checks: [{{status: 201}}]
load: {{rate: 50, duration: 2s}}
thresholds:
  http_req_failed: [rate<0.01]
"""


@dataclass
class Shop:
    """A server that answers 201, or 500 below /broken, and counts its requests."""

    url: str = ""
    asked: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=500 if request.path == "/broken" else 201)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    application = web.Application()
    application.router.add_get("/{path}", shop.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    shop.url = f"http://{host}:{port}"
    yield shop
    await runner.cleanup()


@dataclass
class Ran:
    code: int
    out: str
    err: str


async def _start(
    tmp_path: Path, url: str, *options: str, stdout: int = asyncio.subprocess.PIPE, **environment: str
) -> asyncio.subprocess.Process:
    file = tmp_path / "shop.yml"
    file.write_text(PROBE.format(url=url))
    # Tests that run in the background ignore SIGINT, and so would this process.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "alertdrill", "probe", str(file)]
    command += ["--summary-export", f"{tmp_path}/s.json", *options]
    return await asyncio.create_subprocess_exec(
        *command, stdout=stdout, stderr=asyncio.subprocess.PIPE, env=os.environ | environment
    )


async def _ended(process: asyncio.subprocess.Process) -> Ran:
    try:
        async with asyncio.timeout(120):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return Ran(process.returncode, (out or b"").decode(), err.decode())


async def _run(tmp_path: Path, url: str, *options: str) -> Ran:
    return await _ended(await _start(tmp_path, url, *options))


async def _in_time(tmp_path: Path, run: Callable[[], Awaitable[Ran]], shop: Shop | None = None) -> Ran:
    """Run a load again if the machine kept it from being sent in time, which its export shows."""
    for _ in range(10):
        if shop is not None:
            shop.asked = 0
        ran = await run()
        export = _export(tmp_path)
        if export["load"]["honest"] and "dropped_iterations" not in export["metrics"]:
            break
    return ran


def _export(tmp_path: Path) -> dict[str, Any]:
    export: dict[str, Any] = json.loads((tmp_path / "s.json").read_text())
    return export


async def test_every_file_shows_the_same_load(tmp_path: Path, shop: Shop) -> None:
    """Lines, page, export and summary agree with each other, and with the server."""
    outs = ["--out", f"csv={tmp_path}/s.csv", "--out", f"jsonl={tmp_path}/s.jsonl"]
    options = [*outs, "--html", f"{tmp_path}/s.html", "--quiet"]
    ran = await _in_time(tmp_path, lambda: _run(tmp_path, f"{shop.url}/orders", *options), shop)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("  █ THRESHOLDS\n")
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [int(row["offset_seconds"]) for row in rows][:2] == [0, 1]
    for name in ("due", "succeeded"):
        assert sum(int(row[name]) for row in rows) == sum(line[name] for line in lines) == shop.asked == 100
    assert _export(tmp_path)["metrics"]["http_reqs"]["count"] == 100
    assert re.search(r'<td class="right number">100</td><td class="right number">100</td>', _page(tmp_path))
    assert re.search(r" iterations\.+: 100 ", ran.out)


def _page(tmp_path: Path) -> str:
    return (tmp_path / "s.html").read_text()


async def test_an_incomplete_file_is_worse_than_a_crossed_threshold(tmp_path: Path, shop: Shop) -> None:
    """A program that reads the file takes it for complete."""
    ran = await _with_a_reader_that_leaves(tmp_path, f"{shop.url}/broken")
    assert ran.code == 2
    assert "✗ 'rate<0.01' rate=100.00%" in ran.out
    assert ran.err == f"alertdrill: {tmp_path}/pipe cannot be written completely: Broken pipe\n"


async def test_an_incomplete_file_does_not_stop_the_load_and_sets_the_exit_code(tmp_path: Path, shop: Shop) -> None:
    ran = await _in_time(tmp_path, lambda: _with_a_reader_that_leaves(tmp_path, f"{shop.url}/orders"), shop)
    assert ran.code == 2
    assert "✓ 'rate<0.01' rate=0.00%" in ran.out
    assert ran.err.count("cannot be written completely") == 1
    assert shop.asked == 100


async def _with_a_reader_that_leaves(tmp_path: Path, url: str) -> Ran:
    with suppress(FileExistsError):
        os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    process = await _start(tmp_path, url, "--out", f"csv={tmp_path}/pipe", "--quiet")
    head = asyncio.Event()
    asyncio.get_running_loop().add_reader(reader, head.set)
    assert await set_within(head, 60)
    asyncio.get_running_loop().remove_reader(reader)
    os.close(reader)
    return await _ended(process)


async def test_the_load_goes_on_when_the_reader_of_its_lines_ends(tmp_path: Path, shop: Shop) -> None:
    """As with `alertdrill probe shop.yml | head -1`: the first line without a reader comes after five seconds."""

    async def run() -> Ran:
        reader, writer = os.pipe()
        os.close(reader)
        process = await _start(tmp_path, f"{shop.url}/orders", "--duration", "6s", stdout=writer)
        os.close(writer)
        return await _ended(process)

    ran = await _in_time(tmp_path, run, shop)
    assert (ran.code, ran.err, shop.asked) == (0, "", 300)
    assert _export(tmp_path)["metrics"]["http_reqs"]["count"] == 300


async def test_a_summary_that_cannot_be_printed_is_still_exported(tmp_path: Path, shop: Shop) -> None:
    async def run() -> Ran:
        full = os.open("/dev/full", os.O_WRONLY)
        process = await _start(tmp_path, f"{shop.url}/orders", "--quiet", stdout=full)
        os.close(full)
        return await _ended(process)

    assert (await _in_time(tmp_path, run)).code != 0
    assert _export(tmp_path)["metrics"]["http_reqs"]["count"] == 100


async def test_acknowledged_ids_that_cannot_be_kept_do_not_stop_the_load_and_set_the_exit_code(
    tmp_path: Path, shop: Shop
) -> None:
    options = ["--acknowledged", "/dev/full", "--quiet"]
    ran = await _in_time(tmp_path, lambda: _run(tmp_path, f"{shop.url}/orders", *options), shop)
    assert ran.code == 2
    assert ran.out.splitlines()[-1] == "acknowledged: /dev/full cannot be written: No space left on device"
    assert ran.err.count("acknowledged transactions are no longer kept: /dev/full cannot be written") == 1
    assert shop.asked == 100


async def test_an_interrupted_load_shows_what_ran_so_far(tmp_path: Path, shop: Shop) -> None:
    """The summary, the page and the lines up to then, and exit code 130."""
    options = ["--duration", "1h", "--out", f"csv={tmp_path}/s.csv", "--html", f"{tmp_path}/s.html"]
    process = await _start(tmp_path, f"{shop.url}/orders", *options)
    async with asyncio.timeout(60):
        while shop.asked < 60:  # noqa: ASYNC110 - a count sets no event
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGINT)
    ran = await _ended(process)
    assert ran.code == 130
    assert ran.err == "alertdrill: stopping …\nalertdrill: interrupted\n"
    counted = re.search(r" iterations\.+: (\d+) ", ran.out)
    assert counted is not None
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    # The last requests may have had no answer yet.
    assert 0 <= shop.asked - int(counted[1]) <= int(rows[-1]["in_flight"])
    assert "Ended early: interrupted." in _page(tmp_path)
    assert sum(int(row["succeeded"]) for row in rows) == int(counted[1])


async def test_files_that_cannot_be_written_are_reported_before_anything_is_sent(tmp_path: Path, shop: Shop) -> None:
    """All of them at once, one line each."""
    ran = await _run(tmp_path, f"{shop.url}/orders", "--out", "cvs=x", "--html", "/proc/x", "--summary-export", "/")
    assert (ran.code, ran.out, shop.asked) == (2, "", 0)
    assert ran.err.splitlines() == [
        "alertdrill: --summary-export: / cannot be written: Is a directory",
        "alertdrill: --html: /proc/x cannot be written: No such file or directory",
        "alertdrill: --out cvs=x: unknown format 'cvs', did you mean csv=x?",
    ]


async def test_a_page_without_its_libraries_names_the_extra(tmp_path: Path, shop: Shop) -> None:
    (tmp_path / "jinja2.py").write_text("raise ModuleNotFoundError('gone', name='jinja2')")
    page = f"{tmp_path}/s.html"
    ran = await _ended(await _start(tmp_path, f"{shop.url}/orders", "--html", page, PYTHONPATH=str(tmp_path)))
    assert (ran.code, shop.asked) == (2, 0)
    assert ran.err == ("alertdrill: --html: the library jinja2 is not installed: pip install 'alertdrill[report]'\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate", "150000"], "Invalid value for '--rate': "),
        (["--rate", "nan"], "Invalid value for '--rate': "),
        (["--rate", "10", "--duration", "0s"], "--duration: must be longer than 0, expected a duration such as 20s"),
        (["--duration", "0s"], "--duration: must be longer than 0, expected a duration such as 20s"),
        (["--time-scale", "inf"], "Invalid value for '--time-scale': inf is not a finite number"),
        (["--time-scale", "nan"], "Invalid value for '--time-scale': "),
        (["--time-scale", "1e300"], "--time-scale: 1e+300 leaves no transaction of the load, expected a smaller scale"),
    ],
)
def test_an_invalid_option_is_named_with_what_was_expected(tmp_path: Path, options: list[str], said: str) -> None:
    (tmp_path / "shop.yml").write_text(PROBE.format(url="http://127.0.0.1:9"))
    ran = CliRunner().invoke(app, ["probe", f"{tmp_path}/shop.yml", *options], env={"COLUMNS": "200"})
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert said in ran.stderr


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """The address of a server that accepts and never answers."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


HUNG = """
probe: {{kind: http, url: "{url}/", client: {client}}}
load: {{rate: 10, duration: 1s, graceful_stop: 0s, max_in_flight: {in_flight}}}
thresholds: {{http_req_failed: [{threshold}]}}
"""


def _written(file: Path, text: str) -> str:
    file.write_text(text)
    return str(file)


def _has_loaded(process_id: int, part: str) -> bool:
    return part in Path(f"/proc/{process_id}/maps").read_text()


async def _run_file(file: Path, text: str, *options: str) -> Ran:
    command = [sys.executable, "-m", "alertdrill", "probe", _written(file, text), "--quiet"]
    command += ["--summary-export", f"{file.parent}/s.json", *options]
    pipe = asyncio.subprocess.PIPE
    return await _ended(await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe))


@pytest.mark.parametrize("client", ["lean", "aiohttp"])
async def test_what_has_no_answer_at_the_end_has_failed(tmp_path: Path, silent: str, client: str) -> None:
    text = HUNG.format(url=silent, client=client, in_flight=10, threshold="rate<0.01")
    assert (await _in_time(tmp_path, lambda: _run_file(tmp_path / "a.yml", text))).code == 99
    export = _export(tmp_path)
    assert export["metrics"]["http_req_failed"] == {
        "passes": 10,
        "fails": 0,
        "value": 1.0,
        "thresholds": {"rate<0.01": True},
    }
    assert export["load"]["failed"] == {"unfinished": {"count": 10, "detail": "the load ended before its answer"}}
    assert export["root_group"]["checks"]["status is 2xx"]["fails"] == 10


async def test_a_load_without_an_answer_fails_whatever_its_thresholds_say(tmp_path: Path, silent: str) -> None:
    ran = await _run_file(tmp_path / "a.yml", HUNG.format(url=silent, client="lean", in_flight=10, threshold="rate<=1"))
    assert ran.code == 99
    assert ran.out.splitlines()[-1] == "not passed: no transaction was answered"


async def test_a_load_that_was_not_sent_as_planned_is_an_error_if_asked(
    tmp_path: Path, shop: Shop, silent: str
) -> None:
    """Of ten transactions one is in flight, and the others are dropped."""
    text = HUNG.format(url=silent, client="lean", in_flight=1, threshold="rate<=1")
    assert (await _run_file(tmp_path / "a.yml", text, "--require-honest")).code == 3
    options = ["--require-honest", "--quiet"]
    assert (await _in_time(tmp_path, lambda: _run(tmp_path, f"{shop.url}/orders", *options))).code == 0


async def test_url_and_variables_come_from_the_command_line(tmp_path: Path, shop: Shop) -> None:
    file = tmp_path / "a.yml"
    text = 'probe: {kind: http, url: "http://nowhere.invalid/${NAME}?a=1", checks: [{status: 201}]}\n'
    load = "load: {rate: 10, duration: 1s}\n"

    async def sent_to(url: str) -> Ran:
        return await _in_time(tmp_path, lambda: _run_file(file, text + load, "-e", "NAME=orders", "--url", url), shop)

    ran = await sent_to(shop.url)
    assert (ran.code, ran.err, shop.asked) == (0, "", 10)
    ran = await sent_to(f"{shop.url}/broken")
    assert (shop.asked, "status 500, expected 201" in ran.out) == (10, True)
    for wrong, said in (
        (["-e", "NAME"], "alertdrill: --env: 'NAME' is not a variable, expected NAME=VALUE such as TOKEN=abc"),
        (["-e", "NAME=a", "--url", "shop"], "alertdrill: --url: 'shop' is not a URL"),
    ):
        ran = await _run_file(file, text + load, *wrong)
        assert (ran.code, ran.err.startswith(said)) == (2, True), ran.err


@pytest.mark.parametrize("part", ["pydantic_core", "uvloop"])
async def test_ctrl_c_during_the_start_ends_cleanly_also_three_times(tmp_path: Path, shop: Shop, part: str) -> None:
    """While a library is being loaded, an exception may become another one."""
    process = await _start(tmp_path, f"{shop.url}/orders", "--quiet", "--duration", "1h")
    async with asyncio.timeout(60):
        while not _has_loaded(process.pid, part):  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.001)
    for _ in range(3):
        # It may have ended by then. `process.send_signal` would look, and so take its exit code away from asyncio.
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
        await asyncio.sleep(0.01)
    ran = await _ended(process)
    assert ran.code == 130
    assert re.fullmatch(r"(alertdrill: stopping …\n)?alertdrill: interrupted\n", ran.err), ran.err
