from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alertdrill.probes.checks.answer import Answer
from alertdrill.probes.checks.checks import compile_checks

Import = Callable[..., Any]


def checked(with_body: Import, callback: str) -> Any:
    return with_body(f"const res = http.get('http://shop/');\ncheck(res, {{ 'is right': {callback} }});")


@pytest.mark.parametrize(
    ("callback", "settings"),
    [
        ("(r) => r.status === 201", {"status": ("201",)}),
        ("r => r.status == 201", {"status": ("201",)}),
        ("(r) => 201 === r.status", {"status": ("201",)}),
        ("(r) => { return r.status === 201; }", {"status": ("201",)}),
        ("function (r) { return r.status === 201; }", {"status": ("201",)}),
        ("(r) => r.status === 200 || r.status === 201 || r.status === 204", {"status": ("200", "201", "204")}),
        ("(r) => [200, 201].includes(r.status)", {"status": ("200", "201")}),
        ("(r) => r.status >= 200 && r.status < 300", {"status": ("2xx",)}),
        ("(r) => r.status > 199 && r.status <= 399", {"status": ("2xx", "3xx")}),
        ("(r) => 200 <= r.status && 300 > r.status", {"status": ("2xx",)}),
        ("() => res.status === 201", {"status": ("201",)}),
        ("res.status === 201", {"status": ("201",)}),
        ("(r) => r.timings.duration < 2000", {"time": "2s"}),
        ("(r) => r.timings.duration <= 1500", {"time": "1s500ms"}),
        ("(r) => 250 > r.timings.duration", {"time": "250ms"}),
        ("(r) => r['timings']['duration'] < 2 * 1000", {"time": "2s"}),
        ("(r) => r.body.includes('created')", {"contains": "created"}),
        ("(r) => r.body?.includes('created')", {"contains": "created"}),
        ("(r) => r.body.indexOf('x') !== -1", {"contains": "x"}),
        ("(r) => r.body.indexOf('x') > -1", {"contains": "x"}),
        ("(r) => r.body.indexOf('x') >= 0", {"contains": "x"}),
        ("(r) => r.body === 'ok'", {"equals": "ok"}),
        ("(r) => r.json('data.id') === 7", {"json": "data.id", "equals": 7}),
        ("(r) => r.json('paid') === true", {"json": "paid", "equals": True}),
        ("(r) => r.json('error') === null", {"json": "error", "matches": "^null$"}),
        ("(r) => r.json('id') !== undefined", {"json": "id", "exists": True}),
        ("(r) => r.json('error') === undefined", {"json": "error", "exists": False}),
        ("(r) => r.json('tags').includes('a')", {"json": "tags", "contains": "a"}),
        ("(r) => r.json().data.ids[0] === 'a'", {"json": "$.data.ids[0]", "equals": "a"}),
        ("(r) => r.json('data').id === 'a'", {"json": "data.id", "equals": "a"}),
        ("(r) => JSON.parse(r.body)['a.b'] === 'c'", {"json": "$['a.b']", "equals": "c"}),
        ("(r) => r.headers['Content-Type'] === 'text/plain'", {"header": "Content-Type", "equals": "text/plain"}),
        ("(r) => r.headers.Server !== undefined", {"header": "Server", "exists": True}),
        ("(r) => r.headers['Content-Type'].includes('json')", {"header": "Content-Type", "contains": "json"}),
        ("(r) => r.status == '201'", {"status": ("201",)}),
        ("(r) => r.json('state') == 'paid'", {"json": "state", "equals": "paid"}),
        ("(r) => r.headers['X'] != null", {"header": "X", "exists": True}),
        (
            "(r) => r.status === 200 && r.timings.duration < 500 && r.body.includes('x')",
            {"all": [{"status": ["200"]}, {"time": "500ms"}, {"contains": "x"}]},
        ),
    ],
)
def test_a_usual_comparison_becomes_a_check_of_the_same_name(
    with_body: Import, callback: str, settings: dict[str, Any]
) -> None:
    imported = checked(with_body, callback)
    [check] = imported.file.probe.checks
    assert check.model_dump(mode="json", by_alias=True, exclude_none=True) == {"name": "is right"} | {
        key: list(of) if isinstance(of, tuple) else of for key, of in settings.items()
    }
    assert imported.notes == []


def test_a_check_judges_answers_as_the_callback_does(with_body: Import) -> None:
    body = """
        const res = http.get('http://shop/');
        check(res, {
          id: (r) => r.json('data.ids.0') === 7,
          kind: (r) => r.headers['Content-Type'].includes('json'),
          said: (r) => r.body.indexOf('ids') >= 0,
        });
    """
    checks = compile_checks(with_body(body).file.probe.checks)
    headers = {b"content-type": b"application/json"}
    assert checks.failed(Answer(200, headers, b'{"data": {"ids": [7]}}', 0.1)) == ()
    assert checks.failed(Answer(200, headers, b'{"data": {"ids": [8]}}', 0.1)) == ("id",)
    assert checks.failed(Answer(200, {}, b"oops", 0.1)) == ("id", "kind", "said")


@pytest.mark.parametrize(
    ("callback", "why"),
    [
        ("(r) => r.timings.waiting < 10", "r.timings.waiting < 10: expected a usual comparison"),
        ("(r) => r.timings.duration > 10", "r.timings.duration > 10: expected a usual comparison"),
        ("(r) => r.timings.duration < 0.5", "a time of 0.5 ms, expected whole milliseconds"),
        ("(r) => r.timings.duration < LIMIT", "LIMIT is not a constant"),
        ("(r) => r.status !== 500", "r.status !== 500: expected a usual comparison"),
        ("(r) => r.status < 450", "r.status < 450: expected a usual comparison"),
        ("(r) => r.status > 599", "r.status > 599: expected a usual comparison"),
        ("(r) => !r.json('id')", "!r.json('id'): expected a usual comparison"),
        ("(r) => !r.json('ids').includes('x')", "expected a usual comparison"),
        ("(r) => r.json('ids').length > 3", "expected a usual comparison"),
        ("(r) => r.status", "r.status: expected a usual comparison"),
        ("(r) => { if (r.body) { return true; } return r.status === 200; }", "the callback does more than return"),
        ("(r) => r.status === '200'", "r.status === '200': expected a usual comparison"),
        ("(r) => r.status === 99", "99 is not a status"),
        ("(r) => r.status >= 200 && r.status < 250", "expected a usual comparison"),
        ("(r) => r.json('id') == '5'", "r.json('id') == '5': == takes values of other types for equal"),
        ("(r) => r.json('id') == ' '", "r.json('id') == ' ': == takes values of other types for equal"),
        ("(r) => r.json('id') == true", "r.json('id') == true: == takes values of other types for equal"),
        ("(r) => r.json('id') == null", "r.json('id') == null: == takes values of other types for equal"),
        ("(r) => r.headers['X'] === null", "expected a usual comparison"),
        ("(r) => r.status === 200 || r.body === 'x'", "expected a usual comparison"),
        ("(r) => r.body.indexOf('x') === 0", "expected a usual comparison"),
        ("(r) => r.json('items').length === 3", "expected a usual comparison"),
        ("(r) => r.json('items.#.id') === 3", "'items.#.id' is not a JSON path"),
        ("(r) => /x/.test(r.body)", "/x/.test(r.body): expected a usual comparison"),
        ("(r) => r.error === ''", "r.error === '': expected a usual comparison"),
        ("(r) => other.status === 200", "other.status === 200: expected a usual comparison"),
        ("(res2, r) => r.status === 200", "r.status === 200: expected a usual comparison"),
        ("(r) => { log(r); return r.status === 200; }", "the callback does more than return a comparison"),
        ("true", "it does not use the answer"),
        ("isRight", "isRight: expected a usual comparison"),
    ],
)
def test_any_other_callback_is_noted_with_its_line(with_body: Import, callback: str, why: str) -> None:
    imported = checked(with_body, callback)
    [default, note] = imported.notes
    assert default == "1: no check is carried over, so a status of 2xx or 3xx is expected"
    assert note.startswith("3: check 'is right' is not carried over: ")
    assert why in note
    assert [check.title for check in imported.file.probe.checks] == ["status is 2xx or 3xx"]


@pytest.mark.parametrize(
    "statement",
    [
        "check(http.get('http://shop/'), CHECKS);",
        "const res = http.get('http://shop/'); const ok = check(res, CHECKS);",
        "let res; res = http.get('http://shop/'); check(res, CHECKS);",
        "const res = http.get('http://shop/'); check(res, { ...CHECKS });",
        "group('shop', () => { const res = http.get('http://shop/'); check(res, CHECKS); });",
        "{ const res = http.get('http://shop/'); check(res, CHECKS); }",
        "const res = http.get('http://shop/'); if (!check(res, CHECKS)) { stop(); }",
        "const res = http.get('http://shop/'); check(res, CHECKS) || failures.add(1);",
        "const res = http.get('http://shop/'); check(res, { 'is right'(r) { return r.status === 200; } });",
    ],
)
def test_a_check_is_found_wherever_it_always_runs(with_body: Import, statement: str) -> None:
    imported = with_body(f"const CHECKS = {{ 'is right': (r) => r.status === 200 }}; {statement}")
    assert [(check.title, check.status) for check in imported.file.probe.checks] == [("is right", ("200",))]


@pytest.mark.parametrize(
    "statement",
    [
        "res = changed(res); check(res, CHECKS);",
        "group('other', () => { const res = other(); check(res, CHECKS); });",
        "{ const [res] = others(); check(res, CHECKS); }",
        "{ const { res } = other(); check(res, CHECKS); }",
        "if (late) { res = http.get('http://shop/2'); } check(res, CHECKS);",
        "for (const one of all) { res = http.get(one); } check(res, CHECKS);",
        "check(null, CHECKS);",
    ],
)
def test_a_check_of_another_answer_is_noted(with_body: Import, statement: str) -> None:
    head = "const CHECKS = { ok: (r) => r.status === 204 };\nlet res = http.get('http://shop/');"
    imported = with_body(f"{head}\n{statement}")
    assert any("it is not about the answer of the request above" in note for note in imported.notes)
    assert [check.title for check in imported.file.probe.checks] == ["status is 2xx or 3xx"]


def test_only_the_first_of_two_checks_with_one_name_is_carried_over(with_body: Import) -> None:
    call = "check(res, { ok: (r) => r.status === 200 });"
    imported = with_body(f"const res = http.get('http://shop/'); {call}\n{call.replace('200', '201')}")
    assert [check.status for check in imported.file.probe.checks] == [("200",)]
    assert imported.notes == ["3: check 'ok' is not carried over: another check has the same name"]


def test_tags_of_a_check_are_noted(with_body: Import) -> None:
    imported = with_body("check(http.get('http://shop/'), { ok: (r) => r.status === 200 }, { a: 'b' });")
    assert imported.notes == ["2: the argument with tags is not carried over: a check has a name and no tags"]


@pytest.mark.parametrize(
    "statement",
    [
        "const other = http.get('http://shop/2'); check(other, CHECKS);",
        "res = http.get('http://shop/2'); check(res, CHECKS);",
        "{ const res = http.get('http://shop/2'); check(res, CHECKS); }",
        "const [res2] = http.batch([['GET', 'http://shop/2']]); check(res2, CHECKS);",
        "const all = http.batch({ two: 'http://shop/2' }); check(all.two, CHECKS);",
    ],
)
def test_a_check_belongs_to_the_request_whose_answer_it_is_about(with_body: Import, statement: str) -> None:
    head = "const CHECKS = { ok: (r) => r.status === 204 };\nlet res = http.get('http://shop/');"
    probe = with_body(f"{head}\n{statement}").file.probe
    assert [[check.title for check in request.checks] for request in probe.requests] == [
        ["status is 2xx or 3xx"],
        ["ok"],
    ]


def test_a_number_compared_loosely_is_carried_over_with_a_note(with_body: Import) -> None:
    imported = checked(with_body, "(r) => r.json('id') == 5")
    [note] = imported.notes
    assert "the check takes the number 5 alone, and == the text '5' too" in note
    assert imported.file.probe.checks[0].equals == 5


@pytest.mark.parametrize(
    ("callback", "right", "wrong"),
    [
        ("(r) => r.json('token')", '{"token": "a"}', '{"token": ""}'),
        ("(r) => !!r.json('token')", '{"token": [0]}', '{"token": null}'),
        ("(r) => r.json().token", '{"token": {"a": 1}}', '{"other": 0}'),
        ("(r) => r.json('id') != null", '{"id": 0}', '{"id": null}'),
        ("(r) => r.json('id') !== null", '{"id": ""}', '{"id": null}'),
        ("(r) => r.json('id') !== ''", '{"id": "a"}', '{"id": ""}'),
        ("(r) => r.json('ids').length > 0", '{"ids": [0]}', '{"ids": []}'),
        ("(r) => Array.isArray(r.json('ids'))", '{"ids": []}', '{"ids": {}}'),
        ("(r) => r.body.length > 0", "a", ""),
        ("(r) => r.body", "\n", ""),
        ("(r) => !r.body.includes('a.b')", "a\nb", "x\na.b"),
        ("(r) => r.headers['X-Id'] && r.body.length >= 1", "a", ""),
        ("(r) => { const body = r.json(); return body.a === 1; }", '{"a": 1}', '{"a": 2}'),
        ("(r) => { try { return JSON.parse(r.body).a === 1; } catch (e) { return false; } }", '{"a": 1}', "oops"),
    ],
)
def test_a_check_passes_and_fails_as_in_k6(with_body: Import, callback: str, right: str, wrong: str) -> None:
    imported = with_body(f"const res = http.get('http://shop/'); check(res, {{ fits: {callback} }});")
    checks = compile_checks(imported.file.probe.checks)
    assert checks.failed(Answer(200, {b"x-id": b"1"}, right.encode(), 0.1)) == ()
    assert checks.failed(Answer(200, {b"x-id": b"1"}, wrong.encode(), 0.1)) == ("fits",)


@pytest.mark.parametrize(
    ("callback", "statuses"),
    [
        ("(r) => r.status < 500", ["1xx", "2xx", "3xx", "4xx"]),
        ("(r) => r.status >= 400", ["4xx", "5xx"]),
        ("(r) => r.status <= 299", ["1xx", "2xx"]),
    ],
)
def test_a_bound_of_the_status_becomes_its_ranges(with_body: Import, callback: str, statuses: list[str]) -> None:
    imported = with_body(f"const res = http.get('http://shop/'); check(res, {{ fits: {callback} }});")
    assert imported.file.probe.checks[0].model_dump(include={"status"}) == {"status": tuple(statuses)}
    assert any("also true in k6 where no answer comes" in note for note in imported.notes) is ("<" in callback)


def test_a_check_of_the_json_of_an_answer_is_one_of_that_answer(with_body: Import) -> None:
    imported = with_body("""
        const res = http.get('http://shop/'), body = res.json();
        check(body, { open: (b) => b.open === true, first: (b) => b.items[0].id === 7 });
    """)
    checks = compile_checks(imported.file.probe.checks)
    assert checks.failed(Answer(200, {}, b'{"open": true, "items": [{"id": 7}]}', 0.1)) == ()
    assert checks.failed(Answer(200, {}, b'{"open": false, "items": []}', 0.1)) == ("open", "first")


@pytest.mark.parametrize(
    ("name", "spelled"), [("content-type", "Content-Type"), ("ETag", "Etag"), ("X-Request-ID", "X-Request-Id")]
)
def test_a_header_that_k6_spells_otherwise_is_noted(with_body: Import, name: str, spelled: str) -> None:
    for written, notes in ((name, 1), (spelled, 0)):
        check = f"{{ ok: (r) => r.headers['{written}'] === 'a' }}"
        imported = with_body(f"const r = http.get('http://shop/');\ncheck(r, {check});")
        told = [note for note in imported.notes if f"k6 has the header {name} as {spelled} alone" in note]
        assert len(told) == notes
        assert [one.model_dump()["header"] for one in imported.file.probe.checks] == [written]
