from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from alertdrill.agent.config.daemon import Closed, Schedule, ScheduleEntry
from alertdrill.agent.config.drill import Drill


def at(text: str) -> datetime:
    """Return an instant, in UTC unless the text has another offset."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def drill(name: str, *alerts: str, severity: str | None = None) -> Drill:
    labels = {} if severity is None else {"severity": severity}
    return Drill.model_validate(
        {"drill": name, "load": {"rate": 1}, "expect": [{"alert": one, "labels": labels} for one in alerts]}
    )


def entry(**values: Any) -> ScheduleEntry:
    return ScheduleEntry.model_validate({"name": "weekly", "drills": ["*.yml"], "cron": "0 10 * * TUE", **values})


def schedule(*blackouts: dict[str, Any], zone: str = "Europe/Berlin", **values: Any) -> Schedule:
    """Make a schedule of one entry with the given values."""
    return Schedule(time_zone=zone, blackouts=tuple(map(Closed.model_validate, blackouts)), entries=(entry(**values),))
