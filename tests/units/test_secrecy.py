"""Nothing is named together with its secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertdrill.units.secrecy import is_secret_name, secret_key, secret_parameter, shown_url, without


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://prometheus:9090/mimir", "http://prometheus:9090/mimir"),
        ("http://[::1]:9090/", "http://[::1]:9090/"),
        ("redis:6379", "redis:6379"),
        ("htps://drill:S3CRET@prom.example/", "htps://<secret>@prom.example/"),
        ("https://drill:S3CRET@am.example:99999", "https://<secret>@am.example:99999"),
        ("drill:S3CRET@toxi:8474", "<secret>@toxi:8474"),
        ("https://prom.example/?token=S3CRET", "https://prom.example/?<secret>"),
        ("https://prom.example/#S3CRET", "https://prom.example/?<secret>"),
        ("postgresql://me:S3?C/R#ET@db/shop", "postgresql://<secret>"),
        ("http://me:S3C@RET@db/shop?x=@y", "http://<secret>"),
        ("http://drill:S3CRET", "http://drill:<secret>"),
        ("http://drill:3SECRET/x", "http://drill:<secret>/x"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


_SECRET = st.text(alphabet="SECRET?#/:@%&=", min_size=1).map(lambda text: f"Q{text}Q")


@given(_SECRET)
def test_neither_a_password_nor_a_query_is_ever_shown(secret: str) -> None:
    for url in (f"http://me:{secret}@host:80/path", f"me:{secret}@host", f"http://host/path?token={secret}"):
        assert "Q" not in shown_url(url)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "X-Api-Key",
        "apiKey",
        "access_key",
        "X-Auth-Token",
        *("password", "db_password", "client-secret", "PRIVATE_KEY", "sig"),
    ],
)
def test_the_name_of_a_secret_is_recognised(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["X-Scope-OrgID", "Idempotency-Key", "max_tokens", "monkey", "X-Reason", "keyboard", "authority", "passes"]
)
def test_other_names_are_not(name: str) -> None:
    assert not is_secret_name(name)


def test_a_secret_is_found_in_a_query_and_in_json() -> None:
    assert secret_parameter("level=3&token=x") == "token"
    assert secret_parameter("key=x") == "key"
    assert secret_parameter("level=3") is None
    assert secret_key({"a": [{"b": {"password": 1}}]}) == "password"
    assert secret_key({"key": "chaos.level", "value": [3]}) is None


def test_secrets_in_a_text_from_outside_are_replaced() -> None:
    text = "no: /x?t=a%20b%2Fcd and Bearer tokentoken, tokentoken"
    assert without(text, ["a b/cd", "Bearer tokentoken"]) == "no: /x?t=<secret> and <secret>, <secret>"
    assert without("an ordinary text", ["", "a"]) == "an ordinary text"
