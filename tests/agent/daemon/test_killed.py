from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.killed_agents import AFTER, kill_agents


@pytest.mark.servers
def test_an_agent_that_is_killed_around_an_occurrence_runs_it_at_most_once_and_none_vanishes(tmp_path: Path) -> None:
    """What was broken is mended by the watchdog or by the next agent; `make schedule-proof` kills 200 times."""
    found = kill_agents(tmp_path, len(AFTER), seed=19)
    assert found.problems == []
    assert found.rounds == sum(found.ended_as.values()) == len(AFTER)
    assert found.begun >= 2
