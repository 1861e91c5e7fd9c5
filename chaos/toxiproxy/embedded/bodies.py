"""The bodies of requests, read as leniently as the real server reads them.

Keys match in upper and lower case, unknown keys are skipped, `null` leaves a setting as it is, and text after the JSON
value is ignored. Only the wording of a refusal is not the real server's. There is no pydantic here: its import takes
longer than the rest of the start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from alertdrill.chaos.toxiproxy.embedded.errors import bad_request_body

_SPACE = " \t\r\n"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST_FLOAT32 = 3.4028234663852886e38


class Malformed(ValueError):
    """A value of the wrong type, or out of its range; the text says where it is, and what was expected."""


def text(value: object) -> str:
    """Read a string; raises Malformed."""
    if not isinstance(value, str):
        raise Malformed("expected a string")
    # Half a character cannot be written as UTF-8, so no answer could show it.
    return _LONE_SURROGATE.sub("\ufffd", value)


def flag(value: object) -> bool:
    """Read true or false; raises Malformed."""
    if not isinstance(value, bool):
        raise Malformed("expected true or false")
    return value


def int64(value: object) -> int:
    """Read an integer of 64 bits; raises Malformed."""
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise Malformed("expected an integer of 64 bits")
    return value


def float32(value: object) -> int | float:
    """Read a number that fits 32 bits; raises Malformed."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -_LARGEST_FLOAT32 <= value <= _LARGEST_FLOAT32:  # type: ignore[operator]
        raise Malformed("expected a number of 32 bits")
    return value  # type: ignore[return-value]


def mapping(value: object) -> dict[str, Any]:
    """Read an object; raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed("expected an object")
    return value


# How the value of each key is read.
Shape = Mapping[str, Callable[[object], Any]]

# The real server's proxies show their logger by mistake, so that it has a type here too.
PROXY: Shape = {"name": text, "listen": text, "upstream": text, "enabled": flag, "logger": mapping}
TOXIC: Shape = {"name": text, "type": text, "stream": text, "toxicity": float32, "attributes": mapping}
# The real server skips the other keys of an update, whatever they hold.
TOXIC_UPDATE: Shape = {"toxicity": float32, "attributes": mapping}


@dataclass(frozen=True)
class ProxyBody:
    """A proxy to make or to change."""

    name: str = ""
    listen: str = ""
    upstream: str = ""
    enabled: bool = True
    logger: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToxicBody:
    """A toxic to make; each kind has attributes of its own."""

    name: str = ""
    type: str = ""
    stream: str = "downstream"
    toxicity: float = 1
    attributes: dict[str, Any] = field(default_factory=dict)


def read_object(body: bytes, shape: Shape) -> dict[str, Any]:
    """Read the keys of a shape that the JSON object at the start of a body has; raises ApiError."""
    try:
        return keys_of(_value(body), shape)
    except (ValueError, RecursionError) as error:
        raise bad_request_body(error) from error


def read_objects(body: bytes, shape: Shape) -> list[dict[str, Any]]:
    """Read a JSON list of objects, of which `null` is an empty one; raises ApiError."""
    try:
        value = _value(body)
        if not isinstance(value, list | None):
            raise Malformed("expected a list")
        return [keys_of(one, shape) for one in value or []]
    except (ValueError, RecursionError) as error:
        raise bad_request_body(error) from error


def keys_of(given: object, shape: Shape) -> dict[str, Any]:
    """Read the keys of a shape that an object has; raises Malformed."""
    pairs = {} if given is None else mapping(given)
    known = {key.casefold(): value for key, value in pairs.items() if value is not None}
    return {key: _read(key, read, known[key]) for key, read in shape.items() if key in known}


def _read(key: str, read: Callable[[object], Any], value: object) -> object:
    try:
        return read(value)
    except Malformed as error:
        raise Malformed(f"{key}: {error}") from None


def _value(body: bytes) -> object:
    value, _ = _DECODER.raw_decode(body.decode(errors="replace").lstrip(_SPACE))
    return value


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
