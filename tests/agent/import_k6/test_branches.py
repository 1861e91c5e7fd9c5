"""Branches and loops are read where it is known what they do: from constants, the environment, and passed checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.import_k6.notes import UnusableScript
from tests.agent.import_k6.conftest import HEAD, LOAD

Import = Callable[..., Any]
ALWAYS = "is read as if it always ran, as when the requests before succeed"


def paths(imported: Any) -> list[str]:
    return [request.url.removeprefix("http://shop") for request in imported.file.probe.requests]


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("const id = `x${uuid}`; if (id === undefined || typeof id !== 'string') { get('/b'); } get('/a');", ["/a"]),
        ("if (true) { get('/a'); } else { get('/b'); }", ["/a"]),
        ("if (LIMIT > 5) get('/a'); else if (LIMIT === 5) get('/b'); else get('/c');", ["/b"]),
        ("let token; if (!token) { token = 'x'; } get(`/${token}`);", ["/x"]),
        ("function send(path, query) { if (query) { path += `?${query}`; } get(path); } send('/a'); send('/b', 'c=1');",
         ["/a", "/b?c=1"]),
        ("function send(path) { if (path === '/a') { get('/z'); return; } get(path); } send('/a'); send('/b');",
         ["/z", "/b"]),
        ("const { path = '/p', host } = {}; get(host === undefined ? path : host);", ["/p"]),
        ("for (let i = 1; i <= 2; i++) { get(`/${i}`); }", ["/1", "/2"]),
        ("for (const [key, path] of Object.entries({ x: '/a', y: '/b' })) { get(`${path}${key}`); }", ["/ax", "/by"]),
        ("let i = 0; while (i < 2) { get(`/${i}`); i += 1; }", ["/0", "/1"]),
        ("const list = []; list.push('/a'); list.push('/b'); list.forEach((path) => get(path));", ["/a", "/b"]),
        ("const query = ['a', 'b'].map((key) => `${key}=1`).join('&'); get(`/?${query}`);", ["/?a=1&b=1"]),
    ],
)  # fmt: skip
def test_what_constants_decide_is_read(with_body: Import, body: str, sent: list[str]) -> None:
    imported = with_body(
        f"const uuid = crypto.randomUUID(), LIMIT = 5, get = (path) => http.get(`http://shop${{path}}`);\n{body}"
    )
    assert paths(imported) == sent
    assert not any("not carried over" in note for note in imported.notes)


@pytest.mark.parametrize(
    ("branch", "sent"),
    [
        ("if (ok) { http.get('http://shop/b'); }", True),
        ("if (!ok) { http.get('http://shop/b'); return; } http.get('http://shop/b');", True),
        ("if (res.status === 200) { http.get('http://shop/b'); }", True),
        ("if (res.status !== 200 || res.status >= 500) { return; } http.get('http://shop/b');", True),
        ("if (res.json('token')) { http.get('http://shop/b'); }", True),
        ("if (ok && res.json('token') !== undefined) { http.get('http://shop/b'); }", True),
        ("if (!ok) { http.get('http://shop/b'); }", False),
        ("if (res.status === 404) { http.get('http://shop/b'); }", False),
        ("if (res.status !== 200) { http.get('http://shop/b'); }", False),
        ("if (Math.random() < 0.5) { http.get('http://shop/b'); }", False),
        ("if (res.json('count') > 3) { http.get('http://shop/b'); }", False),
    ],
)
def test_a_branch_on_the_success_of_a_request_is_read_as_taken(with_body: Import, branch: str, sent: bool) -> None:  # noqa: FBT001
    """A later request of a transaction is sent only when the checks of the one before have passed."""
    imported = with_body(
        f"const res = http.get('http://shop/a'); const ok = check(res, {{ fine: (r) => r.status === 200 }});\n{branch}"
    )
    assert paths(imported) == (["/a", "/b"] if sent else ["/a"])
    assert any(ALWAYS in note or "the branch is not carried over" in note for note in imported.notes)


def test_without_a_check_a_status_of_success_is_assumed(with_body: Import) -> None:
    body = "const res = http.get('http://shop/a'); if (res.status !== 201) { return; } http.get('http://shop/b');"
    assert paths(with_body(body)) == ["/a", "/b"]
    body = "const res = http.get('http://shop/a'); check(res, { either: (r) => r.status === 200 || r.status === 404 });"
    assert paths(with_body(f"{body} if (res.status === 200) {{ http.get('http://shop/b'); }}")) == ["/a"]


def test_a_choice_at_random_between_two_values_keeps_its_chances(with_body: Import) -> None:
    imported = with_body("const kind = Math.random() < 0.25 ? 'a' : 'b'; http.get(`http://shop/${kind}`);")
    assert imported.file.probe.url == "http://shop/{{ kind }}"
    assert imported.file.probe.data["kind"].of == ("a", "b", "b", "b")


ENVIRONMENT = (
    f"{HEAD}\nconst HOSTS = {{ test: 'a', prod: 'b' }}, TYPE = __ENV.TYPE || 'test';\n"
    f"export const options = __ENV.LONG ? {{ vus: 1, duration: '1h' }} : {LOAD};\n"
    "export default () => { http.get(`http://${HOSTS[TYPE]}/${__ENV.KEY || 'x'}`); };"
)


def test_what_the_environment_decides_is_read_with_its_default(whole: Import) -> None:
    imported = whole(ENVIRONMENT)
    assert (imported.file.probe.url, imported.file.load.duration.total_seconds()) == ("http://a/x", 60)
    assert "url: http://a/${KEY:-x}" in imported.text
    assert [note for note in imported.notes if "decides" in note] == [
        "3: __ENV.LONG decides what is read here, as not set; --env LONG=… gives it a value",
        "4: __ENV.TYPE decides what is read here, as 'test', its default; --env TYPE=… gives it a value",
    ]


def test_a_given_variable_is_read_as_its_value(whole: Import) -> None:
    imported = whole(ENVIRONMENT, environment={"LONG": "1", "TYPE": "prod", "KEY": "y"})
    assert (imported.file.probe.url, imported.file.load.duration.total_seconds()) == ("http://b/y", 3600)
    assert "url: http://b/y" in imported.text
    assert not any("decides" in note for note in imported.notes)


def test_a_variable_without_a_default_that_decides_is_named(whole: Import) -> None:
    source = (
        f"{HEAD}\nconst HOSTS = {{ a: 'b' }};\nexport default () => {{ http.get(`http://${{HOSTS[__ENV.TYPE]}}/`); }};"
    )
    with pytest.raises(UnusableScript, match=r"__ENV\.TYPE decides it, and has no default; give it with --env TYPE="):
        whole(source)


def test_users_from_the_environment_are_divided_by_their_default(with_body: Import) -> None:
    imported = with_body("http.get('http://shop/'); sleep(2);", "{ vus: __ENV.VUS || 10, duration: '1m' }")
    assert imported.file.load.rate == 5
    assert any("__ENV.VUS decides what is read here, as '10'" in note for note in imported.notes)


def test_changes_at_the_top_level_are_followed(whole: Import) -> None:
    imported = whole(
        f"{HEAD}\nlet chosen; if (__ENV.BIG) {{ chosen = {{}}; }} else {{ chosen = {LOAD}; }}\n"
        "const makeParams = () => { const made = { headers: {} }; made.headers.A = 'b'; return made; };\n"
        "const params = makeParams(); params.headers['X-Key'] = 'c';\n"
        "export const options = chosen; options.thresholds = { http_req_failed: ['rate<0.1'] };\n"
        "export default () => { http.get('http://shop/', params); };"
    )
    assert imported.file.probe.headers == {"A": "b", "X-Key": "c"}
    assert (imported.file.load.rate, list(imported.file.thresholds)) == (1, ["http_req_failed"])


def test_modules_of_commonjs_and_names_without_a_suffix_are_read(whole: Import, tmp_path: Path) -> None:
    (tmp_path / "api.js").write_text("module.exports = { path: '/a', visit: (http) => http };")
    (tmp_path / "more.ts").write_text("export const more: string = '/b';")
    imported = whole(
        "const http = require('k6/http'); const { check } = require('k6'); const { path } = require('./api.js');\n"
        f"import {{ more }} from './more';\nexports.options = {LOAD};\n"
        "exports.default = function () { check(http.get(`http://shop${path}${more}`), { ok: (r) => r.status === 201 }); };"
    )
    assert (paths(imported), imported.file.probe.checks[0].title) == (["/a/b"], "ok")


@pytest.mark.parametrize(
    ("source", "place", "why"),
    [
        ("function visit() { http.get('http://shop/'); }\nexport default () => {\nif (x) { visit(); } };", ":4",
         "visit does not always run, expected one request that does"),
        ("import { visit } from 'far';\nexport default () => { visit(); };", ":2",
         "makes no request with k6/http in what is read; the import of far is not: only the script and its own files"),
        ("export const options = { scenarios: make() };\nexport function visit() { http.get('http://shop/'); }", ":2",
         "options.scenarios cannot be read: make() is not a constant"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_reason(whole: Import, source: str, place: str, why: str) -> None:
    with pytest.raises(UnusableScript) as caught:
        whole(f"{HEAD}\n{source}")
    assert (caught.value.place, caught.value.why[: len(why)]) == (place, why)


def test_a_refusal_in_a_module_names_the_module(whole: Import, tmp_path: Path) -> None:
    (tmp_path / "api.js").write_text("\nexport const base = make();")
    with pytest.raises(UnusableScript) as caught:
        whole(f"{HEAD} import {{ base }} from './api.js';\nexport default () => {{ http.get(base); }};")
    assert (caught.value.file.endswith("api.js"), caught.value.place) == (True, ":2")


def test_a_login_that_a_virtual_user_keeps_is_made_in_each_transaction(whole: Import) -> None:
    imported = whole(
        f"{HEAD} export const options = {LOAD};\nlet token = null, count = 0;\n"
        "function login() { if (token) return; token = http.post('http://shop/login').json('t'); count++; }\n"
        "export default () => { login(); http.get('http://shop/', { headers: { A: token, B: `${count}` } }); };"
    )
    assert paths(imported) == ["/login", "/"]
    assert imported.file.probe.requests[1].headers == {"A": "{{ t }}"}
    assert "3: token is empty in each transaction; in k6 a virtual user keeps it once it is set" in imported.notes
    assert not any("the branch is not carried over" in note for note in imported.notes)


def test_a_request_within_a_callback_is_never_lost_without_a_word(with_body: Import) -> None:
    imported = with_body("""
        http.get('http://shop/');
        const ids = [1, 2].map((id) => { const res = http.get(`http://shop/${id}`); return id; });
    """)
    assert paths(imported) == ["/"]
    assert any("ids is not carried over" in note for note in imported.notes)


def test_an_object_given_to_another_library_is_not_guessed(whole: Import) -> None:
    imported = whole(
        f"{HEAD} import {{ sign }} from 'https://a.b/sign.js'; export const options = {LOAD};\n"
        "export default () => { const headers = { A: 'b' }; sign(headers); http.get('http://shop/', { headers }); };"
    )
    assert imported.file.probe.headers == {}
    assert any("headers is not a constant, it is changed in line 2" in note for note in imported.notes)


def test_a_form_may_have_values_of_the_transaction(with_body: Import) -> None:
    imported = with_body(
        "const id = Math.floor(Math.random() * 9); http.post('http://shop/', { 'a b': 'c&d', id, key: __ENV.KEY || 'k' });"
    )
    assert imported.file.probe.body == "a+b=c%26d&id={{ id }}&key=k"
    assert sum("is sent in a form as it is, so it must be encoded" in note for note in imported.notes) == 2


@pytest.mark.parametrize("made", ["Math.random().toString(36).substring(7)", "randomString(8)"])
def test_a_random_text_becomes_a_uuid_with_a_note(whole: Import, made: str) -> None:
    imported = whole(
        f"{HEAD} import {{ randomString }} from 'https://jslib.k6.io/k6-utils/1.4.0/index.js';\n"
        f"export const options = {LOAD}; export default () => {{ http.get(`http://shop/${{{made}}}`); }};"
    )
    assert [one.kind for one in imported.file.probe.data.values()] == ["uuid"]
    assert any("is a random UUID, for data has no other random texts" in note for note in imported.notes)
