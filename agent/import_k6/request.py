"""Converts a call such as `http.post(url, body, params)` to the request of a probe.

Of `params` it takes headers, timeout, redirects, cookies, and the tag with the name.

The functions and their arguments: https://grafana.com/docs/k6/latest/javascript-api/k6-http/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any
from urllib.parse import quote_plus

from alertdrill.agent.import_k6.durations import duration
from alertdrill.agent.import_k6.notes import NotCarried, Notes, refusal_as_not_carried
from alertdrill.agent.import_k6.values import (
    EnvText,
    Json,
    Template,
    Undefined,
    Value,
    YamlKeys,
    constant,
    entries,
    has_env,
    has_template,
    joined,
    plain,
    text_of,
)
from alertdrill.probes.data.template import compile_header, compile_json, compile_text, compile_url
from alertdrill.probes.http.settings import HttpRequest

_WITH_BODY = {"del": "DELETE", "options": "OPTIONS", "patch": "PATCH", "post": "POST", "put": "PUT"}
_WITHOUT_BODY = {"get": "GET", "head": "HEAD"}
REQUESTS = {*_WITH_BODY, *_WITHOUT_BODY, "request", "asyncRequest"}
"""The functions of `k6/http` that make one request."""

_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_DRAWN = "write a value that differs for each transaction as {{ name }}, with an entry under data"


def read_request(
    function: str, arguments: Sequence[Value], line: int, known: Collection[str], notes: Notes
) -> YamlKeys:
    """Return the keys of a request; raises NotCarried without a method and a URL.

    `known` are the names of the values that the transaction has by then; `redirects` may be among the keys.
    """
    method, url, body, params = _arguments(function, arguments, line)
    request: YamlKeys = {"url": _url(url, known), "method": _method(method)} | read_params(params, known, notes)
    headers = request.pop("headers", {})
    try:
        request |= _body(body, headers, known, notes)
    except NotCarried as reason:
        notes.lost("the body", reason, _DRAWN)
    return request | ({"headers": headers} if headers else {})


def batched(value: Value) -> tuple[list[Value], list[str]]:
    """Return the requests of http.batch as the arguments of http.request, and their keys in an object; raises NotCarried."""
    content = value.content
    if isinstance(content, dict):
        return [_batched(one) for one in content.values()], list(content)
    if not isinstance(content, list):
        plain(value)
        raise NotCarried(value.line, "its requests are not a list")
    return [_batched(one) for one in content], []


def _batched(value: Value) -> Value:
    content = value.content
    if isinstance(content, str):
        return Value(value.line, [Value(value.line, "GET"), value])
    if isinstance(content, dict):
        nothing = Value(value.line, None)
        keys = ("method", "url", "body", "params")
        return Value(value.line, [content.get(key, nothing) for key in keys])
    if not isinstance(content, list):
        plain(value)
        raise NotCarried(value.line, "it is not a request")
    return value


def _arguments(function: str, arguments: Sequence[Value], line: int) -> tuple[Value, Value, Value, Value]:
    nothing = Value(line, None)
    method = Value(line, (_WITH_BODY | _WITHOUT_BODY).get(function))
    rest = list(arguments)
    if function in {"request", "asyncRequest"}:
        method, *rest = rest or [nothing]
    if function in _WITHOUT_BODY:
        rest.insert(1, nothing)
    url, body, params, *_ = [*rest, nothing, nothing, nothing]
    return method, url, body, params


def _method(value: Value) -> str:
    try:
        method = str(constant(value))
    except NotCarried as reason:
        raise NotCarried(reason.line, f"the method cannot be carried over: {reason.why}") from reason
    if method not in {*_WITH_BODY.values(), *_WITHOUT_BODY.values()}:
        raise NotCarried(value.line, f"the method {method} is not a method of a probe")
    return method


def _url(value: Value, known: Collection[str]) -> str:
    try:
        return _checked_url(value, known)
    except NotCarried as reason:
        raise NotCarried(reason.line, f"the URL cannot be carried over: {reason.why}") from reason


_AUTHORITY_WITH_VARIABLE = re.compile(r"(https?://[^/?#]*)?\$\{")


def _checked_url(value: Value, known: Collection[str]) -> str:
    url = plain(value)
    if not isinstance(url, str):
        raise NotCarried(value.line, f"{url!r} is not a text")
    with refusal_as_not_carried(value.line):
        compile_url(url, known)
        # Before its variables have values, a URL with one in its host or port cannot be validated.
        if not _AUTHORITY_WITH_VARIABLE.match(url):
            HttpRequest(url=url)
    return url


def _body(value: Value, headers: dict[str, str], known: Collection[str], notes: Notes) -> YamlKeys:
    """Return the body, and adapt the Content-Type header; raises NotCarried."""
    content = value.content
    if isinstance(content, Json) and content.document is not None:
        with refusal_as_not_carried(value.line):
            compile_json(content.document, known)
        return _json(value.line, content, headers, notes)
    if isinstance(content, Undefined):
        return {}
    body = _form(value, headers, notes) if isinstance(content, dict) else plain(value)
    if body is None or body == "":
        return {}
    if not isinstance(body, str):
        raise NotCarried(value.line, f"{body!r} is not a body")
    with refusal_as_not_carried(value.line):
        compile_text(body, known)
    return {"body": body}


def _json(line: int, content: Json, headers: dict[str, str], notes: Notes) -> YamlKeys:
    name = _content_type(headers)
    if name is None:
        notes.say(line, f"the body is sent with Content-Type: {_JSON}, which the script does not send")
    elif headers[name].lower() == _JSON:
        # `json:` always sends it.
        del headers[name]
    return {"json": content.document}


def _form(value: Value, headers: dict[str, str], notes: Notes) -> str:
    fields = {name: text_of(field) for name, field in entries(value).items()}
    if _content_type(headers) is None:
        headers["Content-Type"] = _FORM
    # k6 sends the fields of an object in the order of their names.
    parts = [f"{quote_plus(name)}={_form_value(value.line, field, notes)}" for name, field in sorted(fields.items())]
    return joined(value.line, [Value(value.line, _like(fields, "&".join(parts)))])


def _form_value(line: int, field: str, notes: Notes) -> str:
    if isinstance(field, Template | EnvText):
        notes.say(line, f"{field} is sent in a form as it is, so it must be encoded for a URL")
        return field
    return quote_plus(field)


def _like(fields: dict[str, str], form: str) -> str:
    """Return a form as a text of the kind that its fields have."""
    if has_template(fields):
        return Template(form)
    return EnvText(form) if has_env(fields) else form


def _content_type(headers: dict[str, str]) -> str | None:
    return next((name for name in headers if name.lower() == "content-type"), None)


# The default of k6, twice that of a probe.
DEFAULT_TIMEOUT = "60s"
_BEARER = re.compile(r"Bearer (\S+)")
_LEFT_OUT = {
    "auth": "write the header Authorization",
    "jar": "client: aiohttp keeps the cookies of a transaction",
    "responseCallback": "a status below 400 is expected; write the expected ones as a check",
}


def read_params(params: Value, known: Collection[str], notes: Notes) -> dict[str, Any]:
    """Return the keys of a request that its `params` set."""
    read: dict[str, Any] = {"timeout": DEFAULT_TIMEOUT}
    try:
        parts = {} if params.content is None or isinstance(params.content, Undefined) else entries(params)
    except NotCarried as reason:
        notes.lost("params", reason)
        return read
    for key, value in parts.items():
        try:
            read |= _READERS[key](value, known, notes) if key in _READERS else _left_out(key, value)
        except NotCarried as reason:
            notes.lost(f"params.{key}", reason)
    cookie = read.pop("cookie", "")
    if cookie:
        read["headers"] = read.get("headers", {}) | {"Cookie": cookie}
    return read


def redirects_of(value: Value) -> int:
    """Return how many redirects are followed; raises NotCarried."""
    most = constant(value)
    if type(most) is not int or not 0 <= most <= 100:
        raise NotCarried(value.line, f"{most!r} is not a number of redirects from 0 to 100")
    return most


def _redirects(value: Value, _known: Collection[str], _notes: Notes) -> dict[str, Any]:
    return {"redirects": redirects_of(value)}


def _cookies(value: Value, known: Collection[str], _notes: Notes) -> dict[str, Any]:
    pairs = [joined(one.line, [Value(one.line, f"{name}="), _cookie(one)]) for name, one in entries(value).items()]
    return {"cookie": _header("Cookie", Value(value.line, "; ".join(pairs)), known, is_template=has_template(pairs))}


def _cookie(value: Value) -> Value:
    """Return the value of a cookie: a text, or `{ value: 'a', replace: true }`."""
    return value.content["value"] if isinstance(value.content, dict) and "value" in value.content else value


def _left_out(key: str, value: Value) -> dict[str, Any]:
    raise NotCarried(value.line, _LEFT_OUT.get(key, "a request has no such setting"))


def _timeout(value: Value, _known: Collection[str], _notes: Notes) -> dict[str, Any]:
    timeout = duration(value)
    if timeout in {"0", "0s"}:
        raise NotCarried(value.line, "a request needs a timeout above 0")
    return {"timeout": timeout}


def _tags(value: Value, _known: Collection[str], notes: Notes) -> dict[str, Any]:
    name = None
    for key, tag in entries(value).items():
        if key == "name":
            name = text_of(tag)
            if has_template(name):
                raise NotCarried(tag.line, f"{name} differs for each transaction")
        else:
            notes.not_carried(tag.line, f"params.tags.{key}", "a request has a name and no other tags")
    return {"name": name} if name else {}


def _headers(value: Value, known: Collection[str], notes: Notes) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, given in entries(value).items():
        try:
            headers[name] = _header(name, given, known)
            if name.lower() == "accept-encoding":
                headers[name] = _readable_codings(given.line, headers[name], notes)
        except NotCarried as reason:
            notes.lost(f"the header {name}", reason)
    for name, text in headers.items():
        token = _BEARER.fullmatch(text)
        if name.lower() == "authorization" and token is not None:
            return {"bearer_token": token[1], "headers": {key: of for key, of in headers.items() if key != name}}
    return {"headers": headers}


def _readable_codings(line: int, text: str, notes: Notes) -> str:
    """Leave out the codings that a probe cannot unpack, and k6 can."""
    codings = [one.strip() for one in text.split(",")]
    readable = [one for one in codings if one.partition(";")[0].strip().lower() not in {"br", "zstd"}]
    if len(readable) < len(codings):
        notes.say(line, f"Accept-Encoding is {', '.join(readable) or 'identity'}: a probe unpacks no br and no zstd")
    return ", ".join(readable) or "identity"


def _header(name: str, value: Value, known: Collection[str], *, is_template: bool = False) -> str:
    text = value.content if is_template else text_of(value)
    with refusal_as_not_carried(value.line):
        compile_header(text, known)
        HttpRequest(url="http://localhost/", headers={name: text})
    return Template(text) if is_template else text


_READERS: dict[str, Callable[[Value, Collection[str], Notes], dict[str, Any]]] = {
    "cookies": _cookies,
    "headers": _headers,
    "redirects": _redirects,
    "tags": _tags,
    "timeout": _timeout,
}
