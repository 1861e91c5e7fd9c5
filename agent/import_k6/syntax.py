"""Parses JavaScript and TypeScript to plain nodes, without running it; the only module that uses tree-sitter.

The kinds of nodes and the names of their fields are those of tree-sitter's grammar:
https://github.com/tree-sitter/tree-sitter-javascript/blob/master/src/node-types.json
Comments, parentheses and the types of TypeScript are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alertdrill.agent.import_k6.notes import UnusableScript

if TYPE_CHECKING:
    import tree_sitter

_LEFT_OUT = {
    "accessibility_modifier",
    "comment",
    "empty_statement",
    "hash_bang_line",
    "html_comment",
    "override_modifier",
    "type_annotation",
    "type_arguments",
    "type_parameters",
    "type_predicate_annotation",
}
# Of these only the first part has a meaning without types: `a as B`, `a!`, `a: B`, `(a)`.
_BARE = {
    "as_expression",
    "non_null_expression",
    "optional_parameter",
    "parenthesized_expression",
    "required_parameter",
    "satisfies_expression",
}
_TYPESCRIPT = (".ts", ".mts", ".cts")
_LONGEST_EXCERPT = 40


class SourceLine(int):
    """A line of a file, from 1; `file` is empty for the script itself, and the name of a module that it imports."""

    file = ""

    @classmethod
    def of(cls, number: int, file: str) -> SourceLine:
        """Return a line of a file."""
        line = cls(number)
        line.file = file
        return line


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


def parse(source: str, name: str, file: str = "") -> Node:
    """Parse a script or a module by the end of its name; `file` is that of its lines.

    Raises UnusableScript with line and column where it is not JavaScript, or not TypeScript. Raises ModuleNotFoundError
    without the extra `import-k6`, RecursionError when nested too deeply.
    """
    import tree_sitter

    content, is_typescript = source.encode(), name.endswith(_TYPESCRIPT)
    root = tree_sitter.Parser(tree_sitter.Language(_language(is_typescript=is_typescript))).parse(content).root_node
    if root.has_error:
        raise _refusal(content, root, "TypeScript" if is_typescript else "JavaScript")
    return _node(content, root, file)


def _language(*, is_typescript: bool) -> object:
    if is_typescript:
        import tree_sitter_typescript

        return tree_sitter_typescript.language_typescript()
    import tree_sitter_javascript

    return tree_sitter_javascript.language()


def _node(source: bytes, parsed: tree_sitter.Node, file: str) -> Node:
    children: list[Node] = []
    fields: dict[str, Node] = {}
    tokens: list[str] = []
    for index, child in enumerate(parsed.children):
        if child.type in _LEFT_OUT:
            continue
        if not child.is_named:
            tokens.append(child.type)
        node = _node(source, _bare(child), file)
        if child.is_named:
            children.append(node)
        if name := parsed.field_name_for_child(index):
            fields[name] = node
    line = SourceLine.of(parsed.start_point.row + 1, file)
    return Node(parsed.type, line, tuple(children), fields, tuple(tokens), source, parsed.start_byte, parsed.end_byte)


def _bare(parsed: tree_sitter.Node) -> tree_sitter.Node:
    while parsed.type in _BARE and not _has_default(parsed):
        parsed = next(child for child in parsed.named_children if child.type not in _LEFT_OUT)
    return parsed


def _has_default(parsed: tree_sitter.Node) -> bool:
    """Whether a parameter of TypeScript has a default, as in `(a: number = 1)`."""
    return parsed.child_by_field_name("value") is not None and parsed.type.endswith("_parameter")


def _refusal(source: bytes, root: tree_sitter.Node, language: str) -> UnusableScript:
    place = _first_error(root)
    before = source[: place.start_byte].decode().rpartition("\n")[2]
    line, column = place.start_point.row + 1, len(before) + 1
    if place.is_missing:
        return UnusableScript(line, f"is not {language}: {place.type} is missing", column)
    found = source[place.start_byte : place.end_byte].decode().split("\n")[0][:_LONGEST_EXCERPT]
    return UnusableScript(line, f"is not {language} from here on: {found!r}", column)


def _first_error(node: tree_sitter.Node) -> tree_sitter.Node:
    """Find the innermost part of the first error: an unclosed bracket makes everything after it an error."""
    while wrong := next((child for child in node.children if child.has_error or child.is_missing), None):
        node = wrong
    return node
