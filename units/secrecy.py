"""Naming things without the secrets in them, and recognising names of secrets.

A URL in an error, a log or a report goes through `shown_url`, a text from outside through `without`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

SHOWN = "<secret>"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NO_PORT = re.compile(r":(?!\d*$)[^:\]]*$")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = {
    *("authorization", "auth", "bearer", "cookie", "credential", "credentials", "jwt", "passphrase", "passwd"),
    *("password", "pwd", "secret", "sig", "signature", "token", "apikey", "accesskey", "privatekey"),
}
_BEFORE_KEY = {"api", "access", "private", "secret", "auth", "signing"}
# A shorter text is in too many words.
_SHORTEST = 4


def shown_url(url: str) -> str:
    """Return a URL without its user name, password, query and fragment; it need not be well-formed."""
    scheme = match[0] if (match := _SCHEME.match(url)) else ""
    rest = url[len(scheme) :]
    hidden, at, rest = rest.rpartition("@")
    # Either the password has one of these in it, or the path or the query has an @.
    if any(character in hidden for character in "/?#"):
        return scheme + SHOWN
    plain = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = plain.partition("/")
    # What is not a port may be a password without its host.
    authority = _NO_PORT.sub(f":{SHOWN}", authority)
    return f"{scheme}{SHOWN if hidden else ''}{at}{authority}{slash}{path}{f'?{SHOWN}' if plain != rest else ''}"


def is_secret_name(name: str) -> bool:
    """Return whether the name of a header, a parameter or a key says that its value is a secret: `X-Api-Key`."""
    words = [word.lower() for word in _WORD.findall(name)]
    pairs = pairwise(words)
    return any(word in _SECRET_WORDS for word in words) or any(
        one in _BEFORE_KEY and two == "key" for one, two in pairs
    )


def is_secret_field(name: str) -> bool:
    """Return the same for a header or a parameter, where `key` alone is one, too."""
    return name.lower() in {"key", "x-key"} or is_secret_name(name)


def secret_parameter(query: str) -> str | None:
    """Return the first parameter of a query whose name says that it is a secret; None if there is none."""
    return next((name for name, _ in parse_qsl(query, keep_blank_values=True) if is_secret_field(name)), None)


def secret_key(value: object) -> str | None:
    """Return the first key of JSON, at any depth, whose name says that its value is a secret; None if there is none."""
    if isinstance(value, dict):
        for key, item in value.items():
            if found := str(key) if is_secret_name(str(key)) else secret_key(item):
                return found
    if isinstance(value, list | tuple):
        return next((found for item in value if (found := secret_key(item))), None)
    return None


def masked(value: Any, name: str = "", *, named: bool = False) -> Any:  # noqa: ANN401 - JSON
    """Mask in settings what may be secret: in URLs, and under the name of a secret in headers and JSON, or if `named`."""
    if isinstance(value, dict):
        return {key: masked(item, key, named=named or name in {"headers", "json"}) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, name, named=named) for item in value]
    if name == "url" and isinstance(value, str):
        return shown_url(value)
    return SHOWN if named and is_secret_field(name) else value


def without(text: str, secrets: Iterable[str]) -> str:
    """Replace secrets in a text from outside, also where they are encoded for a URL."""
    spelled = {form for secret in _parts(secrets) for form in _spellings(secret)}
    # The longest first: one secret may be a part of another.
    for form in sorted(spelled, key=len, reverse=True):
        text = text.replace(form, SHOWN)
    return text


def _spellings(secret: str) -> Iterable[str]:
    yield secret
    for safe in ("", "/", "/?:@!$'()*,;=~"):
        yield from (quote(secret, safe=safe), quote_plus(secret, safe=safe))


def _parts(secrets: Iterable[str]) -> Iterable[str]:
    for secret in secrets:
        # `Bearer abc` may come back as `abc`, and a file as one of its lines.
        for part in (secret, secret.partition(" ")[2], *secret.splitlines()):
            if len(part.strip()) >= _SHORTEST:
                yield part.strip()
