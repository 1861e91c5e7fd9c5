"""Metrics, the configuration file, and a clean end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alertdrill.lab.ports import free_ports
from tests.support.tcp_pair import proxied
from tests.support.toxiproxies import KINDS, ROOT, ToxiproxyServer, running
from tests.support.toxiproxies import command as command_of
from tests.support.waiting import until

EMBEDDED = [sys.executable, "-m", "alertdrill.chaos.toxiproxy.embedded"]
ALONE = [sys.executable, "-m", "alertdrill", "toxiproxy"]


async def test_metrics_are_equal_after_equal_traffic(tmp_path: Path) -> None:
    texts = []
    for kind in KINDS:
        async with running(kind, tmp_path, "-proxy-metrics") as api:
            assert "toxiproxy_proxy" not in _metrics(api)
            async with proxied(api) as proxy:
                client, server = await proxy.connect()
                await client.send(b"x" * 1_234_567)
                await server.receive(1_234_567)
                await server.send(b"pong")
                await client.receive(4)
                assert "toxiproxy_proxy" not in _metrics(api), "a connection counts when it has ended"
                client.close()
                assert await server.rest() == b""

                async def counted(api: ToxiproxyServer = api) -> bool:
                    return _metrics(api).count("\ntoxiproxy_proxy") == 4

                await until(counted, "both directions are counted")
            texts.append(_metrics(api))
    real, embedded = (list(text_string_to_metric_families(text)) for text in texts)
    assert embedded == real
    line = 'toxiproxy_proxy_sent_bytes_total{direction="upstream",listener="*",proxy="p",upstream="*"} 1234567'
    assert line in texts[1].splitlines()


def _metrics(api: ToxiproxyServer) -> str:
    status, _, body = api.raw("GET", "/metrics")
    assert status == 200
    return re.sub(r"127\.0\.0\.1:\d+", "*", body.decode())


@pytest.mark.parametrize("kind", KINDS)
async def test_the_configuration_file_is_there_from_the_start(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "proxies.json"
    file.write_text('[{"name":"db","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}]')
    async with running(kind, tmp_path, "-config", str(file)) as api:
        assert api.json("GET", "/proxies/db")["enabled"]


@pytest.mark.parametrize("command", [EMBEDDED, ALONE])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly_with_connections_open(command: list[str], number: signal.Signals) -> None:
    (port,) = free_ports(1)
    started = subprocess.Popen(  # noqa: ASYNC220 - it must die with this process
        ["setpriv", "--pdeathsig", "KILL", "--", *command, "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    api = ToxiproxyServer("embedded", port, started.pid)

    async def answers() -> bool:
        try:
            return api.raw("GET", "/version")[0] == 200
        except OSError:
            return False

    await until(answers, "the server answers")
    async with proxied(api) as proxy:
        await proxy.add("latency", {"latency": 600_000})
        client, server = await proxy.connect()
        await server.send(b"held")
        os.kill(started.pid, number)
        out, err = started.communicate(timeout=60)
        assert started.returncode == 0, err
        assert "Traceback" not in out + err
        assert await client.rest() == b""


@pytest.mark.parametrize("command", [EMBEDDED, ALONE])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "proxies.json: No such file or directory, expected a JSON list of proxies"),
        ("[", "proxies.json: bad request body: "),
        ('[{"name":"a"}]', "proxies.json: missing required field: upstream at proxy 1"),
    ],
)
def test_a_bad_configuration_file_is_reported_in_a_line(
    command: list[str], content: str | None, expected: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "proxies.json").write_text(content)
    ended = _run([*command, "--port", str(free_ports(1)[0]), "--config", str(tmp_path / "proxies.json")])
    assert ended.returncode == 2
    assert expected in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_port_in_use_is_reported_in_a_line(both: tuple[ToxiproxyServer, ToxiproxyServer]) -> None:
    ended = _run([*ALONE, "--port", str(both[0].port)])
    assert ended.returncode == 2
    assert ended.stderr == f"toxiproxy: cannot listen on 127.0.0.1:{both[0].port}: Address already in use\n"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("kind", KINDS)
def test_the_version_is_printed(kind: str) -> None:
    ended = _run([*command_of(kind), "-version"])
    assert (ended.returncode, ended.stdout) == (0, "toxiproxy-server version 2.12.0\n")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "flag", ["-proxy-metrics", "-runtime-metrics", "-runtime-metrics=true", "-proxy-metrics=false"]
)
async def test_every_flag_of_the_real_server_is_known(kind: str, flag: str, tmp_path: Path) -> None:
    async with running(kind, tmp_path, flag, "-seed", "7") as api:
        status, _, body = api.raw("GET", "/metrics")
        wanted = not flag.endswith("false")
        assert status == (200 if wanted else 404)
        assert (b"process_resident_memory_bytes " in body) is ("runtime" in flag)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("level", "shown"), [(None, True), ("info", True), ("", False), ("Warn", False)])
async def test_the_log_says_what_was_started_and_heeds_its_level(
    kind: str,
    level: str | None,
    shown: bool,  # noqa: FBT001 - a case
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("LOG_LEVEL", level)
    async with running(kind, tmp_path) as api:
        api.json("POST", "/proxies", '{"name":"db","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}')
    lines = [json.loads(line) for line in (tmp_path / f"toxiproxy-{kind}.log").read_text().splitlines()]
    told = {(line["level"], line.get("address") or line.get("name"), line.get("message")) for line in lines}
    started = {
        ("info", f"127.0.0.1:{api.port}", "Starting Toxiproxy HTTP server"),
        ("info", "db", "Started proxy"),
    }
    assert started <= told if shown else not told


async def test_clients_that_go_away_leave_no_line_in_the_log(tmp_path: Path) -> None:
    async with running("embedded", tmp_path) as api:
        for begun in (b"", b"GET /ver", b"POST /populate HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n["):
            with socket.create_connection(("127.0.0.1", api.port)) as client:
                client.sendall(begun)
                api.json("GET", "/version")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            api.json("GET", "/version")
    lines = (tmp_path / "toxiproxy-embedded.log").read_text().splitlines()
    assert {json.loads(line)["level"] for line in lines} == {"info"}, lines


def test_the_help_of_both_commands_lists_the_flags() -> None:
    for command in (EMBEDDED, ALONE):
        told = _run([*command, "--help"]).stdout
        assert all(flag in told for flag in ("--host", "--port", "--config", "--proxy-metrics")), told


def test_the_server_loads_no_large_library() -> None:
    """Their import would take longer than all the rest of the start."""
    server = "alertdrill.chaos.toxiproxy.embedded"
    loaded = _run([sys.executable, "-c", f"import sys, {server}.__main__; print(*sys.modules)"]).stdout.split()
    assert {"aiohttp", "pydantic", "typer", "prometheus_client"}.isdisjoint(loaded)
    assert {f"{server}.server", "h11"} <= set(loaded)
