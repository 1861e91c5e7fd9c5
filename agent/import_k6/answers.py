"""Finds the part of an answer that an expression reads: `r.status`, `r.json('id')`, `r.headers['X']`.

The members of k6's answer: https://grafana.com/docs/k6/latest/javascript-api/k6-http/response/
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from alertdrill.agent.import_k6.constants import evaluate
from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.scope import Scope
from alertdrill.agent.import_k6.syntax import Node
from alertdrill.agent.import_k6.values import plain

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_MEMBERS = {"body": "body", "status": "status"}
# Properties of JavaScript values, which are not keys of the document.
_OF_JAVASCRIPT = {"length", "size"}


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A part of an answer: `kind` is the key of its check, `of` the header's name or the path in JSON."""

    kind: str
    of: str = ""

    @property
    def subject(self) -> dict[str, str]:
        """The first key of its check; empty for the body, the default."""
        return {self.kind: self.of} if self.kind in {"header", "json"} else {}


@dataclass(frozen=True, slots=True)
class Answers:
    """The names of the answer in an expression, and the scope of the expression."""

    names: Collection[str]
    scope: Scope

    def read(self, node: Node) -> AnswerPart | None:
        """Return the part that an expression reads; None if it is not of the answer, or has no check."""
        if node.kind == "call_expression":
            return self._document(node)
        if node.kind not in {"member_expression", "subscript_expression"}:
            return None
        of, key = node.fields["object"], self._key(node)
        if self._is_answer(of) and isinstance(key, str) and key in _MEMBERS:
            return AnswerPart(_MEMBERS[key])
        if self._is_member(of, "timings"):
            return AnswerPart("time") if key == "duration" else None
        if self._is_member(of, "headers"):
            return AnswerPart("header", key) if isinstance(key, str) else None
        return self._inside(self.read(of), key)

    def _document(self, call: Node) -> AnswerPart | None:
        function, arguments = call.fields["function"], call.fields["arguments"].children
        if function.text == "JSON.parse" and len(arguments) == 1:
            return AnswerPart("json", "$") if self.read(arguments[0]) == AnswerPart("body") else None
        if not self._is_member(function, "json") or len(arguments) > 1:
            return None
        path = plain(evaluate(arguments[0], self.scope)) if arguments else "$"
        return AnswerPart("json", path) if isinstance(path, str) else None

    def _inside(self, reading: AnswerPart | None, key: object) -> AnswerPart | None:
        """Add one key to the path in a document."""
        if reading is None or reading.kind != "json" or key in _OF_JAVASCRIPT:
            return None
        if type(key) is int:
            return AnswerPart("json", f"{reading.of}[{key}]")
        if not isinstance(key, str):
            return None
        quoted = key.replace("\\", "\\\\").replace("'", "\\'")
        return AnswerPart("json", reading.of + (f".{key}" if _PLAIN_KEY.fullmatch(key) else f"['{quoted}']"))

    def _is_answer(self, node: Node) -> bool:
        return node.kind == "identifier" and node.text in self.names

    def _is_member(self, node: Node, name: str) -> bool:
        has_parts = node.kind in {"member_expression", "subscript_expression"}
        return has_parts and self._is_answer(node.fields["object"]) and self._key(node) == name

    def _key(self, node: Node) -> object:
        if "property" in node.fields:
            return node.fields["property"].text
        try:
            return plain(evaluate(node.fields["index"], self.scope))
        except NotCarried:
            return None
