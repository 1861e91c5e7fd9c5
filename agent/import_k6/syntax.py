"""Parses JavaScript to plain nodes, without running it; the only module that uses tree-sitter.

The kinds of nodes and the names of their fields are those of tree-sitter's grammar:
https://github.com/tree-sitter/tree-sitter-javascript/blob/master/src/node-types.json
Comments and parentheses are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alertdrill.agent.import_k6.notes import UnusableScript

if TYPE_CHECKING:
    import tree_sitter

_LEFT_OUT = {"comment", "html_comment", "hash_bang_line", "empty_statement"}
_LONGEST_EXCERPT = 40


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One construct: its named parts in order, the parts by field name, and the words and signs between them."""

    kind: str
    line: int
    children: tuple[Node, ...]
    fields: Mapping[str, Node]
    tokens: tuple[str, ...]
    source: bytes = field(repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        """The source of the construct."""
        return self.source[self.start : self.end].decode()

    @property
    def excerpt(self) -> str:
        """The source on one line, shortened where it is long."""
        line = " ".join(self.text.split()).removesuffix(";")
        return line if len(line) <= _LONGEST_EXCERPT else line[:_LONGEST_EXCERPT].rstrip() + "…"

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, in the order of the source."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


def parse(source: str) -> Node:
    """Parse a script; raises UnusableScript with line and column where it is not JavaScript.

    Raises ModuleNotFoundError without the extra `import-k6`, RecursionError when nested too deeply.
    """
    import tree_sitter
    import tree_sitter_javascript

    content = source.encode()
    language = tree_sitter.Language(tree_sitter_javascript.language())
    root = tree_sitter.Parser(language).parse(content).root_node
    if root.has_error:
        raise _refusal(content, root)
    return _node(content, root)


def _node(source: bytes, parsed: tree_sitter.Node) -> Node:
    children: list[Node] = []
    fields: dict[str, Node] = {}
    tokens: list[str] = []
    for index, child in enumerate(parsed.children):
        if child.type in _LEFT_OUT:
            continue
        if not child.is_named:
            tokens.append(child.type)
        node = _node(source, _bare(child))
        if child.is_named:
            children.append(node)
        if name := parsed.field_name_for_child(index):
            fields[name] = node
    line = parsed.start_point.row + 1
    return Node(parsed.type, line, tuple(children), fields, tuple(tokens), source, parsed.start_byte, parsed.end_byte)


def _bare(parsed: tree_sitter.Node) -> tree_sitter.Node:
    while parsed.type == "parenthesized_expression":
        parsed = next(child for child in parsed.named_children if child.type not in _LEFT_OUT)
    return parsed


def _refusal(source: bytes, root: tree_sitter.Node) -> UnusableScript:
    place = _first_error(root)
    before = source[: place.start_byte].decode().rpartition("\n")[2]
    line, column = place.start_point.row + 1, len(before) + 1
    if place.is_missing:
        return UnusableScript(line, f"is not JavaScript: {place.type} is missing", column)
    found = source[place.start_byte : place.end_byte].decode().split("\n")[0][:_LONGEST_EXCERPT]
    return UnusableScript(line, f"is not JavaScript from here on: {found!r}", column)


def _first_error(node: tree_sitter.Node) -> tree_sitter.Node:
    """Find the innermost part of the first error: an unclosed bracket makes everything after it an error."""
    while wrong := next((child for child in node.children if child.has_error or child.is_missing), None):
        node = wrong
    return node
