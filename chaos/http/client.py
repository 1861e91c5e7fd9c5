"""Makes the calls of `http` faults, each within its time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from alertdrill.chaos.http.call import Call, Confirmation
from alertdrill.chaos.secret_source import SecretMissing, read_secret, read_secrets
from alertdrill.units.http_body import BodyTooLong, read_body
from alertdrill.units.polling import poll
from alertdrill.units.secrecy import shown_url, without

_LOOK_EVERY_SECONDS = 0.1
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError, BodyTooLong)
_MOST_BYTES = 8 * 2**20
_SHOWN = 200


class CallFailed(Exception):
    """A call had an unexpected response, or its effect does not show."""


@dataclass(frozen=True)
class _Secrets:
    """The secrets of a call, read now; raises SecretMissing."""

    headers: dict[str, str]
    query: dict[str, str]
    body: str | None

    @classmethod
    def of(cls, call: Call) -> _Secrets:
        from_files = read_secrets(call.headers_file)
        from_variables = {name: read_secret(None, variable) or "" for name, variable in call.headers_env.items()}
        return cls(from_files | from_variables, read_secrets(call.query_file), read_secret(call.body_file, None))

    @property
    def all(self) -> list[str]:
        return [*self.headers.values(), *self.query.values(), *([self.body] if self.body else [])]


async def require_listener(call: Call) -> None:
    """Check that the secrets exist and that a server listens; raises CallFailed or SecretMissing."""
    _Secrets.of(call)
    parts = urlsplit(call.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(call.timeout.total_seconds()):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as error:
        raise CallFailed(f"{parts.hostname}:{port} cannot be reached: {error or type(error).__name__}") from error
    writer.close()


async def make_call(call: Call) -> None:
    """Make a call and check its effect; raises CallFailed or SecretMissing."""
    secrets = _Secrets.of(call)
    try:
        await _make(call, secrets)
    except CallFailed as error:
        # A server may repeat in its answer what it was sent. Without its cause, which has it too.
        raise CallFailed(without(str(error), secrets.all)) from None


async def shows(call: Call) -> bool | None:
    """Return whether the page that confirms a call still shows its effect; None if it cannot be read, or there is none."""
    if call.confirm is None:
        return None
    try:
        headers = call.headers | _Secrets.of(call).headers
        async with aiohttp.ClientSession(headers=headers, timeout=_limit(call)) as session:
            status, text = await _request(session, "GET", call.confirm.url, None)
    except (CallFailed, SecretMissing):
        return None
    return call.confirm.contains in text if status == 200 else None


async def _make(call: Call, secrets: _Secrets) -> None:
    headers = call.headers | secrets.headers
    async with aiohttp.ClientSession(headers=headers, timeout=_limit(call)) as session:
        body = call.body if secrets.body is None else secrets.body
        status, text = await _request(session, call.method, call.url, body, secrets.query)
        if status not in call.status if call.status else status // 100 != 2:
            expected = " or ".join(map(str, call.status)) or "2xx"
            where = shown_url(call.url)
            raise CallFailed(f"{call.method} {where}: status {status}, expected {expected}: {_excerpt(text, secrets)}")
        if call.confirm is not None:
            await _wait_until_shown(session, call.confirm, secrets)


async def _wait_until_shown(session: aiohttp.ClientSession, wanted: Confirmation, secrets: _Secrets) -> None:
    async def problem() -> str:
        try:
            status, text = await _request(session, "GET", wanted.url, None)
        except CallFailed as error:
            return str(error)
        return "" if status == 200 and wanted.contains in text else f"status {status}: {_excerpt(text, secrets)}"

    if left := await poll(problem, wanted.within.total_seconds(), _LOOK_EVERY_SECONDS):
        raise CallFailed(f"{shown_url(wanted.url)} does not show {wanted.contains!r}: {left}")


async def _request(
    session: aiohttp.ClientSession, method: str, url: str, body: object, query: Mapping[str, str] | None = None
) -> tuple[int, str]:
    sent = {"data": body} if isinstance(body, str) else {"json": body} if body is not None else {}
    try:
        # A redirect may lead to another server, which must not get the secret headers.
        async with session.request(method, url, params=query or None, allow_redirects=False, **sent) as response:
            return response.status, (await read_body(response, _MOST_BYTES)).decode(errors="replace")
    except _FAILURES as error:
        raise CallFailed(f"{method} {shown_url(url)} failed: {str(error) or type(error).__name__}") from error


def _excerpt(text: str, secrets: _Secrets) -> str:
    # Before it is cut: the beginning of a secret is no longer recognised.
    return without(text, secrets.all)[:_SHOWN].strip()


def _limit(call: Call) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=call.timeout.total_seconds())
