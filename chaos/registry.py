"""Which faults there are: the kind in a drill file, and its class."""

from __future__ import annotations

from chaos.toxiproxy.latency import Latency

FAULTS = {
    "latency": Latency,
}

AnyFault = Latency
