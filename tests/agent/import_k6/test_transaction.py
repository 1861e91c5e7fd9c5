from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alertdrill.agent.import_k6.notes import UnusableScript
from tests.agent.import_k6.conftest import LOAD

Import = Callable[..., Any]
REQUEST = "const res = http.get('http://shop/'); check(res, { ok: (r) => r.status === 200 });"


@pytest.mark.parametrize(
    ("statement", "note"),
    [
        ("sleep(1);", "sleep(1) is not carried over: the load is an open loop, and arrivals do not wait for it"),
        ("sleep(Math.random() * 3);", "sleep(Math.random() * 3) is not carried over: the load is an open loop"),
        ("http.post(url());", "http.post(url()) is not carried over: the URL cannot be carried over: url() is not"),
        ("http.batch(all());", "http.batch(all()) is not carried over: all() is not a constant"),
        ("http.setResponseCallback(x);", "http.setResponseCallback(x) is not carried over: it is not a request"),
        (
            "for (let i = 0; i < n; i++) { http.get(u); }",
            "the loop is not carried over: a transaction is the same every time, and has no loops",
        ),
        (
            "for (const u of us) http.get(u);",
            "the loop is not carried over: a transaction is the same every time, and has no loops",
        ),
        (
            "while (true) { http.get(u); }",
            "the loop is not carried over: a transaction is the same every time, and has no loops",
        ),
        (
            "do { http.get(u); } while (true);",
            "the loop is not carried over: a transaction is the same every time, and has no loops",
        ),
        ("if (res.status !== 200) { http.get(u); }", "the branch is not carried over"),
        ("switch (1) { case 1: http.get(u); }", "the branch is not carried over"),
        ("console.log(res.body);", "console.log(res.body) is not carried over: a probe writes no log"),
        (
            "errors.add(1);",
            "errors.add(1) is not carried over: a probe has a request and its checks, and runs no code",
        ),
        ("const now = performance.now();", "now is not carried over: performance.now() is not a constant"),
        ("const { id } = make();", "{ id } is not carried over: make() is not a constant"),
        ("const m = new Rate('m');", "m is not carried over: a custom metric has no counterpart"),
        ("if (!check(res, {})) { fail('x'); }", "the branch is not carried over"),
        ("check(res, {}) || errors.add(1);", "errors.add(1) is not carried over: a probe has a request"),
        ("const ok = check(res, {}); errors.add(!ok);", "errors.add(!ok) is not carried over: a probe has a request"),
        ("group('two', () => {});", "group('two') is not carried over: a probe has no groups"),
        ("throw new Error('x');", "throw new Error('x') is not carried over"),
    ],
)
def test_other_statements_of_the_function_are_noted_with_their_line(
    with_body: Import, statement: str, note: str
) -> None:
    imported = with_body(f"{REQUEST}\n{statement}")
    [found] = imported.notes
    assert found.startswith(f"3: {note}")


@pytest.mark.parametrize(
    ("statement", "note"),
    [
        ("import x from './x.js';", "the import of ./x.js is not carried over: ./x.js cannot be read: No such file"),
        ("import x from 'https://a.b/x.js';", "the import of https://a.b/x.js is not carried over"),
        (
            "export * from './x.js';",
            "export * from './x.js' is not carried over: ./x.js cannot be read: No such file or directory",
        ),
        ("const m = new Rate('m');", "m is not carried over: a custom metric has no counterpart"),
        (
            "const users = JSON.parse(open('u.json'));",
            "users is not carried over: u.json cannot be read: No such file or directory",
        ),
        ("export function setup() {}", "function setup is not carried over: a probe has no setup and no teardown"),
        (
            "export function handleSummary(d) {}",
            "function handleSummary is not carried over: a probe has no setup and no teardown",
        ),
        ("export function helper() {}", "function helper is not carried over: a probe runs no code"),
        ("console.log('x');", "console.log('x') is not carried over: a probe runs no code"),
        ("if (x) {}", "if (x) {} is not carried over: a probe runs no code"),
    ],
)
def test_other_statements_at_the_top_level_are_noted_with_their_line(whole: Import, statement: str, note: str) -> None:
    imported = whole(
        "import http from 'k6/http'; import { check } from 'k6'; import { Rate } from 'k6/metrics';\n"
        f"{statement}\nexport const options = {LOAD};\nexport default function () {{ {REQUEST} }}\n"
    )
    [found] = imported.notes
    assert found.startswith(f"2: {note}")


def test_statements_without_effect_are_not_noted(with_body: Import) -> None:
    assert with_body(f"'use strict'; // a comment\n/* another */ ;;\n{REQUEST}\nreturn;\nsleep(1);").notes == []


@pytest.mark.parametrize(
    ("body", "place", "why"),
    [
        ("sleep(1);", ":1", "makes no request with k6/http, expected one such as http.get(url)"),
        ("fetch('http://shop/');", ":1", "makes no request with k6/http"),
        ("if (x) {\nhttp.get('http://shop/');\n}", ":3", "http.get('http://shop/') does not always run, expected one"),
        ("for (const u of us) http.get(u);", ":2", "http.get(u) does not always run"),
        ("x && http.get('http://shop/');", ":2", "http.get('http://shop/') does not always run"),
        ("const f = () => http.get('http://shop/');", ":2", "http.get('http://shop/') does not always run"),
        ("return;\nhttp.get('http://shop/');", ":3", "http.get('http://shop/') does not always run"),
    ],
)
def test_a_script_without_a_request_that_always_runs_is_refused(
    with_body: Import, body: str, place: str, why: str
) -> None:
    with pytest.raises(UnusableScript) as caught:
        with_body(body)
    assert caught.value.place == place
    assert caught.value.why.startswith(why)


@pytest.mark.parametrize(
    ("source", "place", "why"),
    [
        ("\nexport const options = make();", ":2", "the options cannot be read: make() is not a constant"),
        (
            "export const options = {};\noptions[name()] = 1;",
            ":1",
            "the options cannot be read: options is not a constant, it is",
        ),
        ("export const options = {};", "", "has no default function, expected export default"),
        ("export const options = {};\nexport default 5;", "", "has no default function"),
        (
            (
                "export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 1, duration: '1s',"
                " exec: 'buy' } } };"
            ),
            "",
            "has no function buy, expected export",
        ),
        ("let x = ;", ":1:7", "is not JavaScript from here on: '='"),
        ("\nlet ä = { a: 1 ;", ":2:15", "is not JavaScript: } is missing"),
        ("let a = 1;\n\nfoo(", ":3:1", "is not JavaScript from here on: 'foo('"),
    ],
)
def test_an_unusable_script_is_refused_with_its_place(whole: Import, source: str, place: str, why: str) -> None:
    with pytest.raises(UnusableScript) as caught:
        whole(source)
    assert (caught.value.place, caught.value.why[: len(why)]) == (place, why)
