"""Makes the calls of `http` faults, each within its time limit."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp

from alertdrill.chaos.http.call import Call, Confirmation
from alertdrill.chaos.secret_source import read_secret
from alertdrill.units.http_body import BodyTooLong, read_body
from alertdrill.units.polling import poll

_LOOK_EVERY_SECONDS = 0.1
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError, BodyTooLong)
_MOST_BYTES = 8 * 2**20
_SHOWN = 200


class CallFailed(Exception):
    """A call had an unexpected response, or its effect does not show."""


async def require_listener(call: Call) -> None:
    """Check that the secrets exist and that a server listens; raises CallFailed or SecretMissing."""
    _headers(call)
    parts = urlsplit(call.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(call.timeout.total_seconds()):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as error:
        raise CallFailed(f"{parts.netloc} cannot be reached: {error or type(error).__name__}") from error
    writer.close()


async def make_call(call: Call) -> None:
    """Make a call and check its effect; raises CallFailed or SecretMissing."""
    async with aiohttp.ClientSession(headers=_headers(call), timeout=_limit(call)) as session:
        status, text = await _request(session, call.method, call.url, call.body)
        if status not in call.status if call.status else status // 100 != 2:
            expected = " or ".join(map(str, call.status)) or "2xx"
            raise CallFailed(f"{call.method} {call.url}: status {status}, expected {expected}: {text[:_SHOWN].strip()}")
        if call.confirm is not None:
            await _wait_until_shown(session, call.confirm)


async def _wait_until_shown(session: aiohttp.ClientSession, wanted: Confirmation) -> None:
    async def problem() -> str:
        try:
            status, text = await _request(session, "GET", wanted.url, None)
        except CallFailed as error:
            return str(error)
        return "" if status == 200 and wanted.contains in text else f"status {status}: {text[:_SHOWN].strip()}"

    if left := await poll(problem, wanted.within.total_seconds(), _LOOK_EVERY_SECONDS):
        raise CallFailed(f"{wanted.url} does not show {wanted.contains!r}: {left}")


async def _request(session: aiohttp.ClientSession, method: str, url: str, body: object) -> tuple[int, str]:
    sent = {"data": body} if isinstance(body, str) else {"json": body} if body is not None else {}
    try:
        # A redirect may lead to another server, which must not get the secret headers.
        async with session.request(method, url, allow_redirects=False, **sent) as response:
            return response.status, (await read_body(response, _MOST_BYTES)).decode(errors="replace")
    except _FAILURES as error:
        raise CallFailed(f"{method} {url} failed: {str(error) or type(error).__name__}") from error


def _headers(call: Call) -> dict[str, str]:
    secret = {name: read_secret(path, None) for name, path in call.headers_file.items()}
    secret |= {name: read_secret(None, variable) for name, variable in call.headers_env.items()}
    return call.headers | {name: value for name, value in secret.items() if value is not None}


def _limit(call: Call) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=call.timeout.total_seconds())
