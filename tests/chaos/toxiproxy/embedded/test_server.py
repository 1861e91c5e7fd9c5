"""Metrics, the configuration file, and a clean end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alertdrill.lab.ports import free_ports
from tests.support.tcp_pair import proxied
from tests.support.toxiproxies import KINDS, ROOT, ToxiproxyServer, running
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


def test_the_help_of_both_commands_lists_the_flags() -> None:
    for command in (EMBEDDED, ALONE):
        told = _run([*command, "--help"]).stdout
        assert all(flag in told for flag in ("--host", "--port", "--config", "--proxy-metrics")), told
