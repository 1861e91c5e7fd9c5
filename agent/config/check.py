"""`alertdrill check`: every problem of every file at once, before anything runs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from alertdrill.agent.config import runbooks
from alertdrill.agent.config.agent import AgentConfig, missing_servers
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.config.kpis import Kpis
from alertdrill.agent.config.probe import ProbeFile
from alertdrill.agent.config.rules import AnyRuleFile, parse_rules, rule_nodes
from alertdrill.agent.config.scheduled import read_scheduled
from alertdrill.agent.config.web_file import WebFile
from alertdrill.agent.config.yaml_source import Source, compose
from alertdrill.agent.errors import ConfigError
from alertdrill.units.settings import Settings

# Keys of the agent's own configuration alone.
_SERVERS = ("prometheus", "alertmanager", "toxiproxy")
_OF_WEB = ("tls_server_config", "basic_auth_users", "http_server_config", "alertdrill")
# The ends of keys that hold the path of a secret.
_FILES = ("_file", "password_files", "kubeconfig")
# Keys of other programs' files: those programs check them.
_FOREIGN = ("scrape_configs", "route", "apiVersion")

_OF_CI = (".gitlab-ci.yml", "action.yml")


@dataclass
class Findings:
    """What was read, and every problem in it, one line each; `passed_over` are lines on what was left out."""

    files: set[Path] = field(default_factory=set)
    agents: list[AgentConfig] = field(default_factory=list)
    probes: int = 0
    kpis: int = 0
    web_files: int = 0
    drills: list[tuple[Source, Drill]] = field(default_factory=list)
    rules: list[AnyRuleFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether no file was found that this project reads."""
        return not (self.agents or self.probes or self.kpis or self.web_files or self.drills or self.rules)


def check(paths: list[Path]) -> Findings:
    """Read all files below the paths, recognise each by its keys, and check each file and all files together."""
    findings = Findings()
    files = _files(paths, findings)
    findings.files = {path.resolve() for path in files}
    for path in files:
        try:
            _check_file(path, findings)
        except ConfigError as error:
            findings.problems += error.problems
    _check_alert_names(findings)
    _check_against_agents(findings)
    return findings


def _files(paths: list[Path], findings: Findings) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = (p for p in path.rglob("*") if p.suffix in {".yml", ".yaml"})
            files += sorted(p for p in found if not _is_of_ci(p.relative_to(path)))
        elif path.exists():
            files.append(path)
        else:
            findings.problems.append(f"{path}: no such file or folder")
    return files


def _is_of_ci(path: Path) -> bool:
    """Return whether a file is one of a CI server, as far as its name tells; hidden ones are for other programs."""
    return any(part.startswith(".") for part in path.parts) or path.name.endswith(_OF_CI)


def _check_file(path: Path, findings: Findings) -> None:
    documents = compose(path)
    rules = rule_nodes(documents)
    for node in rules:
        _check_rules(Source(path, [node], is_plain=True), findings)
    if rules or all(map(_is_foreign, documents)):
        return
    source = Source(path, documents)
    keys = source.values if isinstance(source.values, dict) else {}
    if "regress" in keys:
        # `alertdrill regress run` reads it.
        return
    if "drill" in keys:
        findings.drills.append((source, source.into(Drill)))
        _check_files(source, findings.drills[-1][1], findings)
    elif any(key in keys for key in _SERVERS):
        _check_agent(source, findings)
    elif "kpis" in keys:
        source.into(Kpis)
        findings.kpis += 1
    elif "probe" in keys:
        source.into(ProbeFile)
        findings.probes += 1
    elif any(key in keys for key in _OF_WEB):
        source.into(WebFile)
        findings.web_files += 1
    # An empty mapping may be a rule file without groups.
    elif source.values != {} and not any(key in keys for key in _FOREIGN):
        _check_agent(source, findings)


def _check_rules(source: Source, findings: Findings) -> None:
    try:
        findings.rules.append(parse_rules(source))
    except ConfigError as error:
        findings.problems += error.problems
    else:
        findings.problems += runbooks.problems(source, findings.rules[-1])
    findings.passed_over += source.passed_over


def _check_agent(source: Source, findings: Findings) -> None:
    config = source.into(AgentConfig)
    findings.agents.append(config)
    _check_files(source, config, findings)
    findings.problems += _listen_problems(source, config, findings)
    try:
        read_scheduled(config, source)
    except ConfigError as error:
        findings.problems += error.problems


def _listen_problems(source: Source, config: AgentConfig, findings: Findings) -> list[str]:
    try:
        problem = config.listen_problem
    except ConfigError as error:
        is_told = config.web.config_file is not None and config.web.config_file.resolve() in findings.files
        return [] if is_told else list(error.problems)
    return [source.problem(("listen",), problem)] if problem else []


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


def _check_against_agents(findings: Findings) -> None:
    """Check that an agent.yml suits each drill, where one was read; with several, one of them may suit."""
    for source, drill in findings.drills:
        refused = [list(_refusals(agent, drill)) for agent in findings.agents]
        if refused and all(refused):
            # An agent.yml with a schedule has told it of its own drills.
            told = findings.problems
            new = [(loc, text) for loc, text in min(refused, key=len) if not any(one.endswith(text) for one in told)]
            findings.problems += [source.problem(loc, text) for loc, text in new]


def _refusals(agent: AgentConfig, drill: Drill) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield why a drill will be refused, as `--dry-run` would find without asking a server, each with its place."""
    yield from ((("drill",), problem) for problem in missing_servers(agent, drill))
    if problem := agent.guards.count_problem(drill.faults):
        yield ("faults",), problem
    for index, fault in enumerate(drill.faults):
        # A lab allows more than agent.yml, so only what the drill itself must say is checked here.
        endpoints = replace(agent.endpoints, allowed=agent.endpoints.allowed | {str(getattr(fault, "allow", ""))})
        if problem := agent.guards.forbidden_problem(fault.target) or fault.refusal(endpoints):
            yield ("faults", index), problem


def _check_files(source: Source, settings: Settings, findings: Findings, loc: tuple[str | int, ...] = ()) -> None:
    """Check that the files of secrets, which are read only when they are used, can be read."""
    for name, field_ in type(settings).model_fields.items():
        value, here = getattr(settings, name), (*loc, field_.alias or name)
        if isinstance(value, Settings):
            _check_files(source, value, findings, here)
        elif isinstance(value, list | tuple):
            for index, one in enumerate(value):
                if isinstance(one, Settings):
                    _check_files(source, one, findings, (*here, index))
        elif name.endswith(_FILES):
            files = value if isinstance(value, dict) else {None: value}
            findings.problems += [
                source.problem(here if key is None else (*here, key), f"{path} cannot be read: {problem}")
                for key, path in files.items()
                if isinstance(path, Path) and (problem := _unreadable(path))
            ]


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return error.strerror or str(error)


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
