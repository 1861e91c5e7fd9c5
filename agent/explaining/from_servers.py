"""`alertdrill explain` from servers: the rules that Prometheus has loaded, and the series behind them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.config.kpis import Kpis, read_kpis
from alertdrill.agent.errors import ConfigError, ServiceUnavailable
from alertdrill.agent.explaining.from_files import ExplainOptions, require_alert
from alertdrill.agent.interrupts import ending_at_once
from alertdrill.agent.monitoring import alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.rules.explanation import Explanation, LocatedRule, RoutesUnreadable, explain
from alertdrill.agent.rules.expression import anatomy
from alertdrill.agent.rules.remark import RuleContext
from alertdrill.agent.rules.timing import DEFAULT_INTERVAL_SECONDS, timing_of
from alertdrill.units.duration import format_seconds

_Labels = Mapping[str, tuple[Mapping[str, str], ...]]


async def from_servers(config: Path, options: ExplainOptions) -> Explanation:
    """Explain the rules of a running Prometheus; raises ConfigError, ServiceUnavailable."""
    loaded = read_agent_config(config)
    prometheus = Prometheus(loaded.prometheus)
    rules = await prometheus.rules()
    scrapes = await prometheus.scrape_seconds()
    labels = await _labels(prometheus, rules)
    status = await alertmanager.status(loaded.alertmanager)
    context = RuleContext(
        rules=tuple(rules),
        kpis=read_kpis(options.kpis) if options.kpis is not None else Kpis(),
        alertmanager=status.config,
        labels=labels,
    )
    with ending_at_once():
        require_alert(options.rule, rules)
        wanted = (rule for rule in rules if options.rule in {None, rule.alert})
        located = (_located(rule, scrapes, labels, loaded.prometheus.url) for rule in wanted)
        try:
            return explain(located, context, has_all=options.rule is None)
        except RoutesUnreadable as error:
            raise ConfigError(f"{loaded.alertmanager.url}: route: cannot be read: {error}") from error


async def _labels(prometheus: Prometheus, rules: Sequence[RuleRecord]) -> _Labels:
    """Fetch the labels of the series that each selector of a rule finds, and of both sides of its operators."""
    found: dict[str, tuple[Mapping[str, str], ...]] = {}
    for expr in dict.fromkeys(part for rule in rules for part in _parts(rule.expr)):
        now = time.time()
        try:
            found[expr] = tuple(labels for labels, _ in await prometheus.values(expr, now, now, 1.0))
        except ServiceUnavailable:
            # A part that cannot be evaluated is left out. If the server were down, the rules would have failed already.
            continue
    return found


def _parts(expr: str) -> list[str]:
    tree = anatomy(expr)
    if tree is None:
        return []
    sides = [side for pairing in tree.pairings for side in (pairing.lhs, pairing.rhs)]
    return [*map(str, tree.selectors), *sides]


def _located(rule: RuleRecord, scrapes: Mapping[str, float], labels: _Labels, url: str) -> LocatedRule:
    jobs = {one.get("job", "") for part in _parts(rule.expr) for one in labels.get(part, ())} & set(scrapes)
    seconds = max((scrapes[job] for job in jobs), default=max(scrapes.values(), default=DEFAULT_INTERVAL_SECONDS))
    source = f"job {', '.join(sorted(jobs))}" if jobs else "the longest of all jobs, for its series have no `job`"
    basis = (
        f"scrape interval {format_seconds(seconds)}: {source}, of {url}",
        f"evaluation interval {format_seconds(rule.interval_seconds)}: its group's, of {url}",
        "routes: those of the running Alertmanager",
        "query offset 0s and grace period 10m: Prometheus' defaults",
    )
    return LocatedRule(rule, timing_of(rule, seconds), f"group {rule.group}", basis)
