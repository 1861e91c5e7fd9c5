"""A toxic of a proxy: what the API shows of it, and how it is read from a body."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from enum import Enum
from typing import Any

from alertdrill.chaos.toxiproxy.embedded.errors import ApiError, bad_request_body
from alertdrill.chaos.toxiproxy.embedded.go_json import Struct, decode, encode, encode_float32
from alertdrill.chaos.toxiproxy.embedded.go_json_scan import GoJsonError
from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes
from alertdrill.chaos.toxiproxy.embedded.toxics.kinds import KINDS
from alertdrill.chaos.toxiproxy.embedded.toxics.noop import Noop

_WRAPPER = Struct(
    "toxics.ToxicWrapper",
    "ToxicWrapper",
    {"attributes": Noop.shape(), "name": "string", "type": "string", "stream": "string", "toxicity": "float32"},
)
_UPDATE_TYPE = 'struct { Attributes interface {} "json:\\"attributes\\""; Toxicity float32 "json:\\"toxicity\\"" }'


class Direction(Enum):
    """Upstream is from the client to the server."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


@dataclass(eq=False)
class Toxic:
    """One toxic; `stream` is a direction in the spelling of whoever made it."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Attributes

    @property
    def direction(self) -> Direction:
        """Which way the data goes that it works on."""
        return Direction(self.stream.lower())

    def json(self) -> str:
        """Write it as the API does."""
        return (
            f'{{"attributes":{encode(self.attributes.as_json())},"name":{encode(self.name)},"type":{encode(self.type)},'
            f'"stream":{encode(self.stream)},"toxicity":{encode_float32(self.toxicity)}}}'
        )

    def update(self, body: bytes) -> None:
        """Take settings from a body; raises ApiError, and then the valid settings are taken all the same."""
        given: dict[str, Any] = {"attributes": {}, "toxicity": self.toxicity}
        fields: dict[str, str | Struct] = {"attributes": self.attributes.shape(), "toxicity": "float32"}
        refusal = _read(body, Struct(_UPDATE_TYPE, "", fields), given)
        _apply(self.attributes, given["attributes"])
        if refusal is not None:
            raise refusal
        self.toxicity = given["toxicity"]


def read_toxic(body: bytes, is_taken: Callable[[str], bool]) -> Toxic:
    """Make the toxic that a body describes; raises ApiError."""
    given: dict[str, Any] = {"name": "", "type": "", "stream": "downstream", "toxicity": 1.0}
    refusal = _read(body, _WRAPPER, given)
    if refusal is not None:
        raise refusal
    if given["stream"].lower() not in {direction.value for direction in Direction}:
        raise ApiError("stream was invalid, can be either upstream or downstream", 400)
    if given["type"] not in KINDS:
        raise ApiError("invalid toxic type", 400)
    name = given["name"] or f"{given['type']}_{given['stream']}"
    if is_taken(name):
        raise ApiError("toxic already exists", 409)
    attributes = KINDS[given["type"]]()
    settings: dict[str, Any] = {"attributes": {}}
    refusal = _read(body, Struct("", "", {"attributes": attributes.shape()}), settings)
    if refusal is not None:
        raise refusal
    _apply(attributes, settings["attributes"])
    return Toxic(name, given["type"], given["stream"], given["toxicity"], attributes)


def _read(body: bytes, shape: Struct, into: dict[str, Any]) -> ApiError | None:
    try:
        decode(body, shape, into)
    except GoJsonError as error:
        return bad_request_body(error)
    return None


def _apply(attributes: Attributes, values: dict[str, Any]) -> None:
    """Take values, unless the real server would crash with them; then raises ApiError and takes none."""
    trial = copy(attributes)
    trial.update(values)
    crash = trial.crash()
    if crash is not None:
        raise bad_request_body(crash)
    attributes.update(values)
