from __future__ import annotations

from typing import Any

import pytest

from alertdrill.agent.import_k6.constants import declare, evaluate
from alertdrill.agent.import_k6.flow import changes
from alertdrill.agent.import_k6.notes import NotCarried, Notes
from alertdrill.agent.import_k6.scope import Context, Scope
from alertdrill.agent.import_k6.syntax import parse
from alertdrill.agent.import_k6.values import EnvText, Value, plain

DECLARATIONS = {"lexical_declaration", "variable_declaration"}


def value_of_last(source: str) -> Value:
    """Return the value of the last variable that a source declares."""
    program = parse(source, "script.js")
    scope, name = Scope(Context(changes(program))), ""
    for statement in program.children:
        for declarator in statement.children if statement.kind in DECLARATIONS else ():
            declare(declarator, scope, Notes())
            name = declarator.fields["name"].text
    value = scope.look_up(name)
    assert value is not None
    return value


def known(source: str) -> Any:
    return plain(value_of_last(f"let x = {source}"))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("'a'", "a"),
        (r"'it\'s \x41\u0042\u{1F600}\n\t\0 \q'", "it's AB\U0001f600\n\t\0 q"),
        (r"'\ud83d\ude00'", "\U0001f600"),
        ("'a\\\nb'", "ab"),
        ("''", ""),
        ("`a${1 + 1}b${true}${null}`", "a2btruenull"),
        ("`two\nlines`", "two\nlines"),
        ("100.00", 100),
        ("1.5", 1.5),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0b11", 3),
        (".5", 0.5),
        ("1e3", 1000),
        ("9007199254740993", 9007199254740992),
        ("-3", -3),
        ("-(1.5)", -1.5),
        ("2 * 30 + 4 / 8 - 7 % 4", 57.5),
        ("-7 % 4", -3),
        ("0.1 + 0.2", 0.30000000000000004),
        ("'a' + 1 + 2", "a12"),
        ("1 + 2 + 'a'", "3a"),
        ("'' + 0.00001 + ' ' + 1e15", "0.00001 1000000000000000"),
        ("true", True),
        ("null", None),
        ("[1, 'b', [null]]", [1, "b", [None]]),
        ("{ a: 1, 'b-c': { d: [2] }, 3: 4, ['e' + 1]: 5 }", {"a": 1, "b-c": {"d": [2]}, "3": 4, "e1": 5}),
        ("{ ...{ a: 1, b: 2 }, b: 3 }", {"a": 1, "b": 3}),
        ("{ a: { b: ['c'] } }.a.b[0]", "c"),
        ("JSON.stringify({ a: 1.0, b: 'ä' })", '{"a":1,"b":"ä"}'),
        ("'d=' + JSON.stringify([1])", "d=[1]"),
        ("JSON.stringify(JSON.stringify('a'))", '"\\"a\\""'),
        ("__ENV.HOST", "${HOST}"),
        ("__ENV['HOST']", "${HOST}"),
        ("`http://${__ENV.HOST}:${80 + 1}`", "http://${HOST}:81"),
        ("__ENV.HOST || 'shop'", "${HOST:-shop}"),
        ("__ENV.HOST ?? ''", "${HOST:-}"),
        ("__ENV.A || 5", "${A:-5}"),
        ("Number(__ENV.A || 5)", "${A:-5}"),
        ("parseInt(__ENV.A) || 5", "${A:-5}"),
        ("parseInt('7')", 7),
        ("[1, ...[2, 3]].length", 3),
        ("JSON.parse('[1, {\"a\": null}]')", [1, {"a": None}]),
        ("encodeURIComponent('a b/c')", "a%20b%2Fc"),
        ("1 < 2", True),
        ("1 ? 2 : 3", 2),
        ("!1", False),
        ("'abc'.length", 3),
        ("'a' || 'b'", "a"),
        ("'' || 'b'", "b"),
        ("0 ?? 'b'", 0),
        ("undefined ?? 'b'", "b"),
        ("true && 'b'", "b"),
        ("'1' === 1", False),
        ("null == undefined", True),
        ("null === undefined", False),
        ("typeof {}.a", "undefined"),
        ("typeof null", "object"),
        ("'abc'[1] + 'abc'.toUpperCase()", "bABC"),
        ("'7'.padStart(3, '0')", "007"),
        ("'a-b'.split('-').join('+')", "a+b"),
        ("'a'.repeat(3).replace('a', 'b')", "baa"),
        ("[1, 2, 3].map((x, i) => x * 2 + i)", [2, 5, 8]),
        ("[1, 2, 3].filter((x) => x > 1).slice(1)", [3]),
        ("[1, 2].find((x) => x > 1)", 2),
        ("[1, 2].some((x) => x > 1)", True),
        ("[1, 2].every((x) => { const y = x; if (y > 1) { return false; } return true; })", False),
        ("Object.entries({ a: 1 }).map(([key, value]) => `${key}=${value}`)", ["a=1"]),
        ("Object.keys({ a: 1 }).concat(['b'])", ["a", "b"]),
        ("Array(2).fill('a')", ["a", "a"]),
        ("['a'].includes('a')", True),
        ("Math.max(1, 2) + Math.round(1.5)", 4),
        ("JSON.stringify({ a: undefined, b: 1 })", '{"b":1}'),
        ("(({ a = 5, b: { c } }) => a + c)({ b: { c: 1 } })", 6),
    ],
)
def test_a_constant_has_its_value_of_javascript(source: str, value: Any) -> None:
    found = known(source)
    assert (found, type(found) is bool, type(found) is float) == (value, type(value) is bool, type(value) is float)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("Math.sqrt(2)", "Math.sqrt(2) is not a constant"),
        ("undefined", "undefined is not a constant"),
        ("nobody", "nobody is not a constant"),
        ("017", "017 is not a constant"),
        ("1n", "1n is not a constant"),
        ("1 / 0", "1 / 0 is not a finite number"),
        ("1e308 * 10", "1e308 * 10 is not a finite number"),
        ("1e400", "1e400 is not a constant"),
        (f"0x{'f' * 300}", "is not a constant"),
        ("{ a: 1 }[{}]", "is not a constant"),
        ("1 % 0", "1 % 0 is not a finite number"),
        ("'3' * 2", "'3' * 2 is not a constant"),
        ("true + 1", "true + 1 is not a constant"),
        ("-'1'", "-'1' is not a constant"),
        ("/a/", "/a/ is not a constant"),
        ("() => 1", "() => 1 is not a constant"),
        ("new Date()", "new Date() is not a constant"),
        ("[...'ab']", "[...'ab'] is not a constant"),
        ("[1][2]", "[1][2] is not a constant"),
        ("'1' == 1", "is not a constant"),
        ("'1' < 2", "is not a constant"),
        ("unknown ? 1 : 2", "unknown is not a constant"),
        ("unknown || 2", "unknown is not a constant"),
        ("!unknown", "!unknown is not a constant"),
        ("[1].map((x) => { sent(x); return x; })", "is not a constant"),
        ("'ß'.toUpperCase()", "is not a constant"),
        ("'a' + [1]", "a list is within a text"),
        ("'a' + 1e21", "the number 1e+21 is within a text"),
        (r"'\ud83d'", "has half a character"),
        (r"'\07'", r"\07 is not a character in a module"),
        ("JSON.stringify({ a: 1 }, null, 2)", "is not a constant"),
        ("JSON.stringify({ id: uuidv4() })", "uuidv4() is not a constant"),
        ("__ENV.A || '}'", "__ENV.A || '}' is not a constant"),
        ("'${HOST}'", "has ${…} in it, which a probe file would replace from the environment"),
        ("'$' + '{HOST}'", "has ${…} in it"),
        (r"`\${HOST}`", "has ${…} in it"),
        ("'x' + JSON.stringify({ a: __ENV.A })", "JSON from the environment is within a text"),
    ],
)
def test_an_expression_that_is_not_constant_is_never_guessed(source: str, why: str) -> None:
    with pytest.raises(NotCarried) as caught:
        known(source)
    assert why in caught.value.why


def test_a_text_from_the_environment_is_marked() -> None:
    assert isinstance(known("`a${__ENV.B}`"), EnvText)
    assert not isinstance(known("'a'"), EnvText)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("let a = 'x'; a = 'y'; let b = a;", 1),
        ("let a = 1;\na += 1; let b = a;", 2),
        ("let a = 1;\n\na++; let b = a;", 3),
        ("let a = { b: 1 };\na.b = 2; let b = a;", 2),
        ("let a = { b: {} };\na['b'].c = 2; let b = a;", 2),
        ("let a = { b: 1 };\ndelete a.b; let b = a;", 2),
        ("let a = [1];\na.push(2); let b = a;", 2),
        ("let a = {};\nObject.assign(a, { b: 1 }); let b = a;", 2),
        ("let a = 1;\n[a] = [2]; let b = a;", 2),
        ("let a = 1;\nfor (a of [1, 2]) {} let b = a;", 2),
        ("var a = 1;\nif (x) { var a = 2 } let b = a;", 2),
        ("let a = 1;\nfunction f() { a = 2 } let b = a;", 2),
    ],
)
def test_a_variable_that_changes_is_not_constant(source: str, line: int) -> None:
    with pytest.raises(NotCarried, match=f"a is not a constant, it is changed in line {line}"):
        plain(value_of_last(source))


@pytest.mark.parametrize("source", ["let a = 1; for (const c of d) {} let b = a;", "var a = 1, c = [d.push(2)], b = a"])
def test_a_variable_that_is_only_read_stays_constant(source: str) -> None:
    assert plain(value_of_last(source)) == 1


def test_a_variable_without_a_value_is_unknown() -> None:
    with pytest.raises(NotCarried, match="a is not a constant"):
        plain(value_of_last("let a; let b = a"))


def test_an_unknown_part_leaves_the_others_known() -> None:
    entries = value_of_last("let x = {\n a: 1,\n b: f(),\n}").content
    assert plain(entries["a"]) == 1
    with pytest.raises(NotCarried) as caught:
        plain(entries["b"])
    assert caught.value.line == 3


def test_every_part_has_its_own_line() -> None:
    value = value_of_last("const h = {\n  a: 'b',\n};\nconst p = {\n  headers: h,\n}")
    headers = value.content["headers"]
    assert (value.line, headers.line, headers.content["a"].line) == (4, 1, 2)


def test_an_expression_without_a_scope_is_still_noted() -> None:
    [statement] = parse("a.b.c", "script.js").children
    with pytest.raises(NotCarried, match="a is not a constant"):
        plain(evaluate(statement.children[0], Scope(Context())))
