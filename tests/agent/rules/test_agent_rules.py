"""The rules about the agent itself: each fires for its cause, and is silent without it, in promtool."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.core import HistogramMetricFamily

from alertdrill.agent.config.daemon import Freshness
from alertdrill.agent.config.rules import read_rules
from alertdrill.agent.daemon.metrics import AgentMetrics, Health
from alertdrill.agent.daemon.telling import TellingMetrics, of_messages
from alertdrill.agent.explaining.from_files import ExplainOptions, from_files
from alertdrill.agent.history.index import HistorySummary, Proof
from alertdrill.agent.report.explain import seconds_words
from alertdrill.agent.serving.metrics import AgentState, registry
from alertdrill.probes.load.tally import Tally
from tests.support.schedules import at

CONFIGS = Path(__file__).parents[3] / "configs"
RULES = CONFIGS / "prometheus/agent-rules.yml"
PAGE = (CONFIGS / "runbooks/Alertdrill.md").read_text(encoding="utf-8")
AGENT = 'job="alertdrill", instance="agent"'
# The case begins at 0 and has a sample every two minutes. A pause counts as long after a day.
HOURS = 25
END = HOURS * 3600


def series(name: str, values: str, labels: str = "") -> dict[str, str]:
    return {"series": f'{name}{{job="alertdrill", instance="INSTANCE", {labels}}}', "values": f"{values}x{HOURS * 30}"}


def constant(name: str, value: float, labels: str = "") -> dict[str, str]:
    return series(name, str(value), labels)


def counted(name: str, each: float, labels: str = "") -> dict[str, str]:
    return series(name, f"0+{each}", labels)


WELL = {
    "up": [constant("up", 1)],
    "faults": [constant("alertdrill_faults_unhealed", 0)],
    "load": [
        counted("alertdrill_transactions_total", 6000, 'outcome="succeeded"'),
        counted("alertdrill_transactions_total", 50, 'outcome="dropped"'),
        counted("alertdrill_transactions_total", 0, 'outcome="lost"'),
    ],
    "lateness": [
        counted("alertdrill_send_lateness_seconds_bucket", 995, 'le="0.5"'),
        counted("alertdrill_send_lateness_seconds_bucket", 1000, 'le="1.0"'),
        counted("alertdrill_send_lateness_seconds_bucket", 1000, 'le="+Inf"'),
    ],
    "worker": [constant("alertdrill_worker_up", 1, 'worker="1"')],
    "proof": [
        constant("alertdrill_alert_prove_by_timestamp_seconds", END + 1, 'alert="Down", severity="critical"'),
        constant("alertdrill_alert_prove_by_timestamp_seconds", END + 1, 'alert="Down", severity="warning"'),
    ],
    # The next start is an hour away, again and again.
    "schedule": [series("alertdrill_schedule_next_run_timestamp_seconds", "3600+120", 'entry="weekly"')],
    "reload": [constant("alertdrill_config_last_reload_successful", 1)],
    "history": [counted("alertdrill_history_writes_total", 0, 'result="failed"')],
    "notifications": [
        constant("alertdrill_notifications_waiting", 0, 'target="pager"'),
        counted("alertdrill_notifications_total", 0, 'target="pager", result="given_up"'),
        counted("alertdrill_notifications_total", 1, 'target="pager", result="sent"'),
    ],
    "pause": [constant("alertdrill_paused_until_timestamp_seconds", 0)],
}
BROKEN: dict[str, tuple[str, list[dict[str, str]], int]] = {
    "AlertdrillAbsent": ("up", [constant("up", 0)], 1),
    "AlertdrillFaultLeft": ("faults", [constant("alertdrill_faults_unhealed", 1)], 1),
    "AlertdrillLoadStopped": ("load", [constant("alertdrill_transactions_total", 7, 'outcome="succeeded"')], 1),
    "AlertdrillLoadNotHonest": (
        "load",
        [*WELL["load"][:1], *WELL["load"][2:], counted("alertdrill_transactions_total", 70, 'outcome="dropped"')],
        1,
    ),
    "AlertdrillLoadLate": (
        "lateness",
        [counted("alertdrill_send_lateness_seconds_bucket", 985, 'le="0.5"'), *WELL["lateness"][1:]],
        1,
    ),
    "AlertdrillWorkerDown": ("worker", [*WELL["worker"], constant("alertdrill_worker_up", 0, 'worker="2"')], 1),
    # Neither severity was ever proven, and the two must not become the same alert.
    "AlertdrillAlertNotProven": (
        "proof",
        [
            constant("alertdrill_alert_prove_by_timestamp_seconds", 0, 'alert="Down", severity="critical"'),
            constant("alertdrill_alert_prove_by_timestamp_seconds", 0, 'alert="Down", severity="warning"'),
        ],
        2,
    ),
    "AlertdrillScheduleStuck": (
        "schedule",
        [constant("alertdrill_schedule_next_run_timestamp_seconds", 3600, 'entry="weekly"')],
        1,
    ),
    "AlertdrillReloadFailed": ("reload", [constant("alertdrill_config_last_reload_successful", 0)], 1),
    "AlertdrillHistoryFailing": ("history", [counted("alertdrill_history_writes_total", 1, 'result="failed"')], 1),
    # One target is away, and another does not want what it is sent.
    "AlertdrillNotificationsFailing": (
        "notifications",
        [
            constant("alertdrill_notifications_waiting", 1, 'target="pager"'),
            constant("alertdrill_notifications_waiting", 0, 'target="mail"'),
            counted("alertdrill_notifications_total", 1, 'target="mail", result="given_up"'),
        ],
        2,
    ),
    # Seven days from the begin, as somebody may set it.
    "AlertdrillPausedLong": ("pause", [constant("alertdrill_paused_until_timestamp_seconds", 7 * 86_400)], 1),
}
ALERTS = [str(rule.alert) for group in read_rules(RULES).groups for rule in group.rules]


def agent(instance: str, parts: dict[str, list[dict[str, str]]]) -> Iterator[dict[str, str]]:
    """Yield the series of one agent."""
    for one in (one for of_part in parts.values() for one in of_part):
        yield one | {"series": one["series"].replace("INSTANCE", instance)}


def case(input_series: list[dict[str, str]], firing: dict[tuple[str, str], int]) -> dict[str, Any]:
    """Make a test of promtool that counts what fires at the end, by the spelled label of the instance and by alert."""
    samples = [
        {"labels": f'{{{instance}alertname="{alert}"}}', "value": count} for (instance, alert), count in firing.items()
    ]
    expr = 'count by (instance, alertname) (ALERTS{alertstate="firing"})'
    counts = [{"expr": expr, "eval_time": f"{HOURS}h", "exp_samples": samples}]
    return {"interval": "2m", "input_series": input_series, "promql_expr_test": counts}


def test_each_rule_fires_for_its_cause_and_no_other_does(tmp_path: Path) -> None:
    """One agent is well, and each of the others has one thing that is broken."""
    assert set(BROKEN) == set(ALERTS)
    all_series = [*agent("well", WELL)]
    for alert, (part, broken, _) in BROKEN.items():
        all_series += agent(alert, WELL | {part: broken})
    firing = {(f'instance="{alert}", ', alert): count for alert, (_, _, count) in BROKEN.items()}
    cases = [case(all_series, firing), case([], {("", "AlertdrillAbsent"): 1})]
    test = {"rule_files": [str(RULES)], "evaluation_interval": "10m", "tests": cases}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    command = ["promtool", "test", "rules", "test.yml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def shown() -> dict[str, set[str]]:
    """Return the labels of every metric that an agent shows, by its name in Prometheus."""
    fresh = Freshness.model_validate({"prove_within": {"critical": "30d"}})
    health = Health("", is_reloaded=True, reloaded_at=0.0, workers={"1": True}, history_writes={"failed": 0},
                    next_runs={"weekly": at("2026-06-02T08:00")}, freshness=fresh,
                    standing=HistorySummary(proofs=(Proof("Down", "critical", 0.0, None, None, None),)))  # fmt: skip
    messages = TellingMetrics(lambda: of_messages({("pager", "given_up"): 0}, {"pager": 0}))
    made = registry(lambda: AgentState(Tally()), [AgentMetrics(lambda: health), messages])
    return {
        sample.name: {*sample.labels}
        for family in made.collect()
        for sample in family.samples
        if not isinstance(family, HistogramMetricFamily) or sample.name.endswith("_bucket")
    }


def selectors(expr: str) -> list[tuple[str, set[str]]]:
    """Return the metrics of an expression, with the labels that it matches."""
    found = re.findall(r"\b(alertdrill_\w+)\{([^}]*)\}", expr)
    return [(name, set(re.findall(r"(\w+)\s*[=!]", matchers)) - {"job"}) for name, matchers in found]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_metric_of_a_rule_is_one_of_the_agent_s_own(alert: str) -> None:
    (rule,) = (one for group in read_rules(RULES).groups for one in group.rules if one.alert == alert)
    promql_parser.parse(rule.expr)
    known = shown()
    assert selectors(rule.expr) or alert == "AlertdrillAbsent"
    for name, labels in selectors(rule.expr):
        assert labels <= known[name], name
    named = set(re.findall(r"\$labels\.(\w+)", str(rule.annotations))) - {"instance", "proven_severity"}
    assert named <= set().union(*(known[name] for name, _ in selectors(rule.expr)))


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_has_a_section_and_the_window_of_each_rule(alert: str) -> None:
    (explained,) = from_files(ExplainOptions(paths=[RULES], rule=alert)).rules
    assert not [one for one in explained.remarks if one.severity == "problem"]
    rule = explained.located.rule
    assert rule.annotations["runbook_url"] == f"https://runbooks.example/Alertdrill#{alert}"
    assert f"\n## {alert}\n" in PAGE
    (leg,) = (one for one in explained.prospect.legs if one.name == "firing")
    latest = "?" if leg.latest is None else seconds_words(leg.latest)
    row = f"| {alert} | {rule.labels['severity']} | {seconds_words(leg.earliest)} | {latest} |"
    assert row in PAGE
