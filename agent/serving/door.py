"""The door of the agent: who may call an endpoint that changes something, how often, and how large a call may be.

A call is refused before its body is read if a browser sent it, if it has no credential, or if there were too many. A
page in a browser reaches a server on this machine by a name of its own (DNS rebinding), so without a credential the
`Host` must be an address or `localhost`. With a credential no page can call, because it does not know the credential,
but for a password that the browser remembers: so only the agent's own pages may send what changes something.

Without callers in web.yml, everybody may read, and others than this machine may not write.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from alertdrill.agent.recording.records import TOO_MANY_CALLS
from alertdrill.agent.serving.access import Access, TooMany
from alertdrill.agent.serving.connections import Answer
from alertdrill.units.text import one_line

Need = Literal["read", "write", "webhook", "stop"]
"""What an endpoint needs: a role of web.yml; `stop` is `write`, and the webhook's credential will do."""
_ROLES: dict[Need, tuple[str, ...]] = {
    "read": ("read", "write"),
    "write": ("write",),
    "webhook": ("webhook",),
    "stop": ("write",),
}
# The credential of the webhook is good for these, whatever web.yml says.
_OF_ALERTMANAGER = ("webhook", "stop")
_HOW_TO_WRITE = (
    "name a file with basic_auth_users or bearer_token_files as `web: {config_file: web.yml}` in agent.yml, or listen on"
    " 127.0.0.1; docs/security.md explains it"
)
_CALLS_PER_SECOND = 50.0
# All groups of an Alertmanager may be due at once.
_MOST_CALLS_AT_ONCE = 500.0
_WRITES_PER_SECOND, _MOST_WRITES_AT_ONCE = 10.0, 50.0
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

    `credentials` are the accepted values of `Authorization` for notifications; with none, every caller is let in, unless
    `access` has callers. `refused` is called with the reason of each refusal of a notification or a stop, `writes` counts
    the other calls that change something. A body must arrive within `seconds_for_a_body`.
    """

    credentials: tuple[str, ...] = ()
    refused: Callable[[str], None] = lambda _: None
    calls: CallsPerSecond = field(default_factory=CallsPerSecond)
    seconds_for_a_body: float = 10.0
    access: Access = field(default_factory=Access)
    writes: CallsPerSecond = field(default_factory=lambda: CallsPerSecond(_WRITES_PER_SECOND, _MOST_WRITES_AT_ONCE))

    def guarding(
        self, handler: Handler, most_bytes: int, content_type: str | None = None, need: Need = "webhook"
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return a handler that gets only the calls, with their bodies, that pass all checks.

        It answers a call that does not pass, or for which the handler raises Refused, with one line.
        """

        async def answer(request: web.Request) -> web.Response:
            try:
                await self.admit(request, need)
                require_type(request, content_type)
                return await handler(request, await self.body(request, most_bytes))
            except Refused as error:
                self.refused(error.reason)
                response = web.Response(status=error.status, text=f"{one_line(error)}\n", headers=error.headers)
                # What is left of the body is not read.
                response.force_close()
                return response

        return answer

    def reading(self, answer: Answer) -> Answer:
        """Return a handler of metrics that gets only the calls of those who may read them.

        Everybody may where web.yml has no callers, or says `open_metrics`.
        """

        async def read(request: web.Request) -> web.StreamResponse:
            try:
                if self.access.has_callers and not self.access.file.alertdrill.open_metrics:
                    await self.admit(request, "read")
            except Refused as error:
                return web.Response(status=error.status, text=f"{one_line(error)}\n", headers=error.headers)
            return await answer(request)

        return read

    async def admit(self, request: web.Request, need: Need) -> str:
        """Return who calls, by the name in web.yml or the address; raises Refused if the call may not be made."""
        _require_no_foreign_page(request, need)
        name = await (self._known(request, need) if self.access.has_callers else self._unknown(request, need))
        calls = self.calls if need in _OF_ALERTMANAGER else self.writes
        if need != "read" and not calls.take():
            # Not 429: up to version 0.25 at least, Alertmanager repeats a call after 5xx only.
            raise Refused(503, TOO_MANY_CALLS, f"at most {calls.rate:g} a second", Retry_After="1")
        return name or request.remote or ""

    async def _known(self, request: web.Request, need: Need) -> str:
        """Return the name of a caller of web.yml who may do this."""
        given = request.headers.get("Authorization", "")
        if need in _OF_ALERTMANAGER and self._is_alertmanager(given):
            return ""
        try:
            caller = await self.access.caller(given)
        except TooMany:
            raise Refused(503, "too many passwords are being checked", Retry_After="1") from None
        if caller is None:
            reason = "it has a wrong credential" if given else "it has no credential"
            raise Refused(
                401, reason, "see web.config_file in agent.yml", WWW_Authenticate=_challenge(self.access.schemes)
            )
        if caller.role not in _ROLES[need]:
            raise Refused(
                403, "its role is not enough", f"{caller.name} has the role {caller.role}, not {_ROLES[need][-1]}"
            )
        return caller.name

    async def _unknown(self, request: web.Request, need: Need) -> str:
        """Let in whom agent.yml lets in where web.yml has no callers."""
        if need == "read" and not self.access.is_local:
            return ""
        if need == "write" and not self.access.is_local:
            raise Refused(403, "others than this machine may not do this", _HOW_TO_WRITE)
        if self.credentials and need in _OF_ALERTMANAGER:
            self._require_credential(request)
        elif not _is_of_this_machine(request.host):
            raise Refused(403, "its Host is not an address", request.host[:100])
        return ""

    def _is_alertmanager(self, authorization: str) -> bool:
        given = normal(authorization)
        # Each is compared in constant time, and so is the number of comparisons.
        matches = [hmac.compare_digest(given, normal(one)) for one in self.credentials]
        return any(matches)

    def _require_credential(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if not self._is_alertmanager(given):
            kinds = sorted({one.partition(" ")[0] for one in self.credentials})
            reason = "it has a wrong credential" if given else "it has no credential"
            raise Refused(401, reason, "see webhook_token_file in agent.yml", WWW_Authenticate=_challenge(kinds))

    async def body(self, request: web.Request, most_bytes: int) -> bytes:
        """Read a body; raises Refused if it is too large or too slow."""
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


def _challenge(schemes: list[str]) -> str:
    return ", ".join(f'{scheme} realm="alertdrill"' for scheme in schemes)


def _require_no_foreign_page(request: web.Request, need: Need) -> None:
    """Refuse what a page in a browser sends; the agent's own pages may read and write."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if need in _OF_ALERTMANAGER and (origin is not None or site is not None):
        raise Refused(403, "a browser sent it")
    is_own = site in {None, "none", "same-origin"} and (origin is None or origin.partition("://")[2] == request.host)
    # No page knows a token.
    has_token = request.headers.get("Authorization", "").lower().startswith("bearer ")
    if need == "write" and not is_own and not has_token:
        raise Refused(403, "a page of another server sent it")


def normal(authorization: str) -> bytes:
    """Return a value of `Authorization` for a comparison: its scheme has no case."""
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


def require_type(request: web.Request, content_type: str | None) -> None:
    """Refuse a body of another type, or a compressed one."""
    if content_type is not None and request.content_type != content_type:
        raise Refused(415, f"its Content-Type is not {content_type}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "it is compressed")
