"""The answer of `alertdrill explain` for a program: JSON whose keys are stable.

rules: alert, place, expr, kind, basis; window: the milestones, seconds after the fault, or after its end where
`after_the_end`, `latest` null where it is not known; faults: sizes, each with what it needs, null where it never fires;
shortest_fault: with luck and for certain; remarks: name, severity (problem, weakness, note), text, remedy.
unwatched: promises that no rule watches.
Keys may be added; those that are here keep their meaning as long as `version` stays.
"""

from __future__ import annotations

import json
import math
from typing import Any

from alertdrill.agent.rules.explanation import ExplainedRule, Explanation
from alertdrill.agent.rules.prospect import Leg, SizeRow

VERSION = 1


def render(explanation: Explanation) -> str:
    """Render an explanation as JSON text, ending in a newline."""
    answer = {
        "version": VERSION,
        "rules": [_rule(rule) for rule in explanation.rules],
        "unwatched": [{"kpi": kpi.name, "objective": kpi.objective} for kpi in explanation.unwatched],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rule(explained: ExplainedRule) -> dict[str, Any]:
    given, outlook = explained.located, explained.prospect
    return {
        "alert": given.rule.alert,
        "group": given.rule.group,
        "place": given.place,
        "expr": given.rule.expr,
        "for_seconds": given.rule.for_seconds,
        "labels": given.rule.labels,
        "kind": outlook.shape.kind,
        "basis": list(given.basis),
        "scrape_seconds": given.timing.scrape,
        "interval_seconds": given.timing.interval,
        "window": [_leg(leg) for leg in outlook.legs],
        "faults": [_row(row) for table in outlook.tables for row in table.rows],
        "shortest_fault": _span(outlook.shortest),
        "remarks": [
            {"name": one.name, "severity": one.severity, "text": one.text, "remedy": one.remedy}
            for one in explained.remarks
        ],
    }


def _leg(leg: Leg) -> dict[str, Any]:
    return {
        "name": leg.name,
        "earliest": _rounded(leg.earliest),
        "latest": _rounded(leg.latest),
        "after_the_end": leg.after_the_end,
        "arithmetic": leg.arithmetic,
    }


def _row(row: SizeRow) -> dict[str, Any]:
    return {
        "fault": row.size,
        "bad_seconds": None if row.bad_seconds is None else _rounded(row.bad_seconds),
        "pending": _span(row.pending),
        "firing": _span(row.firing),
        "shortest_fault": _span(row.shortest),
    }


def _span(span: tuple[float, float] | None) -> list[float | None] | None:
    return None if span is None else [_rounded(span[0]), _rounded(span[1])]


def _rounded(seconds: float) -> float | None:
    return None if math.isinf(seconds) else round(seconds, 3)
