"""Each kind of target with a real server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope

from alertdrill.agent.config.notify import Email, Slack, Webhook
from alertdrill.agent.notifying.calling import CallTarget, NotTaken, call, retry_after
from alertdrill.agent.notifying.message import Message, StateChange
from alertdrill.agent.notifying.targets import to_email, to_slack, to_webhook
from tests.support.answering import answering
from tests.support.certificates import make_certificates

SLOW = StateChange("failed", "alert Slow", "missed", True, "alert Slow <b> is missed & silent", 1_790_000_000.0)
DONE = StateChange("load", "load", "good", False, "the load is sent as planned", 1_790_000_060.0)
MESSAGE = Message("17-ab", "host", 1_790_000_060.0, "1 problem, 1 solved", (DONE, SLOW))
SECRET = "CANARY-of-the-receiver"  # noqa: S105 - of a test


async def test_a_webhook_gets_json_that_its_receiver_can_verify() -> None:
    got: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        got.append(({**request.headers}, await request.read()))
        return web.Response(status=204)

    async with answering(take) as server:
        target = Webhook.model_validate({"url": f"{server.url}/hook", "secret": SECRET, "bearer_token": "abc"})
        await to_webhook(target, MESSAGE)
    ((headers, body),) = got
    signed = headers["X-Alertdrill-Timestamp"].encode() + b"." + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Alertdrill-Signature"] == f"sha256={expected}"
    assert abs(int(headers["X-Alertdrill-Timestamp"]) - datetime.now(UTC).timestamp()) < 600
    assert headers["Authorization"] == "Bearer abc"
    values = json.loads(body)
    assert (values["version"], values["id"], values["type"]) == (1, headers["X-Alertdrill-Id"], "changes")
    assert values["text"].splitlines()[0] == "PROBLEM: alert Slow <b> is missed & silent"
    assert values["events"][1] == {
        "kind": "failed",
        "subject": "alert Slow",
        "state": "missed",
        "is_problem": True,
        "text": "alert Slow <b> is missed & silent",
        "at": "2026-09-21T14:13:20Z",
        "details": {},
    }


async def test_slack_gets_text_without_markup_of_others() -> None:
    got: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response(text="ok")

    async with answering(take) as server:
        await to_slack(Slack.model_validate({"url": f"{server.url}/services/T0"}), MESSAGE)
    (one,) = got
    assert one["text"].splitlines() == [
        "*1 problem, 1 solved*",
        "PROBLEM: alert Slow &lt;b&gt; is missed &amp; silent",
        "SOLVED: the load is sent as planned",
    ]


@pytest.mark.parametrize(
    ("status", "headers", "final", "pause"),
    [(503, {"Retry-After": "90"}, False, 90.0), (400, {}, True, 0.0), (302, {"Location": "/login"}, False, 0.0)],
)
async def test_a_refusal_says_when_to_try_again_and_shows_no_secret(
    status: int, headers: dict[str, str], *, final: bool, pause: float
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        text = f"{request.url} {dict(request.headers)} {SECRET}"
        return web.Response(status=status, headers=headers, text=text)

    async with answering(refuse) as server:
        target = Webhook.model_validate(
            {"url": f"{server.url}/CANARY-path?token=CANARY-query", "secret": SECRET, "bearer_token": "CANARY-token"}
        )
        with pytest.raises(NotTaken) as raised:
            await to_webhook(target, MESSAGE)
    assert (raised.value.is_final, raised.value.retry_after_seconds) == (final, pause)
    assert f"answered {status}" in str(raised.value)
    assert "CANARY" not in str(raised.value)


async def test_a_server_that_hangs_is_left_after_the_time_limit() -> None:
    asked = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        asked.set()
        await asyncio.sleep(3600)
        raise AssertionError

    async with answering(hang) as server:
        with pytest.raises(NotTaken, match="did not answer within 3 s"):
            await call(CallTarget(f"{server.url}/", 3.0), "GET")
        assert asked.is_set()


def test_a_pause_is_asked_for_in_seconds_or_until_an_instant() -> None:
    now = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
    texts = ("120", "Mon, 21 Sep 2026 14:01:00 GMT", "Mon, 21 Sep 2026 13:00:00 GMT", "soon", "")
    assert [retry_after(text, now) for text in texts] == [120.0, 60.0, 0.0, 0.0, 0.0]


class MailServer:
    """Takes mails after STARTTLS and a login; `taken` has the envelopes."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.taken: list[Envelope] = []
        self.address = ""
        self._context = context

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - its name
        self.taken.append(envelope)
        return "250 OK"

    def authenticate(self, *given: Any) -> AuthResult:
        return AuthResult(success=given[-1].password == SECRET.encode(), handled=False)

    def answering(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.test",
            tls_context=self._context,
            require_starttls=True,
            auth_required=True,
            authenticator=self.authenticate,
        )


@asynccontextmanager
async def mail_server(folder: Path) -> AsyncIterator[MailServer]:
    made = make_certificates(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate("server"), made.key("server"))
    mails = MailServer(context)
    server = await asyncio.get_running_loop().create_server(mails.answering, "127.0.0.1", 0)
    mails.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield mails


async def test_a_mail_is_sent_over_tls_after_a_login(tmp_path: Path) -> None:
    async with mail_server(tmp_path) as server:
        values: dict[str, Any] = {
            "server": server.address,
            "from": "drills@example.org",
            "to": ["a@example.org", "b@example.org"],
        }
        values |= {"tls": {"ca_file": str(tmp_path / "authority.crt")}, "timeout": "60s", "username": "drills"}
        assert await to_email(Email.model_validate(values | {"password": SECRET}), MESSAGE) == ""
        with pytest.raises(NotTaken, match="535") as raised:
            await to_email(Email.model_validate(values | {"password": "CANARY-wrong"}), MESSAGE)
        assert "CANARY" not in str(raised.value)
        with pytest.raises(NotTaken, match="certificate"):
            await to_email(Email.model_validate(values | {"password": SECRET, "tls": {}}), MESSAGE)
    (envelope,) = server.taken
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    mail = envelope.content.decode()
    assert "Subject: [alertdrill] 1 problem, 1 solved\r\n" in mail
    assert "Message-ID: <17-ab@alertdrill.invalid>\r\n" in mail
    assert "PROBLEM: alert Slow <b> is missed & silent\r\n" in mail
