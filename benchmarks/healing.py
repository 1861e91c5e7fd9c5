"""How long it takes to undo a hundred faults: `python -m benchmarks.healing`.

The faults are toxics on a real Toxiproxy, left behind by a dead process, as `alertdrill heal` finds them. The second
measurement has one more fault, on a server that accepts connections and never answers.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from alertdrill.chaos.safety.healing import abandoned, heal_all
from alertdrill.chaos.safety.ledger import Ledger
from tests.support.left_behind import leave
from tests.support.toxiproxy_server import toxics, toxiproxy_server

_FAULTS = 100


async def measure(*, with_one_that_hangs: bool) -> float:
    """Leave a hundred faults behind; returns the seconds it takes to undo them."""
    with tempfile.TemporaryDirectory(prefix="alertdrill-") as made:
        async with toxiproxy_server(Path(made)) as server, await asyncio.start_server(_hang, "127.0.0.1", 0) as hung:
            ledger = Ledger(Path(made) / "ledger")
            ids = [await leave(ledger, server) for _ in range(_FAULTS + with_one_that_hangs)]
            # Old entries are undone once. New ones are undone again after a while: their owner's request may arrive late.
            for entry_id, entry in ledger.read().entries.items():
                injection = entry.injection
                if with_one_that_hangs and entry_id == ids[-1]:
                    url = f"http://127.0.0.1:{hung.sockets[0].getsockname()[1]}"
                    injection = injection.model_copy(update={"toxiproxy_url": url})
                old = {"written_at": entry.written_at - 60, "injection": injection}
                ledger.write(entry_id, entry.model_copy(update=old))
            began = time.perf_counter()
            results = heal_all(ledger, abandoned(ledger.read()))
            healed = [(await anext(results)).problem for _ in range(_FAULTS)]
            seconds = time.perf_counter() - began
            await results.aclose()
            assert healed == [""] * _FAULTS  # noqa: S101 - the time counts only if all are undone
            assert len(toxics(server)) == with_one_that_hangs  # noqa: S101
            return seconds


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


if __name__ == "__main__":
    for hangs in (False, True):
        beside = ", beside one whose server hangs" if hangs else ""
        print(f"{_FAULTS} faults undone in {asyncio.run(measure(with_one_that_hangs=hangs)):.2f} s{beside}")  # noqa: T201
