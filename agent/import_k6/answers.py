"""The answer to a request, and the parts of it that a script reads: `r.status`, `r.json('id')`, `r.headers['X']`.

The members of k6's answer: https://grafana.com/docs/k6/latest/javascript-api/k6-http/response/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from alertdrill.agent.import_k6.draws import Draws
from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.values import Template
from alertdrill.probes.checks.json_path import compile_path
from alertdrill.probes.checks.kinds import StatusCheck

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LAST_KEY = re.compile(r"([A-Za-z_]\w*)\W*$")
_MEMBERS = {"body": "body", "status": "status", "timings": "timings", "headers": "headers"}
# Properties of JavaScript values, which are not keys of the document.
_OF_JAVASCRIPT = {"length", "size"}


@dataclass(eq=False)
class Step:
    """One request of a transaction: its keys in a probe file, its checks by name, and what later requests take from it.

    `hints` are the names of the script's variables for values of the answer, by their path.
    """

    request: dict[str, Any]
    line: int
    draws: Draws
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    carry: dict[str, str] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)
    is_of_setup: bool = False

    def accepted(self) -> set[int]:
        """Return the statuses that its checks accept; empty where no check is about the status."""
        conditions = [part for check in self.checks.values() for part in check.get("all", [check])]
        sets = [StatusCheck(status=part["status"]).accepted for part in conditions if "status" in part]
        return set(frozenset.intersection(*sets)) if sets else set()

    def carried(self, path: str) -> Template:
        """Return the text that stands for a value of the answer in later requests; raises NotCarried."""
        try:
            compile_path(path)
        except ValueError as error:
            raise NotCarried(self.line, str(error)) from error
        for name, of in self.carry.items():
            if of == path:
                return Template(f"{{{{ {name} }}}}")
        key = _LAST_KEY.search(path)
        name = self.draws.free_name(self.hints.get(path) or (key[1] if key else "carried"))
        self.carry[name] = path
        return Template(f"{{{{ {name} }}}}")


@dataclass(frozen=True, slots=True, eq=False)
class AnswerOf:
    """The answer to the request of a step."""

    step: Step


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A part of an answer: `kind` is the key of its check, `of` the header's name or the path in JSON."""

    step: Step
    kind: str
    of: str = ""

    @property
    def subject(self) -> dict[str, str]:
        """The first key of its check; empty for the body, the default."""
        return {self.kind: self.of} if self.kind in {"header", "json"} else {}

    @property
    def template(self) -> Template:
        """The text that stands for it in later requests; raises NotCarried."""
        if self.kind != "json":
            raise NotCarried(0, "carry takes values from answers in JSON alone")
        return self.step.carried(self.of)

    @property
    def is_text(self) -> bool:
        """Whether it is known to be a text."""
        return False


def part(content: AnswerOf | AnswerPart, key: object) -> AnswerPart | None:
    """Return the member of an answer, or of a part of one; None if it has no counterpart."""
    if isinstance(content, AnswerOf):
        return AnswerPart(content.step, _MEMBERS[key]) if isinstance(key, str) and key in _MEMBERS else None
    if content.kind == "timings":
        return AnswerPart(content.step, "time") if key == "duration" else None
    if content.kind == "headers":
        return AnswerPart(content.step, "header", key) if isinstance(key, str) else None
    return _inside(content, key) if content.kind == "json" else None


def _inside(whole: AnswerPart, key: object) -> AnswerPart | None:
    """Add one key to the path in a document."""
    if key in _OF_JAVASCRIPT:
        return None
    if type(key) is int:
        return AnswerPart(whole.step, "json", f"{whole.of}[{key}]")
    if not isinstance(key, str):
        return None
    quoted = key.replace("\\", "\\\\").replace("'", "\\'")
    path = whole.of + (f".{key}" if _PLAIN_KEY.fullmatch(key) else f"['{quoted}']")
    return AnswerPart(whole.step, "json", path)
