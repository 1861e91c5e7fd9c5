"""Forty secrets in every place of the configuration: nothing that is printed, written or listed shows one of them."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.support.answering import answering

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
# It breaks, as a drill does, each fault of a drill file, and prints what a drill would print.
_BREAK = """
import asyncio, sys
from pathlib import Path
from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.config.drill import read_drill
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.lease import leased
from alertdrill.chaos.safety.ledger import Ledger

async def main():
    config = read_agent_config(Path("agent.yml"))
    ledger = Ledger(config.ledger, "canaries")
    async with leased(ledger, print) as dog:
        print("watchdog", dog.pid)
        for fault in read_drill(Path("drill.yml")).faults:
            try:
                async with applied(fault, config.endpoints, ledger):
                    print("in force:", fault.kind, fault.target)
            except Exception as error:
                print(fault.kind, type(error).__name__, error)

asyncio.run(main())
"""


class Canaries:
    """Makes secrets, and finds them again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[str] = []
        self.variables: dict[str, str] = {}

    def text(self) -> str:
        self.made.append(f"CANARY{len(self.made):02}VALUE")
        return self.made[-1]

    def file(self) -> str:
        path = self.folder / "secrets" / f"secret-{len(self.made)}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{self.text()}\n")
        return f"secrets/{path.name}"

    def variable(self) -> str:
        name = f"CANARY_OF_TEST_{len(self.made)}"
        self.variables[name] = self.text()
        return name

    def seen_in(self, text: str) -> list[str]:
        """List the secrets of a text, also those in the encodings of basic authentication."""
        decoded = [_decoded(word) for word in re.findall(r"[A-Za-z0-9+/=]{16,}", text)]
        return [one for one in self.made if any(one in place for place in (text, *decoded))]


def _decoded(word: str) -> str:
    try:
        return base64.b64decode(word + "=" * (-len(word) % 4)).decode(errors="replace")
    except ValueError:
        return ""


@pytest.fixture
def canaries(tmp_path: Path) -> Canaries:
    return Canaries(tmp_path)


def agent_yml(canaries: Canaries, url: str) -> dict[str, Any]:
    host = url.removeprefix("http://")
    return {
        "probe": {
            "kind": "http",
            "url": f"http://me:{canaries.text()}@{host}/pay?token={canaries.text()}",
            "method": "POST",
            "headers": {"X-Api-Key": canaries.text(), "Cookie": canaries.text()},
            "bearer_token": canaries.text(),
            "json": {"password": canaries.text()},
            "timeout": "1s",
        },
        "prometheus": {
            "url": url,
            "basic_auth": {"username": "drill", "password_file": canaries.file()},
            "headers": {"X-Scope-Token": canaries.text()},
        },
        "alertmanager": {"url": url, "bearer_token": canaries.text()},
        "toxiproxy": {"url": url},
        "listen": "127.0.0.1:0",
        "ledger": "state/ledger",
        "recordings": "state/recordings",
        "password_files": {host: canaries.file()},
        "allow": [f"block {host}", f"kill {host}"],
        "kpis": {"kpis": [{"kpi": "transactions", "series": "payments_total", "per": "second"}]},
    }


def drill_yml(canaries: Canaries, url: str) -> dict[str, Any]:
    host = url.removeprefix("http://")

    def call() -> dict[str, Any]:
        return {
            "url": f"{url}/chaos?level=3",
            "headers_file": {"Authorization": canaries.file()},
            "headers_env": {"X-Token": canaries.variable()},
            "query_file": {"token": canaries.file()},
            "body_file": canaries.file(),
            "confirm": {"url": f"{url}/status", "contains": "never", "within": "200ms"},
        }

    def step() -> dict[str, Any]:
        return {
            "run": ["sh", "-c", 'cat; env; echo "$GIVEN"; exit 3'],
            "environment": [canaries.variable()],
            "environment_file": {"GIVEN": canaries.file()},
            "stdin_file": canaries.file(),
        }

    surge = {
        "kind": "http",
        "url": f"http://me:{canaries.text()}@{host}/other?token={canaries.text()}",
        "headers": {"Authorization": canaries.text()},
        "json": {"token": canaries.text()},
    }
    postgres = {"kind": "postgres", "url": f"postgresql://me@{host}/shop", "action": "fill_pool", "connections": 1}
    return {
        "drill": "canaries",
        "load": {"rate": 5, "surges": [{"rate": 1, "lasts": "1s", "probe": surge}]},
        "baseline": "1s",
        "faults": [
            {"kind": "http", "begin": call(), "end": call(), "lasts": "1s"},
            {"kind": "command", "begin": step(), "end": step(), "lasts": "1s"},
            {"kind": "redis", "url": f"redis://{host}", "action": "fill", "mebibytes": 1}
            | {"password_env": canaries.variable(), "lasts": "1s"},
            postgres | {"password_file": canaries.file(), "lasts": "1s"},
        ],
        "expect": [{"alert": "Slow", "within": "5s"}],
    }


def wrong_files(canaries: Canaries) -> dict[str, dict[str, Any]]:
    """Configurations and drills that hold a secret where there may be none, or a mistake beside one."""
    servers = {name: {"url": "http://a"} for name in ("prometheus", "alertmanager", "toxiproxy")}
    agent = {"probe": {"kind": "tcp", "url": "tcp://a:1"}} | servers
    urls = [
        f"htps://drill:{canaries.text()}@a/",
        f"https://drill:{canaries.text()}@a:99999",
        f"https://a/?token={canaries.text()}",
        f"drill:{canaries.text()}@a:1",
        f"https://drill:{canaries.text()}@a/",
        f"https://drill:{canaries.text()}",
    ]
    agents = [agent | {server: {"url": url}} for url in urls for server in ("prometheus", "toxiproxy", "grafana")]
    agents += [agent | {"probe": {"kind": kind, "url": url}} for url in urls for kind in ("tcp", "redis", "tls")]
    # For a probe the third and the fifth are right.
    agents += [agent | {"probe": {"kind": "http", "url": urls[number]}} for number in (0, 1, 3, 5)]
    agents += [
        agent | {"alertmanager": {"url": "http://a", "bearer_token": f"{canaries.text()} two words"}},
        agent | {"alertmanager": {"url": "http://a", "headers": {"X-A": f"{canaries.text()}\n"}}},
        agent | {"probe": {"kind": "http", "url": "http://a", "headers": {"Cookie": f"{canaries.text()}\x01"}}},
    ]
    end = {"url": "http://a"}
    faults = [{"kind": "http", "begin": {"url": url}, "end": end} for url in urls]
    faults += [
        {"kind": "http", "begin": {"url": "http://a"} | more, "end": end}
        for more in (
            {"headers": {"Authorization": f"Bearer {canaries.text()}"}},
            {"headers": {"X-Api-Key": canaries.text()}},
            {"body": {"user": [{"password": canaries.text()}]}},
        )
    ]
    step = {"run": ["true"]}
    faults += [
        {
            "kind": "postgres",
            "url": f"postgresql://me@a/shop?password={canaries.text()}",
            "action": "lock",
            "table": "t",
        },
        {"kind": "redis", "url": f"redis://:{canaries.text()}@a:1", "action": "block"},
        {"kind": "command", "begin": {"run": ["x", f"--password={canaries.text()}"]}, "end": step},
    ]
    drill = {"drill": "d", "load": {"rate": 1}, "expect": [{"alert": "A"}]}
    files = {f"agent-{number}.yml": one for number, one in enumerate(agents)}
    return files | {f"drill-{number}.yml": drill | {"faults": [one]} for number, one in enumerate(faults)}


@contextmanager
def process_list() -> Iterator[set[str]]:
    """Collect every command line of the machine, again and again, for the length of the block."""
    seen: set[str] = set()
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        is_over.set()
        looking.join()


async def run(canaries: Canaries, *command: str) -> str:
    """Run a command in the folder of the secrets, and return what it printed."""
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-P", *command],
        cwd=canaries.folder,
        env=os.environ | canaries.variables | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in ended.stdout
    return str(ended.stdout)


def written(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file that was written, as text."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield path, (gzip.decompress(content) if path.suffix == ".gz" else content).decode(errors="replace")


async def repeat(request: web.Request) -> web.Response:
    """Refuse, and repeat all that was sent, as a careless server does."""
    text = f"{request.path_qs} {dict(request.headers)} {await request.text()}"
    return web.Response(status=500, text=text)


async def test_no_command_and_no_failure_shows_a_secret(canaries: Canaries) -> None:
    async with answering(repeat) as server:
        for name, values in {
            "agent": agent_yml(canaries, server.url),
            "drill": drill_yml(canaries, server.url),
        }.items():
            (canaries.folder / f"{name}.yml").write_text(yaml.safe_dump(values))
        printed: dict[str, str] = {}
        with process_list() as listed:
            printed["break"] = await run(canaries, "-c", _BREAK)
            dog = int(printed["break"].split()[1])
            for words in (
                "check agent.yml drill.yml",
                "drill drill.yml --dry-run -c agent.yml",
                "drill drill.yml -c agent.yml",
                "status -c agent.yml",
                "status --json -c agent.yml",
                "heal --dry-run --force -c agent.yml",
                "heal --force -c agent.yml",
                "probe agent.yml --duration 1s --rate 5",
                "kpi -c agent.yml",
                "explain -c agent.yml",
            ):
                printed[words] = await run(canaries, "-m", "alertdrill", *words.split())
            # It would try for an hour to undo what nobody can undo.
            os.kill(dog, signal.SIGKILL)
    assert "http FaultNotHealed" in printed["break"]
    assert "command FaultNotHealed" in printed["break"]
    assert "abandoned" in printed["status -c agent.yml"]
    for command, text in printed.items():
        assert (command, canaries.seen_in(text)) == (command, [])
    for path, text in written(canaries.folder / "state"):
        assert (path, canaries.seen_in(text)) == (path, [])
        assert path.stat().st_mode & 0o077 == 0
    assert canaries.seen_in("\n".join(listed)) == []
    assert list((canaries.folder / "state" / "ledger").glob("alertdrill-*.json"))


async def test_no_error_of_a_file_shows_a_secret(canaries: Canaries) -> None:
    files = wrong_files(canaries)
    folder = canaries.folder / "wrong"
    folder.mkdir()
    for name, values in files.items():
        (folder / name).write_text(yaml.safe_dump(values))
    text = await run(canaries, "-m", "alertdrill", "check", "wrong")
    assert canaries.seen_in(text) == []
    # Each file is wrong, and is named.
    assert {name for name in files if f"wrong/{name}:" not in text} == set()
