"""The kinds of targets, and how each is sent a message; all raise NotTaken."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.message import EmailMessage

from alertdrill.agent.config.notify import Email, NotifyTarget, Slack, Webhook
from alertdrill.agent.notifying.calling import CallTarget, NotTaken, call
from alertdrill.agent.notifying.message import Message
from alertdrill.units.secrecy import without
from alertdrill.units.text import one_line

Send = Callable[[Message], Awaitable[str]]
"""Sends a message, and returns what else is to be said of it; mostly nothing."""
_JSON = {"Content-Type": "application/json"}
_LONGEST_SUBJECT = 150


def sender_of(target: NotifyTarget) -> Send:
    """Return the function that sends a message to a target."""
    if target.webhook is not None:
        webhook = target.webhook
        return lambda message: to_webhook(webhook, message)
    if target.slack is not None:
        slack = target.slack
        return lambda message: to_slack(slack, message)
    assert target.email is not None  # noqa: S101 - a target has one of the three
    email = target.email
    return lambda message: to_email(email, message)


async def to_webhook(target: Webhook, message: Message) -> str:
    """Send a message as JSON, signed if the target has a secret."""
    body = json.dumps(message.as_json(), ensure_ascii=False).encode()
    headers = _JSON | {"X-Alertdrill-Id": message.id}
    if target.secret is not None:
        timestamp = f"{datetime.now(UTC).timestamp():.0f}"
        signed = signature(target.secret.get_secret_value(), timestamp, body)
        headers |= {"X-Alertdrill-Timestamp": timestamp, "X-Alertdrill-Signature": signed}
    secrets = [one.get_secret_value() for one in (target.secret, target.bearer_token) if one is not None]
    if target.bearer_token is not None:
        headers |= {"Authorization": f"Bearer {target.bearer_token.get_secret_value()}"}
    await call(CallTarget.of(target, *secrets), "POST", body, headers)
    return ""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return HMAC-SHA256 of the timestamp, a point and the body, as `sha256=` and hexadecimal digits."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


async def to_slack(target: Slack, message: Message) -> str:
    """Send a message to an incoming webhook of Slack."""
    await call(CallTarget.of(target), "POST", json.dumps(message.as_slack()).encode(), _JSON)
    return ""


async def to_email(target: Email, message: Message) -> str:
    """Send a message as a mail of plain text; return which of several addresses were refused."""
    import aiosmtplib

    host, _, port = target.server.rpartition(":")
    try:
        async with asyncio.timeout(target.timeout.total_seconds()):
            refused, _ = await aiosmtplib.send(
                _mail(target, message),
                hostname=host,
                port=int(port),
                username=target.username,
                password=None if target.password is None else target.password.get_secret_value(),
                use_tls=target.security == "tls",
                start_tls=target.security == "starttls",
                tls_context=None if target.security == "none" else target.tls.context(),
                timeout=target.timeout.total_seconds(),
            )
    except TimeoutError as error:
        raise NotTaken(f"{target.server} did not answer within {target.timeout.total_seconds():g} s") from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        secrets = [] if target.password is None else [target.password.get_secret_value()]
        reason = one_line(without(str(error) or type(error).__name__, secrets))
        raise NotTaken(f"{target.server} did not take the mail: {reason}") from error
    return f"{target.server} refused {', '.join(sorted(refused))}" if refused else ""


def _mail(target: Email, message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = target.from_, ", ".join(target.to)
    mail["Subject"] = one_line(f"[alertdrill] {message.title}")[:_LONGEST_SUBJECT]
    mail["Date"] = datetime.fromtimestamp(message.made_at, UTC)
    # The same for each try, so that a mail server or a reader can recognise a second copy.
    mail["Message-ID"] = f"<{message.id}@alertdrill.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.as_text())
    return mail
