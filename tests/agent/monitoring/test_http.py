"""Every failure of a server is reported in one line with its name, its URL and a remedy."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.errors import ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from tests.agent.monitoring.conftest import Serve
from tests.support.certificates import SERVER_NAME, Certificates, make_certificates

PAGE = "<!DOCTYPE html><title>Sign in</title>"
BUILD = {"status": "success", "data": {"version": "3.0.0"}}


def server(url: str, **settings: object) -> MonitoringServer:
    return MonitoringServer.model_validate({"url": url, "timeout": "60s", **settings})


async def refusal(asked: Awaitable[object]) -> str:
    with pytest.raises(ServiceUnavailable) as refused:
        await asked
    said = str(refused.value)
    assert said.isprintable()
    assert len(said) < 600
    return said


def answer(status: int, body: str, content_type: str = "text/plain", **headers: str) -> Callable[..., web.Response]:
    return lambda _: web.Response(status=status, text=body, content_type=content_type, headers=headers)


@pytest.mark.parametrize(
    ("status", "body", "settings", "words"),
    [
        (401, "Unauthorized\n", {}, "answered 401: Unauthorized; it requires credentials: set `basic_auth` or"),
        (401, "", {"bearer_token": "hush"}, "answered 401: it rejects the `bearer_token`"),
        (
            401,
            "",
            {"basic_auth": {"username": "me", "password": "hush"}},
            "it rejects the user name and password of `basic_auth`",
        ),
        (401, "no org id\n", {}, "answered 401: no org id; set `headers: {X-Scope-OrgID: …}`"),
        (403, PAGE, {}, "answered 403: a web page; these credentials are not allowed to do that"),
        (404, "404 page not found", {}, "answered 404: 404 page not found; is the path of `url` right?"),
        (400, "Client sent an HTTP request to an HTTPS server.", {}, "; set a `url` of https://"),
        (429, "", {}, "too many requests"),
        (502, PAGE, {}, "answered 502: a web page; it is starting or overloaded, or the proxy in front"),
        (503, "Service Unavailable", {}, "answered 503: Service Unavailable; it is starting or overloaded"),
        (504, "", {}, "answered 504: it is starting or overloaded"),
        (500, "", {}, "answered 500: and nothing else"),
        (500, "\x1b[31mred\nand more\x07", {}, "answered 500: [31mred and more"),
        (
            422,
            json.dumps({"status": "error", "errorType": "execution", "error": "many-to-many"}),
            {},
            ": execution: many-to-many",
        ),
        (500, "x" * 5000, {}, "answered 500: " + "x" * 199 + "…"),
        (200, PAGE, {}, "answered with a web page, expected JSON: is that a login"),
        (200, "", {}, "answered with invalid JSON, perhaps it was cut off: "),
        (200, '{"status":"success","data":{"gro', {}, "answered with invalid JSON, perhaps it was cut off: "),
        (200, "[" * 100_000, {}, "answered with invalid JSON"),
    ],
)
@pytest.mark.parametrize("name", ["Prometheus", "Alertmanager"])
async def test_a_failed_answer_has_a_remedy(  # noqa: PLR0913, PLR0917 - a table
    serve: Serve, name: str, status: int, body: str, settings: dict[str, object], words: str
) -> None:
    at = (await serve(answer(status, body))).url
    door: Any = {"Prometheus": Prometheus, "Alertmanager": Alertmanager}[name](server(f"{at}/prefix", **settings))
    said = await refusal(door.rules() if name == "Prometheus" else door.status())
    path = {"Prometheus": "/api/v1/rules", "Alertmanager": "/api/v2/status"}[name]
    assert said.startswith(f"{name} at {at}/prefix{path} ")
    assert words in said
    assert "hush" not in said


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_says_where_it_leads(serve: Serve, status: int) -> None:
    started = await serve(answer(status, "", Location="https://sso.example/login?next=a"))
    said = await refusal(Prometheus(server(started.url)).rules())
    assert f"answered {status}: it redirects to https://sso.example/login?<secret>: set that `url`" in said
    assert len(started.asked) == 1


async def test_a_refused_query_is_named(serve: Serve) -> None:
    body = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error"})
    at = (await serve(answer(400, body, "application/json"))).url
    said = await refusal(Prometheus(server(at)).holds("rate(x"))
    assert said == f"Prometheus at {at}/api/v1/query answered 400 to rate(x: bad_data: parse error"


@asynccontextmanager
async def raw_server(reply: bytes | None) -> AsyncIterator[str]:
    """Reply to any request with some bytes, and close; None: never reply."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if reply is None:
            await reader.read()
        else:
            writer.write(reply)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "it broke off: Server disconnected; is `url` right?"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", "it broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", "it broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "it broke off its answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP: Bad status line"),
        (None, "no answer within 200ms; is it overloaded, or `timeout` too short?"),
    ],
)
async def test_an_answer_that_breaks_off_or_never_comes_is_a_one_line_error(reply: bytes | None, words: str) -> None:
    # Short only where it ends the wait.
    async with raw_server(reply) as url:
        said = await refusal(Prometheus(server(url, timeout="60s" if reply is not None else "200ms")).rules())
    assert said.startswith(f"Prometheus cannot be reached: {url}/api/v1/rules: ")
    assert words in said


async def test_a_server_that_does_not_run_is_a_one_line_error() -> None:
    said = await refusal(Alertmanager(server("http://127.0.0.1:1")).status())
    assert said == (
        "Alertmanager cannot be reached: http://127.0.0.1:1/api/v2/status: "
        "connection refused; does it run, and is the port of `url` right?"
    )


async def test_an_unknown_host_name_is_a_one_line_error() -> None:
    said = await refusal(Prometheus(server("http://prometheus.invalid:9090")).rules())
    assert "its name is not known: " in said


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def tls_context(certificates: Certificates, name: str, *, wants_client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate(name), certificates.key(name))
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.certificate("authority"))
    return context


@pytest.mark.parametrize(
    ("name", "tls", "words"),
    [
        ("server", {}, "its certificate is not trusted: unable to get local issuer certificate; set `tls.ca_file`"),
        ("server", {"ca_file": "stranger.crt"}, "its certificate is not trusted: "),
        ("stranger", {"ca_file": "authority.crt"}, "its certificate is not trusted: self-signed certificate"),
        ("elsewhere", {"ca_file": "authority.crt"}, "its certificate is not trusted: IP address mismatch"),
        ("server", {"ca_file": "authority.crt", "server_name": "other.test"}, "Hostname mismatch"),
    ],
)
async def test_a_certificate_that_is_not_trusted_says_why(
    serve: Serve, certificates: Certificates, name: str, tls: dict[str, str], words: str
) -> None:
    at = (await serve(lambda _: web.json_response(BUILD), tls_context(certificates, name))).url
    said = await refusal(Prometheus(trusting(certificates, at, tls)).version())
    assert said.startswith(f"Prometheus cannot be reached: {at}/api/v1/status/buildinfo: ")
    assert words in said


def trusting(certificates: Certificates, url: str, tls: dict[str, Any]) -> MonitoringServer:
    values = {"url": url, "tls": tls, "timeout": "60s"}
    return MonitoringServer.model_validate(values, context={"directory": certificates.folder})


@pytest.mark.parametrize(
    ("name", "tls"),
    [
        ("server", {"ca_file": "authority.crt"}),
        ("server", {"ca_file": "authority.crt", "server_name": SERVER_NAME}),
        ("elsewhere", {"ca_file": "authority.crt", "server_name": "elsewhere.test"}),
        ("stranger", {"insecure_skip_verify": True}),
    ],
)
async def test_a_certificate_is_trusted_as_the_settings_say(
    serve: Serve, certificates: Certificates, name: str, tls: dict[str, Any]
) -> None:
    at = (await serve(lambda _: web.json_response(BUILD), tls_context(certificates, name))).url
    assert await Prometheus(trusting(certificates, at, tls)).version() == "3.0.0"


async def test_a_server_that_requires_a_client_certificate_gets_it(serve: Serve, certificates: Certificates) -> None:
    context = tls_context(certificates, "server", wants_client=True)
    at = (await serve(lambda _: web.json_response(BUILD), context)).url
    bare = {"ca_file": "authority.crt"}
    known = bare | {"cert_file": "client.crt", "key_file": "client.key"}
    assert await Prometheus(trusting(certificates, at, known)).version() == "3.0.0"
    said = await refusal(Prometheus(trusting(certificates, at, bare)).version())
    assert said.startswith(f"Prometheus cannot be reached: {at}/")
    assert "require a `tls.cert_file`?" in said


async def test_https_to_an_http_server_is_a_one_line_error(serve: Serve) -> None:
    at = (await serve(answer(200, ""))).url.replace("http:", "https:")
    said = await refusal(Prometheus(server(at)).version())
    assert "TLS failed: " in said
    assert "does it speak http://" in said


async def test_a_missing_certificate_file_is_a_one_line_error(tmp_path: Any) -> None:
    certificates = make_certificates(tmp_path)
    settings = trusting(certificates, "https://127.0.0.1:1", {"ca_file": "authority.crt"})
    certificates.certificate("authority").unlink()
    said = await refusal(Prometheus(settings).version())
    assert said.startswith("Prometheus at https://127.0.0.1:1: the files of its `tls` cannot be used: ")


async def test_a_block_keeps_one_connection_and_without_one_each_request_has_its_own(serve: Serve) -> None:
    started = await serve(lambda _: web.json_response(BUILD))
    async with Prometheus(server(started.url)) as prometheus:
        for _ in range(5):
            await prometheus.version()
    assert len(started.ports) == 1
    for _ in range(5):
        await prometheus.version()
    assert len(started.ports) == 6


async def test_headers_and_credentials_are_sent_with_each_request(serve: Serve) -> None:
    def echo(request: web.Request) -> web.Response:
        seen = f"{request.headers['Authorization']} {request.headers['X-Scope-OrgID']}"
        return web.json_response({"status": "success", "data": {"version": seen}})

    settings = {"bearer_token": "hush", "headers": {"X-Scope-OrgID": "team-a"}}
    started = await serve(echo)
    assert await Prometheus(server(f"{started.url}/prometheus", **settings)).version() == "Bearer hush team-a"
    assert started.asked == ["/prometheus/api/v1/status/buildinfo"]
