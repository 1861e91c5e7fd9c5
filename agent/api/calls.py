"""From a request to the handler of its route, and from what that returns or raises to the answer."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web
from pydantic import ValidationError

from alertdrill.agent.api.table import BASE, ApiRoute
from alertdrill.agent.api.wire import Page, PageQuery, Problem, Wire
from alertdrill.agent.errors import place_of
from alertdrill.agent.log import LogLevel, LogLine
from alertdrill.agent.serving.door import Door, Refused, require_type
from alertdrill.units import json_text
from alertdrill.units.text import one_line

_MOST_BYTES = 16_384
_MOST_VALUES = 100
_WORDS = {
    "StartCall": "a start",
    "AbortCall": "an abort",
    "PauseCall": "a pause",
    "BlackoutCall": "a blackout",
    "EndBlackoutCall": "the end of a blackout",
    "EmptyCall": "an empty object",
}
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
# Shorter texts become hardly smaller.
_COMPRESSED_FROM_BYTES = 1_000
# What changes from second to second is no change of the list.
_PASSING = {"age_seconds"}
_Item = TypeVar("_Item", bound=Wire)
_Model = TypeVar("_Model", bound=Wire)
_Source = TypeVar("_Source")


class Wrong(Refused):
    """A refusal with a line for each of several problems."""

    def __init__(self, status: int, reason: str, errors: Iterable[str]) -> None:
        self.errors = [one_line(error) for error in errors]
        super().__init__(status, reason, self.errors[0] if self.errors else "")


@dataclass(frozen=True)
class ApiCall:
    """A call that was let in: by whom, with its parameters and its body, as the models of its route."""

    request: web.Request
    caller: str
    query: Any
    body: Any = None


@dataclass(frozen=True)
class Answered:
    """An answer that is not the usual one of its route."""

    value: Wire
    status: int
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[ApiCall], Awaitable[Wire | Answered | web.StreamResponse]]


def answering(
    door: Door, route: ApiRoute, handle: Handler, tell: Callable[[str], None]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of a route, which answers a refusal as a problem; `tell` gets a line for an unexpected error."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            found = await handle(await _called(door, route, request))
        except Refused as error:
            return problem(error)
        except Exception as error:  # noqa: BLE001 - the agent goes on, whatever one call does
            said = place_of(error)
            tell(LogLine(f"{route.method} {BASE}{route.path} failed: {said}", LogLevel.ERROR))
            return problem(Refused(500, "alertdrill failed", said))
        if isinstance(found, web.StreamResponse):
            return found
        answered = found if isinstance(found, Answered) else Answered(found, route.status)
        return _response(request, answered)

    return answer


async def _called(door: Door, route: ApiRoute, request: web.Request) -> ApiCall:
    caller = await door.admit(request, route.need)
    query = validated(route.query, dict(request.query), "its query is wrong")
    if route.body is None:
        return ApiCall(request, caller, query)
    # A page of another server can send a form without asking first, and no JSON.
    is_token = request.headers.get("Authorization", "").lower().startswith("bearer ")
    require_type(request, None if is_token else "application/json")
    content = await door.body(request, _MOST_BYTES)
    return ApiCall(request, caller, query, _body(route.body, content))


def _body(model: type[Wire], content: bytes) -> Wire:
    what = f"it is not {_WORDS[model.__name__]}"
    example = json.dumps(model.model_json_schema()["examples"][0])
    try:
        values = json_text.parse(content.strip() or b"{}", _MOST_VALUES)
    except ValueError as error:
        raise Refused(400, what, f"it is not JSON, expected one such as {example}") from error
    return validated(model, values, what, f"; expected one such as {example}")


def validated(model: type[_Model], values: object, what: str, hint: str = "") -> _Model:
    """Read values as a model; raises Refused with a line for each problem."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg'].removeprefix('Value error, ')}{hint}"
            for one in error.errors()
        ]
        raise Wrong(400, what, lines) from error


def problem(error: Refused) -> web.Response:
    """Return a refusal as a problem document (RFC 9457)."""
    detail = str(error).removeprefix(f"{error.reason}: ") if str(error) != error.reason else ""
    said = Problem(
        title=error.reason, status=error.status, detail=one_line(detail), errors=getattr(error, "errors", [])
    )
    response = web.Response(
        status=error.status,
        body=said.model_dump_json().encode(),
        content_type="application/problem+json",
        headers={**_HEADERS, **error.headers},
    )
    if error.status in {408, 413, 415}:
        # What is left of the body is not read.
        response.force_close()
    return response


def _response(request: web.Request, answered: Answered) -> web.Response:
    body = answered.value.model_dump_json(by_alias=True).encode()
    headers = {**_HEADERS, **answered.headers}
    if isinstance(answered.value, Page):
        tag = _tag(answered.value)
        headers["ETag"] = tag
        given = [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]
        if tag in given or "*" in given:
            return web.Response(status=304, headers=headers)
    body = compressed(request, body, headers)
    return web.Response(status=answered.status, body=body, content_type="application/json", headers=headers)


def takes_gzip(request: web.Request) -> bool:
    """Return whether a caller takes a body that is compressed."""
    return "gzip" in request.headers.get("Accept-Encoding", "")


def compressed(request: web.Request, body: bytes, headers: dict[str, str]) -> bytes:
    """Compress a body if that is worth it and its caller takes it so, and say so in its headers."""
    headers["Vary"] = "Accept-Encoding"
    if not takes_gzip(request) or len(body) < _COMPRESSED_FROM_BYTES:
        return body
    headers["Content-Encoding"] = "gzip"
    # The fastest level: it is made for one call.
    return gzip.compress(body, 1)


def _tag(listed: Page[Any]) -> str:
    """Return the weak tag of a list: it is the same while nothing changed but the passing of time."""
    steady = listed.model_dump_json(exclude={"items": {"__all__": _PASSING}})
    return f'W/"{hashlib.sha256(steady.encode()).hexdigest()[:32]}"'


def position(query: PageQuery, kinds: Sequence[type]) -> list[Any] | None:
    """Return the key of the last item of the part before; None for the first part. Raises Refused."""
    if not query.cursor:
        return None
    try:
        key = json_text.parse(base64.urlsafe_b64decode(query.cursor), 10)
        is_right = isinstance(key, list) and [type(one) for one in key] == list(kinds)
    except ValueError:
        is_right = False
    if not is_right:
        raise Refused(400, "its query is wrong", "cursor: it is none of this list; leave it out to begin again")
    return list(key)


def cursor(key: Sequence[Any]) -> str:
    """Make the cursor of the part that begins behind a key."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def part(
    found: Iterable[_Source],
    query: PageQuery,
    key: Callable[[_Source], list[str]],
    make: Callable[[_Source], _Item],
    *,
    last_first: bool = False,
) -> tuple[list[_Item], str | None]:
    """Return a part of a list in the order of its keys, and the cursor of the next one; raises Refused."""
    ordered = sorted(((key(one), one) for one in found), key=lambda pair: pair[0], reverse=last_first)
    after = position(query, [str] * len(ordered[0][0])) if ordered else None
    left = [pair for pair in ordered if after is None or (pair[0] < after if last_first else pair[0] > after)]
    taken = left[: query.limit]
    return [make(one) for _, one in taken], cursor(taken[-1][0]) if len(left) > len(taken) else None


async def not_there(request: web.Request) -> web.Response:
    """Answer a call of a path that the API does not have."""
    return problem(Refused(404, "there is no such path", f"{BASE}/openapi.json has them all: {request.path[:100]}"))
