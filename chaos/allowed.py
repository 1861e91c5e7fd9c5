"""What may be done only when it is written down twice: in the drill, and in agent.yml by whoever runs the agent."""

from __future__ import annotations

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.fault import Endpoints


def require_allowed(what: str, written: str | None, endpoints: Endpoints) -> None:
    """Compare what is to be done (`flush redis:6379`) with both files; raises FaultNotApplied that says what to write."""
    if written != what:
        had = "it has none" if written is None else f"it has {written!r}"
        raise FaultNotApplied(f"needs `allow: {what}` in the drill's fault, {had}")
    if what not in endpoints.allowed:
        raise FaultNotApplied(f"`{what}` is not allowed here: agent.yml needs it in its list `allow`")
