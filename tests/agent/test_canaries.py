"""Forty secrets in every place of the configuration: nothing that is printed, written or listed shows one of them."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import aiohttp
import bcrypt
import pytest
import yaml
from aiohttp import web

from alertdrill.agent.config.agent import read_agent_config, without_secrets
from alertdrill.lab.ports import free_ports
from tests.support.answering import answering
from tests.support.canaries import Canaries, process_list, run, running, written
from tests.support.waiting import until

pytestmark = pytest.mark.servers

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
    faults = read_drill(Path("drill.yml")).faults
    async with leased(ledger, print, faults) as dog:
        print("watchdog", dog.pid)
        for fault in faults:
            try:
                async with applied(fault, config.endpoints, ledger):
                    print("in force:", fault.kind, fault.target)
            except Exception as error:
                print(fault.kind, type(error).__name__, error)

asyncio.run(main())
"""

READ = ("status", "load", "runs", "alerts", "schedule", "occurrences", "blackouts", "openapi.json")


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
        "grafana": {"url": url, "token_file": canaries.file()},
        "notify": {
            "targets": [
                {"webhook": {"url": f"{url}/{canaries.text()}", "secret": canaries.text()}},
                {"slack": {"url": f"{url}/{canaries.text()}"}},
                {"email": {"server": host, "from": "a@a", "to": ["b@b"], "username": "a", "password": canaries.text()}},
            ]
        },
        "heartbeat": {"url": f"{url}/{canaries.text()}"},
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
        agent | {"heartbeat": {"url": canaries.text(), "every": "1s"}},
        agent | {"notify": {"targets": [{"slack": {"url": f"http://a/ {canaries.text()}"}}]}},
        agent | {"history": {"url": f"postgresql://me:{canaries.text()}@a/x", "agent": "shop"}},
        agent | {"history": {"url": f"mysql://me:{canaries.text()}@a/x"}},
        agent | {"history": {"url": "sqlite:a.db", "password": canaries.text()}},
        agent | {"grafana": {"url": "http://a", "token": f"{canaries.text()}\n"}},
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
    webs = [
        {"basic_auth_users": {"alice": canaries.text()}},
        {"basic_auth_users": {}, "alertdrill": {"bearer_token_files": {"ci": f"../{canaries.file()}"}, "x": 1}},
        {"basic_auth_users": {}, "alertdrill": {"bearer_token_files": canaries.text()}},
    ]
    files = {f"agent-{number}.yml": one for number, one in enumerate(agents)}
    files |= {f"web-{number}.yml": one for number, one in enumerate(webs)}
    return files | {f"drill-{number}.yml": drill | {"faults": [one]} for number, one in enumerate(faults)}


async def repeat(request: web.Request) -> web.Response:
    """Refuse, and repeat all that was sent, as a careless server does."""
    text = f"{request.path_qs} {dict(request.headers)} {await request.text()}"
    return web.Response(status=500, text=text)


def write_files(canaries: Canaries, url: str) -> None:
    """Write agent.yml, a drill, and a probe file with the same probe as agent.yml."""
    agent = agent_yml(canaries, url)
    files = {"agent": agent, "drill": drill_yml(canaries, url), "probe": {"probe": agent["probe"]}}
    for name, values in files.items():
        (canaries.folder / f"{name}.yml").write_text(yaml.safe_dump(values))


# The files are beside each other, and are looked through like all others.
_PROBE_FILES = (
    "--out csv=state/probe/a.csv --out jsonl=state/probe/a.jsonl --acknowledged state/probe/ids "
    "--html state/probe/a.html --summary-export state/probe/a.json"
)


async def test_no_command_and_no_failure_shows_a_secret(canaries: Canaries) -> None:
    async with answering(repeat) as server:
        write_files(canaries, server.url)
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
                f"probe probe.yml --duration 1s --rate 5 {_PROBE_FILES}",
                "kpi -c agent.yml",
                "explain -c agent.yml",
            ):
                printed[words] = await run(canaries, "-m", "alertdrill", *words.split())
            # It would try for an hour to undo what nobody can undo.
            os.kill(dog, signal.SIGKILL)
    assert "http FaultNotHealed" in printed["break"]
    assert "command FaultNotHealed" in printed["break"]
    assert "abandoned" in printed["status -c agent.yml"]
    assert "failed" in printed[f"probe probe.yml --duration 1s --rate 5 {_PROBE_FILES}"]
    assert len(list((canaries.folder / "state" / "probe").iterdir())) == 5
    for command, text in printed.items():
        assert (command, canaries.seen_in(text)) == (command, [])
    for path, text in written(canaries.folder / "state"):
        assert (path, canaries.seen_in(text)) == (path, [])
        assert path.stat().st_mode & 0o077 == 0
    assert canaries.seen_in("\n".join(listed)) == []
    assert list((canaries.folder / "state" / "ledger").glob("alertdrill-*.json"))


def test_the_configuration_that_the_api_tells_shows_no_secret(canaries: Canaries) -> None:
    write_files(canaries, "http://127.0.0.1:1")
    told = without_secrets(read_agent_config(canaries.folder / "agent.yml"))
    assert canaries.seen_in(json.dumps(told)) == []
    assert told["prometheus"]["basic_auth"] == {"username": "drill", "password": "<secret>"}
    assert told["heartbeat"]["url"] == "<secret>"
    assert told["probe"]["json"] == {"password": "<secret>"}


async def test_the_metrics_of_a_running_agent_show_no_secret(canaries: Canaries) -> None:
    async with answering(repeat) as server, aiohttp.ClientSession() as session:
        write_files(canaries, server.url)
        listen = f"127.0.0.1:{free_ports(1)[0]}"
        words = f"-m alertdrill probe probe.yml --duration 5m --rate 5 --listen {listen}"
        text = ""

        async def shows_failures() -> bool:
            nonlocal text
            try:
                async with session.get(f"http://{listen}/metrics") as answer:
                    text = await answer.text()
            except aiohttp.ClientConnectionError:
                return False
            return re.search('outcome="failed"} [1-9]', text) is not None

        async with running(canaries, *words.split()) as agent:
            await until(shows_failures, "the agent counts failed transactions")
            agent.send_signal(signal.SIGINT)
            printed, _ = await agent.communicate()
    assert canaries.seen_in(text + printed.decode()) == []


def write_agent_that_runs(canaries: Canaries, url: str, listen: str, database: str) -> str:
    """Write agent.yml for `run`, with a web.yml and a history on a server that is away; returns the token of a caller."""
    token = canaries.file()
    # A token has at least 16 characters.
    (canaries.folder / token).write_text(f"{canaries.made[-1]}-of-ci\n")
    hashed = bcrypt.hashpw(canaries.text().encode(), bcrypt.gensalt(4)).decode()
    canaries.made.append(hashed)
    callers = {"bearer_token_files": {"ci": token}, "roles": {"ci": "write"}}
    files = {
        "web": {"basic_auth_users": {"alice": hashed}, "alertdrill": callers},
        "agent": agent_yml(canaries, url)
        | {"listen": listen, "load": {"rate": 5}, "web": {"enable_lifecycle": True, "config_file": "web.yml"}}
        | {"history": {"url": f"postgresql://me@{database}/x", "password_file": canaries.file(), "agent": "shop"}}
        | {"heartbeat": {"url": f"{url}/{canaries.text()}?key={canaries.text()}", "every": "1s"}},
    }
    for name, values in files.items():
        (canaries.folder / f"{name}.yml").write_text(yaml.safe_dump(values))
    return (canaries.folder / token).read_text().strip()


async def test_an_agent_that_runs_shows_no_secret(canaries: Canaries) -> None:
    ports = free_ports(2)
    listen, database = (f"127.0.0.1:{port}" for port in ports)
    texts: list[str] = []
    async with answering(repeat) as server, aiohttp.ClientSession() as session:
        token = write_agent_that_runs(canaries, server.url, listen, database)

        async def answer(path: str, method: str = "GET") -> str:
            headers = {"Authorization": f"Bearer {token}"}
            try:
                async with session.request(method, f"http://{listen}{path}", headers=headers) as answered:
                    texts.append(await answered.text())
            except aiohttp.ClientConnectionError:
                return ""
            return texts[-1]

        async def has_failed() -> bool:
            text = await answer("/metrics")
            return all(
                re.search(f'{name}_total{{result="failed"}} [1-9]', text) for name in ("heartbeats", "history_writes")
            )

        with process_list() as listed:
            async with running(canaries, "-m", "alertdrill", "run", "-c", "agent.yml") as agent:
                await until(has_failed, "a heartbeat is refused, and the history cannot be written")
                for path in ("/", "/kpis", "/schedule", "/drills", *map("/api/v1/{}".format, READ)):
                    assert await answer(path)
                assert await answer("/-/reload", "POST")
                agent.send_signal(signal.SIGINT)
                printed, _ = await agent.communicate()
    assert b"the heartbeat was not taken" in printed
    assert b"Connection refused" in printed
    assert b"Traceback" not in printed
    assert canaries.seen_in("\n".join((printed.decode(), *texts, *listed))) == []
    for path, text in written(canaries.folder / "state"):
        assert (path, canaries.seen_in(text)) == (path, [])


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
