"""The endpoints of an actuator like Chaos Monkey, on a real HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from pydantic import ValidationError

from alertdrill.agent.config.drill import read_drill
from alertdrill.agent.errors import ConfigError
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.lab.ports import free_ports
from tests.support.answering import answering
from tests.support.breaking import KilledAgent, endpoints, fault

NAME = "shop:8080"


class Actuator:
    """A service with a switch for failures, behind a token."""

    def __init__(self) -> None:
        self.enabled = False
        self.calls: list[tuple[str, str]] = []
        self.works = True
        self.page_status = 200
        (self.port,) = free_ports(1)

    async def switch(self, request: web.Request) -> web.Response:
        self.calls.append((request.match_info["state"], await request.text()))
        if request.headers.get("Authorization") != "Bearer hush":
            return web.Response(status=401, text="who are you?")
        if self.works:
            self.enabled = request.match_info["state"] == "enable"
        return web.Response(text="done")

    async def status(self, _: web.Request) -> web.Response:
        return web.json_response({"enabled": self.enabled}, status=self.page_status)


@pytest.fixture
async def actuator() -> AsyncIterator[Actuator]:
    served = Actuator()
    app = web.Application()
    app.add_routes([web.post("/chaos/{state}", served.switch), web.get("/chaos", served.status)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", served.port).start()
    yield served
    await runner.cleanup()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("Bearer hush\n")
    return path


def call(state: str, token: Path, **more: Any) -> dict[str, Any]:
    return {"url": f"http://{NAME}/chaos/{state}", "headers_file": {"Authorization": str(token)}, **more}


def shows(text: str) -> dict[str, Any]:
    return {"url": f"http://{NAME}/chaos", "contains": text, "within": "200ms"}


def settings(token: Path) -> dict[str, Any]:
    begin = call("enable", token, body={"level": 3}, confirm=shows('"enabled": true'))
    return {"kind": "http", "begin": begin, "end": call("disable", token, confirm=shows('"enabled": false'))}


def at(actuator: Actuator) -> Any:
    return endpoints(addresses={NAME: f"127.0.0.1:{actuator.port}"})


async def test_one_endpoint_begins_it_and_one_ends_it(actuator: Actuator, token: Path, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    async with applied(fault(**settings(token)), at(actuator), ledger):
        assert actuator.enabled
        assert [path.name for path in ledger.directory.glob("*.json")] != []
        assert not any("hush" in path.read_text() for path in ledger.directory.iterdir())
    assert not actuator.enabled
    assert actuator.calls == [("enable", '{"level": 3}'), ("disable", "")]


async def test_a_page_that_does_not_show_the_effect_any_more_is_noticed(
    actuator: Actuator, token: Path, tmp_path: Path
) -> None:
    async with applied(fault(**settings(token)), at(actuator), Ledger(tmp_path / "ledger")) as injection:
        assert await injection.taken_back() == ""
        actuator.enabled = False
        assert await injection.taken_back() == ""
        await asyncio.sleep(0.2)
        url = f"http://127.0.0.1:{actuator.port}/chaos"
        assert await injection.taken_back() == f"{url} does not show '\"enabled\": true' any more"
        actuator.enabled = True
        assert await injection.taken_back() == ""
        actuator.enabled = False
        assert await injection.taken_back() == ""


@pytest.mark.parametrize("status", [500, 302, 404])
async def test_a_page_that_cannot_be_read_proves_nothing(
    actuator: Actuator, token: Path, tmp_path: Path, status: int
) -> None:
    async with applied(fault(**settings(token)), at(actuator), Ledger(tmp_path / "ledger")) as injection:
        actuator.page_status, actuator.enabled = status, False
        assert await injection.taken_back() == ""
        await asyncio.sleep(0.2)
        assert await injection.taken_back() == ""
        actuator.page_status = 200


async def test_a_call_without_a_page_cannot_be_read_back(actuator: Actuator, token: Path, tmp_path: Path) -> None:
    silent = settings(token)
    del silent["begin"]["confirm"]
    async with applied(fault(**silent), at(actuator), Ledger(tmp_path / "ledger")) as injection:
        assert await injection.taken_back() is None


async def test_heal_makes_the_end_call_after_the_agent_was_killed(
    actuator: Actuator, token: Path, tmp_path: Path
) -> None:
    addresses = {NAME: f"127.0.0.1:{actuator.port}"}
    agent = await KilledAgent.in_a_thread(tmp_path / "ledger", settings(token), addresses=addresses)
    assert actuator.enabled
    agent.kill()
    await agent.heal()
    assert not actuator.enabled


async def test_an_unexpected_status_is_reported_and_the_end_is_still_called(
    actuator: Actuator, token: Path, tmp_path: Path
) -> None:
    wrong = settings(token)
    wrong["begin"]["status"] = 202
    with pytest.raises(FaultNotApplied, match=r"POST http://\S+/chaos/enable: status 200, expected 202: done"):
        async with applied(fault(**wrong), at(actuator), Ledger(tmp_path / "ledger")):
            pass
    assert not actuator.enabled


async def test_an_end_that_has_no_effect_stays_in_the_ledger(actuator: Actuator, token: Path, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with pytest.raises(FaultNotHealed, match=r"does not show '\"enabled\": false': status 200: .*true"):
        async with applied(fault(**settings(token)), at(actuator), ledger):
            actuator.works = False
    assert len(ledger.read().entries) == 1


async def test_an_end_that_takes_long_has_its_time(actuator: Actuator, token: Path) -> None:
    slow = settings(token)
    slow["end"] |= {"timeout": "1m", "confirm": shows("false") | {"within": "10m"}}
    injection = await fault(**slow).resolve(at(actuator), "alertdrill-1")
    assert injection.longest_undo >= timedelta(minutes=12)


async def test_missing_secrets_and_servers_are_reported_before_any_call(actuator: Actuator, token: Path) -> None:
    for changed, where, told in [
        ({"headers_env": {"X-Token": "NO_SUCH_TOKEN"}}, at(actuator), "variable NO_SUCH_TOKEN is not set"),
        ({"headers_file": {"X-Token": "/no/such/token"}}, at(actuator), "the secret in /no/such/token cannot be read"),
        ({}, endpoints(addresses={NAME: f"127.0.0.1:{free_ports(1)[0]}"}), r"127\.0\.0\.1:\d+ cannot be reached"),
    ]:
        broken = settings(token)
        broken["end"] |= changed
        with pytest.raises(FaultNotApplied, match=told):
            await fault(**broken).resolve(where, "alertdrill-1")
    assert actuator.calls == []


@pytest.mark.parametrize(
    ("begin", "told"),
    [
        ({"url": "ftp://shop"}, "'ftp://shop' is not a URL, expected http"),
        ({"url": "http://shop:99999/"}, "'http://shop:99999/' has a wrong port, expected 1 to 65535"),
        ({"url": "http://shop:eighty"}, "'http://shop:<secret>' has a wrong port"),
        ({"url": "http://me:hush@shop"}, "holds a user name or a password, expected them in headers_file"),
        ({"url": "http://shop", "headers": {"Content-Length": "3"}}, "the client itself writes Content-Length"),
    ],
)
def test_a_malformed_call_is_refused(begin: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        fault(kind="http", begin=begin, end={"url": "http://shop"})


@pytest.mark.parametrize(
    ("begin", "told"),
    [
        ({"headers": {"Authorization": "Bearer hush"}}, "the header Authorization would stand in .* in headers_file"),
        ({"headers": {"Cookie": "hush"}}, "the header Cookie would stand in .*, expected it in headers_file"),
        ({"headers": {"X-Api-Key": "hush"}}, "the header X-Api-Key would stand in .*, expected it in headers_file"),
        ({"url": "http://shop/?level=3&token=hush"}, "has the parameter token, .* expected it in query_file"),
        ({"body": {"user": {"password": "hush"}}}, "has the key password, .*, expected the body in body_file"),
        ({"body": "x", "body_file": "x"}, "has both body and body_file, expected one of them"),
        ({"url": "ftp://me:hush@shop?hush"}, "'ftp://<secret>@shop.<secret>' is not a URL"),
    ],
)
def test_a_secret_that_would_be_written_down_is_refused(begin: dict[str, Any], told: str, tmp_path: Path) -> None:
    drill = {"drill": "d", "load": {"rate": 1}, "faults": [{"kind": "http", "begin": {"url": "http://shop"} | begin}]}
    drill["faults"][0]["end"] = {"url": "http://shop"}
    (tmp_path / "drill.yml").write_text(yaml.safe_dump(drill))
    with pytest.raises(ConfigError, match=told) as raised:
        read_drill(tmp_path / "drill.yml")
    assert "hush" not in str(raised.value)


def test_what_an_older_version_recorded_is_still_read() -> None:
    written = {"url": "http://shop/?token=a", "headers": {"Authorization": "b"}, "body": {"password": "c"}}
    assert fault(kind="http", begin=written, end={"url": "http://shop"}).kind == "http"


async def test_a_secret_query_and_a_secret_body_are_sent_and_never_repeated(tmp_path: Path) -> None:
    """A server may repeat in its answer what it was sent."""
    received: list[str] = []

    async def repeat(request: web.Request) -> web.Response:
        received.append(f"{request.path_qs} {request.headers['Authorization']} {await request.text()}")
        return web.Response(text=received[-1], status=500)

    for name in ("token", "query", "body"):
        (tmp_path / name).write_text(f"hush {name}/1\n")
    files = {"headers_file": {"Authorization": tmp_path / "token"}, "query_file": {"key": tmp_path / "query"}}
    async with answering(repeat) as server:
        secret = {"url": f"{server.url}/x?level=3", "body_file": tmp_path / "body"} | files
        with pytest.raises(FaultNotApplied) as raised:
            async with applied(
                fault(kind="http", begin=secret, end=secret | {"status": 500}), endpoints(), Ledger(tmp_path / "ledger")
            ):
                pass
    assert received == ["/x?level=3&key=hush+query/1 hush token/1 hush body/1"] * 3
    assert "hush" not in str(raised.value)
    assert "/x?<secret>: status 500, expected 2xx: /x?level=3&key=<secret> <secret> <secret>" in str(raised.value)
