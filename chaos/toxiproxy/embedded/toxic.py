"""A toxic of a proxy: its JSON in the API, and how it is read from a body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from alertdrill.chaos.toxiproxy.embedded.bodies import TOXIC, TOXIC_UPDATE, Malformed, ToxicBody, read_object
from alertdrill.chaos.toxiproxy.embedded.errors import ApiError, bad_request_body
from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes
from alertdrill.chaos.toxiproxy.embedded.toxics.bandwidth import BandwidthToxic
from alertdrill.chaos.toxiproxy.embedded.toxics.latency import LatencyToxic
from alertdrill.chaos.toxiproxy.embedded.toxics.limit_data import LimitDataToxic
from alertdrill.chaos.toxiproxy.embedded.toxics.noop import NoopToxic
from alertdrill.chaos.toxiproxy.embedded.toxics.reset_peer import ResetPeerToxic
from alertdrill.chaos.toxiproxy.embedded.toxics.slicer import SlicerToxic
from alertdrill.chaos.toxiproxy.embedded.toxics.slow_close import SlowCloseToxic
from alertdrill.chaos.toxiproxy.embedded.toxics.timeout import TimeoutToxic

KINDS: dict[str, type[Attributes]] = {
    "bandwidth": BandwidthToxic,
    "latency": LatencyToxic,
    "limit_data": LimitDataToxic,
    "noop": NoopToxic,
    "reset_peer": ResetPeerToxic,
    "slicer": SlicerToxic,
    "slow_close": SlowCloseToxic,
    "timeout": TimeoutToxic,
}


class Direction(Enum):
    """Upstream is from the client to the server."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


@dataclass(eq=False)
class Toxic:
    """One toxic; `stream` is its direction as the client wrote it, in any case."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Attributes

    @property
    def direction(self) -> Direction:
        """The direction of the data that it works on."""
        return Direction(self.stream.lower())

    def as_json(self) -> dict[str, Any]:
        """Return what the API shows, in its order."""
        return {
            "attributes": self.attributes.as_json(),
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": self.toxicity,
        }

    def update(self, body: bytes) -> None:
        """Take settings from a body; raises ApiError, and then nothing changes."""
        given = read_object(body, TOXIC_UPDATE)
        try:
            self.attributes.update(given.get("attributes", {}))
        except Malformed as error:
            raise bad_request_body(error) from error
        self.toxicity = given.get("toxicity", self.toxicity)


def read_toxic(body: bytes, is_taken: Callable[[str], bool]) -> Toxic:
    """Create the toxic that a body describes; raises ApiError."""
    given = ToxicBody(**read_object(body, TOXIC))
    if given.stream.lower() not in {direction.value for direction in Direction}:
        raise ApiError("stream was invalid, can be either upstream or downstream", 400)
    if given.type not in KINDS:
        raise ApiError("invalid toxic type", 400)
    name = given.name or f"{given.type}_{given.stream}"
    if is_taken(name):
        raise ApiError("toxic already exists", 409)
    try:
        attributes = KINDS[given.type].read(given.attributes)
    except Malformed as error:
        raise bad_request_body(error) from error
    return Toxic(name, given.type, given.stream, given.toxicity, attributes)
