"""Recordings of other alerts and of other times, made from the one of the tests."""

from __future__ import annotations

import re

from alertdrill.agent.recording.recording import Recording


def drilled(recording: Recording, alert: str, started_at: float) -> Recording:
    """Return the recording of the same drill of another alert, with all its instants moved to another start."""
    shift = round(started_at - recording.started_at)
    text = recording.model_dump_json(by_alias=True).replace("OrdersSlow", alert)
    moved = re.sub(r"\b179\d{7}(?:\.\d+)?", lambda found: f"{float(found[0]) + shift:.3f}", text)
    return Recording.model_validate_json(moved)
