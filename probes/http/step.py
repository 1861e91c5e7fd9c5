"""A request of the HTTP probe, compiled: its parts that are the same for all transactions are joined only once."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from alertdrill.probes.checks.answer import Answer
from alertdrill.probes.checks.checks import Checks, compile_carry, compile_checks
from alertdrill.probes.data.data import Uuid, rows
from alertdrill.probes.data.template import CompiledTemplate, compile_header, compile_json, compile_text, compile_url
from alertdrill.probes.http.settings import KEY_NAME, HttpProbe, HttpRequest
from alertdrill.probes.outcome import Outcome, Reason

_EMPTY = CompiledTemplate(frozenset(), b"", lambda _: b"")


@dataclass(frozen=True)
class RequestParts:
    """A request as templates: the path with its query, the headers in order, and the body."""

    path: CompiledTemplate
    headers: tuple[tuple[str, CompiledTemplate], ...]
    body: CompiledTemplate

    @property
    def names(self) -> frozenset[str]:
        """The names of all values that the request needs."""
        return self.path.names.union(self.body.names, *(value.names for _, value in self.headers))


@dataclass(frozen=True)
class HttpStep:
    """One request of a transaction: `render` makes its bytes on the wire from the values of `parts.names`."""

    request: HttpRequest
    parts: RequestParts
    checks: Checks
    carry: Callable[[Answer], dict[str, object] | str]
    render: Callable[[Mapping[str, object]], bytes]

    def judge(self, answer: Answer) -> Outcome:
        """Apply the checks to an answer."""
        failed = self.checks.failed(answer)
        is_refusal = answer.status >= 400
        if not failed:
            return REFUSED_AS_EXPECTED if is_refusal else SUCCEEDED
        return Outcome("check", self.checks.detail(answer), failed, refused_by_status=is_refusal)

    def without_answer(self, reason: Reason, detail: str) -> Outcome:
        """Return the outcome of a request without an answer, for which every check failed."""
        return Outcome(reason, detail, self.checks.names)


SUCCEEDED = Outcome()
REFUSED_AS_EXPECTED = Outcome(refused_by_status=True)


def compile_steps(probe: HttpProbe) -> tuple[HttpStep, ...]:
    """Compile every request of a probe."""
    known = set(probe.data) | {KEY_NAME} | {name for request in probe.requests for name in request.carry}
    return tuple(_compile(request, probe, known) for request in probe.requests)


def compile_values(
    probe: HttpProbe, steps: Iterable[HttpStep], shard: int, shards: int
) -> Callable[[], dict[str, object]] | None:
    """Return a function that draws the values of one transaction; None when the requests need no values."""
    data = probe.data | ({KEY_NAME: Uuid()} if probe.idempotency_key else {})
    carried = {name for request in probe.requests for name in request.carry} - set(probe.data)
    names = frozenset().union(*(step.parts.names for step in steps)) - carried
    # Without a seed in the file, two runs must use different keys: the service remembers keys.
    seed = secrets.randbits(63) if probe.seed is None else probe.seed
    return rows(data, names, seed, shard, shards) if names else None


def _compile(request: HttpRequest, probe: HttpProbe, known: set[str]) -> HttpStep:
    parts = _parts(request, probe, known)
    return HttpStep(
        request=request,
        parts=parts,
        checks=compile_checks(request.checks),
        carry=compile_carry(request.carry),
        render=_renderer(request, parts),
    )


def _parts(request: HttpRequest, probe: HttpProbe, known: set[str]) -> RequestParts:
    url = urlsplit(request.url)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = {"Host": url.netloc.rpartition("@")[2], "User-Agent": "alertdrill"}
    body = _EMPTY
    if request.json_body is not None:
        headers["Content-Type"] = "application/json"
        body = compile_json(request.json_body, known)
    elif request.body is not None:
        body = compile_text(request.body, known)
    if authorization := _authorization(request, url):
        headers["Authorization"] = authorization
    if probe.idempotency_key:
        headers["Idempotency-Key"] = "{{ " + KEY_NAME + " }}"
    given = {name.lower() for name in request.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in given} | request.headers
    compiled = tuple((name, compile_header(value, known)) for name, value in headers.items())
    return RequestParts(compile_url(path, known), compiled, body)


def _authorization(request: HttpRequest, url: SplitResult) -> str:
    if request.bearer_token is not None:
        return f"Bearer {request.bearer_token.get_secret_value()}"
    if url.username is not None:
        # In a URL, characters such as @ are percent-encoded in the user and the password.
        credentials = unquote_to_bytes(url.username) + b":" + unquote_to_bytes(url.password or "")
        return f"Basic {base64.b64encode(credentials).decode()}"
    return ""


def _renderer(request: HttpRequest, parts: RequestParts) -> Callable[[Mapping[str, object]], bytes]:
    """Return a function that makes the request's bytes; the constant parts are joined here, once."""
    has_body = parts.body is not _EMPTY or request.method in {"POST", "PUT", "PATCH"}
    length = _length(parts.body.constant) if has_body else b"\r\n"
    pieces: list[bytes | CompiledTemplate] = [f"{request.method} ".encode(), parts.path, b" HTTP/1.1\r\n"]
    for name, value in parts.headers:
        pieces += [f"{name}: ".encode(), value, b"\r\n"]
    filled, slots = _merged([*pieces, length, parts.body] if length else pieces)
    if not slots and length:
        constant = b"".join(filled)
        return lambda _: constant
    body = parts.body

    def render(values: Mapping[str, object]) -> bytes:
        request = filled.copy()
        for index, fill in slots:
            request[index] = fill(values)
        if not length:
            content = body.render(values)
            request += (_length(content), content)
        return b"".join(request)

    return render


def _length(body: bytes | None) -> bytes:
    """Return the end of the head with the body's length; empty when the length is not known yet."""
    return b"" if body is None else b"Content-Length: %d\r\n\r\n" % len(body)


def _merged(
    pieces: list[bytes | CompiledTemplate],
) -> tuple[list[bytes], list[tuple[int, Callable[[Mapping[str, object]], bytes]]]]:
    """Join neighbouring constants; each slot is the index of a piece and the function that renders it."""
    filled, slots = [b""], []
    for piece in pieces:
        constant = piece if isinstance(piece, bytes) else piece.constant
        if constant is not None:
            filled[-1] += constant
        elif isinstance(piece, CompiledTemplate):
            slots.append((len(filled), piece.render))
            filled += [b"", b""]
    return filled, slots
