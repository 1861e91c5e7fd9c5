"""Finds the dashboard of an alert: the one that shows most of the metrics which the alert's rule reads."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alertdrill.agent.config.servers import Grafana
from alertdrill.agent.recording.records import RuleRecord

_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def links(grafana: Grafana, rules: Iterable[RuleRecord], alerts: Iterable[str]) -> dict[str, str]:
    """Return the URL of each alert's dashboard; an alert whose metrics are on no dashboard is left out."""
    wanted, shown = set(alerts), _shown(grafana.dashboards)
    found = {}
    for rule in rules:
        if rule.alert in wanted and (uid := _nearest(rule.expr, shown)):
            found[rule.alert] = f"{grafana.url}/d/{quote(uid)}"
    return found


def _nearest(expr: str, shown: Mapping[str, Counter[str]]) -> str:
    """Return the uid of the dashboard that reads an expression's metrics most often; empty when none reads them."""
    read = set(_metrics(expr))
    often = {uid: sum(counts[metric] for metric in read) for uid, counts in shown.items()}
    best = max(often, key=lambda uid: often[uid], default="")
    return best if often.get(best) else ""


def _shown(folder: Path) -> dict[str, Counter[str]]:
    """Count the metrics of each dashboard in a folder, by its uid; other files are left out."""
    shown = {}
    for path in sorted(folder.glob("*.json")):
        try:
            written: Any = json.loads(path.read_text(encoding="utf-8"))
            queries = [target["expr"] for panel in written["panels"] for target in panel.get("targets", ())]
            shown[str(written["uid"])] = Counter(metric for query in queries for metric in _metrics(query))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return shown


def _metrics(expr: str) -> list[str]:
    # Names of metrics have an underscore, except `up`. Some labels have one too, which does no harm.
    return [word for word in _WORD.findall(expr) if "_" in word or word == "up"]
