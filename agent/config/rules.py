"""Prometheus rule files and the Kubernetes resources that hold them, read as Prometheus reads them, with lines.

Keys of other rulers (Thanos, Mimir, Loki, VictoriaMetrics) are passed over, each with a line; any other key that
Prometheus does not know is an error, as it is for Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from alertdrill.agent.config.refused_rules import refused
from alertdrill.agent.config.yaml_source import Source, compose_text, read_text
from alertdrill.agent.errors import ConfigError
from alertdrill.units.duration import Duration
from alertdrill.units.promql import require_promql
from alertdrill.units.settings import Settings

_FILE_KEYS = {"namespace": "Mimir"}
_GROUP_KEYS = {
    "partial_response_strategy": "Thanos",
    "source_tenants": "Mimir",
    "align_evaluation_time_on_interval": "Mimir",
    "evaluation_delay": "Mimir",
    "user": "Cortex",
    "remote_write": "Loki",
    "concurrency": "VictoriaMetrics",
    "type": "VictoriaMetrics",
    "params": "VictoriaMetrics",
    "headers": "VictoriaMetrics",
    "notifier_headers": "VictoriaMetrics",
    "extra_filter_labels": "VictoriaMetrics",
    "eval_offset": "VictoriaMetrics",
    "eval_delay": "VictoriaMetrics",
    "eval_alignment": "VictoriaMetrics",
    "tenant": "VictoriaMetrics",
    "debug": "VictoriaMetrics",
}
_RULE_KEYS = {"debug": "VictoriaMetrics", "update_entries_limit": "VictoriaMetrics"}
_SPEC_KEYS = {"tenantID": "Loki"}
# Each kind of resource with rule groups, and the group of its API.
_RESOURCES = {
    "PrometheusRule": r"monitoring\.coreos\.com/",
    "VMRule": r"operator\.victoriametrics\.com/",
    "AlertingRule": r"loki\.grafana\.com/",
    "RecordingRule": r"loki\.grafana\.com/",
    "Rules": r"monitoring\.googleapis\.com/",
    "ClusterRules": r"monitoring\.googleapis\.com/",
    "GlobalRules": r"monitoring\.googleapis\.com/",
}
# A selector, and then a filter or a parser of lines.
_LOGQL = re.compile(r"\}\s*(?:\|=|\|~|!=|!~|\|\s*\w)\s*")
_GRAPHITE_OR_LOGS = {"graphite", "vlogs"}


def is_logql(expr: str) -> bool:
    """Return whether an expression is a query on the lines of logs."""
    return _LOGQL.search(expr) is not None


def _require_promql(expr: str) -> str:
    # Loki checks its own.
    return expr if is_logql(expr) else require_promql(expr)


def _texts(labels: object) -> object:
    """Take an empty value of a label for the empty text, as Prometheus does."""
    if not isinstance(labels, dict):
        return labels
    return {name: "" if value is None else value for name, value in labels.items()}


Texts = Annotated[dict[str, str], BeforeValidator(_texts)]


class _Part(Settings):
    """A mapping of a rule file, in which an empty value is one that is not there."""

    @model_validator(mode="before")
    @classmethod
    def _take_nothing_for_missing(cls, values: Any) -> Any:  # noqa: ANN401 - what YAML held
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None}


class AnyRule(_Part):
    """An alerting or a recording rule, with any text as its expression: it may be newer than our parser."""

    alert: str | None = None
    record: str | None = None
    expr: str
    for_: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None
    labels: Texts = {}
    annotations: Texts = {}

    @model_validator(mode="after")
    def _is_alert_or_record(self) -> AnyRule:
        if (self.alert is None) == (self.record is None):
            msg = "expected either alert or record"
            raise ValueError(msg)
        return self


class Rule(AnyRule):
    """An alerting or a recording rule."""

    expr: Annotated[str, AfterValidator(_require_promql)]


class AnyGroup(_Part):
    """Rules that Prometheus evaluates one after another, at one interval."""

    name: str = Field(min_length=1)
    interval: Duration | None = None
    query_offset: Duration | None = None
    limit: int = 0
    labels: Texts = {}
    rules: tuple[AnyRule, ...] = ()


class Group(AnyGroup):
    """A group whose expressions are valid PromQL."""

    rules: tuple[Rule, ...] = ()


_AnyGroups = TypeVar("_AnyGroups", bound=tuple[AnyGroup, ...])


def _require_own_names(groups: _AnyGroups) -> _AnyGroups:
    names = [group.name for group in groups]
    for number, name in enumerate(names, 1):
        first = names.index(name) + 1
        if first < number:
            msg = (
                f"group {number} has the name of group {first}, {name!r}; Prometheus refuses a file with two of a name"
            )
            raise ValueError(msg)
    return groups


class AnyRuleFile(_Part):
    """The whole of a rule file, with any text as expressions."""

    groups: Annotated[tuple[AnyGroup, ...], AfterValidator(_require_own_names)] = ()


class RuleFile(AnyRuleFile):
    """The whole of a rule file, with valid PromQL."""

    groups: Annotated[tuple[Group, ...], AfterValidator(_require_own_names)] = ()


class AnyPrometheusRule(_Part):
    """A rule file as a resource of Kubernetes, with any text as expressions."""

    api_version: str = Field(alias="apiVersion")
    kind: Literal["PrometheusRule", "VMRule", "AlertingRule", "RecordingRule", "Rules", "ClusterRules", "GlobalRules"]
    metadata: dict[str, Any] = {}
    status: dict[str, Any] = {}
    spec: AnyRuleFile = AnyRuleFile()

    @model_validator(mode="after")
    def _is_of_its_api(self) -> AnyPrometheusRule:
        form = _RESOURCES[self.kind]
        if not re.match(form, self.api_version):
            plain = form.replace("\\", "")
            msg = f"the apiVersion of a {self.kind} is {self.api_version!r}, expected one that begins with {plain}"
            raise ValueError(msg)
        return self


class PrometheusRule(AnyPrometheusRule):
    """A rule file as a resource of Kubernetes, with valid PromQL."""

    spec: RuleFile = RuleFile()


def rule_nodes(documents: list[yaml.Node]) -> list[yaml.Node]:
    """Return the documents that hold rules; the items of a Kubernetes `List` count as documents."""
    return [node for document in documents for node in _items(document) if _may_hold_rules(node)]


def _items(document: yaml.Node) -> list[yaml.Node]:
    values = _top(document)
    kind, items = values.get("kind"), values.get("items")
    is_list = isinstance(kind, yaml.ScalarNode) and kind.value.endswith("List") and isinstance(items, yaml.SequenceNode)
    return items.value if is_list and isinstance(items, yaml.SequenceNode) else [document]


def _may_hold_rules(node: yaml.Node) -> bool:
    values = _top(node)
    kind = values.get("kind")
    return "groups" in values or (isinstance(kind, yaml.ScalarNode) and kind.value in _RESOURCES)


def _top(node: yaml.Node) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def rule_sources(path: Path) -> list[Source]:
    """Return each document of a rule file; empty if the file is, raises ConfigError.

    Of a file in which none holds rules it is the first one, which is refused when it is read as rules.
    """
    return rule_sources_in(read_text(path), path)


def rule_sources_in(text: str, path: Path) -> list[Source]:
    """Return each document of a text that is, or was, the content of a rule file, as `rule_sources` does."""
    documents = compose_text(text, path)
    return [Source(path, [node], is_plain=True) for node in rule_nodes(documents) or documents[:1]]


def is_resource(source: Source) -> bool:
    """Return whether a file is a resource of Kubernetes, with its groups below `spec`."""
    return isinstance(source.values, dict) and str(source.values.get("kind")) in _RESOURCES


def is_of_operator(source: Source) -> bool:
    """Return whether a file is for the Prometheus operator, whose intervals have defaults of their own."""
    return isinstance(source.values, dict) and source.values.get("kind") == "PrometheusRule"


def parse_rules(source: Source) -> AnyRuleFile:
    """Read a rule file or a resource with one; raises ConfigError with every problem of the file.

    Expressions for VictoriaMetrics may be MetricsQL, and only VictoriaMetrics can check them.
    """
    if _is_of_victoriametrics(source):
        source.passed_over.append(f"{source.path}: its expressions may be MetricsQL, and are not checked")
        return _read(source, AnyPrometheusRule, AnyRuleFile, is_prometheus=False)
    return _read(source, PrometheusRule, RuleFile, is_prometheus=True)


def parse_any_rules(source: Source) -> AnyRuleFile:
    """Read a rule file or a resource without checking its PromQL; raises ConfigError with every problem."""
    return _read(source, AnyPrometheusRule, AnyRuleFile, is_prometheus=not _is_of_victoriametrics(source))


def _read(
    source: Source, resource: type[AnyPrometheusRule], file: type[AnyRuleFile], *, is_prometheus: bool
) -> AnyRuleFile:
    """Read a source; VictoriaMetrics takes more rules than Prometheus does."""
    values = source.values
    if isinstance(values, dict) and "groups" not in values and not is_resource(source) and "kind" in values:
        known = "expected a rule file or a PrometheusRule; rules in a ConfigMap need a file of their own"
        raise ConfigError(source.problem(("kind",), f"is {values['kind']}, {known}"))
    _pass_over(source)
    rules = [(rule, loc) for rule, loc, keys in _parts(source) if keys is _RULE_KEYS]
    problems = refused(source, rules) if is_prometheus else []
    try:
        found = source.into(resource).spec if is_resource(source) else source.into(file)
    except ConfigError as error:
        raise ConfigError(*error.problems, *problems) from error
    if problems:
        raise ConfigError(*problems)
    return found


def read_rules(path: Path) -> AnyRuleFile:
    """Read a rule file of one document; raises ConfigError with every problem of the file."""
    return parse_rules(Source(path, is_plain=True))


def _is_of_victoriametrics(source: Source) -> bool:
    if isinstance(source.values, dict) and source.values.get("kind") == "VMRule":
        return True
    return any(known[key] == "VictoriaMetrics" for values, _, known in _parts(source) for key in values if key in known)


def _pass_over(source: Source) -> None:
    """Take out the keys of other rulers, and note a line for each of them, where it stands first."""
    places: dict[tuple[str, str], list[int]] = {}
    for values, loc, known in list(_parts(source)):
        if known is _GROUP_KEYS and str(values.get("type")) in _GRAPHITE_OR_LOGS:
            values["rules"] = []
            source.passed_over.append(source.problem(loc, f"its queries are for {values['type']}, passed over"))
        for key in [key for key in values if key in known]:
            places.setdefault((key, known[key]), []).append(source.line((*loc, key)))
            del values[key]
    for (key, ruler), lines in places.items():
        times = f" ({len(lines)} times)" if len(lines) > 1 else ""
        source.passed_over.append(f"{source.path}:{min(lines)}: {key}{times} is a key of {ruler}, passed over")


def _parts(source: Source) -> Iterator[tuple[dict[str, Any], tuple[str | int, ...], dict[str, str]]]:
    """Yield each mapping that may have keys of another ruler, with its path and these keys."""
    values: Any = source.values
    loc: tuple[str | int, ...] = ()
    if isinstance(values, dict) and is_resource(source):
        values, loc = values.get("spec"), ("spec",)
    if not isinstance(values, dict):
        return
    yield values, loc, _SPEC_KEYS if loc else _FILE_KEYS
    groups = values.get("groups")
    for number, group in enumerate(groups if isinstance(groups, list) else ()):
        if isinstance(group, dict):
            yield group, (*loc, "groups", number), _GROUP_KEYS
            rules = group.get("rules")
            for index, rule in enumerate(rules if isinstance(rules, list) else ()):
                if isinstance(rule, dict):
                    yield rule, (*loc, "groups", number, "rules", index), _RULE_KEYS
