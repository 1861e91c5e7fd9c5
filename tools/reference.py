"""The reference of all keys of agent.yml, drill files and probe files, made from their models.

    python -m tools.reference > docs/reference.md

What is said of a key stands in the docstring of its model. Types, defaults and bounds are those of the model.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from inspect import cleandoc, get_annotations
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.config.probe import ProbeFile
from alertdrill.agent.config.web_file import WebFile
from alertdrill.agent.report.words import setting_words
from alertdrill.chaos.fault import Fault
from alertdrill.chaos.registry import FAULTS, fault_class
from alertdrill.probes.checks.comparison import NamedCheck
from alertdrill.units.duration import format_duration
from alertdrill.units.settings import Secret, Settings

_HEAD = """\
# Every key of agent.yml, web.yml, drill files and probe files
`make docs` makes this page from the models that read the files, so it has every key, and no key that does not exist.
A key without a default is required.
A duration is written as Prometheus writes it: `500ms`, `30s`, `1h30m`, `2d`.
A path is relative to the file in which it stands.
A secret `KEY` may be in a file instead: `KEY_file: PATH`.
"""
_FILES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("agent.yml", AgentConfig),
    ("web.yml", WebFile),
    ("drill file", Drill),
    ("probe file", ProbeFile),
)
_WORDS: dict[Any, str] = {
    str: "text", int: "integer", float: "number", bool: "`true` or `false`", timedelta: "duration", Path: "path",
    Secret: "secret", date: "date", datetime: "date and time", time: "time of day", Any: "any value", object: "any value",
}  # fmt: skip
_EXAMPLES: dict[Any, str] = {
    str: "text", int: "2", float: "0.5", bool: "true", timedelta: "30s", Path: "folder/file", Secret: "${VARIABLE}",
    date: "2026-12-24", datetime: "2026-12-24T08:00:00Z", time: '"09:30"', Any: "text", object: "text",
}  # fmt: skip
# Where the type alone makes no telling example; `KIND.KEY` is for the key of one kind.
_EXAMPLE_OF = {
    "Fault.kind": "latency", "latency.latency": "3s", "rate": "200",
    "AgentConfig.kpis": "{kpis: [{kpi: errors, series: errors_total, per: second}]}", "JsonCheck.json": "$.status",
    "Kpis.kpis": "[{kpi: errors, series: errors_total, per: second}]", "postgres.rows": "{at_least: 1}",
    "postgres.value": "{at_least: 1}", "redis.reply": "{equals: PONG}", "redis.command": "[PING]",
    "mix.of": '[{weight: 1, probe: {kind: tcp, url: "tcp://shop:80"}}]', "Kubernetes.label": '{alertdrill.io/enabled: "true"}',
    "Schedule.blackouts": '[{name: nights, cron: "0 18 * * *", lasts: 15h}]', "Call.status": "[200, 204]",
    "Allowed.port": "6379", "redis.mebibytes": "64", "postgres.connections": "50", "postgres.backends": "{application_name: shop}",
    "ProbeFile.load": "{rate: 100}", "config_file": "web.yml", "bearer_token_files": "{ci: secrets/ci}", "roles": "{ci: write}",
    "ServerTls.cert_file": "tls/server.crt", "ServerTls.key_file": "tls/server.key", "client_ca_file": "tls/clients.crt",
    "tls_server_config": "{cert_file: tls/server.crt, key_file: tls/server.key}",
    "basic_auth_users": "{alice: $2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy}",
    "addresses": '{"redis:6379": "127.0.0.1:6379"}', "dns.addresses": "[192.0.2.7]", "alert": "HighErrorRate",
    "alertmanager": '{url: "http://alertmanager:9093"}', "prometheus": '{url: "http://prometheus:9090"}',
    "toxiproxy": '{url: "http://toxiproxy:8474"}', "grafana": '{url: "http://grafana:3000", dashboards: dashboards}',
    "application_name": "shop", "body": '"hello"', "body_file": "secrets/body.json", "by": "[currency]",
    "buckets": "{shop_seconds_bucket: [0.1, 0.5, 1]}", "ca_file": "secrets/ca.crt", "calendars": "[holidays.ics]",
    "carry": "{order: $.id}", "cert_file": "secrets/client.crt", "cidr": "10.0.0.0/8", "column": "card", "container": "app",
    "contains": "accepted", "context": "staging", "cron": '"0 10 * * TUE"', "dashboards": "grafana/dashboards",
    "data": "{order: {kind: uuid}}", "database": "shop", "drill": "slow-database", "drills": "[drills/*.yml]",
    "entries": '[{name: weekly, drills: [drills/*.yml], cron: "0 10 * * TUE"}]', "environment": "[HOME]",
    "environment_file": "{TOKEN: secrets/token}", "equals": "accepted", "expect": "[{alert: HighErrorRate}]",
    "tcp.expect": '"PONG"', "faults": "[{kind: latency, proxy: db, latency: 3s}]", "file": "cards.csv",
    "apply_manifest.file": "chaos.yml", "forbidden": '["*billing*"]', "header": "Content-Type",
    "headers": "{X-Scope-OrgID: team-a}", "headers_env": "{Authorization: SHOP_TOKEN}",
    "headers_file": "{Authorization: secrets/token}", "hours": "{time_zone: Europe/Berlin}", "ignore_alerts": "[Watchdog]",
    "json": "{amount: 12}", "keeps": "[10.0.0.1]", "key_file": "secrets/client.key", "kill_switch": "/run/alertdrill/stop",
    "kpi": "error ratio", "kpis": "kpis.yml", "kubeconfig": "secrets/kubeconfig", "kubernetes": "{namespaces: [shop]}",
    "labels": "{severity: critical}", "matches": '"^ok"', "name": "checkout", "namespace": "shop", "namespaces": "[shop]",
    "node": "node-1", "objective": '"< 0.01"', "of": "requests_total", "choice.of": "[EUR, USD]", "owner": "deployment/shop",
    "password_env": "DB_PASSWORD", "password_file": "secrets/db", "password_files": '{"postgres:5432": secrets/db}',
    "pattern": '"cart:*"', "paused": "the shop moves this week", "phase": "peak", "pid_file": "/run/shop.pid", "pods": "app=shop",
    "prove_within": "{critical: 30d}", "proxy": "db", "port": '"shop:8080"', "path": "$.status",
    "query": "SELECT 1", "Kpi.query": "sum(rate(errors_total[$window]))", "query_file": "{token: secrets/token}",
    "ready_when": "status.phase=Running", "receiver": "team/pager", "recovered_when": "status.phase=Finished",
    "relayed_receivers": "[pager*]", "repository": "registry.example/missing", "resolve": "shop.example", "run": "[sh, -c, exit 0]",
    "schedule": "{time_zone: Europe/Berlin}", "selector": "app=shop", "send": '"PING\\r\\n"', "series": "errors_total",
    "server": '"192.0.2.53:53"', "server_name": "shop.example", "start": "[systemctl, start, shop]", "sequence.start": "1",
    "status": '[2xx, "404"]', "stdin_file": "secrets/input", "summary": "The database answers late.", "table": "public.orders",
    "threshold": '"p(95)<500"', "thresholds": '{http_req_failed: ["rate<0.01"]}', "abort_unless": '{http_req_failed: ["rate<0.5"]}',
    "abort_if": '["sum(rate(orders_total[1m])) < 1"]', "time_zone": "Europe/Berlin", "together_with": "currency", "unit": "ratio",
    "url": "http://shop:8080/health", "postgres.url": "postgresql://app@db:5432/shop", "redis.url": "redis://cache:6379/0",
    "tcp.url": "tcp://shop:80", "tls.url": "tls://shop.example:443", "HistorySettings.url": "sqlite:history.db", "agent": "shop-staging", "user": "app",
    "username": "drill", "why": "the sale", "workload": "deployment/shop", "written_as": '"p(95)<0.5"', "allowed": '["proxy db *"]',
    "allow": "[HighResponseTime]", "AgentConfig.allow": '["flush redis:6379"]', "redis.allow": "flush redis:6379", "postgres.allow": "kill postgres:5432",
    "notify": "{targets: [{slack: {url_file: secrets/slack-url}}]}", "Notify.targets": "[{slack: {url_file: secrets/slack-url}}]",
    "when": "[failed, unhealed]", "NotifyTarget.digest": '"Mon 09:00"', "NotifyTarget.name": "ops", "webhook": "{url_file: secrets/ops-url}",
    "slack": "{url_file: secrets/slack-url}", "email": "{server: smtp.example:587, from: drills@example.org, to: [oncall@example.org]}",
    "Email.server": "smtp.example:587", "Email.from": "drills@example.org", "Email.to": "[oncall@example.org]", "watchdog_alert": "{every: 5m}",
    "heartbeat": "{url_file: secrets/heartbeat-url}", "trace_every": "1000",
    "Webhook.url": "https://ops.example/hook", "Slack.url": "https://hooks.example/T0", "Heartbeat.url": "https://health.example/a",
    "probe": '{kind: http, url: "http://shop:8080/health"}', "webhook_basic_auth": "{username: alertmanager, password_file: secrets/webhook}",
    "basic_auth": "{username: drill, password_file: secrets/prometheus}",
}  # fmt: skip
# The last word of a key tells its unit.
_UNITS = {
    "bytes": "bytes", "kilobytes": "kB", "mebibytes": "MiB", "rate": "per second", "share": "share of 1",
    "toxicity": "share of 1", "scale": "factor",
}  # fmt: skip
_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


@dataclass
class _Page:
    """The sections that were written, by model; a model that is used in several places has one."""

    sections: dict[type[BaseModel], str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def add(self, model: type[BaseModel], heading: str, level: str = "###") -> None:
        """Write the section of a model and then those of the models in its keys."""
        self.sections[model] = heading
        place = len(self.lines)
        within = [(name, one) for name, info in _keys(model) for one in _models(info.annotation)]
        for name, one in within:
            if one not in self.sections:
                self.add(one, _heading(heading, name, one))
        self.lines[place:place] = [f"{level} {heading}", *_told(model), "", *self._table(model), ""]

    def _table(self, model: type[BaseModel]) -> Iterator[str]:
        yield "| key | type | default | unit | example |"
        yield "| --- | --- | --- | --- | --- |"
        for name, info in _keys(model):
            cells = (
                f"`{name}`",
                self._type(info),
                _default(info),
                _unit(name, info),
                _example(name, info, _kind(model)),
            )
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    def _type(self, info: FieldInfo) -> str:
        bounds = [f"{word} {_spelled(getattr(one, key))}" for one in info.metadata for key, word in _BOUNDS.items()
                  if getattr(one, key, None) is not None]  # fmt: skip
        return ", ".join([self._words(info.annotation), *bounds])

    def _words(self, shape: Any) -> str:  # noqa: ANN401 - a type
        shape = _plain(shape)
        origin, inner = get_origin(shape), get_args(shape)
        if origin is Literal:
            return ", ".join(f"`{one}`" for one in inner)
        if origin in {Union, UnionType}:
            kinds = [one for one in inner if one is not NoneType]
            if all(isinstance(one, type) and issubclass(one, BaseModel) for one in kinds) and len(kinds) > 1:
                return ", ".join(_link(self.sections[one], _short(one)) for one in kinds)
            return " or ".join(dict.fromkeys(self._words(one) for one in kinds))
        if origin in {list, tuple, set, frozenset}:
            return f"list of: {self._words(inner[0])}"
        if origin in {dict, Mapping}:
            return f"mapping of names to: {self._words(inner[1])}"
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            return _link(self.sections[shape])
        return _WORDS.get(shape, "text")


def _keys(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """List the keys; those of every fault stand only in the section of `Fault`."""
    shared = set(Fault.model_fields) - {"kind"} if issubclass(model, Fault) and model is not Fault else set()
    return [(info.alias or name, info) for name, info in model.model_fields.items() if name not in shared]


def _told(model: type[BaseModel]) -> Iterator[str]:
    """Yield the docstrings of a model and of the bases that bring it keys."""
    yield cleandoc(model.__doc__ or "")
    bases = [one for one in model.__mro__[1:] if issubclass(one, Settings) and one not in {Settings, Fault}]
    for base in bases:
        # A base that names no key says nothing to the reader of a file.
        if get_annotations(base) and "`" in (base.__doc__ or ""):
            yield ""
            yield cleandoc(base.__doc__ or "")


def _heading(above: str, name: str, model: type[BaseModel]) -> str:
    kind = model.model_fields.get("kind")
    told = f" of kind {kind.default}" if kind is not None and isinstance(kind.default, str) else ""
    if kind is None and issubclass(model, NamedCheck):
        # A check has no kind.
        told = f" of {model.__name__.removesuffix('Check').lower()}"
    return f"{above}{': ' if ': ' not in above else '.'}{name}{told}"


def _plain(shape: Any) -> Any:  # noqa: ANN401 - a type
    while get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    return shape


def _models(shape: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - a type
    shape = _plain(shape)
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        yield shape
    elif get_origin(shape) is not Literal:
        for one in get_args(shape):
            yield from _models(one)


def _leaf(shape: Any) -> Any:  # noqa: ANN401 - a type
    """Return the first type within lists and choices; a pair of a mapping's types for a mapping."""
    shape = _plain(shape)
    origin, inner = get_origin(shape), get_args(shape)
    if origin in {Union, UnionType}:
        return _leaf(next(one for one in inner if one is not NoneType))
    return shape if not inner or origin is Literal else (origin, *map(_leaf, inner))


def _kind(model: type[BaseModel]) -> str:
    """Return the kind of a fault, a probe or data; other models have the name of their class."""
    kind = model.model_fields.get("kind")
    return kind.default if kind is not None and isinstance(kind.default, str) else model.__name__


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ("", (), [], {}):
        return ""
    if any(value == getattr(one, "gt", None) for one in info.metadata):
        # What stands for no value must not be written.
        return ""
    return f"`{_spelled(value)}`"


def _spelled(value: Any) -> str:  # noqa: ANN401 - a value of a key
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, time):
        return f'"{value:%H:%M}"'
    if isinstance(value, Path | date):
        return str(value)
    if isinstance(value, BaseModel):
        return setting_words(value.model_dump(mode="json", by_alias=True, exclude_unset=True))
    if isinstance(value, tuple | list) and any(isinstance(one, BaseModel) for one in value):
        return f"[{', '.join(map(_spelled, value))}]"
    if isinstance(value, tuple | list):
        return setting_words([_spelled(one) if isinstance(one, timedelta) else one for one in value])
    return setting_words(value)


def _unit(name: str, info: FieldInfo) -> str:
    if _leaf(info.annotation) is timedelta:
        return "in the value"
    is_number = _leaf(info.annotation) in {int, float}
    return _UNITS.get(name.rsplit("_", 1)[-1], "") if is_number else ""


def _example(name: str, info: FieldInfo, kind: str) -> str:
    if own := _EXAMPLE_OF.get(f"{kind}.{name}"):
        return f"`{own}`"
    shown = _default(info)
    if shown in {"", "required"}:
        shown = f"`{_EXAMPLE_OF.get(name) or _made(_leaf(info.annotation))}`"
    return shown


def _made(leaf: Any) -> str:  # noqa: ANN401 - a type
    if get_origin(leaf) is Literal:
        return setting_words(get_args(leaf)[0])
    if isinstance(leaf, tuple):
        origin, *inner = leaf
        return f"{{name: {_made(inner[-1])}}}" if origin in {dict, Mapping} else f"[{_made(inner[0])}]"
    if isinstance(leaf, type) and issubclass(leaf, BaseModel):
        return f"{{{', '.join(_required(leaf))}}}"
    return _EXAMPLES.get(leaf, "text")


def _required(model: type[BaseModel]) -> Iterator[str]:
    """Yield each key that must be there, with an example; the kind always."""
    for name, info in _keys(model):
        if info.is_required():
            yield f"{name}: {_example(name, info, _kind(model)).strip('`')}"
        elif name == "kind":
            yield f"kind: {info.default}"


def _short(model: type[BaseModel]) -> str:
    kind = _kind(model)
    return kind if kind != model.__name__ else kind.removesuffix("Check").lower()


def _link(heading: str, words: str = "") -> str:
    anchor = "".join(one for one in heading.lower() if one.isalnum() or one in " -_").replace(" ", "-")
    return f"[{words or heading.split(': ', 1)[-1]}](#{anchor})"


def examples() -> Iterator[tuple[str, str, FieldInfo, str]]:
    """Yield each example, with the heading of its section, its key, and the field of the model."""
    for model, heading in _written().sections.items():
        for name, info in _keys(model):
            yield heading, name, info, _example(name, info, _kind(model)).strip("`")


def render() -> str:
    """Return the page, ending in a newline."""
    return "\n".join([_HEAD, *_written().lines]).rstrip() + "\n"


def _written() -> _Page:
    page = _Page()
    for heading, model in _FILES:
        page.add(model, heading, "##")
        if model is Drill:
            page.add(Fault, "drill file: every fault")
    assert set(map(fault_class, FAULTS)) <= page.sections.keys()  # noqa: S101 - each kind is told
    return page


if __name__ == "__main__":
    sys.stdout.write(render())
