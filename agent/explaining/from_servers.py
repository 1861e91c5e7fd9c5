"""`alertdrill explain` from servers: the rules that Prometheus has loaded, and the series behind them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.config.kpis import Kpis, read_kpis
from alertdrill.agent.errors import ConfigError, ServiceUnavailable
from alertdrill.agent.explaining.from_files import ExplainOptions, require_alert
from alertdrill.agent.explaining.metadata import read_types
from alertdrill.agent.interrupts import ending_at_once
from alertdrill.agent.monitoring import alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.monitoring.status import Flags
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.explanation import Explanation, LocatedRule, RoutesUnreadable, explain
from alertdrill.agent.rules.expression import anatomy
from alertdrill.agent.rules.recorded import RecordingRule, Unfolded, by_name, unfold
from alertdrill.agent.rules.remark import GRACE_SECONDS, RuleContext
from alertdrill.agent.rules.timing import DEFAULT_INTERVAL_SECONDS, LOOKBACK_SECONDS, timing_of
from alertdrill.units.duration import format_seconds

_Labels = Mapping[str, tuple[Mapping[str, str], ...]]


async def from_servers(config: Path, options: ExplainOptions) -> Explanation:
    """Explain the rules of a running Prometheus; raises ConfigError, ServiceUnavailable."""
    loaded = read_agent_config(config)
    prometheus = Prometheus(loaded.prometheus)
    rules = await prometheus.rules()
    scrapes = await prometheus.scrape_seconds()
    recordings = await _recordings(prometheus)
    labels = await _labels(prometheus, rules, recordings)
    status = None if loaded.alertmanager is None else await alertmanager.status(loaded.alertmanager)
    flags = await prometheus.flags() or Flags()
    grace = flags.for_grace_period_seconds
    context = RuleContext(
        rules=tuple(rules),
        kpis=read_kpis(options.kpis) if options.kpis is not None else Kpis(),
        alertmanager=None if status is None else status.config,
        types=await prometheus.metric_types() | (read_types(options.metadata) if options.metadata else {}),
        recorded=frozenset(recordings),
        labels=labels,
        grace_seconds=GRACE_SECONDS if grace is None else grace,
    )
    asked = _Asked(loaded.prometheus.url, scrapes, labels, recordings, flags)
    with ending_at_once():
        require_alert(options.rule, rules)
        wanted = (rule for rule in rules if options.rule in {None, rule.alert})
        located = (asked.located(rule) for rule in wanted)
        try:
            return explain(located, context, has_all=options.rule is None)
        except RoutesUnreadable as error:
            where = loaded.alertmanager.url if loaded.alertmanager is not None else "Alertmanager"
            raise ConfigError(f"{where}: route: cannot be read: {error}") from error


async def _labels(
    prometheus: Prometheus, rules: Sequence[RuleRecord], recordings: Mapping[str, list[RecordingRule]]
) -> _Labels:
    """Fetch the labels of the series that each selector of a rule finds, and of both sides of its operators."""
    found: dict[str, tuple[Mapping[str, str], ...]] = {}
    for expr in dict.fromkeys(part for rule in rules for part in _parts(rule.expr, recordings)):
        now = time.time()
        try:
            found[expr] = tuple(labels for labels, _ in await prometheus.values(expr, now, now, 1.0))
        except ServiceUnavailable:
            # A part that cannot be evaluated is left out. If the server were down, the rules would have failed already.
            continue
    return found


def _parts(expr: str, recordings: Mapping[str, list[RecordingRule]]) -> list[str]:
    """List the selectors of an expression and of its recording rules, and the sides of its own operators."""
    tree, unfolded = anatomy(expr), anatomy(_unfolded(expr, recordings).expr)
    if tree is None:
        return []
    sides = [side for pairing in tree.pairings for side in (pairing.lhs, pairing.rhs)]
    return [*map(str, tree.selectors), *map(str, unfolded.selectors if unfolded else ()), *sides]


def _unfolded(expr: str, recordings: Mapping[str, list[RecordingRule]]) -> Unfolded:
    # The place of an alerting rule among the recording ones of its group is not told.
    return unfold(expr, "", 0, recordings)


async def _recordings(prometheus: Prometheus) -> dict[str, list[RecordingRule]]:
    return by_name(
        RecordingRule(rule.name, rule.expr, f"{group.file} {group.name}", index, group.interval_seconds, rule.labels)
        for group in await prometheus.recording_groups()
        for index, rule in enumerate(group.rules)
    )


@dataclass(frozen=True)
class _Asked:
    """What the servers know of all rules."""

    url: str
    scrapes: Mapping[str, float]
    labels: _Labels
    recordings: dict[str, list[RecordingRule]]
    flags: Flags

    def located(self, rule: RuleRecord) -> LocatedRule:
        unfolded = _unfolded(rule.expr, self.recordings)
        parts = _parts(rule.expr, self.recordings)
        jobs = {one.get("job", "") for part in parts for one in self.labels.get(part, ())} & set(self.scrapes)
        longest = max(self.scrapes.values(), default=DEFAULT_INTERVAL_SECONDS)
        seconds = max((self.scrapes[job] for job in jobs), default=longest)
        source = f"job {', '.join(sorted(jobs))}" if jobs else "the longest of all jobs, for its series have no `job`"
        lookback = self.flags.lookback_delta_seconds
        grace = self.flags.for_grace_period_seconds
        graced = format_seconds(GRACE_SECONDS if grace is None else grace)
        counts = format_seconds(lookback or LOOKBACK_SECONDS)
        basis = (
            f"scrape interval {format_seconds(seconds)}: {source}, of {self.url}",
            f"evaluation interval {format_seconds(rule.interval_seconds)}: its group's, of {self.url}",
            "routes: those of the running Alertmanager",
            "query offset 0s: Prometheus' default",
            f"grace period {graced}, lookback {counts}: {'its flags' if lookback else 'defaults'}, of {self.url}",
        )
        timing = replace(
            timing_of(rule, seconds),
            record_lag=unfolded.lag_seconds,
            lookback=lookback or LOOKBACK_SECONDS,
            is_guess=not jobs,
        )
        return LocatedRule(rule, timing, f"group {rule.group}", basis, unfolded)
