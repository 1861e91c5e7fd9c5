"""Writes regress files as plain tests of promtool, for those who want no alertdrill in their CI.

Each asks for the states at the instants of the snapshot, and for the contract; the time before the fault, repeated, is a
test of its own. promtool loads whole rule files, so the exported tests take longer the more rules there are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from alertdrill.agent.config.rules import is_resource, parse_any_rules, rule_nodes
from alertdrill.agent.config.yaml_source import Source, compose
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.regression.case import Case
from alertdrill.agent.regression.promtool import input_series, spell_series, spelled_ms, unit_ms
from alertdrill.agent.regression.regress_file import SUFFIX, RegressFile, SnapshotEntry, seconds_of
from alertdrill.agent.regression.replaying import Replay, replays
from alertdrill.units.duration import format_duration


def exported(paths: Sequence[Path], output: Path) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the files for a folder; raises ConfigError."""
    ready, broken = replays(paths)
    if broken:
        raise ConfigError(*(f"{one.path}: {one.error}" for one in broken))
    # Many tests are of one rule file.
    reads = cache(_is_for_promtool)
    for replay in ready:
        stem = replay.path.name.removesuffix(SUFFIX)
        files = replay.file.rule_files(replay.path)
        if all(map(reads, files)):
            names = [os.path.relpath(path, output) for path in files]
        else:
            yield f"{stem}.rules.yml", yaml.safe_dump(replay.rule.rules, sort_keys=False)
            names = [f"{stem}.rules.yml"]
        yield f"{stem}.test.yml", yaml.safe_dump(_test_file(replay, names), sort_keys=False, width=10_000)


def _is_for_promtool(path: Path) -> bool:
    """Return whether promtool reads a rule file as it is: one document, no resource, no key of another ruler."""
    documents = compose(path)
    if len(documents) != 1 or rule_nodes(documents) != documents:
        return False
    source = Source(path, documents, is_plain=True)
    parse_any_rules(source)
    return not is_resource(source) and not source.passed_over


def _test_file(replay: Replay, names: list[str]) -> dict[str, Any]:
    case, quiet = replay.case, replay.quiet
    tests = [_test(case, replay.file, [*_states(replay.file, case), _contract(replay.file, case)])]
    if quiet is not None:
        tests.append(_test(quiet, replay.file, [_silent(replay.file, quiet)]))
    return {"rule_files": names, "evaluation_interval": spelled_ms(case.evaluation_ms), "tests": tests}


def _test(case: Case, file: RegressFile, queries: list[dict[str, Any]]) -> dict[str, Any]:
    test: dict[str, Any] = {
        "interval": spelled_ms(unit_ms(case.lines) or case.evaluation_ms),
        "input_series": input_series(case.lines),
        "promql_expr_test": queries,
    }
    return test | ({"external_labels": file.external_labels} if file.external_labels else {})


def _states(file: RegressFile, case: Case) -> Iterator[dict[str, Any]]:
    """Yield the states at each instant at which one changes."""
    told = [text for one in file.snapshot for text in (one.pending, one.firing, one.resolved) if text is not None]
    for seconds in sorted({seconds_of(text) for text in told}):
        states = [(one, _state(one, seconds)) for one in file.snapshot]
        samples = [_sample(file.regress, one, state) for one, state in states if state]
        at = case.begins_ms + round(seconds * 1000)
        yield _query(f"ALERTS{{{_named(file)}}}", at, samples)


def _state(one: SnapshotEntry, seconds: float) -> str:
    if seconds < seconds_of(one.pending) or (one.resolved is not None and seconds >= seconds_of(one.resolved)):
        return ""
    return "firing" if one.firing is not None and seconds >= seconds_of(one.firing) else "pending"


def _sample(alert: str, one: SnapshotEntry, state: str) -> dict[str, Any]:
    labels = one.labels | {"__name__": "ALERTS", "alertname": alert, "alertstate": state}
    return {"labels": spell_series(tuple(sorted(labels.items()))), "value": 1}


def _contract(file: RegressFile, case: Case) -> dict[str, Any]:
    """Return the query whether the alert fired in time; at the end of the test, if that is earlier."""
    within = min(file.contract.fires_within, timedelta(milliseconds=case.ends_ms - case.begins_ms))
    matchers = "".join(f",{name}={json.dumps(value)}" for name, value in file.contract.labels.items())
    fired = f'ALERTS{{{_named(file)},alertstate="firing"{matchers}}}[{format_duration(within)}]'
    at = case.begins_ms + round(within / timedelta(milliseconds=1))
    return _query(f"count(count_over_time({fired})) > bool 0", at, [{"labels": "{}", "value": 1}])


def _silent(file: RegressFile, case: Case) -> dict[str, Any]:
    fired = f'ALERTS{{{_named(file)},alertstate="firing"}}[{spelled_ms(case.ends_ms)}]'
    return _query(f"count_over_time({fired})", case.ends_ms, [])


def _query(expr: str, at_ms: int, samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {"expr": expr, "eval_time": spelled_ms(at_ms), "exp_samples": samples}


def _named(file: RegressFile) -> str:
    return f"alertname={json.dumps(file.regress, ensure_ascii=False)}"
