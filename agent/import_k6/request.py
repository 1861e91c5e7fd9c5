"""Converts a call such as `http.post(url, body, params)` to the request of a probe.

The functions and their arguments: https://grafana.com/docs/k6/latest/javascript-api/k6-http/
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from alertdrill.agent.import_k6.notes import NotCarried, Notes, UnusableScript, refusal_as_not_carried
from alertdrill.agent.import_k6.params import read_params
from alertdrill.agent.import_k6.values import Json, Value, YamlKeys, entries, has_env, plain, text_of
from alertdrill.probes.data.template import compile_json, compile_text, compile_url
from alertdrill.probes.http.settings import HttpRequest

_WITH_BODY = {"del": "DELETE", "options": "OPTIONS", "patch": "PATCH", "post": "POST", "put": "PUT"}
_WITHOUT_BODY = {"get": "GET", "head": "HEAD"}
REQUESTS = {*_WITH_BODY, *_WITHOUT_BODY, "request"}
"""The functions of `k6/http` that make one request."""

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_DRAWN = "write a value that differs for each transaction as {{ name }}, with an entry under data"


def read_request(function: str, arguments: Sequence[Value], line: int, notes: Notes) -> YamlKeys:
    """Return the keys of a request; raises UnusableScript without a constant method and URL."""
    method, url, body, params = _arguments(function, arguments, line)
    request: YamlKeys = {"url": _url(url), "method": method} | read_params(params, notes)
    headers = request.pop("headers", {})
    try:
        request |= _body(body, headers, notes)
    except NotCarried as reason:
        notes.lost("the body", reason, _DRAWN)
    return request | ({"headers": headers} if headers else {})


def _arguments(function: str, arguments: Sequence[Value], line: int) -> tuple[str, Value, Value, Value]:
    nothing = Value(line, None)
    method = Value(line, (_WITH_BODY | _WITHOUT_BODY).get(function))
    rest = list(arguments)
    if function == "request":
        method, *rest = rest or [nothing]
    if function in _WITHOUT_BODY:
        rest.insert(1, nothing)
    url, body, params, *_ = [*rest, nothing, nothing, nothing]
    return _method(method), url, body, params


def _method(value: Value) -> str:
    try:
        method = str(plain(value))
    except NotCarried as reason:
        raise UnusableScript(reason.line, f"the method cannot be carried over: {reason.why}") from reason
    if method not in {*_WITH_BODY.values(), *_WITHOUT_BODY.values()}:
        raise UnusableScript(value.line, f"the method {method} is not a method of a probe")
    return method


def _url(value: Value) -> str:
    try:
        return _checked_url(value)
    except NotCarried as reason:
        raise UnusableScript(reason.line, f"the URL cannot be carried over: {reason.why}") from reason


def _checked_url(value: Value) -> str:
    url = plain(value)
    if not isinstance(url, str):
        raise NotCarried(value.line, f"{url!r} is not a text")
    with refusal_as_not_carried(value.line):
        compile_url(url, ())
        # A URL that begins with a variable cannot be validated before the variable has a value.
        if not url.startswith("${"):
            HttpRequest(url=url)
    return url


def _body(value: Value, headers: dict[str, str], notes: Notes) -> YamlKeys:
    """Return the body, and adapt the Content-Type header; raises NotCarried."""
    content = value.content
    if isinstance(content, Json) and content.document is not None:
        with refusal_as_not_carried(value.line):
            compile_json(content.document, ())
        return _json(value.line, content, headers, notes)
    body = _form(value, headers) if isinstance(content, dict) else plain(value)
    if body is None or body == "":
        return {}
    if not isinstance(body, str):
        raise NotCarried(value.line, f"{body!r} is not a body")
    with refusal_as_not_carried(value.line):
        compile_text(body, ())
    return {"body": body}


def _json(line: int, content: Json, headers: dict[str, str], notes: Notes) -> YamlKeys:
    name = _content_type(headers)
    if name is None:
        notes.say(line, f"the body is sent with Content-Type: {_JSON}, which the script does not send")
    elif headers[name].lower() == _JSON:
        # `json:` always sends it.
        del headers[name]
    return {"json": content.document}


def _form(value: Value, headers: dict[str, str]) -> str:
    fields = {name: text_of(field) for name, field in entries(value).items()}
    if has_env(fields):
        raise NotCarried(value.line, "it is a form with texts from the environment")
    if _content_type(headers) is None:
        headers["Content-Type"] = _FORM
    # k6 sends the fields of an object in the order of their names.
    return urlencode(sorted(fields.items()))


def _content_type(headers: dict[str, str]) -> str | None:
    return next((name for name in headers if name.lower() == "content-type"), None)
