"""Makes the recording when a drill is over, from the drill's notes and from the data of Prometheus and Alertmanager."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from alertdrill import __version__
from alertdrill.agent.config.agent import is_loopback
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.config.servers import Grafana
from alertdrill.agent.drilling.evidence import Evidence, address
from alertdrill.agent.drilling.observer import EARLIER_SECONDS, Observer
from alertdrill.agent.drilling.raw_samples import ReplaySpan, replay_record
from alertdrill.agent.drilling.site import Site
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import (
    AlertmanagerRecord,
    AlertSamples,
    CallsRecord,
    FaultRecord,
    LoadRecord,
    MachineRecord,
    NotificationRecord,
    PhaseRecord,
    PrometheusRecord,
    RefusalRecord,
    RuleRecord,
    StrainRecord,
    TargetRecord,
    WatchedRecord,
)
from alertdrill.agent.rules.routing import calls
from alertdrill.agent.scorecard.measure import over_phases
from alertdrill.units import json_text


@dataclass(frozen=True)
class DrillNotes:
    """What a drill itself noted, from its start to its end (Unix seconds)."""

    started_at: float
    ended_at: float
    phases: list[PhaseRecord]
    faults: list[FaultRecord]
    load: LoadRecord
    notifications: list[NotificationRecord]
    refused: list[RefusalRecord]
    slices: list[StrainRecord]


async def assembled(site: Site, drill: Drill, observer: Observer, notes: DrillNotes) -> Recording:
    """Make the recording of a drill; a server that no longer answers is noted as an outage."""
    evidence = Evidence(site.prometheus, notes.started_at, notes.ended_at)
    alerts, watched, targets = await _gathered(evidence, drill, observer, _ignored(site, drill, observer))
    span = ReplaySpan(notes.started_at, notes.ended_at, observer.lookback_seconds)
    replay = await replay_record(site.prometheus, [expectation.alert for expectation in drill.expect], span)
    earlier = await observer.earlier(evidence)
    prometheus, alertmanager = await observer.prometheus_record(), await observer.alertmanager_record()
    return Recording(
        **_noted(site, drill, observer, notes),
        prometheus=prometheus,
        alertmanager=alertmanager,
        rules_at_end=await observer.rules_at_end(),
        watched=watched,
        targets=targets,
        alerts=alerts,
        earlier=earlier or [],
        earlier_since=None if earlier is None else notes.started_at - EARLIER_SECONDS,
        calls=await _calls(site, drill, observer, notes),
        outages=observer.outages,
        kpis=await over_phases(site.config.kpis, site.prometheus, notes.phases, site.config.time_scale),
        dashboards=_dashboards(site, drill, observer),
        replay=replay,
    )


def noted(site: Site, drill: Drill, observer: Observer, notes: DrillNotes) -> Recording:
    """Make the recording of what is known without asking a server; it says that the rest is missing."""
    known = _noted(site, drill, observer, notes)
    missing = "what Prometheus stored was not fetched"
    return Recording(
        **known | {"aborted": f"{observer.aborted}; {missing}" if observer.aborted else missing},
        prometheus=PrometheusRecord(version="unknown"),
        alertmanager=AlertmanagerRecord(version="unknown", config=observer.alertmanager_config),
        alerts=[],
        calls=CallsRecord(refused=notes.refused),
        outages=observer.outages,
    )


def _noted(site: Site, drill: Drill, observer: Observer, notes: DrillNotes) -> dict[str, Any]:
    return {
        "alertdrill": __version__,
        "drill": drill,
        "time_scale": site.config.time_scale,
        "started_at": notes.started_at,
        "ended_at": notes.ended_at,
        "phases": notes.phases,
        "faults": notes.faults,
        "load": notes.load,
        "probed": sorted(_addresses(site.config.probe.model_dump(mode="json"))),
        "machine": MachineRecord(has_prometheus=_is_here(site.config.prometheus.url), slices=notes.slices),
        "rules": observer.rules,
        "groups": observer.groups,
        "active": observer.active,
        "notifications": notes.notifications,
        "aborted": observer.aborted,
        "aborted_by": observer.aborted_by,
        "ignored": _ignored(site, drill, observer),
    }


def _ignored(site: Site, drill: Drill, observer: Observer) -> list[str]:
    """List the alerts of the rules that agent.yml ignores in all drills, without those under test."""
    patterns, expected = site.config.guards.ignore_alerts, {one.alert for one in drill.expect}
    names = {rule.alert for rule in observer.rules} - expected
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def _is_here(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def _addresses(probe: Any) -> set[str]:  # noqa: ANN401 - settings hold anything
    """Return the host and the port of every URL in the settings of a probe."""
    if isinstance(probe, dict):
        own = {address(value) for name, value in probe.items() if name == "url" and isinstance(value, str)}
        return own.union(*(_addresses(value) for value in probe.values())) - {""}
    return set().union(*map(_addresses, probe)) if isinstance(probe, list | tuple) else set()


async def _calls(site: Site, drill: Drill, observer: Observer, notes: DrillNotes) -> CallsRecord:
    wanted = sorted({one.receiver for one in drill.expect if one.receiver is not None})
    config, base = observer.alertmanager_config, site.config.webhook_base
    callers = [name for name in wanted if calls(config, name, base)]
    received = len({(one.received_at, one.receiver) for one in notes.notifications})
    sent = await observer.webhook_calls(received)
    return CallsRecord(refused=notes.refused, sent_by_alertmanager=sent, callers=callers)


async def _gathered(
    evidence: Evidence, drill: Drill, observer: Observer, ignored: list[str]
) -> tuple[list[AlertSamples], list[WatchedRecord], list[TargetRecord]]:
    """Fetch what Prometheus stored; when it does not answer, note an outage and return nothing.

    The rules of alerts that fired without being allowed are evaluated again, too: what they saw may excuse them.
    """
    expected = {expectation.alert for expectation in drill.expect}
    watched: list[WatchedRecord] = []
    targets: dict[tuple[str, str], TargetRecord] = {}
    try:
        alerts = await evidence.alerts()
        fired = {one.labels["alertname"] for one in alerts if one.state == "firing"}
        for rule in observer.rules:
            if rule.alert in expected | fired - {*drill.allow, *ignored}:
                record, behind = await evidence.watched(rule, observer.groups, alerts, observer.active)
                watched.append(record)
                targets |= {(target.job, target.instance): target for target in behind}
    except ServiceUnavailable as error:
        observer.note_outage("Prometheus", str(error))
        return [], [], []
    return alerts, watched, [observer.with_error(target) for target in targets.values()]


def _dashboards(site: Site, drill: Drill, observer: Observer) -> dict[str, str]:
    if site.config.grafana is None:
        return {}
    return links(site.config.grafana, observer.rules, [expectation.alert for expectation in drill.expect])


_MOST_VALUES = 1_000_000
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
            written: Any = json_text.parse(path.read_bytes(), _MOST_VALUES)
            queries = [target["expr"] for panel in written["panels"] for target in panel.get("targets", ())]
            shown[str(written["uid"])] = Counter(metric for query in queries for metric in _metrics(query))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return shown


def _metrics(expr: str) -> list[str]:
    # Names of metrics have an underscore, except `up`. Some labels have one too, which does no harm.
    return [word for word in _WORD.findall(expr) if "_" in word or word == "up"]
