"""The door of the agent: who may call an endpoint that changes something, how often, and how large a call may be.

A call is refused before its body is read if a browser sent it, if it has no credential, or if there were too many. A
page in a browser reaches a server on this machine by a name of its own (DNS rebinding), so without a credential the
`Host` must be an address or `localhost`. With a credential no page can call, because it does not know the credential.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from alertdrill.agent.recording.records import TOO_MANY_CALLS
from alertdrill.units.text import one_line

_CALLS_PER_SECOND = 50.0
# All groups of an Alertmanager may be due at once.
_MOST_CALLS_AT_ONCE = 500.0
Handler = Callable[[web.Request, bytes], Awaitable[web.Response]]


class Refused(Exception):
    """A call that is refused: the HTTP status, the reason in a few fixed words, and what exactly is wrong."""

    def __init__(self, status: int, reason: str, detail: str = "", **headers: str) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.status = status
        self.reason = reason
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class CallsPerSecond:
    """Allows so many calls a second, and `at_once` after a pause; `clock` is in seconds."""

    def __init__(
        self,
        rate: float = _CALLS_PER_SECOND,
        at_once: float = _MOST_CALLS_AT_ONCE,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.rate = rate
        self._most = self._left = at_once
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._counted_at: float | None = None

    def take(self) -> bool:
        """Count a call; return whether it is allowed."""
        now = self._clock()
        passed = 0.0 if self._counted_at is None else max(now - self._counted_at, 0.0)
        self._left, self._counted_at = min(self._left + passed * self.rate, self._most), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass
class Door:
    """The checks of one server.

    `credentials` are the accepted values of `Authorization`; with none, every caller is let in. `refused` is called
    with the reason of each refusal. A body must arrive within `seconds_for_a_body`.
    """

    credentials: tuple[str, ...] = ()
    refused: Callable[[str], None] = lambda _: None
    calls: CallsPerSecond = field(default_factory=CallsPerSecond)
    seconds_for_a_body: float = 10.0

    def guarding(
        self, handler: Handler, most_bytes: int, content_type: str | None = None
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return a handler that gets only the calls, with their bodies, that pass all checks.

        It answers a call that does not pass, or for which the handler raises Refused, with one line.
        """

        async def answer(request: web.Request) -> web.Response:
            try:
                self._admit(request)
                _require_type(request, content_type)
                return await handler(request, await self._body(request, most_bytes))
            except Refused as error:
                self.refused(error.reason)
                response = web.Response(status=error.status, text=f"{one_line(error)}\n", headers=error.headers)
                # What is left of the body is not read.
                response.force_close()
                return response

        return answer

    def _admit(self, request: web.Request) -> None:
        if "Origin" in request.headers or "Sec-Fetch-Site" in request.headers:
            raise Refused(403, "a browser sent it")
        if self.credentials:
            self._require_credential(request)
        elif not _is_of_this_machine(request.host):
            raise Refused(403, "its Host is not an address", request.host[:100])
        if not self.calls.take():
            # Not 429: up to version 0.25 at least, Alertmanager repeats a call after 5xx only.
            raise Refused(503, TOO_MANY_CALLS, f"at most {self.calls_per_second:g} a second", Retry_After="1")

    @property
    def calls_per_second(self) -> float:
        """The number of calls that are allowed in each second."""
        return self.calls.rate

    def _require_credential(self, request: web.Request) -> None:
        given = normal(request.headers.get("Authorization", ""))
        # Each is compared in constant time, and so is the number of comparisons.
        matches = [hmac.compare_digest(given, normal(one)) for one in self.credentials]
        if not any(matches):
            kinds = sorted({one.partition(" ")[0] for one in self.credentials})
            challenge = ", ".join(f'{kind} realm="alertdrill"' for kind in kinds)
            reason = "it has a wrong credential" if given else "it has no credential"
            raise Refused(401, reason, "see webhook_token_file in agent.yml", WWW_Authenticate=challenge)

    async def _body(self, request: web.Request, most_bytes: int) -> bytes:
        too_large = Refused(413, "it is too large", f"at most {most_bytes} bytes")
        if (request.content_length or 0) > most_bytes:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.seconds_for_a_body):
                async for part in request.content.iter_any():
                    size += len(part)
                    if size > most_bytes:
                        raise too_large
                    parts.append(part)
        except TimeoutError as error:
            raise Refused(408, "its body took too long") from error
        return b"".join(parts)


def normal(authorization: str) -> bytes:
    """Spell a value of `Authorization` for a comparison: its scheme has no case."""
    scheme, _, rest = authorization.partition(" ")
    return f"{scheme.lower()} {rest.strip()}".strip().encode("utf-8", "surrogateescape")


def _is_of_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else host
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _require_type(request: web.Request, content_type: str | None) -> None:
    if content_type is not None and request.content_type != content_type:
        raise Refused(415, f"its Content-Type is not {content_type}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "it is compressed")
