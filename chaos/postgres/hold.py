"""Holds a lock or connections: `python -m alertdrill.chaos.postgres.hold ENTRY_ID SETTINGS`."""

from __future__ import annotations

import asyncio
import sys

from alertdrill.chaos.machine import holder
from alertdrill.chaos.postgres.client import PostgresFailed, held
from alertdrill.chaos.postgres.fault import PostgresInjection
from alertdrill.chaos.secret_source import SecretMissing


async def main(text: str) -> None:
    """Hold until the agent ends or somebody ends this; says why it cannot."""
    try:
        async with held(PostgresInjection.model_validate_json(text)):
            holder.holding()
            await asyncio.to_thread(holder.hold_on)
    except (PostgresFailed, SecretMissing) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[2]))
