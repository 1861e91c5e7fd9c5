"""`alertdrill check`: every problem of every file at once, before anything runs."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from alertdrill.agent.config import runbooks
from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.config.probe import ProbeFile
from alertdrill.agent.config.rules import RuleFile, holds_rules, parse_rules
from alertdrill.agent.config.yaml_source import Source, compose
from alertdrill.agent.errors import ConfigError

# Keys of the agent's own configuration alone.
_SERVERS = ("prometheus", "alertmanager", "toxiproxy")
# Keys of other programs' files: those programs check them.
_FOREIGN = ("scrape_configs", "route", "apiVersion")


@dataclass
class Findings:
    """What was read, and every problem in it, one line each."""

    agent: int = 0
    probes: int = 0
    kpis: int = 0
    drills: list[tuple[Source, Drill]] = field(default_factory=list)
    rules: list[RuleFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether no file was found that this project reads."""
        return not (self.agent or self.probes or self.kpis or self.drills or self.rules)


def check(paths: list[Path]) -> Findings:
    """Read all files below the paths, recognise each by its keys, and check each file and all files together."""
    findings = Findings()
    for path in _files(paths, findings):
        try:
            _check_file(path, findings)
        except ConfigError as error:
            findings.problems += error.problems
    _check_alert_names(findings)
    return findings


def _files(paths: list[Path], findings: Findings) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(p for p in path.rglob("*") if p.suffix in {".yml", ".yaml"})
        elif path.exists():
            files.append(path)
        else:
            findings.problems.append(f"{path}: no such file or folder")
    return files


def _check_file(path: Path, findings: Findings) -> None:
    documents = compose(path)
    if documents and all(map(_is_foreign, documents)):
        return
    source = Source(path, documents)
    keys = source.values if isinstance(source.values, dict) else {}
    if "drill" in keys:
        findings.drills.append((source, source.into(Drill)))
    elif holds_rules(source):
        findings.rules.append(parse_rules(source))
        findings.problems += runbooks.problems(source, findings.rules[-1])
    elif any(key in keys for key in _SERVERS):
        _check_agent(source, findings)
    elif "kpis" in keys:
        source.into(Kpis)
        findings.kpis += 1
    elif "probe" in keys:
        source.into(ProbeFile)
        findings.probes += 1
    elif not any(key in keys for key in _FOREIGN):
        _check_agent(source, findings)


def _check_agent(source: Source, findings: Findings) -> None:
    config = source.into(AgentConfig)
    findings.agent += 1
    if config.listen_problem:
        findings.problems.append(source.problem(("listen",), config.listen_problem))


def _check_alert_names(findings: Findings) -> None:
    """Check that a rule makes each alert that a drill names, where rule files were read."""
    if not findings.rules:
        return
    known = sorted(rule.alert for file in findings.rules for group in file.groups for rule in group.rules if rule.alert)
    for source, drill in findings.drills:
        for index, expectation in enumerate(drill.expect):
            _check_alert(source, ("expect", index, "alert"), expectation.alert, known, findings)
        for index, alert in enumerate(drill.allow):
            _check_alert(source, ("allow", index), alert, known, findings)


def _check_alert(source: Source, loc: tuple[str | int, ...], alert: str, known: list[str], findings: Findings) -> None:
    if alert in known:
        return
    near = difflib.get_close_matches(alert, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(known)}"
    findings.problems.append(source.problem(loc, f"no rule makes the alert {alert!r}, {hint}"))


def _is_foreign(document: yaml.Node) -> bool:
    """Return whether a document is a Kubernetes object other than a PrometheusRule."""
    if not isinstance(document, yaml.MappingNode):
        return False
    top = {key.value: value.value for key, value in document.value if isinstance(key, yaml.ScalarNode)}
    return {"apiVersion", "kind"} <= top.keys() and top["kind"] != "PrometheusRule"
