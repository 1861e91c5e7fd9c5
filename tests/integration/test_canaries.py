"""Marked secrets in every place of a whole drill on real servers: none is in what it prints, serves, writes or starts."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from tests.integration.conftest import ROOT, KeptLab
from tests.integration.drilling import until_quiet
from tests.support.answering import answering
from tests.support.canaries import Canaries, process_list, run, running, written
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("quiet")


def agent_yml(canaries: Canaries, lab: KeptLab) -> dict[str, Any]:
    settings: dict[str, Any] = lab.settings()
    canaries.made.append(settings["webhook_token"])
    probe = {"headers": {"X-Api-Key": canaries.text(), "Cookie": canaries.text()}}
    prometheus = {"basic_auth": {"username": "drill", "password_file": canaries.file()}}
    alertmanager = {"bearer_token": canaries.text(), "headers": {"X-Scope-Token": canaries.text()}}
    return settings | {
        "probe": settings["probe"] | probe,
        "prometheus": settings["prometheus"] | prometheus,
        "alertmanager": settings["alertmanager"] | alertmanager,
        "ledger": "state/ledger",
        "recordings": "state/recordings",
    }


def drill_yml(canaries: Canaries, url: str) -> dict[str, Any]:
    def call(path: str) -> dict[str, Any]:
        return {
            "url": f"{url}/{path}",
            "headers_file": {"Authorization": canaries.file()},
            "headers_env": {"X-Token": canaries.variable()},
            "query_file": {"token": canaries.file()},
            "body_file": canaries.file(),
        }

    step = {
        "run": ["sh", "-c", 'cat; env; echo "$GIVEN"'],
        "environment": [canaries.variable()],
        "environment_file": {"GIVEN": canaries.file()},
        "stdin_file": canaries.file(),
    }
    surge = {
        "kind": "http",
        "url": f"{url.replace('://', f'://me:{canaries.text()}@')}/surge?token={canaries.text()}",
        "headers": {"Authorization": canaries.text()},
        "json": {"token": canaries.text()},
    }
    drill: dict[str, Any] = yaml.safe_load((ROOT / "configs/drills/database-latency.yml").read_text())
    faults = [
        {"kind": "http", "begin": call("begin"), "end": call("end")},
        {"kind": "command", "begin": step, "end": step},
    ]
    load = drill["load"] | {"surges": [{"rate": 1, "lasts": "30s", "probe": surge}]}
    return drill | {"load": load, "faults": [*drill["faults"], *faults]}


async def repeat(request: web.Request) -> web.Response:
    """Repeat all that was sent, as a careless server does."""
    return web.Response(text=f"{request.path_qs} {dict(request.headers)} {await request.text()}")


async def metrics(session: aiohttp.ClientSession, listen: str) -> str:
    try:
        async with session.get(f"http://{listen}/metrics") as answer:
            return await answer.text()
    except aiohttp.ClientConnectionError:
        return ""


async def test_a_whole_drill_shows_no_secret(lab: KeptLab, tmp_path: Path) -> None:
    canaries = Canaries(tmp_path)
    async with answering(repeat) as server, aiohttp.ClientSession() as session:
        agent = agent_yml(canaries, lab)
        for name, values in {"agent": agent, "drill": drill_yml(canaries, server.url)}.items():
            (tmp_path / f"{name}.yml").write_text(yaml.safe_dump(values))
        served, entries = "", ""

        async def is_all_in_force() -> bool:
            nonlocal served, entries
            served = await metrics(session, agent["listen"])
            entries = "".join(text for path, text in written(tmp_path / "state" / "ledger") if path.suffix == ".json")
            return served.count("\nalertdrill_fault_active{") == 4 and entries.count('"injection"') == 3

        async def is_decided() -> bool:
            return await is_all_in_force() or drill.returncode is not None

        with process_list(every_seconds=0.2) as listed:
            words = "-m alertdrill drill drill.yml -c agent.yml -o state/reports"
            for _ in range(5):  # the machine can spoil a baseline, after which nothing is broken
                async with running(canaries, *words.split()) as drill:
                    await until(is_decided, "the toxic, the call, the command and the surge are in force", 300)
                    printed = (await drill.communicate())[0].decode()
                if entries:
                    break
                shutil.rmtree(tmp_path / "state" / "reports", ignore_errors=True)
                await asyncio.to_thread(until_quiet, lab)
            assert entries.count('"injection"') == 3, printed
            for more in (
                "judge {}",
                "judge --json {}",
                "report {} -o state/more",
                "report {} --postmortem -o state/after.md",
            ):
                (recording,) = (tmp_path / "state" / "reports").glob("*.recording.json.gz")
                printed += await run(canaries, "-m", "alertdrill", *more.format(recording).split())
            printed += await run(canaries, "-m", "alertdrill", "review", "state/reports")
    # The secrets were used, and came back.
    assert [path.partition("?")[0] for path in server.asked].count("/begin") == 1
    for text in (printed, served, entries, "\n".join(listed)):
        assert canaries.seen_in(text) == []
    reports = list(written(tmp_path / "state"))
    assert {path.suffix for path, _ in reports} >= {".gz", ".html", ".json", ".xml", ".md"}
    for path, text in reports:
        assert (path, canaries.seen_in(text)) == (path, [])
        assert path.stat().st_mode & 0o077 == 0
    verdicts = next(json.loads(text) for path, text in reports if path.suffix == ".json")
    assert verdicts["verdicts"][0]["alert"] == "HighResponseTime"
