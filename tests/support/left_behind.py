"""Faults whose owner is dead, like those of a killed agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from alertdrill.chaos.errors import FaultTakenBack
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.safety.applied import applied
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.toxiproxy.latency import Latency
from alertdrill.lab.server import Server
from tests.support.toxiproxy_server import endpoints

FAULT = Latency(proxy="db", latency=timedelta(milliseconds=1500))

# Its ledger is all that is used of it.
AGENT = """\
probe: {{kind: tcp, url: "tcp://127.0.0.1:1"}}
prometheus: {{url: "http://127.0.0.1:1"}}
alertmanager: {{url: "http://127.0.0.1:1"}}
toxiproxy: {{url: "http://127.0.0.1:1"}}
ledger: {ledger}
"""


async def leave(ledger: Ledger, server: Server, fault: Fault = FAULT) -> str:
    """Inject a fault that belongs to a process which has this one's number, but started earlier."""
    entry_id = ledger.new_id()
    injection = await fault.resolve(endpoints(server), entry_id)
    here = Owner.this_process()
    earlier = Owner(here.pid, here.started - 1, here.boot)
    ledger.write(
        entry_id,
        Entry.of(fault, injection, ledger.drill, fault.servers(endpoints(server))).model_copy(
            update={"owner": earlier}
        ),
    )
    await injection.inject()
    return entry_id


@asynccontextmanager
async def taken_back(ledger: Ledger, server: Server) -> AsyncIterator[None]:
    """Keep a fault in force for the length of the block, in which another process must undo it."""
    kept = applied(FAULT, endpoints(server), ledger)
    await kept.__aenter__()
    yield
    with pytest.raises(FaultTakenBack, match="was undone by another process"):
        await kept.__aexit__(None, None, None)
