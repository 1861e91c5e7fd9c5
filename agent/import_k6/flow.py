"""Finds the calls that always run, and the variables that change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alertdrill.agent.import_k6.syntax import Node

FUNCTIONS = {
    "arrow_function",
    "class",
    "class_declaration",
    "function_declaration",
    "function_expression",
    "generator_function",
    "generator_function_declaration",
    "method_definition",
}

# Of these nodes only the named parts always run; of all other nodes every part does.
_ALWAYS_RUN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(FUNCTIONS, ()),
    "do_statement": (),
    "for_in_statement": (),
    "for_statement": (),
    "if_statement": ("condition",),
    "statement_block": (),
    "switch_statement": (),
    "ternary_expression": ("condition",),
    "try_statement": (),
    "while_statement": (),
}
_SHORT_CIRCUITS = {"&&", "||", "??"}
_ASSIGNMENTS = {"assignment_expression", "augmented_assignment_expression", "for_in_statement"}
_MUTATING = {"copyWithin", "fill", "pop", "push", "reverse", "shift", "sort", "splice", "unshift"}


def calls_made(node: Node) -> Iterator[Node]:
    """Yield the calls that a statement makes each time it runs, in their order."""
    for part in _parts_that_run(node):
        yield from calls_made(part)
    if node.kind == "call_expression":
        yield node


def _parts_that_run(node: Node) -> Iterable[Node]:
    if node.kind == "binary_expression" and node.fields["operator"].text in _SHORT_CIRCUITS:
        return (node.fields["left"],)
    if node.kind in _ALWAYS_RUN:
        return (node.fields[name] for name in _ALWAYS_RUN[node.kind])
    return node.children


def changes(program: Node) -> dict[str, int]:
    """Return the line in which each variable first changes its value, or a part of it.

    Names are taken for the whole file: a variable counts as changed when one of the same name is.
    """
    changed: dict[str, int] = {}
    declared: set[str] = set()
    for node in program.walk():
        for name in _changed_by(node, declared):
            changed.setdefault(name, node.line)
    return changed


def changes_in_functions(program: Node) -> dict[str, int]:
    """Return the line in which each variable first changes within a function, which may run at any time."""
    changed: dict[str, int] = {}
    waiting = [program]
    while waiting:
        node = waiting.pop(0)
        if node.kind in FUNCTIONS:
            for name, line in changes(node).items():
                changed.setdefault(name, line)
        else:
            waiting += node.children
    return changed


def changed_at_once(node: Node) -> Iterator[str]:
    """Yield the variables that a statement itself changes, not those that its functions change when they are called."""
    yield from _changed_by(node, set())
    for part in node.children:
        if part.kind not in FUNCTIONS:
            yield from changed_at_once(part)


def _changed_by(node: Node, declared: set[str]) -> Iterable[str]:
    if node.kind in _ASSIGNMENTS and "kind" not in node.fields:  # `for (const a of …)` has one
        return _roots(node.fields["left"])
    if node.kind == "update_expression" or (node.kind == "unary_expression" and "delete" in node.tokens):
        return _roots(node.fields["argument"])
    if node.kind == "call_expression":
        return _changed_by_call(node)
    return _declared_again(node, declared) if node.kind == "variable_declaration" else ()


def _changed_by_call(call: Node) -> Iterable[str]:
    function, arguments = call.fields["function"], call.fields["arguments"].children
    if function.text == "Object.assign":
        return _roots(arguments[0]) if arguments else ()
    mutates = function.kind == "member_expression" and function.fields["property"].text in _MUTATING
    return _roots(function.fields["object"]) if mutates else ()


def _declared_again(node: Node, declared: set[str]) -> list[str]:
    names = [part.fields["name"].text for part in node.children if part.kind == "variable_declarator"]
    again = [name for name in names if name in declared]
    declared.update(names)
    return again


def _roots(target: Node) -> list[str]:
    """List the variables in the target of an assignment: `a`, `a.b[0]`, `[a, b]`."""
    while target.kind in {"member_expression", "subscript_expression"}:
        target = target.fields["object"]
    if target.kind not in {"identifier", "array_pattern", "object_pattern"}:
        return []
    kinds = {"identifier", "shorthand_property_identifier_pattern"}
    return [node.text for node in target.walk() if node.kind in kinds]
