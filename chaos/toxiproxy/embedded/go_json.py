"""JSON as Go's encoding/json reads it into a struct and writes it, with its messages and its leniency.

Keys match whatever their case, unknown ones are skipped, `null` leaves a field as it was, what follows the first value
is not read, and of a value of the wrong type the others are still taken.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from alertdrill.chaos.toxiproxy.embedded.go_json_scan import GoJsonError, end_of_value

_INT64 = range(-(2**63), 2**63)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


class _Object(list[tuple[str, Any]]):
    """The members of an object, in order: of a key that is there twice, the last wins, and both are checked."""


@dataclass(frozen=True)
class Struct:
    """A Go struct: `type` and `name` are in messages, `fields` maps keys to Go types.

    A field of an embedded struct has a path of its own in messages, which `paths` has.
    """

    type: str
    name: str
    fields: Mapping[str, str | Struct]
    paths: Mapping[str, str] | None = None

    def path(self, key: str) -> str:
        """Name a field as messages do."""
        return self.paths.get(key, key) if self.paths else key


def decode(body: bytes, shape: Struct, into: dict[str, Any]) -> None:
    """Read an object into a dictionary that holds the defaults; raises GoJsonError after all valid fields are set."""
    errors: list[str] = []
    _set_fields(_parse(body), shape, into, "", "", errors)
    if errors:
        raise GoJsonError(errors[0])


def decode_list(body: bytes, shape: Struct) -> list[dict[str, Any]]:
    """Read an array of objects; raises GoJsonError."""
    errors: list[str] = []
    tree = _parse(body)
    decoded: list[dict[str, Any]] = []
    if isinstance(tree, list) and not isinstance(tree, _Object):
        for item in tree:
            decoded.append({})
            _set_fields(item, shape, decoded[-1], "", "", errors)
    elif tree is not None:
        errors.append(_mismatch(_kind(tree), f"[]{shape.type}", "", ""))
    if errors:
        raise GoJsonError(errors[0])
    return decoded


def encode(value: object) -> str:
    """Write compact JSON, with the escapes of Go."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def encode_float32(value: float) -> str:
    """Write the shortest decimal that is this float32, with an exponent where Go has one."""
    packed = struct.pack("f", value)
    shortest = next(text for text in (f"{value:.{n}e}" for n in range(9)) if struct.pack("f", float(text)) == packed)
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return f"{Decimal(shortest):f}"
    mantissa, exponent = shortest.split("e")
    # Go writes e-9 and e+21.
    return f"{mantissa}e{exponent.replace('-0', '-')}"


def _parse(body: bytes) -> Any:  # noqa: ANN401 - JSON
    text = body[: end_of_value(body)].decode("utf-8", errors="replace")
    try:
        return json.loads(text, parse_int=_Number, parse_float=_Number, object_pairs_hook=_Object, strict=False)
    except RecursionError:
        raise GoJsonError("exceeded max depth") from None


def _set_fields(  # noqa: PLR0913, PLR0917 - the place in the tree, in Go's terms
    node: Any,  # noqa: ANN401 - JSON
    shape: Struct,
    into: dict[str, Any],
    owner: str,
    path: str,
    errors: list[str],
) -> None:
    if node is None:
        return
    if not isinstance(node, _Object):
        errors.append(_mismatch(_kind(node), shape.type, owner, path))
        return
    keys = {key.casefold(): key for key in shape.fields}
    for given, value in node:
        key = keys.get(given.casefold())
        if key is None or value is None:
            continue
        wanted = shape.fields[key]
        inner = ".".join(filter(None, (path, shape.path(key))))
        if isinstance(wanted, Struct):
            _set_fields(value, wanted, into.setdefault(key, {}), shape.name, inner, errors)
        else:
            _set_scalar(value, wanted, into, key, f"{shape.name}.{inner}", errors)


def _set_scalar(  # noqa: PLR0913, PLR0917 - as above
    value: Any,  # noqa: ANN401 - JSON
    wanted: str,
    into: dict[str, Any],
    key: str,
    place: str,
    errors: list[str],
) -> None:
    kind = _kind(value)
    owner, _, path = place.partition(".")
    if kind == "number" and wanted in _NUMBERS:
        number = _NUMBERS[wanted](value)
        if number is None:
            errors.append(_mismatch(f"number {value}", wanted, owner, path))
        else:
            into[key] = number
    elif kind == wanted:
        into[key] = _LONE_SURROGATE.sub("\ufffd", value) if kind == "string" else value
    else:
        errors.append(_mismatch(kind, wanted, owner, path))


def _integer(text: str) -> int | None:
    if not re.fullmatch(r"-?\d{1,20}", text):
        return None
    return int(text) if int(text) in _INT64 else None


def _float32(text: str) -> float | None:
    try:
        (number,) = struct.unpack("f", struct.pack("f", float(text)))
    except OverflowError:
        return None
    return float(number) if abs(number) != float("inf") else None


_NUMBERS = {"int": _integer, "int64": _integer, "float32": _float32}


def _kind(node: object) -> str:
    if isinstance(node, _Number):
        return "number"
    kinds = ((bool, "bool"), (str, "string"), (_Object, "object"), (list, "array"))
    return next(name for kind, name in kinds if isinstance(node, kind))


def _mismatch(value: str, wanted: str, owner: str, path: str) -> str:
    place = f"struct field {owner}.{path}" if owner or path else "value"
    return f"json: cannot unmarshal {value} into Go {place} of type {wanted}"
