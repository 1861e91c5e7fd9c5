"""How things stand, for the metrics of a load or a drill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alertdrill.agent.recording.records import Phase
    from alertdrill.probes.load.tally import Tally


@dataclass(frozen=True)
class Situation:
    """What there is to tell of: the load, the drill under way, and its faults.

    `faults` counts for each kind and target how many are in force. `checks` names those of the load, so that each
    is counted from zero on.
    """

    tally: Tally | None = None
    checks: tuple[str, ...] = ()
    drill: str | None = None
    phase: Phase | None = None
    faults: Mapping[tuple[str, str], int] = field(default_factory=dict)
