"""A silence for all alerts that a drill does not test, with an author, a reason and an end.

The drill ends it when it is over; when the process is killed first, the silence ends by itself.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from alertdrill.agent.config.drill import Drill
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.held import SilenceMatcher
from alertdrill.units.shielding import to_the_end

AUTHOR = "alertdrill"
# Alerts that resolve with the fault send their last notifications after the drill's phases.
_MARGIN = timedelta(minutes=1)


@asynccontextmanager
async def others_silenced(
    alertmanager: Alertmanager, drill: Drill, tell: Callable[[str], None], now: Callable[[], datetime]
) -> AsyncIterator[None]:
    """Silence every alert but those that the drill expects, for the length of the block.

    Raises ServiceUnavailable when the silence cannot be set. When it cannot be ended, `tell` gets a line with the
    time at which it ends by itself.
    """
    expected = "|".join(re.escape(expectation.alert) for expectation in drill.expect)
    others = SilenceMatcher("alertname", expected, is_regex=True, is_equal=False)
    until = now() + drill.longest + _MARGIN
    silence_id = await alertmanager.add_silence([others], until, AUTHOR, f"drill {drill.name} is running")
    tell(f"alerts that are not under test are silenced until {until:%H:%M:%S} UTC at the latest")
    try:
        yield
    finally:
        await to_the_end(_end(alertmanager, silence_id, until, tell))


async def _end(alertmanager: Alertmanager, silence_id: str, until: datetime, tell: Callable[[str], None]) -> None:
    try:
        await alertmanager.end_silence(silence_id)
    except ServiceUnavailable as error:
        tell(f"the silence {silence_id} ends at {until:%H:%M:%S} UTC, because it could not be ended now: {error}")
