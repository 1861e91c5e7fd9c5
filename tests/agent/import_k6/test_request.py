from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from alertdrill.agent.import_k6.conversion import convert
from alertdrill.agent.import_k6.notes import UnusableScript
from tests.agent.import_k6.conftest import STEADY

Import = Callable[..., Any]
DEFAULT = "1: no check is carried over, so a status of 2xx or 3xx is expected"


@pytest.mark.parametrize(
    ("call", "method", "body", "headers"),
    [
        ("http.get('http://shop/', P)", "GET", None, {"A": "b"}),
        ("http.head('http://shop/', P)", "HEAD", None, {"A": "b"}),
        ("http.post('http://shop/', 'x', P)", "POST", "x", {"A": "b"}),
        ("http.put('http://shop/', 'x', P)", "PUT", "x", {"A": "b"}),
        ("http.patch('http://shop/', 'x', P)", "PATCH", "x", {"A": "b"}),
        ("http.del('http://shop/', 'x', P)", "DELETE", "x", {"A": "b"}),
        ("http.options('http://shop/', null, P)", "OPTIONS", None, {"A": "b"}),
        ("http.request('DELETE', 'http://shop/', 'x', P)", "DELETE", "x", {"A": "b"}),
        ("http.post('http://shop/')", "POST", None, {}),
        ("http.post('http://shop/', '')", "POST", None, {}),
    ],
)
def test_each_function_has_its_method_and_its_arguments(
    with_body: Import, call: str, method: str, body: str | None, headers: dict[str, str]
) -> None:
    imported = with_body(f"const P = {{ headers: {{ A: 'b' }} }};\n{call};")
    probe = imported.file.probe
    assert (probe.method, probe.url, probe.body, probe.headers) == (method, "http://shop/", body, headers)
    assert imported.notes == [DEFAULT]


@pytest.mark.parametrize(
    ("head", "call"),
    [
        ("import web from 'k6/http';", "web.get('http://shop/')"),
        ("import * as web from 'k6/http';", "web.get('http://shop/')"),
        ("import { get } from 'k6/http';", "get('http://shop/')"),
        ("import { get as fetch } from 'k6/http';", "fetch('http://shop/')"),
    ],
)
def test_the_module_has_the_name_of_its_import(whole: Import, head: str, call: str) -> None:
    imported = whole(f"{head} export const options = {{}}; export default function () {{ {call}; }}")
    assert imported.file.probe.url == "http://shop/"


@pytest.mark.parametrize(
    "function",
    [
        "export default function () { http.get('http://shop/'); }",
        "export default function main(data) { http.get('http://shop/'); }",
        "export default () => { http.get('http://shop/'); };",
        "export default data => http.get('http://shop/');",
        "export default async function () { await http.get('http://shop/'); }",
        "function main() { http.get('http://shop/'); } export default main;",
        "const main = () => { http.get('http://shop/'); }; export { main as default };",
    ],
)
def test_the_default_function_is_found_in_every_form(whole: Import, function: str) -> None:
    head = f"import http from 'k6/http'; const options = {{ {STEADY} }}; export {{ options }};"
    imported = whole(f"{head} {function}")
    assert imported.file.probe.url == "http://shop/"
    assert imported.notes == [DEFAULT]


def test_variables_of_both_levels_are_resolved(with_body: Import) -> None:
    imported = with_body("""
        const base = 'http://' + 'shop';
        const common = { Accept: 'application/json' };
        const url = `${base}:${8000 + 80}/orders`;
        const params = { headers: { ...common, 'X-Count': 5 } };
        http.get(url, params);
    """)
    assert imported.file.probe.url == "http://shop:8080/orders"
    assert imported.file.probe.headers == {"Accept": "application/json", "X-Count": "5"}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("url()", "the URL cannot be carried over: url() is not a constant"),
        ("`http://shop/${id()}`", "the URL cannot be carried over: id() is not a constant"),
        ("'/orders'", "the URL cannot be carried over: '/orders' is not a URL, expected http://… or https://…"),
        ("'http://shop/{{'", "the URL cannot be carried over: '{{' is not a template"),
        ("5", "the URL cannot be carried over: 5 is not a text"),
        ("", "the URL cannot be carried over: None is not a text"),
    ],
)
def test_a_script_without_a_url_is_refused(with_body: Import, url: str, why: str) -> None:
    with pytest.raises(UnusableScript) as caught:
        with_body(f"\nhttp.get({url});")
    assert caught.value.why.startswith(why)
    assert caught.value.place == ":3"


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("verb()", "the method cannot be carried over: verb() is not a constant"),
        ("'get'", "the method get is not a method of a probe"),
    ],
)
def test_a_script_without_a_method_is_refused(with_body: Import, method: str, why: str) -> None:
    with pytest.raises(UnusableScript) as caught:
        with_body(f"\nhttp.request({method}, 'http://shop/');")
    assert caught.value.why.startswith(why)


def test_json_becomes_a_document(with_body: Import) -> None:
    imported = with_body(
        "http.post('http://shop/', JSON.stringify({ id: 1, price: 2.50, tags: ['a'], none: null }),"
        " { headers: { 'content-type': 'application/json' } });"
    )
    assert imported.file.probe.json_body == {"id": 1, "price": 2.5, "tags": ["a"], "none": None}
    assert imported.file.probe.headers == {}
    assert imported.notes == [DEFAULT]


def test_a_content_type_of_another_spelling_is_kept(with_body: Import) -> None:
    imported = with_body("http.post('http://shop/', JSON.stringify([1]), { headers: { 'Content-Type': 'a/b+json' } });")
    assert imported.file.probe.headers == {"Content-Type": "a/b+json"}


def test_an_added_content_type_is_noted(with_body: Import) -> None:
    imported = with_body("http.post('http://shop/', JSON.stringify([1]));")
    assert imported.notes[1] == (
        "2: the body is sent with Content-Type: application/json, which the script does not send"
    )


@pytest.mark.parametrize("body", ["null", "{ a: null }", "'two\\nlines'"])
def test_json_of_any_value_has_the_text_of_the_script(with_body: Import, body: str) -> None:
    imported = with_body(f"http.post('http://shop/', 'x' + JSON.stringify({body}));")
    assert imported.file.probe.body is not None
    assert imported.file.probe.body.startswith("x")
    assert with_body(f"http.post('http://shop/', JSON.stringify({body}));").file.probe.body in {None, "null"}


def test_an_object_is_sent_as_a_form_as_k6_does(with_body: Import) -> None:
    imported = with_body("http.post('http://shop/', { name: 'a b&c', amount: 5, 'é': true });")
    assert imported.file.probe.body == "amount=5&name=a+b%26c&%C3%A9=true"
    assert imported.file.probe.headers == {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("make()", "make() is not a constant"),
        ("JSON.stringify({\n id: uuidv4() })", "uuidv4() is not a constant"),
        (
            "JSON.stringify({ id: `${Math.floor(Math.random() * 9)}` })",
            "{{ value }} would be in JSON without its quotes",
        ),
        ("JSON.stringify({ count: __ENV.COUNT || 5 })", "${COUNT:-5} is a number or a text in JSON"),
        ("'{{ id }}'", "'{{ id }}' has {{…}} in it, which a probe file would replace"),
        ("JSON.stringify({ a: '{{' })", "'{{' is not a template"),
        ("`a ${new Date()}`", "new Date() is not a constant"),
        ("5", "5 is not a body"),
        ("[1]", "[1] is not a body"),
        ("{ a: make() }", "make() is not a constant"),
        ("{ a: [1] }", "a list is within a text"),
    ],
)
def test_a_body_that_is_not_constant_is_noted(with_body: Import, body: str, why: str) -> None:
    imported = with_body(f"http.post('http://shop/', {body});")
    assert (imported.file.probe.body, imported.file.probe.json_body) == (None, None)
    assert "the body is not carried over: " + why in imported.notes[1]
    assert "as {{ name }}, with an entry under data" in imported.notes[1]


def test_a_note_has_the_line_of_the_problem(with_body: Import) -> None:
    imported = with_body("const id = uuidv4();\nconst body = JSON.stringify({ id });\nhttp.post('http://shop/', body);")
    assert [note.split(":")[0] for note in imported.notes] == ["1", "2"]
    assert imported.notes[1].startswith("2: the body is not carried over: uuidv4() is not a constant")


@pytest.mark.parametrize(
    ("params", "timeout"),
    [
        ("{ timeout: '90s' }", timedelta(seconds=90)),
        ("{ timeout: 1500 }", timedelta(seconds=1.5)),
        ("{ timeout: '2500' }", timedelta(seconds=2.5)),
        ("{}", timedelta(seconds=60)),
        ("null", timedelta(seconds=60)),
    ],
)
def test_the_timeout_is_that_of_the_script_or_the_default_of_k6(
    with_body: Import, params: str, timeout: timedelta
) -> None:
    imported = with_body(f"http.get('http://shop/', {params});")
    assert imported.file.probe.timeout == timeout
    assert ("this is the default of k6" in imported.text) == (timeout == timedelta(seconds=60))


def test_the_tag_name_becomes_the_name_of_the_request(with_body: Import) -> None:
    imported = with_body(
        "http.get('http://shop/', { tags: { name: 'home' } });",
        f"{{ {STEADY}, thresholds: {{ 'http_reqs{{name:home}}': ['count>1'] }} }}",
    )
    assert imported.file.probe.name == "home"
    assert list(imported.file.thresholds) == ["http_reqs{name:home}"]


@pytest.mark.parametrize("header", ["Authorization", "authorization"])
def test_a_bearer_token_becomes_a_secret(with_body: Import, header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hush")
    imported = with_body(f"http.get('http://shop/', {{ headers: {{ {header}: `Bearer ${{__ENV.TOKEN}}` }} }});")
    assert imported.file.probe.bearer_token.get_secret_value() == "hush"
    assert imported.file.probe.headers == {}
    assert "bearer_token: ${TOKEN}" in imported.text


def test_any_other_authorization_stays_a_header(with_body: Import) -> None:
    imported = with_body("http.get('http://shop/', { headers: { Authorization: 'Basic YTpi' } });")
    assert (imported.file.probe.bearer_token, imported.file.probe.headers) == (None, {"Authorization": "Basic YTpi"})


@pytest.mark.parametrize(
    ("params", "note"),
    [
        ("make()", "params is not carried over: make() is not a constant"),
        ("{ headers: make() }", "params.headers is not carried over: make() is not a constant"),
        ("{ headers: { A: make() } }", "the header A is not carried over: make() is not a constant"),
        ("{ headers: { A: 'b\\nc' } }", "the header A is not carried over: its value has a line break"),
        ("{ headers: { 'A B': 'c' } }", "the header A B is not carried over: string should match pattern"),
        (
            "{ headers: { Connection: 'close' } }",
            "the header Connection is not carried over: the client itself writes Connection",
        ),
        ("{ headers: { A: null, B: [1] } }", "the header B is not carried over: a list is within a text"),
        ("{ timeout: 0 }", "params.timeout is not carried over: a request needs a timeout above 0"),
        ("{ timeout: 'soon' }", "params.timeout is not carried over: 'soon' is not a duration of k6"),
        ("{ tags: { team: 'a' } }", "params.tags.team is not carried over: a request has a name and no other tags"),
        ("{ redirects: 300 }", "params.redirects is not carried over: 300 is not a number of redirects from 0 to 100"),
        ("{ cookies: { a: make() } }", "params.cookies is not carried over: make() is not a constant"),
        ("{ jar: make() }", "params.jar is not carried over: client: aiohttp keeps the cookies of a transaction"),
        ("{ responseType: 'none' }", "params.responseType is not carried over: a request has no such setting"),
    ],
)
def test_params_without_a_counterpart_are_noted(with_body: Import, params: str, note: str) -> None:
    imported = with_body(f"http.get('http://shop/', {params});")
    assert imported.notes[1].startswith(f"2: {note}")


def test_params_that_change_later_are_not_guessed(with_body: Import) -> None:
    imported = with_body(
        "const params = { headers: { A: 'b' } };\nparams.headers.A = token();\nhttp.get('http://shop/', params);"
    )
    assert imported.file.probe.headers == {}
    assert "3: the header A is not carried over: token() is not a constant" in imported.notes


def test_params_that_a_loop_changes_are_not_guessed(with_body: Import) -> None:
    imported = with_body(
        "const params = { headers: { A: 'b' } };\nfor (const k in all) { params.headers.A = k; }\n"
        "http.get('http://shop/', params);"
    )
    assert imported.file.probe.headers == {}
    assert "2: params is not carried over: params is not a constant, it is changed in line 3" in imported.notes


def test_params_of_the_whole_script_that_a_function_changes_are_not_guessed(whole: Import) -> None:
    """A virtual user keeps them from one iteration to the next."""
    imported = whole(
        f"import http from 'k6/http'; export const options = {{ {STEADY} }};\nconst params = {{ headers: {{}} }};\n"
        "export default function () {\n http.get('http://shop/a', params);\n params.headers.A = 'b';\n"
        " http.get('http://shop/b', params); }"
    )
    assert [request.headers for request in imported.file.probe.requests] == [{}, {}]
    assert sum("params is not a constant, it is changed in line 5" in note for note in imported.notes) >= 1


def test_a_key_that_is_set_counts_from_there_on_for_every_holder_of_the_object(with_body: Import) -> None:
    imported = with_body(
        "const headers = {}, params = { headers }; function sign(p) { p.headers['X-Key'] = 'b'; }\n"
        "http.get('http://shop/a', params); params.headers.A = 'b'; sign(params); http.get('http://shop/b', { headers });"
    )
    assert [request.headers for request in imported.file.probe.requests] == [{}, {"A": "b", "X-Key": "b"}]


@pytest.mark.parametrize(
    ("params", "option", "client", "redirects"),
    [
        ("{}", "", "aiohttp", None),
        ("{ redirects: 0 }", "", "lean", None),
        ("{ redirects: 3 }", "", "aiohttp", 3),
        ("{}", "maxRedirects: 0", "lean", None),
        ("{}", "maxRedirects: 4", "aiohttp", 4),
        ("{ redirects: 2 }", "maxRedirects: 0", "aiohttp", 2),
    ],
)
def test_as_many_redirects_are_followed_as_in_k6(
    with_body: Import, params: str, option: str, client: str, redirects: int | None
) -> None:
    imported = with_body(f"http.get('http://shop/', {params});", f"{{ {STEADY}, {option} }}")
    assert (imported.file.probe.client, imported.file.probe.redirects) == (client, redirects)
    assert imported.notes == [DEFAULT]


def test_cookies_and_the_user_agent_become_headers(with_body: Import) -> None:
    options = f"{{ {STEADY}, userAgent: 'me' }}"
    imported = with_body("http.get('http://shop/', { cookies: { a: 'b', c: { value: 'd' } } });", options)
    assert imported.file.probe.headers == {"User-Agent": "me", "Cookie": "a=b; c=d"}


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("`http://127.0.0.1:${__ENV.PORT || '8080'}/a`", "http://127.0.0.1:${PORT:-8080}/a"),
        ("`http://${__ENV.HOST || 'shop:80'}/a`", "http://${HOST:-shop:80}/a"),
        ("`http://shop:${__ENV.PORT || 8080}/a`", "http://shop:${PORT:-8080}/a"),
        ("`http://${__ENV.HOST ? __ENV.HOST : 'shop'}/a`", "http://${HOST:-shop}/a"),
    ],
)
def test_host_and_port_may_come_from_the_environment(with_body: Import, url: str, written: str) -> None:
    imported = with_body(f"http.get({url});")
    assert f"url: {written}\n" in imported.text
    assert imported.notes == [DEFAULT]


def test_a_url_from_the_environment_is_filled_in_when_the_file_is_read(
    with_body: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE_URL", "https://shop.example")
    imported = with_body("http.get(`${__ENV.BASE_URL}/orders`);")
    assert "url: ${BASE_URL}/orders\n" in imported.text
    assert imported.file.probe.url == "https://shop.example/orders"


def test_the_first_line_has_the_name_of_the_script() -> None:
    source = "import http from 'k6/http'; export const options = {}; export default () => http.get('http://a/');"
    assert convert(source, "home.js").text.startswith("# Imported from home.js, a k6 script.\n")
