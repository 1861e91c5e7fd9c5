"""Which receivers Alertmanager notifies of an alert, and after which waits.

The routing tree is walked depth first. The first matching child takes the alert; later children are tried only if it has
`continue`. If no child matches, the node itself takes the alert. Waits are inherited.
https://prometheus.io/docs/alerting/latest/configuration/#route
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

import yaml

from alertdrill.units import yaml_text
from alertdrill.units.duration import parse_duration
from alertdrill.units.regex import matches_whole

_DEFAULTS: dict[str, Any] = {
    "receiver": "",
    "group_wait": "30s",
    "group_interval": "5m",
    "repeat_interval": "4h",
    "group_by": [],
}
_YES = {"true", "yes", "on", "y"}
_WAITS = ("group_wait", "group_interval", "repeat_interval")


@dataclass(frozen=True)
class Route:
    """A route of an alert: the receiver, and how long its first notification and its updates may wait.

    Alerts with equal labels of `group_by` are in one notification; `...` stands for all labels. `depth` counts the
    nodes below the root that matched; 0 is the root itself, which takes the alerts that no other route takes.
    The route is muted in the time intervals of `muted_in`, and outside of those of `active_in`.
    """

    receiver: str
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta = timedelta(hours=4)
    group_by: tuple[str, ...] = ()
    depth: int = 0
    muted_in: tuple[str, ...] = ()
    active_in: tuple[str, ...] = ()

    @property
    def time_intervals(self) -> tuple[str, ...]:
        """Every time interval that may mute it."""
        return self.muted_in + self.active_in

    def group_of(self, labels: dict[str, str]) -> tuple[str, ...]:
        """Return the group of an alert with these labels."""
        if "..." in self.group_by:
            return tuple(f"{name}={value}" for name, value in sorted(labels.items()))
        return tuple(labels.get(name, "") for name in self.group_by)


class _Texts(yaml.SafeLoader):
    """Reads every value as text, as Alertmanager does: `match: {canary: true}` is "true"."""

    yaml_implicit_resolvers = {
        first: [one for one in resolvers if one[0] in {"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"}]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def routes(config: str, labels: dict[str, str]) -> list[Route]:
    """Return the routes of an alert, from Alertmanager's configuration (YAML text as its API serves it).

    Raises ValueError if there are none, or if they cannot be read.
    """
    try:
        return _walk(_root(config), dict(_DEFAULTS), labels)
    except (AttributeError, TypeError) as error:
        msg = f"does not have the form of a `route`: {error}"
        raise ValueError(msg) from error


def receivers(config: str, labels: dict[str, str]) -> set[str]:
    """Return the receivers that an alert's routes lead to; empty if that cannot be told from the configuration."""
    try:
        return {route.receiver for route in routes(config, labels)}
    except ValueError:
        return set()


def webhook_problem(config: str, receiver: str, base: str) -> str:
    """Return why a receiver certainly does not call an agent; empty if it does, or if that cannot be told.

    `base` is the URL of the agent's webhooks, to which the receiver's name is added. Newer servers mask the URLs.
    """
    try:
        known = {one["name"]: one for one in _whole(config).get("receivers") or ()}
    except (ValueError, KeyError, TypeError):
        return ""
    if known and receiver not in known:
        near = difflib.get_close_matches(receiver, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(sorted(known))}"
        return f"Alertmanager has no receiver {receiver!r}, {hint}"
    webhooks = known.get(receiver, {}).get("webhook_configs") or []
    if not known or any(_may_call(one, receiver) for one in webhooks):
        return ""
    return (
        f"the receiver {receiver} has no webhook to this agent, so nobody could see whether it is notified:"
        f" add `- url: {base}{quote(receiver, safe='')}` to its webhook_configs in Alertmanager"
    )


def calls(config: str, receiver: str, base: str) -> bool:
    """Return whether the configuration shows that a receiver has a webhook at the very address of an agent."""
    try:
        found = [one for one in _whole(config).get("receivers") or () if one["name"] == receiver]
    except (ValueError, KeyError, TypeError):
        return False
    urls = (str(hook.get("url")) for one in found for hook in one.get("webhook_configs") or ())
    return any(url.startswith(base) and _is_call(url, receiver) for url in urls)


def integrations(config: str, receiver: str) -> set[str]:
    """Return the kinds of integration that a receiver has, as Alertmanager counts them; empty if that is not known."""
    try:
        found = [one for one in _whole(config).get("receivers") or () if one["name"] == receiver]
    except (ValueError, KeyError, TypeError):
        return set()
    return {key.removesuffix("_configs") for one in found for key in one if key.endswith("_configs") and one[key]}


def _may_call(webhook: Any, receiver: str) -> bool:  # noqa: ANN401 - YAML
    url = webhook.get("url") if isinstance(webhook, dict) else None
    return not isinstance(url, str) or "://" not in url or _is_call(url, receiver)


def _is_call(url: str, receiver: str) -> bool:
    _, path, name = url.partition("?")[0].rpartition("/api/v1/webhook/")
    return bool(path) and "/" not in name and unquote(name) == receiver


@dataclass(frozen=True)
class NearRoute:
    """The route to a receiver that an alert came nearest to, and its matchers that the alert does not have."""

    receiver: str
    missed: tuple[RouteMatcher, ...]


def nearest_route(config: str, labels: Mapping[str, str], receiver: str) -> NearRoute | None:
    """Return the route to a receiver with the fewest matchers that fail; None if there is none, or it cannot be read."""
    try:
        found = list(_near(_root(config), "", (), labels, receiver))
    except (AttributeError, TypeError, ValueError):
        return None
    return min(found, key=lambda route: len(route.missed), default=None)


def _near(
    node: dict[str, Any], inherited: str, missed: tuple[RouteMatcher, ...], labels: Mapping[str, str], receiver: str
) -> Iterator[NearRoute]:
    missed += tuple(matcher for matcher in _matchers(node) if not matcher.holds(labels))
    own = node.get("receiver") or inherited
    if own == receiver:
        yield NearRoute(receiver, missed)
    for child in node.get("routes") or []:
        yield from _near(child, own, missed, labels, receiver)


def time_intervals(config: str) -> dict[str, list[dict[str, Any]]]:
    """Return the time intervals of a configuration by name; raises ValueError if it is not YAML."""
    whole = _whole(config)
    # Up to 0.23 there was only `mute_time_intervals`.
    listed = [*(whole.get("time_intervals") or ()), *(whole.get("mute_time_intervals") or ())]
    return {one["name"]: one.get("time_intervals") or [] for one in listed}


def _root(config: str) -> dict[str, Any]:
    root = _whole(config).get("route")
    if not isinstance(root, dict):
        msg = "has no `route`"
        raise ValueError(msg)  # noqa: TRY004 - a configuration, not a bug
    return root


@lru_cache(maxsize=8)
def _whole(config: str) -> dict[str, Any]:
    try:
        documents = yaml_text.load_all(config, _Texts)
    except yaml_text.YamlRefused as error:
        raise ValueError(str(error)) from error
    return documents[0] if documents and isinstance(documents[0], dict) else {}


def _walk(node: dict[str, Any], inherited: dict[str, Any], labels: dict[str, str], depth: int = 0) -> list[Route]:
    settings = {name: node.get(name) or value for name, value in inherited.items()}
    found: list[Route] = []
    for child in node.get("routes") or []:
        if not all(matcher.holds(labels) for matcher in _matchers(child)):
            continue
        found += _walk(child, settings, labels, depth + 1)
        if str(child.get("continue")).lower() not in _YES:
            break
    if found:
        return found
    waits = {name: parse_duration(value) for name, value in settings.items() if name in _WAITS}
    # Unlike the waits, these are not inherited.
    muted, active = (_names(node.get(f"{name}_time_intervals") or ()) for name in ("mute", "active"))
    (receiver,) = _names([settings["receiver"]])
    by = _names(settings["group_by"])
    return [Route(receiver, **waits, group_by=by, depth=depth, muted_in=muted, active_in=active)]


def _names(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - YAML
    """Return a list of names; raises TypeError."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        msg = f"expected names, found {value!r:.100}"
        raise TypeError(msg)
    return tuple(value)


def _matchers(node: dict[str, Any]) -> Iterator[RouteMatcher]:
    for name, value in (node.get("match") or {}).items():
        yield RouteMatcher(name, "=", value or "")
    for name, value in (node.get("match_re") or {}).items():
        yield RouteMatcher(name, "=~", value or "")
    for text in node.get("matchers") or []:
        yield from parse_matchers(text)


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_MATCHER = re.compile(
    rf'\s*(?P<name>{_QUOTED}|[^\s=!~",{{}}]+)\s*(?P<op>=~|!~|!=|=)\s*(?P<value>{_QUOTED}|[^",]*?)\s*(?:,\s*|$)',
    re.DOTALL,
)
_ESCAPED = re.compile(r'\\([n"\\])')


@dataclass(frozen=True)
class RouteMatcher:
    """One condition on a label: `=`, `!=`, `=~` or `!~`."""

    name: str
    op: str
    value: str

    def __str__(self) -> str:
        """Format it as in Alertmanager."""
        return f"{self.name}{self.op}{json.dumps(self.value, ensure_ascii=False)}"

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Return whether an alert's labels match; raises ValueError if the regular expression is invalid."""
        actual = labels.get(self.name, "")
        if self.op in {"=", "!="}:
            return (actual == self.value) is (self.op == "=")
        try:
            return matches_whole(self.value, actual) is (self.op == "=~")
        except ValueError as error:
            msg = f"{self.value!r} is not a regular expression that can be read here: {error}"
            raise ValueError(msg) from error


@lru_cache(maxsize=1024)
def parse_matchers(text: str) -> tuple[RouteMatcher, ...]:
    """Return the matchers of one text; raises ValueError."""
    return tuple(_parsed_matchers(text))


def _parsed_matchers(text: str) -> Iterator[RouteMatcher]:
    inside = text.strip()
    if inside.startswith("{") and inside.endswith("}"):
        inside = inside[1:-1].strip()
    at = 0
    while at < len(inside):
        found = _MATCHER.match(inside, at)
        if found is None:
            msg = f'{text!r} is not a matcher such as severity="page"'
            raise ValueError(msg)
        yield RouteMatcher(_unquoted(found["name"]), found["op"], _unquoted(found["value"]))
        at = found.end()


def _unquoted(text: str) -> str:
    whole = text[1:-1] if text.startswith('"') else text
    return _ESCAPED.sub(lambda escaped: "\n" if escaped[1] == "n" else escaped[1], whole)
