"""Request by request, the embedded server answers what the real one does: status, headers, keys and values."""

from __future__ import annotations

import pytest

from tests.support.toxiproxies import ToxiproxyServer

Step = tuple[str, str] | tuple[str, str, str]

PROXY = ("POST", "/proxies", '{"name":"p","listen":"127.0.0.1:{port0}","upstream":"127.0.0.1:1"}')
TOXICS = "/proxies/p/toxics"

SCENARIOS: dict[str, list[Step]] = {
    "version": [("GET", "/version"), ("POST", "/version"), ("GET", "/version/")],
    "paths": [
        ("GET", "/"),
        ("GET", "/proxies/"),
        ("GET", "//proxies"),
        ("GET", "/proxies/../version?x=1"),
        ("GET", "/proxies/a%2F%2Fb%20c?q=1"),
        ("GET", "/%70roxies"),
        ("GET", "/metrics"),
        ("GET", "/proxies/p/toxics/t/more"),
    ],
    "methods": [
        (method, path)
        for path in ("/proxies", "/proxies/p", "/proxies/p/toxics", "/proxies/p/toxics/t", "/reset", "/populate")
        for method in ("PUT", "OPTIONS", "DELETE")
    ],
    "a proxy's life": [
        ("GET", "/proxies"),
        PROXY,
        PROXY,
        ("GET", "/proxies"),
        ("GET", "/proxies/p"),
        ("GET", "/proxies/P"),
        ("POST", "/proxies/p", '{"enabled":false}'),
        ("PATCH", "/proxies/p", '{"enabled":true}'),
        ("PATCH", "/proxies/p", '{"upstream":"localhost:2","name":"other"}'),
        ("PATCH", "/proxies/p", '{"upstream":""}'),
        ("PATCH", "/proxies/p", '{"listen":"127.0.0.1:{port1}"}'),
        ("PATCH", "/proxies/p", '{"listen":"localhost:{port1}"}'),
        ("DELETE", "/proxies/p"),
        ("DELETE", "/proxies/p"),
        ("GET", "/proxies/p"),
        ("PATCH", "/proxies/p", "{}"),
    ],
    "chosen ports": [
        ("POST", "/proxies", '{"name":"a","listen":"localhost:0","upstream":"x:1"}'),
        ("POST", "/proxies", '{"name":"b","listen":"127.0.0.1:","upstream":"x:1"}'),
        ("POST", "/proxies", '{"name":"c","listen":"localhost:0","upstream":"x:1","enabled":false}'),
        ("POST", "/proxies", '{"name":"d","upstream":"x:1","enabled":false}'),
        ("PATCH", "/proxies/c", '{"enabled":true}'),
        ("PATCH", "/proxies/c", '{"enabled":false}'),
        ("PATCH", "/proxies/c", '{"enabled":false,"listen":"localhost:0"}'),
        ("GET", "/proxies"),
    ],
    "addresses in unusual forms": [
        *(
            ("POST", "/proxies", f'{{"name":"{number}","listen":"{listen}","upstream":"x:1"}}')
            for number, listen in enumerate(
                (
                    *("[::ffff:127.0.0.1]:{port0}", "127.0.0.1: {port1}", "127.0.0.1:+{port2}", "127.0.0.1:0{port3}"),
                    *("[127.0.0.1]:0", "127.0.0.1:-0"),
                )
            )
        ),
        ("GET", "/proxies"),
    ],
    "addresses that cannot be": [
        PROXY,
        *(
            ("POST", "/proxies", f'{{"name":"{number}","listen":"{listen}","upstream":"x:1"}}')
            for number, listen in enumerate(
                (
                    *("bad", "a:b:c", "[::1", "[::1]", "[::1]x:3", "::1", "x]:1", "[a:1", "127.0.0.1:99999"),
                    *("127.0.0.1:-1", "127.2:0", "127.0.00.1:0", "127.0.0:0", "7:0", "127.0.0.1.:0", "300.1.1.1:0"),
                    *("127.0.0.1:0x5", "127.0.0.1:\u0663", "tcp:/tmp/socket", "127.0.0.1 :0", "[::127.0.0.1]:0"),
                )
            )
        ),
        ("POST", "/proxies", '{"name":"q","listen":"127.0.0.1:{port0}","upstream":"x:1"}'),
        ("POST", "/proxies", '{"name":"q","listen":"127.0.0.1:nosuchservice","upstream":"x:1"}'),
        ("POST", "/proxies", '{"name":"q","listen":"192.0.2.1:0","upstream":"x:1"}'),
        *(
            ("PATCH", "/proxies/p", f'{{"listen":"{listen}"}}')
            for listen in ("bad", "7:0", "127.1:{port1}", "127.0.0.1:nosuchservice", "127.0.0.1:99999")
        ),
        ("GET", "/proxies/p"),
        ("PATCH", "/proxies/p", '{"listen":"192.0.2.1:{port1}"}'),
        ("GET", "/proxies"),
        ("POST", "/reset"),
        ("PATCH", "/proxies/p", '{"listen":"127.0.0.1:{port0}","enabled":true}'),
    ],
    "fields that are missing or of another type": [
        *(
            (method, path, body)
            for body in (
                *("", "  ", "null", "[]", '"x"', "1", "true", "{}", '{"name":""}', '{"name":"n"}', '{"upstream":"u"}'),
                *('{"name":1}', '{"enabled":"x"}', '{"listen":[]}', '{"upstream":{}}', '{"Logger":1}', '{"logger":{}}'),
                *('{"name":null,"enabled":1.5}', '{"name":1,"listen":2}', '{"toxics":5,"name":true}'),
            )
            for method, path in (("POST", "/proxies"), ("POST", "/populate"), ("PATCH", "/proxies/none"))
        ),
        PROXY,
        ("PATCH", "/proxies/p", '{"enabled":"x","listen":"127.0.0.1:{port1}"}'),
        ("PATCH", "/proxies/p", "[]"),
        ("PATCH", "/proxies/p", "null"),
        ("PATCH", "/proxies/p", ""),
        ("POST", "/populate", '[{"name":1}]'),
        ("POST", "/populate", '[{"enabled":0}]'),
        ("POST", "/populate", "[[]]"),
        ("POST", "/populate", "[null]"),
        ("POST", "/populate", '[{"name":"a","upstream":"x:1","enabled":false},{"name":"b"}]'),
        ("POST", "/populate", '[{"name":"a","upstream":"x:1","enabled":false},{"upstream":"b"}]'),
        ("GET", "/proxies"),
    ],
    "bodies that are no JSON": [
        PROXY,
        ("POST", TOXICS, '{"type":"noop"}'),
        *(
            ("PATCH", f"{TOXICS}/noop_downstream", body)
            for body in (
                *("{", "[", '{"a', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":tru', '{"a":trux', "[1,2", '{"a" 1}'),
                *('{"a":1 2}', "[1 2]", "{1}", '{"a":01}', "-x", "1.x", "1ex", '"\\x"', '"\\u12x"', "é", "}", "\x00"),
                *("nul ", "falsy", "'", '"\n"', '"\t', "[1,]", '{"a":1,}', "[]]", "12garbage", "\x7f", "1 x", "+1"),
                *('{"toxicity":1}garbage', '{"toxicity":1}{"toxicity":2}', '{"toxicity":1,"toxicity":2}'),
            )
        ),
        ("PATCH", f"{TOXICS}/noop_downstream", "[" * 10001 + "]" * 10001),
        ("GET", TOXICS),
    ],
    "names": [
        ("POST", "/proxies", '{"name":"a b","listen":"127.0.0.1:0","upstream":"x:1","enabled":false}'),
        ("POST", "/proxies", '{"name":"a/b","listen":"127.0.0.1:0","upstream":"x:1","enabled":false}'),
        ("POST", "/proxies", '{"NAME":"ü<&>\\u2028\\ud800\\u0007","listen":"","upstream":"x:1","enabled":false}'),
        ("GET", "/proxies/a%20b"),
        ("GET", "/proxies/a%2Fb"),
        ("GET", "/proxies/%C3%BC%3C%26%3E%E2%80%A8%EF%BF%BD%07"),
        ("GET", "/proxies"),
    ],
    "populate": [
        ("POST", "/populate", "[]"),
        (
            "POST",
            "/populate",
            (
                '[{"name":"a","listen":"127.0.0.1:{port0}","upstream":"x:1"},'
                '{"name":"b","listen":"127.0.0.1:{port1}","upstream":"x:1","enabled":false}]'
            ),
        ),
        ("POST", "/proxies/a/toxics", '{"type":"latency","attributes":{"latency":5}}'),
        ("POST", "/populate", '[{"name":"a","listen":"localhost:{port0}","upstream":"x:1","enabled":false}]'),
        ("POST", "/populate", '[{"name":"a","listen":"localhost:{port0}","upstream":"x:2","toxics":[{"name":1}]}]'),
        (
            "POST",
            "/populate",
            (
                '[{"name":"c","listen":"127.0.0.1:{port2}","upstream":"x:1"},{"name":"d","listen":"bad","upstream":"x:1"},'
                '{"name":"e","listen":"127.0.0.1:{port3}","upstream":"x:1"}]'
            ),
        ),
        ("POST", "/populate", '[{"name":"a","listen":"127.0.0.1:{port2}","upstream":"x:3"}]'),
        ("GET", "/proxies"),
        ("POST", "/populate", '{"name":"a"}'),
    ],
    "toxics": [
        ("GET", TOXICS),
        ("POST", TOXICS, "{}"),
        PROXY,
        *(
            ("POST", TOXICS, f'{{"type":"{kind}","stream":"upstream"}}')
            for kind in ("latency", "slow_close", "timeout", "reset_peer", "limit_data", "noop", "bandwidth")
        ),
        ("POST", TOXICS, '{"type":"slicer","attributes":{"average_size":10,"size_variation":5,"delay":3}}'),
        ("POST", TOXICS, '{"type":"latency","stream":"Upstream"}'),
        ("POST", TOXICS, '{"type":"latency","stream":""}'),
        ("POST", TOXICS, '{"type":"down","stream":"sideways"}'),
        ("POST", TOXICS, '{"type":"down"}'),
        ("POST", TOXICS, '{"type":"latency","name":"slicer_downstream"}'),
        (
            "POST",
            TOXICS,
            '{"type":"latency","name":"x","attributes":{"latency":-5,"JITTER":7,"rate":1.5},"toxicity":7}',
        ),
        ("GET", TOXICS),
        ("GET", "/proxies"),
        ("GET", f"{TOXICS}/x"),
        ("PATCH", f"{TOXICS}/x", '{"attributes":{"jitter":1},"toxicity":0.1,"name":"y","type":"noop","stream":"up"}'),
        ("POST", f"{TOXICS}/x", '{"attributes":{"latency":9}}'),
        ("PATCH", f"{TOXICS}/x", '{"attributes":{"latency":1.5}}'),
        ("PATCH", f"{TOXICS}/x", '{"attributes":{"jitter":4},"toxicity":1}'),
        ("GET", f"{TOXICS}/x"),
        ("DELETE", f"{TOXICS}/x"),
        ("DELETE", f"{TOXICS}/x"),
        ("PATCH", f"{TOXICS}/x", "{"),
        ("GET", "/proxies/q/toxics/x"),
        ("POST", "/reset", "anything"),
        ("GET", "/proxies"),
    ],
    "attributes of another type": [
        PROXY,
        *(
            ("POST", TOXICS, f'{{"type":"{kind}","name":"n{number}","attributes":{attributes}}}')
            for number, (kind, attributes) in enumerate(
                (
                    *(("latency", text) for text in ("null", '"x"', "1", "[]", "true")),
                    *(("latency", f'{{"latency":{text}}}') for text in ("1.5", '"x"', "1e3", "-0", "true", "null")),
                    *(("slicer", f'{{"average_size":{text}}}') for text in ("true", "{}", "99999999999999999999")),
                    ("limit_data", '{"bytes":9223372036854775807}'),
                    ("limit_data", '{"bytes":9223372036854775808}'),
                    ("limit_data", '{"Bytes":1,"bytes":2}'),
                    ("reset_peer", '{"timeout":[1]}'),
                )
            )
        ),
        *(
            ("PATCH", f"{TOXICS}/n0", body)
            for body in (
                '{"toxicity":"x"}',
                '{"attributes":1}',
                "[]",
                "null",
                '{"attributes":null}',
                '{"toxicity":null}',
            )
        ),
        ("GET", TOXICS),
    ],
    "toxicities": [
        PROXY,
        *(
            ("POST", TOXICS, f'{{"type":"noop","name":"n{number}","toxicity":{toxicity}}}')
            for number, toxicity in enumerate(
                *[
                    [
                        "0.123456789",
                        "1e-9",
                        "-1.5e21",
                        "123456789",
                        "0.0000123",
                        "1e20",
                        "-0.0",
                        "3.4e38",
                        "3.5e38",
                        "1e99",
                        "1e-50",
                        "16777217",
                        "0",
                        "1",
                    ]
                ]
            )
        ),
        ("GET", TOXICS),
    ],
    "reset": [
        PROXY,
        ("POST", TOXICS, '{"type":"noop"}'),
        ("PATCH", "/proxies/p", '{"enabled":false}'),
        ("POST", TOXICS, '{"type":"latency","stream":"upstream"}'),
        ("GET", "/proxies/p"),
        ("POST", "/reset"),
        ("GET", "/proxies/p"),
        ("PATCH", "/proxies/p", '{"enabled":false}'),
        ("POST", "/proxies", '{"name":"q","listen":"127.0.0.1:{port0}","upstream":"x:1"}'),
        ("POST", "/reset"),
        ("GET", "/proxies"),
    ],
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_answers_are_equal(scenario: str, both: tuple[ToxiproxyServer, ToxiproxyServer]) -> None:
    real, embedded = both
    for server in both:
        server.clear()
    for step in SCENARIOS[scenario]:
        assert embedded.ask(*step) == real.ask(*step), step


RAW: dict[str, bytes] = {
    "an absolute address": b"GET http://any.test:1/version HTTP/1.1\r\nHost: a\r\n",
    "an absolute address without a path": b"GET http://any.test HTTP/1.1\r\nHost: a\r\n",
    "an absolute address that is not clean": b"GET http://any.test/a/../version?b=c HTTP/1.1\r\nHost: a\r\n",
    "lines that end with LF": b"GET /version HTTP/1.1\nHost: a\n",
    "an unknown method": b"BREW /version HTTP/1.1\r\nHost: a\r\n",
    "an unknown method elsewhere": b"BREW /coffee HTTP/1.1\r\nHost: a\r\n",
    "a method in lower case": b"get /version HTTP/1.1\r\nHost: a\r\n",
    "TRACE of all": b"TRACE * HTTP/1.1\r\nHost: a\r\n",
    "OPTIONS of all": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n",
    "CONNECT": b"CONNECT db.test:5432 HTTP/1.1\r\nHost: a\r\n",
    "CONNECT to a path": b"CONNECT /proxies HTTP/1.1\r\nHost: a\r\n",
    "two user agents": b"GET /version HTTP/1.1\r\nUser-Agent: curl\r\nUser-Agent: Mozilla/1\r\nHost: a\r\n",
    "a long header": b"GET /version HTTP/1.1\r\nX: " + b"x" * 50_000 + b"\r\nHost: a\r\n",
    "a long path": b"GET /proxies/" + b"p" * 50_000 + b" HTTP/1.1\r\nHost: a\r\n",
    "HTTP/1.7": b"GET /version HTTP/1.7\r\nHost: a\r\n",
    "an empty host": b"GET /version HTTP/1.1\r\nHost:\r\n",
    "a header over two lines": b"GET /version HTTP/1.1\r\nX: y\r\n\tz\r\nHost: a\r\n",
    "a header that is no UTF-8": b"GET /version HTTP/1.1\r\nX: \xe9\r\nHost: a\r\n",
    "a path that is not quoted": "GET /proxies/bücher?ü HTTP/1.1\r\nHost: a\r\n".encode(),
    "an offer of another protocol": (
        b"GET /version HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    ),
    "HEAD of nothing": b"HEAD /nothing HTTP/1.1\r\nHost: a\r\n",
}

MALFORMED: dict[str, bytes] = {
    "an absolute address, but no host": b"GET http://any.test/version HTTP/1.1\r\n",
    "a method that is none": b"G(T /version HTTP/1.1\r\nHost: a\r\n",
    "a header too long": b"GET /version HTTP/1.1\r\nX: " + b"x" * 1_060_000 + b"\r\nHost: a\r\n",
    "no version": b"GET /version\r\n",
    "HTTP/0.9": b"GET /version HTTP/0.9\r\nHost: a\r\n",
    "HTTP/2.0": b"GET /version HTTP/2.0\r\nHost: a\r\n",
    "another protocol": b"GET /version SPDY/1.1\r\nHost: a\r\n",
    "no host": b"GET /version HTTP/1.1\r\n",
    "two hosts": b"GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
    "a host with a space": b"GET /version HTTP/1.1\r\nHost: a b\r\n",
    "a space in a header's name": b"GET /version HTTP/1.1\r\nX Y: z\r\nHost: a\r\n",
    "a header without a colon": b"GET /version HTTP/1.1\r\nxyz\r\nHost: a\r\n",
    "a header without a name": b"GET /version HTTP/1.1\r\n: z\r\nHost: a\r\n",
    "a header that begins with a space": b"GET /version HTTP/1.1\r\n X: y\r\nHost: a\r\n",
    "a header with a control character": b"GET /version HTTP/1.1\r\nX: \x01\r\nHost: a\r\n",
    "a relative path": b"GET version HTTP/1.1\r\nHost: a\r\n",
    "a path that is wrongly quoted": b"GET /version%4 HTTP/1.1\r\nHost: a\r\n",
    "a path with a control character": b"GET /version\x02 HTTP/1.1\r\nHost: a\r\n",
    "two spaces": b"GET  /version HTTP/1.1\r\nHost: a\r\n",
    "a length that is none": b"POST /reset HTTP/1.1\r\nContent-Length: five\r\nHost: a\r\n",
    "a length below zero": b"POST /reset HTTP/1.1\r\nContent-Length: -5\r\nHost: a\r\n",
    "two lengths": b"POST /reset HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 2\r\nHost: a\r\n",
    "an unknown coding": b"POST /reset HTTP/1.1\r\nTransfer-Encoding: gzip\r\nHost: a\r\n",
    "an unknown expectation": b"POST /reset HTTP/1.1\r\nExpect: much\r\nHost: a\r\n",
}

BODIES: dict[str, tuple[bytes, bytes]] = {
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"1\r\n[\r\n1;a=b\r\n]\r\n0\r\nX: y\r\n\r\n"),
    "chunks and a length": (b"Transfer-Encoding: Chunked\r\nContent-Length: 7\r\n", b"2\r\n[]\r\n0\r\n\r\n"),
    "a broken chunk": (b"Transfer-Encoding: chunked\r\n", b"q\r\n[]\r\n"),
    "chunks with LF, and a line that ends well": (b"Transfer-Encoding: chunked\r\n", b"2\n[]\n0\n\n\r\n"),
    "a body on request": (b"Content-Length: 2\r\nExpect: 100-continue\r\n", b"[]"),
    "a body and then another request": (
        b"Content-Length: 2\r\n",
        b"[]GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ),
}


@pytest.mark.parametrize("request_", RAW)
def test_unusual_requests_are_answered_alike(request_: str, both: tuple[ToxiproxyServer, ToxiproxyServer]) -> None:
    real, embedded = both
    sent = RAW[request_] + b"Connection: close\r\n\r\n"
    sent = sent.replace(b"\r\n", b"\n") if request_ == "lines that end with LF" else sent
    assert embedded.exchange(sent) == real.exchange(sent)


@pytest.mark.parametrize("body", BODIES)
def test_bodies_are_read_alike(body: str, both: tuple[ToxiproxyServer, ToxiproxyServer]) -> None:
    real, embedded = both
    headers, content = BODIES[body]
    for path in (b"/populate", b"/nowhere"):
        ending = b"" if b"GET" in content else b"Connection: close\r\n"
        sent = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + headers + ending + b"\r\n" + content
        assert embedded.exchange(sent) == real.exchange(sent), path


@pytest.mark.parametrize("request_", MALFORMED)
def test_malformed_requests_get_the_same_status_and_title_but_not_the_same_reason(
    request_: str, both: tuple[ToxiproxyServer, ToxiproxyServer]
) -> None:
    real, embedded = (_status_and_title(server, MALFORMED[request_]) for server in both)
    assert embedded == real
    assert real[0] in {"4", "5"}


def _status_and_title(server: ToxiproxyServer, sent: bytes) -> str:
    answer = server.exchange(sent + b"Connection: close\r\n\r\n")
    head, _, _ = answer.partition("\r\n\r\n")
    assert "Connection: close" in head.split("\r\n")
    first, _, _ = head.removeprefix("HTTP/1.1 ").partition("\r\n")
    return first.partition(":")[0]


def test_an_api_connection_serves_many_requests(both: tuple[ToxiproxyServer, ToxiproxyServer]) -> None:
    sent = b"GET /version HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    real, embedded = both
    assert embedded.exchange(sent) == real.exchange(sent)
    assert real.exchange(sent).count("HTTP/1.") == 2


@pytest.mark.parametrize("length", [200, 5000])
@pytest.mark.parametrize("headers", ["", "Connection: keep-alive\r\n"])
def test_http_1_0_gets_the_same_answer_but_in_version_1_1_and_always_the_end_of_the_connection(
    headers: str, length: int, both: tuple[ToxiproxyServer, ToxiproxyServer]
) -> None:
    path = _path_of_answer(length, both)
    real, embedded = both
    expected = real.exchange(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = embedded.exchange(f"GET {path} HTTP/1.0\r\n{headers}\r\n".encode())
    assert answer.replace("HTTP/1.1", "HTTP/1.0", 1).replace("Connection: close\r\n", "", 1) == expected


@pytest.mark.parametrize("path", ["/proxies", "/proxies/p", TOXICS, f"{TOXICS}/t", "/reset", "/populate", "/version"])
def test_head_gets_the_same_answer_but_with_a_length(path: str, both: tuple[ToxiproxyServer, ToxiproxyServer]) -> None:
    sent = f"HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    real, embedded = both
    assert embedded.exchange(sent).replace("Content-Length: …\r\n", "") == real.exchange(sent)


@pytest.mark.parametrize(("length", "header"), [(2048, "Content-Length: …"), (2049, "Transfer-Encoding: chunked")])
def test_an_answer_of_more_than_2048_bytes_comes_in_chunks(
    length: int, header: str, both: tuple[ToxiproxyServer, ToxiproxyServer]
) -> None:
    path = _path_of_answer(length, both)
    sent = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    real, embedded = (server.exchange(sent).partition("\r\n\r\n") for server in both)
    assert sorted(embedded[0].split("\r\n")) == sorted(real[0].split("\r\n"))
    assert header in embedded[0]
    assert embedded[2] == real[2]


def _path_of_answer(length: int, servers: tuple[ToxiproxyServer, ToxiproxyServer]) -> str:
    """Create a proxy with a name so long that the answer about it has this length in bytes; returns its path."""
    made = '{"name":"%s","listen":"127.0.0.1:1","upstream":"127.0.0.1:1","enabled":false}'
    for server in servers:
        server.clear()
        server.json("POST", "/proxies", made % "p")
        name = "p" * (1 + length - len(server.raw("GET", "/proxies/p")[2]))
        server.json("POST", "/proxies", made % name)
        assert len(server.raw("GET", f"/proxies/{name}")[2]) == length
    return f"/proxies/{name}"


def test_browsers_are_refused_alike(both: tuple[ToxiproxyServer, ToxiproxyServer]) -> None:
    real, embedded = both
    for agent in ("Mozilla/5.0", "mozilla/5.0", "Go", ""):
        for path in ("/proxies", "/version", "/nowhere"):
            asked = ("GET", path, None, {"User-Agent": agent})
            assert embedded.ask(*asked) == real.ask(*asked), asked


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("bandwidth", '{"rate":-1}'),
        ("bandwidth", '{"rate":92233720368547759}'),
        ("slicer", "{}"),
        ("slicer", '{"average_size":5,"size_variation":7}'),
        ("slicer", '{"average_size":1,"size_variation":-1}'),
        ("latency", '{"jitter":4611686018427387904}'),
    ],
)
def test_settings_that_crash_the_real_server_are_refused_by_the_embedded_one(
    kind: str, attributes: str, both: tuple[ToxiproxyServer, ToxiproxyServer]
) -> None:
    """The real server accepts these, and crashes at the first data."""
    _, embedded = both
    embedded.clear()
    embedded.ask(*PROXY)
    body = f'{{"type":"{kind}","name":"t","attributes":{attributes}}}'
    status, _, text = embedded.raw("POST", TOXICS, body)
    assert status == 400
    assert b"bad request body: " in text
    assert embedded.json("GET", TOXICS) == []
    harmless = '{"type":"slicer","name":"t","attributes":{"average_size":1}}'.replace("slicer", kind)
    before = embedded.ask("POST", TOXICS, harmless).body
    full = attributes if attributes != "{}" else '{"average_size":0}'
    assert embedded.ask("PATCH", f"{TOXICS}/t", f'{{"attributes":{full}}}').status == 400
    assert embedded.ask("GET", f"{TOXICS}/t").body == before


@pytest.mark.parametrize("attributes", ['{"latency":1.5,"jitter":4}', '{"jitter":4,"latency":"x"}'])
def test_a_refused_update_changes_nothing_in_the_embedded_one(
    attributes: str, both: tuple[ToxiproxyServer, ToxiproxyServer]
) -> None:
    """The real server takes the valid attributes of an update that it refuses."""
    _, embedded = both
    embedded.clear()
    embedded.ask(*PROXY)
    embedded.ask("POST", TOXICS, '{"type":"latency","name":"t"}')
    before = embedded.ask("GET", f"{TOXICS}/t").body
    assert embedded.ask("PATCH", f"{TOXICS}/t", f'{{"attributes":{attributes}}}').status == 400
    assert embedded.ask("GET", f"{TOXICS}/t").body == before
