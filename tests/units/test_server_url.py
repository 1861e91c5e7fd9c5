from __future__ import annotations

import pytest

from alertdrill.units.server_url import ServerUrl, parse_server_url

PORTS = {"redis": 6379, "tcp": None}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://a", ServerUrl("redis", "a", 6379, "", "")),
        ("redis://a:1/2", ServerUrl("redis", "a", 1, "", "2")),
        ("redis://me%40home@a.b/x%20y", ServerUrl("redis", "a.b", 6379, "me@home", "x y")),
        ("tcp://[::1]:9", ServerUrl("tcp", "::1", 9, "", "")),
    ],
)
def test_a_url_is_split_into_its_parts(url: str, expected: ServerUrl) -> None:
    assert parse_server_url(url, PORTS) == expected


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("a:1", "is not a URL of this kind, expected redis://host or tcp://host:port"),
        ("http://a", "is not a URL of this kind"),
        ("redis://", "is not a URL of this kind"),
        ("redis://a..b", "is not a URL of this kind"),
        ("redis://a?db=1", "has something after the path"),
        ("tcp://a", "has no port"),
        ("tcp://a:0", "has no port"),
        ("tcp://a:99999", "has a wrong port, expected 1 to 65535"),
        ("tcp://[::1", "Invalid IPv6 URL"),
    ],
)
def test_a_wrong_url_is_refused_with_the_expected_form(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("?", r"\?")):
        parse_server_url(url, PORTS)


@pytest.mark.parametrize("password", ["hush", "hu#sh", "hu/sh", "hu?sh"])
def test_a_password_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(ValueError, match="has a password in it") as refused:
        parse_server_url(f"redis://me:{password}@a", PORTS)
    assert "hu" not in str(refused.value)
