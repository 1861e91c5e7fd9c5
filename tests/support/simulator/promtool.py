"""A plain case and its truth as a promtool unit test, which passes if promtool computes the same."""

from __future__ import annotations

import json
from math import gcd, isnan
from pathlib import Path
from typing import Any

from simulator.case import Case, Truth
from simulator.promql import spell
from simulator.storage import Sample
from simulator.values import NAME, Labels, Millis, Vector, merged


def write_test(case: Case, truth: Truth, directory: Path, name: str) -> Path:
    """Write a rule file and a test file; return the test file."""
    group = {"name": "drawn", "rules": [_rule(case)]}
    (directory / f"{name}.rules.yml").write_text(json.dumps({"groups": [group]}))
    unit = gcd(*(sample.at for samples in truth.scraped.values() for sample in samples), case.group.interval)
    series = [{"series": _spell(labels), "values": _values(samples, unit)} for labels, samples in truth.scraped.items()]
    tests = _value_tests(case, truth)
    test: dict[str, Any] = {"interval": spell(unit), "input_series": series, "promql_expr_test": tests}
    if sees_all(truth):
        tests += _state_tests(truth)
        test["alert_rule_test"] = _alert_tests(case, truth)
    path = directory / f"{name}.test.yml"
    interval = spell(case.group.interval)
    content = {"rule_files": [f"{name}.rules.yml"], "evaluation_interval": interval, "tests": [test]}
    path.write_text(json.dumps(content))
    return path


def sees_all(truth: Truth) -> bool:
    """Return whether every sample could be seen at its own timestamp: promtool has no delays."""
    return all(sample.written_at == sample.at for samples in truth.scraped.values() for sample in samples)


def _rule(case: Case) -> dict[str, Any]:
    rule = case.rule
    return {
        "alert": rule.alert,
        "expr": str(rule.expression),
        "for": spell(rule.hold),
        "keep_firing_for": spell(rule.keep),
        "labels": dict(rule.labels),
    }


def _values(samples: tuple[Sample, ...], unit: Millis) -> str:
    """Format samples at regular instants, with `_` for a missing one."""
    spelled, next_at = [], 0
    for sample in samples:
        missing = (sample.at - next_at) // unit
        if missing:
            spelled.append(f"_x{missing}")
        spelled.append("stale" if sample.value is None else repr(sample.value))
        next_at = sample.at + unit
    return " ".join(spelled)


def _value_tests(case: Case, truth: Truth) -> list[dict[str, Any]]:
    """Return the condition's left side at every evaluation; NaN, which equals nothing, is queried separately."""
    text, tests = str(case.rule.expression.watched), []
    for evaluation in truth.evaluations:
        values = evaluation.later
        strange = {labels: 1.0 if isnan(value) else 0.0 for labels, value in values.items()}
        if any(strange.values()):
            tests.append(_test(f"({text}) != bool ({text})", evaluation.asked_at, strange))
            values = {labels: value for labels, value in values.items() if not isnan(value)}
            tests.append(_test(f"({text}) == ({text})", evaluation.asked_at, values))
        else:
            tests.append(_test(text, evaluation.asked_at, values))
    return tests


def _state_tests(truth: Truth) -> list[dict[str, Any]]:
    """Return the alert's state at every evaluation, and the instant at which it became active."""
    tests = []
    for evaluation in truth.evaluations:
        for name, found in (("ALERTS", truth.alerts), ("ALERTS_FOR_STATE", truth.for_state)):
            there = {
                merged(labels, ((NAME, name),)): sample.value
                for labels, samples in found.items()
                for sample in samples
                if sample.at == evaluation.at and sample.value is not None
            }
            tests.append(_test(name, evaluation.at, there))
    return tests


def _alert_tests(case: Case, truth: Truth) -> list[dict[str, Any]]:
    tests = []
    for evaluation in truth.evaluations:
        firing = [
            {"exp_labels": {name: value for name, value in life.labels if name != "alertname"}}
            for life in truth.lives
            if life.fired_at is not None
            and life.fired_at <= evaluation.at
            and (life.gone_at is None or evaluation.at < life.gone_at)
        ]
        tests.append({"eval_time": spell(evaluation.at), "alertname": case.rule.alert, "exp_alerts": firing})
    return tests


def _test(text: str, at: Millis, values: Vector) -> dict[str, Any]:
    samples = [{"labels": _spell(labels), "value": value} for labels, value in values.items()]
    return {"expr": text, "eval_time": spell(at), "exp_samples": samples}


def _spell(labels: Labels) -> str:
    pairs = ",".join(f"{name}={json.dumps(value)}" for name, value in labels if name != NAME)
    return f"{dict(labels).get(NAME, '')}{{{pairs}}}"
