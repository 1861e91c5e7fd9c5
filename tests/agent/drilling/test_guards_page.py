"""What docs/guards.md shows is read as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from alertdrill.agent.config.drill import Drill
from alertdrill.chaos.guard import Guards

PAGE = (Path(__file__).parents[3] / "docs" / "guards.md").read_text(encoding="utf-8")
DRILL = {"drill": "d", "load": {"rate": 1}, "expect": [{"alert": "A"}]}


def examples() -> list[dict[str, object]]:
    blocks = re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
    return [yaml.safe_load(block) for block in blocks if not block.lstrip().startswith(("alertdrill ", "touch "))]


def test_every_example_is_read() -> None:
    guards, ends, faults = examples()
    assert Guards.model_validate(guards["guards"]).most_faults == 2
    assert Drill.model_validate(DRILL | ends).silence_others
    assert [fault.kind for fault in Drill.model_validate(DRILL | faults).faults] == ["latency", "down", "reset_peer"]
