"""Every kind of toxic, by the name that the API has for it."""

from __future__ import annotations

from alertdrill.chaos.toxiproxy.embedded.attributes import Attributes
from alertdrill.chaos.toxiproxy.embedded.bandwidth import Bandwidth
from alertdrill.chaos.toxiproxy.embedded.latency import Latency
from alertdrill.chaos.toxiproxy.embedded.limit_data import LimitData
from alertdrill.chaos.toxiproxy.embedded.noop import Noop
from alertdrill.chaos.toxiproxy.embedded.reset_peer import ResetPeer
from alertdrill.chaos.toxiproxy.embedded.slicer import Slicer
from alertdrill.chaos.toxiproxy.embedded.slow_close import SlowClose
from alertdrill.chaos.toxiproxy.embedded.timeout import Timeout

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
