"""The API on a real server, over real connections; the agent behind it sends no load."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from typer.testing import CliRunner

from alertdrill.agent.api.openapi import document
from alertdrill.agent.api.table import BASE, ROUTES
from alertdrill.agent.cli import app
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.recording import Recording, read_recording, recording_name, write_recording
from alertdrill.agent.report.drill import postmortem
from alertdrill.agent.schedule.journal import OccurrenceRecord
from alertdrill.agent.schedule.occurrences import CALLED, Skip
from alertdrill.agent.serving.access import Access
from alertdrill.agent.serving.door import Door
from alertdrill.agent.verdict.judge import judge
from alertdrill.probes.load.second_counter import SecondCounts
from alertdrill.units.text import utc_instant, utc_text
from tests.support.answering import answering
from tests.support.certificates import make_certificates
from tests.support.served_agent import CI, JSON, PAGER, PASSWORD, Served, basic, bearer, served, web_yml, with_a_surge
from tests.support.waiting import until

NO_ONE, ALICE, BOB = JSON, basic("alice", PASSWORD), basic("bob", PASSWORD)
PAUSE = '{"for": "1h", "reason": "the release"}'
ALERTS = '{"alerts": []}'


async def test_each_role_may_do_its_own_and_no_more(tmp_path: Path) -> None:
    calls = {
        "read": ("GET", f"{BASE}/status", None),
        "metrics": ("GET", "/metrics", None),
        "write": ("POST", f"{BASE}/pause", PAUSE),
        "stop": ("POST", "/-/stop", "why"),
        "webhook": ("POST", f"{BASE}/webhook/pager", ALERTS),
    }
    # 409: no drill is running.
    expected = {
        "nobody": (NO_ONE, {"read": 401, "metrics": 401, "write": 401, "stop": 401, "webhook": 401}),
        "wrong token": (bearer(CI + "x"), {"read": 401, "write": 401, "webhook": 401}),
        "wrong password": (basic("alice", "wrong"), {"read": 401, "write": 401}),
        "unknown name": (basic("carol", PASSWORD), {"read": 401, "write": 401}),
        "no password": ({"Authorization": "Basic ???"}, {"read": 401}),
        "read": (ALICE, {"read": 200, "metrics": 200, "write": 403, "stop": 403, "webhook": 403}),
        "write": (BOB, {"read": 200, "metrics": 200, "write": 200, "stop": 409, "webhook": 403}),
        "write by token": (bearer(CI), {"read": 200, "metrics": 200, "write": 200, "stop": 409, "webhook": 403}),
        "webhook": (bearer(PAGER), {"read": 403, "metrics": 403, "write": 403, "stop": 403, "webhook": 200}),
        "agent.yml": (bearer("hush"), {"read": 401, "write": 401, "stop": 409, "webhook": 200}),
    }
    async with served(tmp_path, web={"config_file": web_yml(tmp_path)}, webhook_token="hush") as one:  # noqa: S106 - of a test
        for who, (headers, statuses) in expected.items():
            got = {need: (await one.ask(*calls[need], headers))[0] for need in statuses}
            assert got == statuses, who
        assert (await one.ask("GET", "/-/healthy"))[0] == 200
        _, refusal, headers = await one.get("/status")
        assert refusal["title"] == "it has no credential"
        assert headers["Content-Type"].startswith("application/problem+json")
        assert headers["WWW-Authenticate"] == 'Basic realm="alertdrill", Bearer realm="alertdrill"'


async def test_a_page_of_another_server_changes_nothing(tmp_path: Path) -> None:
    own = "http://127.0.0.1"
    async with served(tmp_path) as one, served(tmp_path / "x", web={"config_file": web_yml(tmp_path)}) as closed:
        host = one.url.removeprefix("http://")
        cases = [
            (one, JSON, 200),
            (one, {}, 415),
            (one, {"Content-Type": "text/plain"}, 415),
            (one, JSON | {"Origin": one.url, "Sec-Fetch-Site": "same-origin"}, 200),
            (one, JSON | {"Origin": own}, 403),
            (one, JSON | {"Origin": "null"}, 403),
            (one, JSON | {"Sec-Fetch-Site": "cross-site"}, 403),
            (one, JSON | {"Sec-Fetch-Site": "same-site"}, 403),
            (one, JSON | {"Host": "evil.example"}, 403),
            (
                one,
                JSON | {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
                403,
            ),
            (closed, BOB | {"Origin": f"http://{host}"}, 403),
            (closed, BOB | {"Sec-Fetch-Site": "cross-site"}, 403),
            (closed, {"Authorization": bearer(CI)["Authorization"], "Sec-Fetch-Site": "cross-site"}, 200),
        ]
        for server, headers, status in cases:
            assert (await server.ask("POST", f"{BASE}/pause", PAUSE, headers))[0] == status, headers
        assert (await one.get("/status", Host="evil.example"))[0] == 403


async def test_on_another_address_nothing_is_changed_without_callers(tmp_path: Path) -> None:
    async with served(tmp_path, Door(credentials=("Bearer hush",), access=Access(is_local=False))) as one:
        assert (await one.get("/status"))[0] == 200
        for headers in (JSON, bearer("hush")):
            status, refusal, _ = await one.ask("POST", f"{BASE}/heal", "{}", headers)
            assert status == 403
            assert "web: {config_file: web.yml}" in refusal["detail"]


async def test_a_changed_web_yml_is_in_force_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = web_yml(tmp_path)
    async with served(tmp_path, web={"config_file": path}) as one:

        async def is_known(token: str) -> bool:
            return (await one.ask("GET", f"{BASE}/status", None, bearer(token)))[0] == 200

        (tmp_path / "ci").write_text("another-token-0123456789")
        await until(lambda: is_known("another-token-0123456789"), "the new token is known")
        assert not await is_known(CI)
        path.write_text("basic_auth_users: {alice: secret}\n")

        async def is_told() -> bool:
            assert await is_known("another-token-0123456789")
            return any("web.yml:1: basic_auth_users.alice: is not a hash of bcrypt" in line for line in one.told)

        await until(is_told, "the problem is told")
        assert "secret" not in "".join(one.told)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "basic_auth_users: {a: $2b$31$wrqs1O7Ae1ZoJcc8kFhLmOpfCVlHwUKxBKThMvbnDqEqZ0gT8hCpq}",
            "1: basic_auth_users.a: is a hash of cost 31",
        ),
        ("basic_auth_user: {}", "1: basic_auth_user: unknown key, did you mean basic_auth_users?"),
        ("\nhttp_server_config: {http2: false}", "2: http_server_config: unknown key"),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: a\n  cipher_suites: []",
            "4: tls_server_config.cipher_suites: unknown key, expected one of: cert_file, key_file, client_auth_type,",
        ),
        ("alertdrill:\n  roles: {a: admin}", "2: alertdrill.roles.a: "),
        ("alertdrill:\n  roles: {a: read}", "1: alertdrill.roles has 'a', who has neither"),
        ("alertdrill: {bearer_token_files: {a: none}}", "1: alertdrill.bearer_token_files: the secret in "),
        ("alertdrill: {bearer_token_files: {a: short}}", "short holds no token, expected one word"),
        ("tls_server_config: {cert_file: a.crt}", "1: tls_server_config.key_file: is missing"),
        ("\ntls_server_config: {cert_file: a.crt, key_file: a.key}", "2: tls_server_config: cannot be read: "),
        (
            "tls_server_config: {cert_file: a, key_file: a, client_auth_type: RequireAnyClientCert}",
            "input should be 'NoClientCert'",
        ),
        ("tls_server_config: {cert_file: a, key_file: a, client_ca_file: a}", "NoClientCert and a client_ca_file"),
    ],
)
def test_a_wrong_web_yml_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "web.yml").write_text(text)
    (tmp_path / "short").write_text("short")
    with pytest.raises(ConfigError) as told:
        Access(tmp_path / "web.yml")
    assert str(told.value).startswith(f"{tmp_path}/web.yml:")
    assert says in str(told.value)


async def test_tls_asks_for_certificates_and_takes_a_new_one(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    for name in ("server", "stranger"):
        assert made.certificate(name).exists()
    (tmp_path / "own.crt").write_bytes(made.certificate("stranger").read_bytes())
    (tmp_path / "own.key").write_bytes(made.key("stranger").read_bytes())
    path = tmp_path / "web.yml"
    path.write_text(
        "tls_server_config: {cert_file: own.crt, key_file: own.key, client_auth_type: RequireAndVerifyClientCert,"
        " client_ca_file: authority.crt}\n"
    )
    trusting = ssl.create_default_context(cafile=str(made.certificate("authority")))
    stranger = ssl.create_default_context(cafile=str(made.certificate("authority")))
    trusting.load_cert_chain(made.certificate("client"), made.key("client"))
    async with served(tmp_path, web={"config_file": path}) as one:
        url = one.url.replace("http:", "https:") + "/-/healthy"

        async def answers(context: ssl.SSLContext) -> bool:
            with suppress(aiohttp.ClientError):
                async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as answer:
                    return answer.status == 200
            return False

        assert not await answers(trusting)
        # For a moment the certificate is new and the key is old.
        (tmp_path / "own.crt").write_bytes(made.certificate("server").read_bytes())
        assert not await answers(trusting)
        (tmp_path / "own.key").write_bytes(made.key("server").read_bytes())
        await until(lambda: answers(trusting), "the new certificate is served")
        assert not await answers(stranger)
        assert one.agent.parts.site.config.webhook_base.startswith("https://")


async def test_lists_come_in_parts_and_say_when_they_are_as_before(tmp_path: Path, passed: Recording) -> None:
    for number in range(5):
        started = passed.model_copy(update={"alertdrill": str(number), "started_at": passed.started_at - number})
        write_recording(started, tmp_path / "kept" / recording_name(started.drill.name, started.started_at))
    async with served(tmp_path) as one:
        history = asyncio.ensure_future(one.agent.parts.history.run())

        async def is_known() -> bool:
            return one.agent.parts.history.is_known

        await until(is_known, "the history is read")
        ids, path = [], "/runs?limit=2"
        while path:
            status, page, _ = await one.get(path)
            assert status == 200, page
            ids += [run["id"] for run in page["items"]]
            path = page["next_cursor"] and f"/runs?limit=2&cursor={page['next_cursor']}"
        starts = [(await one.get(f"/runs/{run}"))[1]["started_at"] for run in ids]
        assert len(set(ids)) == 5
        assert starts == sorted(starts, reverse=True)
        assert (await one.get("/runs?drill=other"))[1] == {"items": [], "next_cursor": None}

        _, alerts, headers = await one.get("/alerts")
        told = {item["alert"]: item for item in alerts["items"]}
        assert told["OrdersSlow"]["state"] in {"proven", "stale"}
        assert told["OrdersSlow"]["last_verdict"]["run"] == ids[0]
        assert (told["Slow"]["state"], told["Slow"]["reason"]) == (
            "not_proven",
            "no drill of it ran yet; slow-service would",
        )
        status, nothing, _ = await one.get("/alerts", If_None_Match=headers["ETag"])
        assert (status, nothing) == (304, "")
        await files_are_downloaded(one, tmp_path / "kept", ids[0])
        history.cancel()
        await asyncio.wait([history])

        seen, path = [], "/schedule?days=40&limit=2"
        while path:
            page = (await one.get(path))[1]
            seen += [item["instant"] for item in page["items"]]
            path = page["next_cursor"] and f"/schedule?days=40&limit=2&cursor={page['next_cursor']}"
        assert seen == [item["instant"] for item in (await one.get("/schedule?days=40"))[1]["items"]]
        assert len(set(seen)) == len(seen) >= 5

        for query in (
            "/runs?limit=0",
            "/runs?limit=x",
            "/runs?cursor=x",
            "/runs?cursor=WzFd",
            "/runs?of=1",
            "/schedule?days=61",
        ):
            status, refusal, _ = await one.get(query)
            assert (status, refusal["title"]) == (400, "its query is wrong"), query


async def files_are_downloaded(one: Served, folder: Path, run: str) -> None:
    """Check that the recording of a run comes as it is, and its report as soon as there is one."""
    url, name = f"{one.url}{BASE}/runs/{run}", (await one.get(f"/runs/{run}"))[1]["recording"]
    async with one.session.get(f"{url}/recording") as answer:
        assert await answer.read() == (folder / name).read_bytes()
        assert answer.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{name}"
    async with one.session.get(f"{url}/postmortem") as answer:
        recording = read_recording(folder / name)
        assert await answer.text() == postmortem.render(recording, judge(recording), slow_seconds=2)
        assert answer.content_type == "text/markdown"
        assert answer.headers["Content-Disposition"].endswith(f"''{name.replace('.recording.json.gz', '.md')}")
    assert (await one.get(f"/runs/{run}/report"))[1]["title"] == "the file is gone"
    folder.joinpath(name.replace(".recording.json.gz", ".html")).write_text("<p>a report")
    async with one.session.get(f"{url}/report") as answer:
        assert (await answer.text(), answer.content_type) == ("<p>a report", "text/html")
        assert answer.headers["Content-Security-Policy"] == "sandbox"


LISTED = [name for name, one in ROUTES.items() if one.method == "GET" and one.answer and "{" not in one.path]


@pytest.mark.parametrize("name", LISTED)
async def test_what_is_read_is_as_the_document_says(tmp_path: Path, name: str) -> None:
    route = ROUTES[name]
    assert route.answer is not None
    async with served(tmp_path) as one:
        status, value, _ = await one.get(route.path)
        assert status == 200, value
        route.answer.model_validate_json(json.dumps(value))


async def test_the_document_has_every_route_and_every_refusal_is_a_problem(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        routes = {
            (route.method, route.path) for route in one.api.routes(Door()) if not route.path.endswith("{rest:.*}")
        }
        paths = (await one.get("/openapi.json"))[1]["paths"]
        assert {(method.upper(), path) for path, of_path in paths.items() for method in of_path} == routes
        for path, of_path in paths.items():
            for method, operation in of_path.items():
                if method == "post":
                    status, refusal, _ = await one.ask("POST", path, '{"no": 1}', JSON)
                    assert (status, sorted(refusal)) == (400, ["detail", "errors", "status", "title", "type"]), path
                    assert str(status) in operation["responses"]
        for method, path, status in (("GET", "/nothing", 404), ("POST", "/status", 405), ("DELETE", "/starts", 405)):
            found, refusal, _ = await one.ask(method, BASE + path, None, JSON)
            assert (found, refusal["status"]) == (status, status)
        assert (await one.get("/runs/none"))[0] == 404
        assert (await one.get("/starts/none"))[0] == 404


def test_the_references_of_the_document_lead_somewhere() -> None:
    text = json.dumps(document())
    schemas = document()["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= set(schemas)
    assert len(schemas) > 30


async def test_a_start_is_refused_in_words(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        start = f"{BASE}/starts"
        assert (await one.ask("POST", start, '{"drill": "none"}', JSON))[1]["detail"] == "none; it has: slow-service"
        status, refusal, _ = await one.ask("POST", start, '{"drill": "slow-service"}', JSON)
        assert (status, refusal["title"]) == (503, "the drill is not started (target)")
        status, plan, _ = await one.ask("POST", f"{start}?dry_run=true", '{"drill": "slow-service"}', JSON)
        assert status == 200, plan
        assert [step["kind"] for step in plan["steps"]] == ["slowness"]
        assert (plan["refused"]["reason"], plan["expects"]) == ("target", ["Slow"])
        assert (await one.ask("POST", f"{BASE}/abort", "{}", JSON))[0] == 409


async def test_the_end_of_a_start_is_known_while_the_history_is_away(tmp_path: Path) -> None:
    began, ended = "2026-11-30T10:00:00Z", "2026-11-30T10:05:00Z"
    record = OccurrenceRecord(CALLED.name, began, began, "done", ended, verdicts=(("slow-service", 1),), asked="by Ada")
    async with served(tmp_path) as one:
        one.agent.parts.journal.add(record)
        path = "/starts/20261130T100000Z"
        status, start, _ = await one.get(path)
        assert (status, start["state"], start["exit_code"], start["runs"]) == (200, "done", 1, [])
        for file in (tmp_path / "kept").glob("history.db*"):
            file.unlink()
        (tmp_path / "kept" / "history.db").mkdir()
        assert (await one.get("/runs"))[0] == 503
        status, start, _ = await one.get(path)
        assert (status, start["state"], start["exit_code"], start["runs"]) == (200, "done", 1, None)


async def test_a_dry_run_tells_surges_settings_and_what_is_expected(tmp_path: Path) -> None:
    async with served(tmp_path, drill=with_a_surge) as one:
        call = '{"drill": "slow-service"}'
        status, plan, _ = await one.ask("POST", f"{BASE}/starts?dry_run=true", call, JSON)
        assert status == 200, plan
        assert [tuple(step.values()) for step in plan["steps"]] == [
            (2.0, "10s", "surge", "the load", "50 transactions a second more"),
            (5.0, "until fired, at most 30s", "slowness", "service", "inject_seconds 0.5"),
        ]
        assert plan["rate"] == 30
        assert plan["expectations"] == ["expects Slow within 30s of the first fault, and pager notified"]


async def test_a_blackout_by_a_call_lasts_over_a_restart_and_refuses_starts_until_it_is_ended(tmp_path: Path) -> None:
    path, whole = f"{BASE}/blackouts", {"until": "2099-01-01T00:00:00Z", "reason": "the\nmigration", "by": "Ada"}
    wrong = {
        "until: '2099-01-01' is not an instant": {"until": "2099-01-01"},
        "until: 2099-01-01T00:00:00Z; expected": {},
        "until: 2020-01-01T00:00:00Z; expected": {"until": "2020-01-01T00:00:00Z"},
        "it: until is not after from": {"from": whole["until"]},
        "reason: ": {"reason": ""},
    }
    async with served(tmp_path) as one:
        for says, values in wrong.items():
            status, refusal, _ = await one.ask("POST", path, json.dumps(whole | values), JSON)
            assert (status, refusal["title"]) == (400, "it is not a blackout")
            assert refusal["detail"].startswith(says)
        soon, later = (utc_text(one.agent.parts.site.clocks.now() + timedelta(days=days)) for days in (3, 4))
        status, made, _ = await one.ask("POST", path, json.dumps(whole | {"until": soon}), JSON)
        assert (status, made["kind"], made["name"], made["in_force"]) == (201, "call", "the migration", True)
        second = whole | {"from": soon, "until": later}
        assert (await one.ask("POST", path, json.dumps(second), JSON))[1]["in_force"] is False
    async with served(tmp_path) as one:
        listed = [item for item in (await one.get("/blackouts"))[1]["items"] if item["kind"] == "call"]
        assert [item["in_force"] for item in listed] == [True, False]
        assert (listed[0]["until"], listed[0]["id"]) == (soon, made["id"])
        assert one.agent.parts.schedule.timetable.closed(CALLED, utc_instant(soon) - timedelta(hours=1)) == Skip(
            "blackout", f"blackout by Ada until {soon[:10]} {soon[11:16]} UTC: the migration"
        )
        ending = json.dumps({"id": made["id"]})
        assert [(await one.ask("POST", f"{path}/end", ending, JSON))[0] for _ in range(2)] == [200, 404]
        assert [item["kind"] for item in (await one.get("/blackouts"))[1]["items"]].count("call") == 1


async def read_events(answer: aiohttp.ClientResponse, kind: str, count: int) -> list[tuple[str, str, Any]]:
    """Read events until there are so many of a kind; return these: kind, id and data of each."""
    found: list[tuple[str, str, Any]] = []
    while len(found) < count:
        values = {}
        while line := (await answer.content.readline()).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            values[name] = value
        if values.get("event") == kind:
            found.append((values["event"], values.get("id", ""), json.loads(values["data"])))
    return found


async def test_events_go_on_where_a_client_left_off(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        watching = asyncio.ensure_future(one.api.run())
        tally = one.agent.parts.load.tally
        url = f"{one.url}{BASE}/events"
        async with one.session.get(url) as answer:
            assert answer.content_type == "text/event-stream"
            (first,) = await read_events(answer, "status", 1)
            assert first[2]["load"]["rate"] == 20
            for offset in range(3):
                tally.add(SecondCounts(offset=offset, due=7))
            seen = await read_events(answer, "load", 3)
        last_id = seen[0][1]
        async with one.session.get(url, headers={"Last-Event-ID": last_id}) as answer:
            assert await read_events(answer, "load", 2) == seen[1:]
        async with one.session.get(url, headers={"Last-Event-ID": "1-7"}) as answer:
            assert await read_events(answer, "status", 1)
        assert len((await one.get("/load"))[1]["seconds"]) == 3
        async with one.session.get(url) as answer:
            watching.cancel()
            await asyncio.wait([watching])
            assert (await answer.content.read()).count(b"event: status") == 1


async def test_the_command_steers_an_agent(tmp_path: Path) -> None:
    async def ctl(*words: str, token: str = "ci") -> tuple[int, str]:  # noqa: S107 - the name of a file
        given = ["ctl", *words, "--server", one.url, "--token-file", str(tmp_path / token)]
        ended = await asyncio.to_thread(CliRunner().invoke, app, given)
        return ended.exit_code, ended.output

    async with served(tmp_path, web={"config_file": web_yml(tmp_path)}) as one:
        code, text = await ctl("status")
        assert (code, text.splitlines()[-1]) == (0, "not healed: 0 fault(s)")
        assert await ctl("pause", "--for", "2h", "--reason", "the release", "--by", "Ada") == (
            0,
            f"paused until {(await one.get('/status', **bearer(CI)))[1]['pause']['until']}: the release\n",
        )
        assert json.loads((await ctl("status", "--json"))[1])["pause"]["by"] == "Ada (ci)"
        assert await ctl("resume") == (0, "the pause is ended\n")
        text = "no drill runs from 2099-01-01T00:00:00Z to 2099-01-02T00:00:00Z, by ci: the migration\n"
        begin, end = "--from=2099-01-01T00:00:00Z", "--until=2099-01-02T00:00:00Z"
        assert await ctl("blackout", begin, end, "--reason", "the migration") == (0, text)
        assert (await ctl("blackout", begin))[0] == 2
        code, text = await ctl("start", "slow-service", "--dry-run")
        assert (code, text.splitlines()[1]) == (0, "0s  slowness on service, until fired, at most 30s")
        assert await ctl("abort") == (2, "alertdrill: the agent refused it (409): no drill is running\n")
        code, text = await ctl("heal")
        assert (code, text[:27]) == (0, "0 fault(s) healed, none in ")
        code, text = await ctl("reload")
        assert (code, text.splitlines()[0]) == (
            2,
            "alertdrill: the agent refused it (400): the configuration is not reloaded, and the one before stays in force",
        )
        assert f"{tmp_path}/agent.yml" in text
        code, text = await ctl("resume", token="pager")  # noqa: S106 - the name of a file
        assert (code, "(403): its role is not enough: pager has the role webhook, not write" in text) == (2, True)
        assert (await ctl("pause", "--for", "2h"))[0] == 2
        assert (await ctl("start"))[0] == 2
        assert await ctl("abort", "--dry-run") == (
            2,
            "alertdrill: --dry-run is for start, and abort does not have it\n",
        )
        assert (await ctl("status", token="none"))[1].startswith("alertdrill: --token-file: ")  # noqa: S106 - likewise
    code, text = await ctl("status")
    assert (code, text.startswith(f"alertdrill: {one.url} does not answer as an agent: ")) == (2, True)


async def test_the_command_says_why_tls_fails() -> None:
    async with answering(lambda _: web.Response()) as plain:
        server = plain.url.replace("http:", "https:")
        ended = await asyncio.to_thread(CliRunner().invoke, app, ["ctl", "status", "--server", server])
    assert ended.exit_code == 2
    assert "without tls_server_config in web.yml it is http://" in ended.output
