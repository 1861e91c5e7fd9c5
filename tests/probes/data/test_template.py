from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.probes.data.template import RefusedValue, compile_header, compile_json, compile_text, compile_url

NAMES = ("account", "amount", "tenant")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=6)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS.filter(lambda text: "{{" not in text),
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS.filter(lambda text: "{{" not in text), inner),
    max_leaves=10,
)


def spelled(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ account }}", b"a 1"),
        ("{{account}}", b"a 1"),
        ("<{{ account }}|{{  amount  }}>", b"<a 1|2.5>"),
        ("{{ account }}{{ account }}", b"a 1a 1"),
        ("{ }} {account} é", b"{ }} {account} \xc3\xa9"),
        ("", b""),
    ],
)
def test_a_text_is_put_together_from_its_values(text: str, expected: bytes) -> None:
    assert compile_text(text, NAMES).render({"account": "a 1", "amount": 2.5}) == expected


@pytest.mark.parametrize(
    "template",
    [compile_text("a", ()), compile_url("/a", ()), compile_header("a", ()), compile_json({"a": [1, "b"]}, ())],
)
def test_a_text_without_names_is_constant(template: Any) -> None:
    assert template.names == frozenset()
    assert template.constant is not None
    assert template.render({}) is template.constant


def test_the_names_that_are_used_are_known() -> None:
    template = compile_json({"a": "{{ amount }}", "{{ tenant }}": ["x{{ amount }}"]}, NAMES)
    assert template.names == {"amount", "tenant"}
    assert template.constant is None


@given(PLAIN)
def test_json_without_templates_is_sent_as_it_is(value: object) -> None:
    assert json.loads(compile_json(value, ()).render({})) == value


@given(VALUES)
def test_a_json_text_that_is_one_template_becomes_the_bare_value(value: object) -> None:
    rendered = json.loads(compile_json({"a": ["{{ amount }}"]}, NAMES).render({"amount": value}))
    assert rendered == {"a": [value]}
    assert type(rendered["a"][0]) is type(value)


@given(VALUES, VALUES, TEXTS.filter(lambda text: "{{" not in text))
def test_templates_inside_texts_and_keys_of_json_stay_texts(one: object, other: object, around: str) -> None:
    value = {f"{around}k": f"{around} {{{{ account }}}}{{{{ amount }}}}", "{{ account }}!": [], " {{ amount }} ": {}}
    rendered = json.loads(compile_json(value, NAMES).render({"account": one, "amount": other}))
    expected = {f"{around}k": f"{around} {spelled(one)}{spelled(other)}"}
    assert rendered == {**expected, f"{spelled(one)}!": [], f" {spelled(other)} ": {}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ amount }}", 5),
        ("x{{ amount }}", "x5"),
        ("{{ amount }}x", "5x"),
        (" {{ amount }}", " 5"),
        ("{{ amount }}{{ amount }}", "55"),
    ],
)
def test_a_json_text_with_more_than_one_template_stays_a_text(text: str, expected: object) -> None:
    assert json.loads(compile_json({"a": text}, NAMES).render({"amount": 5})) == {"a": expected}


@given(st.text())
def test_any_text_can_be_sent_as_json(value: str) -> None:
    """Even a lone surrogate, which UTF-8 cannot hold and JSON can escape."""
    assert json.loads(compile_json("{{ amount }}", NAMES).render({"amount": value})) == value


@given(VALUES, VALUES)
def test_a_value_in_a_url_stays_in_its_place(one: object, other: object) -> None:
    template = compile_url("http://host:80/pay/{{ account }}/x?a={{ amount }}&b=1", NAMES)
    parts = urlsplit(template.render({"account": one, "amount": other}).decode("ascii"))
    assert (parts.scheme, parts.netloc, parts.fragment) == ("http", "host:80", "")
    assert [unquote(part) for part in parts.path.split("/")] == ["", "pay", spelled(one), "x"]
    assert parse_qs(parts.query, keep_blank_values=True) == {"a": [spelled(other)], "b": ["1"]}


def test_a_value_in_a_url_is_encoded_except_unreserved_characters() -> None:
    value = "aZ0-._~/?#[]@!$&'()*+,;=:% \r\né"
    expected = b"/aZ0-._~%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%25%20%0D%0A%C3%A9"
    assert compile_url("/{{ amount }}", NAMES).render({"amount": value}) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host/a%20b?c=d&e=f+g#h", b"http://host/a%20b?c=d&e=f+g#h"),
        ("/a b/é", b"/a%20b/%C3%A9"),
        ("/a\r\nX-Evil: 1", b"/a%0D%0AX-Evil:%201"),
        ("http://[::1]:80/~a/(b)*!$';@,-._", b"http://[::1]:80/~a/(b)*!$';@,-._"),
    ],
)
def test_only_invalid_characters_of_the_fixed_url_are_encoded(url: str, expected: bytes) -> None:
    assert compile_url(url, ()).constant == expected


@given(st.text(), st.text())
def test_no_value_can_begin_another_header(one: str, other: str) -> None:
    template = compile_header("a {{ account }}, {{ amount }} z", NAMES)
    try:
        rendered = template.render({"account": one, "amount": other})
    except RefusedValue:
        return
    assert rendered.decode() == f"a {one}, {other} z"
    assert not set(rendered) & {*b"\r\n\0"}


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\r", "a\0b", "\x7f", "\ud800"])
def test_a_header_refuses_control_characters(value: str) -> None:
    with pytest.raises(RefusedValue, match="which"):
        compile_header("{{ account }}", NAMES).render({"account": value})


@pytest.mark.parametrize("value", ["a b", "a\tb", "é", "\xa0", "{{ amount }}", '"', ""])
def test_a_header_accepts_any_other_text(value: str) -> None:
    assert compile_header("{{ account }}", NAMES).render({"account": value}).decode() == value


def test_a_wrong_header_is_refused_when_a_file_is_read() -> None:
    with pytest.raises(ValueError, match="line break"):
        compile_header("a\r\nX-Evil: 1", NAMES)


@pytest.mark.parametrize(
    ("value", "expected"), [(True, b"true"), (None, b"null"), (1, b"1"), (0.1, b"0.1"), ([1], b"[1]")]
)
def test_outside_json_a_value_is_formatted_as_in_json(value: object, expected: bytes) -> None:
    for template in (compile_text("{{ amount }}", NAMES), compile_header("{{ amount }}", NAMES)):
        assert template.render({"amount": value}) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan], object()])
def test_a_value_that_json_does_not_have_is_refused_everywhere(value: object) -> None:
    for template in (
        compile_json("{{ amount }}", NAMES),
        compile_json("x{{ amount }}", NAMES),
        compile_text("{{ amount }}", NAMES),
        compile_url("/{{ amount }}", NAMES),
        compile_header("{{ amount }}", NAMES),
    ):
        with pytest.raises(RefusedValue, match="cannot be sent as JSON"):
            template.render({"amount": value})


def test_a_lone_surrogate_is_refused_where_utf_8_is_sent() -> None:
    for template in (compile_text("{{ amount }}", NAMES), compile_url("/{{ amount }}", NAMES)):
        with pytest.raises(RefusedValue, match="half a character"):
            template.render({"amount": "\ud800"})


@pytest.mark.parametrize("compile_place", [compile_text, compile_json, compile_url, compile_header])
@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("{{ acount }}", NAMES, "unknown name {{ acount }}, did you mean account?"),
        ("{{ zebra }}", NAMES, "unknown name {{ zebra }}, expected one of: account, amount, tenant"),
        ("{{ account }}", (), "unknown name {{ account }}, and data has no entries"),
        ("a {{ two words }}", NAMES, "'{{ two words }}' is not a template, expected {{ name }}"),
        ("{{ account }} {{ amount", NAMES, "'{{ amount' is not a template, expected {{ name }}"),
        ("{{}}", NAMES, "'{{}}' is not a template"),
    ],
)
def test_a_wrong_template_or_unknown_name_is_refused_when_a_file_is_read(
    compile_place: Any, text: str, known: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(ValueError, match=r"template|unknown") as error:
        compile_place(text, known)
    assert expected in str(error.value)


@pytest.mark.parametrize("url", ["http://{{ tenant }}/a", "http://{{ tenant }}.example:80", "HTTPS://a:{{ amount }}?b"])
def test_the_host_of_a_url_cannot_be_a_template(url: str) -> None:
    with pytest.raises(ValueError, match="template before the path, expected a fixed host and port"):
        compile_url(url, NAMES)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [{"b": math.nan}]}, "a[0].b: nan is a float, which JSON does not have"),
        ({"a": {1: 2}}, "a has the key 1, expected a text; quote it"),
        ({True: 2}, "the top has the key True, expected a text"),
        ({"at": json}, "at: "),
    ],
)
def test_a_value_that_json_cannot_hold_is_reported_with_its_path(value: object, expected: str) -> None:
    with pytest.raises(ValueError, match=r"expected a text|JSON does not have") as error:
        compile_json(value, NAMES)
    assert str(error.value).startswith(expected)
