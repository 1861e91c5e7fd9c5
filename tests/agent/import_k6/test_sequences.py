"""Several requests become a sequence, also those in helpers, modules and setup; random values become data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.import_k6.conftest import HEAD, LOAD

Import = Callable[..., Any]
LATER = "a later request is sent when the checks of the one before have passed, in k6 always"


def urls(imported: Any) -> list[str]:
    return [request.url for request in imported.file.probe.requests]


def test_a_token_of_an_answer_is_carried_to_later_requests(with_body: Import) -> None:
    imported = with_body("""
        const login = http.post('http://shop/login', JSON.stringify({ user: 'a' }));
        const token = login.json('auth.access_token');
        const { id } = login.json();
        http.get(`http://shop/users/${id}`, { headers: { Authorization: `Bearer ${token}` } });
        http.put('http://shop/me', JSON.stringify({ id, first: login.json().items[0].name }));
    """)
    first, second, third = imported.file.probe.requests
    assert first.carry == {"token": "auth.access_token", "id": "$.id", "name": "$.items[0].name"}
    assert (second.url, second.headers) == ("http://shop/users/{{ id }}", {"Authorization": "Bearer {{ token }}"})
    assert third.json_body == {"id": "{{ id }}", "first": "{{ name }}"}
    assert sum(LATER in note for note in imported.notes) == 1


def test_what_no_later_request_uses_is_not_carried(with_body: Import) -> None:
    imported = with_body("const res = http.get('http://shop/'); const id = res.json('id'); log(`got ${id}`);")
    assert imported.file.probe.carry == {}


def test_requests_to_one_path_are_named_apart(with_body: Import) -> None:
    imported = with_body("http.get('http://shop/a'); http.post('http://shop/a'); http.post('http://shop/a');")
    assert [request.title for request in imported.file.probe.requests] == ["/a", "POST /a", "POST /a (2)"]


@pytest.mark.parametrize(
    "body",
    [
        "try { http.get('http://shop/'); } catch (e) { console.error(e); } finally { done(); }",
        "const visit = () => { http.get('http://shop/'); }; visit();",
        "function visit(path, host = 'shop') { return http.get(`http://${host}${path}`); } visit('/');",
        "function visit({ path }) { return http.get(`http://shop${path}`); } const params = { path: '/' }; visit(params);",
        "group('a', () => { group('b', function () { http.get('http://shop/'); }); });",
        "http.batch(['http://shop/']);",
        "http.batch([{ method: 'GET', url: 'http://shop/' }]);",
        "http.get(http.url`http://shop/`);",
        "const url = (path) => `http://shop${path}`; http.get(url('/'));",
    ],
)
def test_a_request_that_always_runs_is_found(with_body: Import, body: str) -> None:
    assert urls(with_body(body)) == ["http://shop/"]


def test_a_helper_returns_the_answer_of_its_request(with_body: Import) -> None:
    imported = with_body("""
        function send(path) { const res = http.post(`http://shop${path}`); return res; }
        const one = send('/1'), two = send('/2');
        check(two, { made: (r) => r.status === 201 });
    """)
    assert urls(imported) == ["http://shop/1", "http://shop/2"]
    assert [request.checks[0].title for request in imported.file.probe.requests] == ["status is 2xx or 3xx", "made"]


def test_a_function_that_calls_itself_is_noted(with_body: Import) -> None:
    imported = with_body("http.get('http://shop/'); function again() { again(); } again();")
    assert any("it calls itself" in note for note in imported.notes)


def test_the_modules_of_a_script_are_read(whole: Import, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/api.js").write_text(
        "import http from 'k6/http';\nimport { BASE } from './base.js';\n"
        "export function visit() {\n  const res = http.get(`${BASE}/a`);\n  loop();\n  return res;\n}\n"
        "export default { home: '/home' };\n"
    )
    (tmp_path / "lib/base.js").write_text("export const BASE = 'http://shop';\n")
    imported = whole(
        f"{HEAD} import paths, {{ visit }} from './lib/api.js'; import * as api from './lib/api.js';\n"
        f"export const options = {LOAD}; export default () => {{ visit(); api.visit();\n"
        "http.get(`http://shop${paths.home}`); };"
    )
    assert urls(imported) == ["http://shop/a", "http://shop/a", "http://shop/home"]
    assert any(note.startswith("5: loop() is not carried over") for note in imported.notes)


def test_a_module_that_imports_itself_or_is_no_javascript_is_noted(whole: Import, tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("import { b } from './b.js'; export const a = '/';")
    (tmp_path / "b.js").write_text("import { a } from './a.js'; export const b = a;")
    (tmp_path / "c.js").write_text("let = ;")
    imported = whole(
        f"{HEAD} import {{ a }} from './a.js';\nimport c from './c.js';\nexport const options = {LOAD};"
        "export default () => { http.get(`http://shop${a}`); };"
    )
    assert urls(imported) == ["http://shop/"]
    assert any(note.startswith("2: the import of ./c.js is not carried over: in line") for note in imported.notes)


def test_the_login_of_setup_comes_first_in_each_transaction(whole: Import) -> None:
    setup = "export function setup() { const res = http.post('http://shop/login'); return { token: res.json('t') }; }"
    use = "http.get('http://shop/', { headers: { A: data.token } });"
    imported = whole(f"{HEAD} export const options = {LOAD};\n{setup}\nexport default function (data) {{ {use} }}")
    assert urls(imported) == ["http://shop/login", "http://shop/"]
    assert any(note.startswith("2: the requests of setup are sent in every transaction") for note in imported.notes)
    imported = whole(f"{HEAD} export const options = {LOAD};\n{setup}\nexport default function () {{ {use} }}")
    assert urls(imported) == ["http://shop/"]
    assert "2: function setup is not carried over: a probe has no setup and no teardown" in imported.notes


@pytest.mark.parametrize(
    ("source", "entry"),
    [
        ("Math.floor(Math.random() * 100)", {"kind": "range", "from_": 0, "to": 99}),
        ("Math.floor(Math.random() * 100) + 1", {"kind": "range", "from_": 1, "to": 100}),
        ("Math.floor(Math.random() * (9 - 3 + 1)) + 3", {"kind": "range", "from_": 3, "to": 9}),
        ("Math.floor(Math.random() * (9 - 3 + 1) + 3)", {"kind": "range", "from_": 3, "to": 9}),
        ("Math.ceil(Math.random() * 5)", {"kind": "range", "from_": 1, "to": 5}),
        ("parseInt(Math.random() * 5)", {"kind": "range", "from_": 0, "to": 4}),
        ("Math.random()", {"kind": "range", "from_": 0.0, "to": 1.0}),
        ("(Math.random() * 10).toFixed(2)", {"kind": "range", "from_": 0.0, "to": 10.0, "digits": 2}),
        ("['a', 'b'][Math.floor(Math.random() * 2)]", {"kind": "choice", "of": ("a", "b")}),
        ("LIST[Math.floor(Math.random() * LIST.length)]", {"kind": "choice", "of": (5, 6)}),
        ("randomItem(LIST)", {"kind": "choice", "of": (5, 6)}),
        ("randomIntBetween(3, 9)", {"kind": "range", "from_": 3, "to": 9}),
        ("uuidv4()", {"kind": "uuid"}),
        ("crypto.randomUUID()", {"kind": "uuid"}),
        ("Date.now()", {"kind": "timestamp", "format": "unix_ms"}),
        ("new Date().toISOString()", {"kind": "timestamp", "format": "iso"}),
        ("__ITER", {"kind": "sequence", "start": 0}),
        ("__VU", {"kind": "range", "from_": 1, "to": 10}),
    ],
)
def test_a_random_value_becomes_data(whole: Import, source: str, entry: dict[str, Any]) -> None:
    imported = whole(
        f"{HEAD} import {{ randomItem, randomIntBetween, uuidv4 }} from 'https://jslib.k6.io/k6-utils/1.4.0/index.js';\n"
        f"const LIST = [5, 6]; export const options = {LOAD};\n"
        f"export default () => {{ const x = {source}; http.get(`http://shop/?a=${{x}}&b=${{x}}`); }};"
    )
    probe = imported.file.probe
    assert [one.model_dump(exclude_unset=True) for one in probe.data.values()] == [entry]
    [name] = probe.data
    assert probe.url == f"http://shop/?a={{{{ {name} }}}}&b={{{{ {name} }}}}"


@pytest.mark.parametrize(
    "drawn",
    ["const ID = Math.floor(Math.random() * 9);", "const ID = [{ a: 1 }, { a: 2 }][Math.floor(Math.random() * 2)].a;"],
)
def test_a_value_that_k6_draws_once_is_told_to_be_drawn_each_time(whole: Import, drawn: str) -> None:
    head, use = f"{HEAD} export const options = {LOAD};", "http.get(`http://shop/${ID}`); }"
    note = "has a new value in each transaction, in k6 one from the start on"
    once = whole(f"{head} {drawn}\nexport default function () {{\n{use}")
    assert [one for one in once.notes if one.startswith("3: ") and one.endswith(note)]
    each_time = whole(f"{head} export default function () {{\n{drawn}\n{use}")
    assert not [one for one in each_time.notes if one.endswith(note)]


def test_fields_of_one_random_row_stay_together(with_body: Import) -> None:
    imported = with_body("""
        const users = [{ name: 'a', password: 'x' }, { name: 'b', password: 'y' }];
        const user = users[Math.floor(Math.random() * users.length)];
        http.post('http://shop/', JSON.stringify({ name: user.name, password: user.password }));
    """)
    data = imported.file.probe.data
    assert imported.file.probe.json_body == {"name": "{{ user_name }}", "password": "{{ user_password }}"}
    assert (data["user_name"].of, data["user_password"].of) == (("a", "b"), ("x", "y"))
    assert data["user_password"].together_with == "user_name"


def test_rows_of_files_become_choices_and_columns(whole: Import, tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text('{"users": [{"n": "a"}, {"n": "b"}]}')
    (tmp_path / "pets.csv").write_text("pet,age\ncat,3\n")
    imported = whole(
        f"{HEAD} import {{ SharedArray }} from 'k6/data';\n"
        "import papaparse from 'https://jslib.k6.io/papaparse/5.1.1/index.js';\n"
        "const users = new SharedArray('u', function () { return JSON.parse(open('./users.json')).users; });\n"
        "const pets = new SharedArray('p', () => papaparse.parse(open('./pets.csv'), { header: true }).data);\n"
        f"export const options = {LOAD}; export default function () {{\n"
        "const user = users[Math.floor(Math.random() * users.length)];\n"
        "const pet = pets[Math.floor(Math.random() * pets.length)];\n"
        "http.get(`http://shop/${user.n}/${pet.pet}/${pet.age}`); }"
    )
    probe = imported.file.probe
    assert probe.url == "http://shop/{{ user_n }}/{{ pet_pet }}/{{ pet_age }}"
    assert (probe.data["user_n"].of, probe.data["pet_age"].column) == (("a", "b"), "age")
    assert any("the rows of pets.csv are taken in order, and not at random" in note for note in imported.notes)


def test_typescript_is_read_without_its_types(whole: Import) -> None:
    imported = whole(
        "import http, { RefinedResponse } from 'k6/http';\nimport type { Options } from 'k6/options';\n"
        "import { check } from 'k6';\ninterface User { name: string; age?: number }\ntype Id = string | number;\n"
        f"export const options: Options = {LOAD} satisfies Options;\n"
        "const user: User = { name: 'a' } as User;\n"
        "function visit<T>(path: string, times: number = 1): void {\n"
        "  const res = http.get(`http://shop${path}/${user!.name}/${times}`) as RefinedResponse<'text'>;\n"
        "  check(res, { ok: (r: any): boolean => r.status === 200 });\n}\n"
        "export default (): void => { visit<string>('/x'); };\n",
        "script.ts",
    )
    assert urls(imported) == ["http://shop/x/a/1"]
    assert [check.title for check in imported.file.probe.checks] == ["ok"]
    assert imported.notes == []


@pytest.mark.parametrize("name", ["../../../../../../etc/hostname", "/etc/hostname", "./.secrets/token"])
def test_a_script_reads_no_file_that_is_hidden_or_far_from_it(whole: Import, tmp_path: Path, name: str) -> None:
    """What it reads is sent by the probe, and the script may be anyone's."""
    (tmp_path / ".secrets").mkdir()
    (tmp_path / ".secrets/token").write_text("hush")
    imported = whole(
        f"{HEAD}\nconst text = open('{name}');\nexport const options = {LOAD};"
        "export default () => { http.post('http://shop/', text); };"
    )
    assert imported.file.probe.body is None
    assert any("cannot be read: it is hidden, or far from the script" in note for note in imported.notes)


def test_changes_of_a_variable_are_followed_in_their_order(with_body: Import) -> None:
    imported = with_body("""
        let path = '/a', list = [1];
        http.get(`http://shop${path}`);
        path = '/b';
        http.get(`http://shop${path}`);
        list.push(2);
        path += '/c';
        http.get(`http://shop${path}`);
        http.get(`http://shop/${list.length}`);
        path += tail();
        list.splice(0);
        http.get(`http://shop${path}`);
        http.get(`http://shop/${list.length}`);
    """)
    assert urls(imported) == ["http://shop/a", "http://shop/b", "http://shop/b/c", "http://shop/2"]
    assert any("path is not a constant, it is changed in line 11" in note for note in imported.notes)
    assert any("list is not a constant, it is changed in line 12" in note for note in imported.notes)


def test_variables_of_one_name_in_two_functions_are_two(whole: Import) -> None:
    imported = whole(
        f"{HEAD} export const options = {LOAD};\n"
        "function other() { let res = http.get('http://shop/1'); res = http.get('http://shop/2'); }\n"
        "export default function () { const res = http.get('http://shop/'); check(res, { ok: (r) => r.status === 204 }); }"
    )
    assert [check.title for check in imported.file.probe.checks] == ["ok"]
    assert imported.notes == []


def test_what_another_module_exports_again_is_found(whole: Import, tmp_path: Path) -> None:
    (tmp_path / "options.js").write_text(f"export const options = {LOAD}; export const paths = {{ home: '/' }};")
    (tmp_path / "all.js").write_text("export * from './options.js';")
    imported = whole(
        "import http from 'k6/http'; import { paths } from './all.js';\nexport { options } from './all.js';\n"
        "export default () => { http.get(`http://shop${paths.home}`); };"
    )
    assert (urls(imported), imported.file.load.rate) == (["http://shop/"], 1)


def test_requests_below_a_variable_are_named_apart_by_their_paths(with_body: Import) -> None:
    imported = with_body("""
        const base = __ENV.BASE || 'http://shop';
        http.get(`${base}/a?x=1`); http.get('http://other/a'); http.get(base); http.get('http://other?y=2');
    """)
    assert [request.title for request in imported.file.probe.requests] == ["/a", "GET /a", "/", "GET /"]


@pytest.mark.parametrize(
    "loop",
    [
        "for (const path of PATHS) { const res = http.get(`http://shop${path}`); check(res, CHECKS); }",
        "PATHS.forEach((path) => { const res = http.get(`http://shop${path}`); check(res, CHECKS); });",
        "PATHS.forEach(function (path, index) { check(http.get(`http://shop${PATHS[index]}`), CHECKS); });",
    ],
)
def test_a_loop_over_constants_makes_a_request_for_each(with_body: Import, loop: str) -> None:
    imported = with_body(f"const PATHS = ['/a', '/b'], CHECKS = {{ ok: (r) => r.status === 204 }};\n{loop}")
    assert urls(imported) == ["http://shop/a", "http://shop/b"]
    assert [request.checks[0].title for request in imported.file.probe.requests] == ["ok", "ok"]
    assert [note for note in imported.notes if LATER not in note] == []


@pytest.mark.parametrize(
    "loop",
    [
        "for (const path of PATHS) { if (done) break; http.get(`http://shop${path}`); }",
        "for (const path of paths()) { http.get(`http://shop${path}`); }",
        "for (const index in PATHS) { http.get(`http://shop${PATHS[index]}`); }",
    ],
)
def test_any_other_loop_is_noted(with_body: Import, loop: str) -> None:
    imported = with_body(f"const PATHS = ['/a', '/b']; http.get('http://shop/');\n{loop}")
    assert urls(imported) == ["http://shop/"]
    assert any("the loop is not carried over" in note for note in imported.notes)


def test_codings_that_a_probe_cannot_unpack_are_not_asked_for(with_body: Import) -> None:
    imported = with_body("http.get('http://shop/', { headers: { 'Accept-Encoding': 'gzip, br;q=0.5' } });")
    assert imported.file.probe.headers == {"Accept-Encoding": "gzip"}
    assert any("a probe unpacks no br and no zstd" in note for note in imported.notes)
