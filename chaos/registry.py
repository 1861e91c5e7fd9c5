"""Which faults there are: the kind in a drill file and its class, and the kind in the ledger and its class."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chaos.toxiproxy.latency import Latency
from chaos.toxiproxy.reset_peer import ResetPeer
from chaos.toxiproxy.toxic import ToxicInjection

FAULTS = {
    "latency": Latency,
    "reset_peer": ResetPeer,
}

AnyFault = Annotated[Latency | ResetPeer, Field(discriminator="kind")]

INJECTIONS = {
    "toxic": ToxicInjection,
}
