"""HTTP calls to others: one limit of time for all of a call, no redirects, and no secret in an error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp

from alertdrill.agent.config.notify import HttpTarget
from alertdrill.units.http_body import BodyTooLong, read_body
from alertdrill.units.secrecy import without
from alertdrill.units.text import one_line
from alertdrill.units.tls import TlsSettings

_MOST_BYTES = 64 * 1024
_LONGEST_REASON = 200
# The receiver read the message and does not want it: it will not want it later either.
_FINAL = {400, 413, 422}


class NotTaken(Exception):
    """Somebody could not be reached, or did not take what was sent.

    `retry_after_seconds` is the pause that was asked for. With `is_final`, repeating is useless. `status` is that of the
    answer, 0 without one.
    """

    def __init__(self, text: str, retry_after_seconds: float = 0.0, *, is_final: bool = False, status: int = 0) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds
        self.is_final = is_final
        self.status = status


@dataclass(frozen=True)
class CallTarget:
    """Where calls go: the URL, and what holds for each call. Errors show neither the path of the URL nor `secrets`."""

    url: str
    timeout_seconds: float
    tls: TlsSettings = field(default_factory=TlsSettings)
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: HttpTarget, *secrets: str, **headers: str) -> CallTarget:
        """Return the place of a target, whose whole URL is a secret."""
        url = target.url.get_secret_value()
        parts = urlsplit(url)
        hidden = (url, parts.path, parts.path.strip("/"), parts.query, parts.password or "", *secrets)
        return cls(url, target.timeout.total_seconds(), target.tls, headers, hidden)

    @property
    def shown(self) -> str:
        """The scheme, the host and the port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


async def call(place: CallTarget, method: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Make one call, and return the answer's body if it is 2xx and not too long; raises NotTaken."""
    try:
        async with asyncio.timeout(place.timeout_seconds), _session(place) as session:
            response, answer = await _answered(session, place, method, body, headers or {})
    except TimeoutError as error:
        raise NotTaken(f"{place.shown} did not answer within {place.timeout_seconds:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = _spelled(str(error) or type(error).__name__, place.secrets)
        raise NotTaken(f"{place.shown} cannot be reached: {reason}") from error
    if 200 <= response.status < 300:
        return answer
    reason = _spelled(answer.decode(errors="replace"), (*place.secrets, *place.headers.values()))
    raise NotTaken(
        f"{place.shown} answered {response.status}" + (f": {reason}" if reason else ""),
        retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC)),
        is_final=response.status in _FINAL,
        status=response.status,
    )


def _session(place: CallTarget) -> aiohttp.ClientSession:
    is_tls = place.url.startswith("https:")
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=place.tls.context() if is_tls else True, force_close=True),
        headers={"User-Agent": "alertdrill"} | dict(place.headers),
    )


async def _answered(
    session: aiohttp.ClientSession, place: CallTarget, method: str, body: bytes, headers: Mapping[str, str]
) -> tuple[aiohttp.ClientResponse, bytes]:
    name = place.tls.server_name if place.url.startswith("https:") else None
    data = body or None
    async with session.request(
        method, place.url, data=data, headers=headers, allow_redirects=False, server_hostname=name
    ) as response:
        try:
            return response, await read_body(response, _MOST_BYTES)
        except BodyTooLong:
            return response, b""


def _spelled(text: str, secrets: Iterable[str]) -> str:
    return one_line(without(text[:_MOST_BYTES], secrets))[:_LONGEST_REASON]


def retry_after(text: str, now: datetime) -> float:
    """Return the seconds of a header `Retry-After`, which has a number or an instant; 0 for anything else."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0
