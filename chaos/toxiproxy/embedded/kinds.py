"""Every kind of toxic, by the name that the API has for it."""

from __future__ import annotations

from chaos.toxiproxy.embedded.attributes import Attributes
from chaos.toxiproxy.embedded.bandwidth import Bandwidth
from chaos.toxiproxy.embedded.latency import Latency
from chaos.toxiproxy.embedded.limit_data import LimitData
from chaos.toxiproxy.embedded.noop import Noop
from chaos.toxiproxy.embedded.reset_peer import ResetPeer
from chaos.toxiproxy.embedded.slicer import Slicer
from chaos.toxiproxy.embedded.slow_close import SlowClose
from chaos.toxiproxy.embedded.timeout import Timeout

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
