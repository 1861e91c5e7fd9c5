"""The only file that speaks to a Kubernetes API server, through kubernetes-asyncio; its exceptions stop here.

Objects are plain JSON, so that fields that the library does not know are kept.
Every request has a time limit, because an undo must end. Each is sent once: its caller knows how much time there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import aiohttp
import yaml
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.client.exceptions import OpenApiException
from kubernetes_asyncio.config.config_exception import ConfigException

from alertdrill.chaos.cluster_access import ClusterReach
from alertdrill.chaos.kubernetes.place import ClusterError, Object, Place
from alertdrill.units import json_text, yaml_text
from alertdrill.units.http_body import MOST_VALUES, BodyTooLong, read_body
from alertdrill.units.secrecy import without

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WATCH_SECONDS = 10
"""How long a watch lasts: an idle one is not known to be dead before."""
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MOST_VALUES_OF_AN_ERROR = 10_000
_LIMIT_SECONDS = 10.0
_WATCH_LIMIT = aiohttp.ClientTimeout(sock_connect=_LIMIT_SECONDS, sock_read=WATCH_SECONDS + _LIMIT_SECONDS)
# An API server stores no object of more than 1.5 MiB.
_LONGEST_EVENT_BYTES = 4 * 2**20
_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "patch": "PATCH",
    "apply": "PATCH",
    "delete": "DELETE",
}
_CONTENT_TYPES = {"patch": "application/merge-patch+json", "apply": "application/apply-patch+yaml"}
_BUDGET = "DisruptionBudget"
# The keys of a user of a kubeconfig whose values are secrets; `args` and `value` are those of a program.
_SECRET_KEYS = {"token", "password", "client-key-data", "args", "value"}

_sent: ContextVar[list[str]] = ContextVar("_sent")


@dataclass(frozen=True)
class ClusterRequest:
    """A request to an API server: its verb in the words of roles, its place, and what is sent."""

    verb: str
    place: Place
    body: Object | None = None
    query: tuple[tuple[str, str], ...] = ()


class Transport:
    """Connections to one API server during a block; `renewals` counts how often its credentials were read again."""

    def __init__(self, reach: ClusterReach, account: Path) -> None:
        self._reach = reach
        self._account = account
        self._opened = AsyncExitStack()
        self._renewing = asyncio.Lock()
        self._secrets: tuple[str, ...] = ()
        self.renewals = 0

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def renew(self, known: int) -> None:
        """Read the credentials again, unless that was done since there were `known` renewals; raises ClusterError."""
        async with self._renewing:
            if self.renewals == known:
                await self._connect()
                self.renewals += 1

    async def _connect(self) -> None:
        # The old connections stay open to the end: others may wait for answers on them.
        self._api = await self._opened.enter_async_context(await _client(self._reach, self._account))
        in_use = self._api.configuration.api_key.values()
        self._secrets = (*_secrets(self._reach), *map(str, in_use))

    async def send(self, request: ClusterRequest) -> Object:
        """Send a request once, and return its answer; raises ClusterError."""
        sent: list[str] = []
        _sent.set(sent)
        with self._speaking(request, sent):
            async with asyncio.timeout(_LIMIT_SECONDS), await self._response(request, _LIMIT_SECONDS) as response:
                content = await read_body(response)
        if response.status in {200, 201, 202}:
            return self._parsed(content)
        error = self._refusal(response, content, request)
        error.was_unsure = len(sent) > 1
        raise error

    @asynccontextmanager
    async def stream(self, request: ClusterRequest) -> AsyncIterator[AsyncIterator[Object]]:
        """Open a watch for the length of the block, and give its events until the API server ends it.

        Raises ClusterError, also while the events are read.
        """
        _sent.set([])
        with self._speaking(request):
            async with asyncio.timeout(_LIMIT_SECONDS):
                response = await self._response(request, _WATCH_LIMIT)
        async with response:
            if response.status != 200:
                with self._speaking(request):
                    content = await read_body(response)
                raise self._refusal(response, content, request)
            yield self._events(request, response)

    async def _events(self, request: ClusterRequest, response: aiohttp.ClientResponse) -> AsyncIterator[Object]:
        rest = b""
        with self._speaking(request):
            async for piece in response.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > _LONGEST_EVENT_BYTES:
                    raise BodyTooLong(f"an event is larger than {_LONGEST_EVENT_BYTES // 2**20} MiB")
                for line in lines:
                    yield self._parsed(line)

    async def _response(self, request: ClusterRequest, limit: float | aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await self._api.call_api(
            request.place.path,
            _METHODS[request.verb],
            query_params=list(request.query),
            header_params=_headers(request.verb),
            body=request.body,
            auth_settings=["BearerToken"],
            # The library would read a body of any size.
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=limit,
        )
        return response

    @contextmanager
    def _speaking(self, request: ClusterRequest, sent: Sequence[str] = ()) -> Iterator[None]:
        """Raise what goes wrong in the block as a ClusterError; `sent` is what left this machine by then."""
        try:
            yield
        except BodyTooLong as error:
            raise ClusterError(f"{request.verb} {request.place.words}: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError, OpenApiException, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise ClusterError(
                f"the API server of {self._reach.words} cannot be reached: {reason}",
                passes=_may_pass(error),
                is_unsure=bool(sent),
            ).hiding(self._secrets) from error

    def _refusal(self, response: aiohttp.ClientResponse, content: bytes, request: ClusterRequest) -> ClusterError:
        status, wait = _status(content), response.headers.get("Retry-After", "")
        return refusal(response.status, status, request, response.reason or "", wait).hiding(self._secrets)

    def _parsed(self, content: bytes) -> Object:
        try:
            answer = json_text.parse(content, MOST_VALUES)
        except ValueError as error:
            raise ClusterError(f"the API server of {self._reach.words} did not answer with JSON: {error}") from error
        if not isinstance(answer, dict):
            raise ClusterError(f"the API server of {self._reach.words} did not answer with an object")
        return answer


async def _client(reach: ClusterReach, account: Path) -> ApiClient:
    configuration = Configuration()
    configuration.retries = 0
    try:
        if reach.kubeconfig is None:
            config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration,
                token_filename=str(account / "token"),
                cert_filename=str(account / "ca.crt"),
            )
        else:
            if not reach.kubeconfig.is_file():
                raise ClusterError(f"the kubeconfig {reach.kubeconfig} is not there")
            await config.load_kube_config(
                str(reach.kubeconfig), reach.context, client_configuration=configuration, persist_config=False
            )
        api = ApiClient(configuration)
    except (ConfigException, OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        hint = "" if reach.kubeconfig else ": `kubeconfig` of agent.yml names a cluster that is elsewhere"
        why = _place(error) if isinstance(error, yaml.YAMLError) else without(str(error), _secrets(reach))
        raise ClusterError(f"{reach.words} cannot be used: {why}{hint}") from error
    api.rest_client.pool_manager.trace_configs.append(_tracing())
    return api


def _place(error: yaml.YAMLError) -> str:
    """Return where a file is not YAML; the error itself repeats the line, in which there may be a secret."""
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1} is not YAML" if mark is not None else "it is not YAML"


def _secrets(reach: ClusterReach) -> tuple[str, ...]:
    """Return the secrets of a kubeconfig: of its users, and what their programs for credentials are given."""
    try:
        values = yaml_text.load_all(yaml_text.read_text(reach.kubeconfig)) if reach.kubeconfig else []
    except (OSError, yaml_text.YamlRefused):
        return ()
    return tuple(_secret_texts(values))


def _secret_texts(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, str) and (key in _SECRET_KEYS or key.startswith("auth-provider")):
        yield value
    for item in value if isinstance(value, list) else ():
        yield from _secret_texts(item, key)
    for name, item in value.items() if isinstance(value, dict) else ():
        yield from _secret_texts(item, f"auth-provider.{name}" if key.startswith("auth-provider") else str(name))


def _headers(verb: str) -> dict[str, str]:
    sent = {"Content-Type": _CONTENT_TYPES[verb]} if verb in _CONTENT_TYPES else {}
    return {"Accept": "application/json"} | sent


def _tracing() -> aiohttp.TraceConfig:
    """Note what leaves this machine: aiohttp itself sends a DELETE again when its connection is closed meanwhile."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_note_sent)
    tracing.freeze()
    return tracing


async def _note_sent(_: object, __: object, params: aiohttp.TraceRequestHeadersSentParams) -> None:
    _sent.get().append(params.method)


def _may_pass(error: Exception) -> bool:
    lasting = (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError, OpenApiException)
    return not isinstance(error, lasting) and isinstance(error, (aiohttp.ClientError, TimeoutError, OSError))


def refusal(
    code: int, status: Object, request: ClusterRequest, reason: str = "", retry_after: str = ""
) -> ClusterError:
    """Return the error for a refusal with a Status object, which may be empty."""
    message, details = str(status.get("message") or reason).strip(), status.get("details") or {}
    causes = details.get("causes") or []
    by_budget = code == 429 and any(one.get("reason") == _BUDGET for one in causes)
    words = f"{request.verb} {request.place.words}"
    text = f"{words}: {code} {message}"
    if code == 401:
        text = f"the API server rejects the credentials: {message}"
    elif code == 403 and status.get("reason") == "Forbidden" and "is forbidden: User" in message:
        text = f"not permitted to {words}: {message}"
    return ClusterError(
        text,
        code,
        causes=tuple(str(one.get("message", "")) for one in causes),
        by_budget=by_budget,
        passes=code in {401, 408} or (code == 429 and not by_budget) or code >= 500,
        is_unsure=code == 408 or code >= 500,
        retry_after=_seconds(retry_after or details.get("retryAfterSeconds")),
    )


def _seconds(written: object) -> float:
    text = str(written or "")
    # It may also be a date.
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _status(body: bytes) -> Object:
    try:
        status = json_text.parse(body, _MOST_VALUES_OF_AN_ERROR)
    except ValueError:  # a proxy may have answered
        return {}
    return status if isinstance(status, dict) else {}
