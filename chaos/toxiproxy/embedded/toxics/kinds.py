"""Every kind of toxic, by the name that the API has for it."""

from __future__ import annotations

from alertdrill.chaos.toxiproxy.embedded.toxics.attributes import Attributes
from alertdrill.chaos.toxiproxy.embedded.toxics.bandwidth import Bandwidth
from alertdrill.chaos.toxiproxy.embedded.toxics.latency import Latency
from alertdrill.chaos.toxiproxy.embedded.toxics.limit_data import LimitData
from alertdrill.chaos.toxiproxy.embedded.toxics.noop import Noop
from alertdrill.chaos.toxiproxy.embedded.toxics.reset_peer import ResetPeer
from alertdrill.chaos.toxiproxy.embedded.toxics.slicer import Slicer
from alertdrill.chaos.toxiproxy.embedded.toxics.slow_close import SlowClose
from alertdrill.chaos.toxiproxy.embedded.toxics.timeout import Timeout

KINDS: dict[str, type[Attributes]] = {
    "bandwidth": Bandwidth,
    "latency": Latency,
    "limit_data": LimitData,
    "noop": Noop,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "slow_close": SlowClose,
    "timeout": Timeout,
}
