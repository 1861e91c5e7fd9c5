"""Alertmanager's matchers, as they are written in its configuration.

One text may hold several, with or without braces: `{team="a", severity=~"warn|crit"}`. A regular expression must match
the whole value. A missing label counts as empty.
Source: pkg/labels/parse.go of Alertmanager, and matcher/parse for quoted names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Return whether an alert's labels match; raises ValueError if the regular expression is invalid."""
        actual = labels.get(self.name, "")
        if self.op in {"=", "!="}:
            return (actual == self.value) is (self.op == "=")
        try:
            return (re.fullmatch(self.value, actual) is not None) is (self.op == "=~")
        except re.error as error:
            msg = f"{self.value!r} is not a regular expression that can be read here: {error}"
            raise ValueError(msg) from error


def parse_matchers(text: str) -> Iterator[RouteMatcher]:
    """Yield the matchers of one text; raises ValueError."""
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
