"""The targets of the matrix: real servers and processes, each with a witness that shares no code with alertdrill.

A target tells whether the fault is in force, what of others is there, and how its server is restarted.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import redis
from aiohttp import web
from redis.backoff import NoBackoff
from redis.retry import Retry
from toxiproxy import Toxiproxy as Witness

from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec
from crashing.relay import Relay
from tests.support.postgres_server import postgres_server

_DOWN_SECONDS = 0.3


class Target(ABC):
    """One target to break repeatedly."""

    fault: dict[str, Any]
    endpoints: dict[str, Any]
    relay: Relay | None = None

    @abstractmethod
    def is_broken(self) -> bool:
        """Return whether a fault of alertdrill is in force; called in a thread."""

    def others(self) -> Any:
        """List everything that belongs to others."""
        return None

    async def go_down(self) -> None:
        """End the target."""
        raise NotImplementedError

    async def come_back(self) -> None:
        """Start it, for the first time or again."""
        return

    @property
    def can_restart(self) -> bool:
        """Return whether there is a server to restart."""
        return type(self).go_down is not Target.go_down


class ToxiproxyTarget(Target):
    """A Toxiproxy with other users, who have a toxic on the same proxy and a disabled proxy."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        self.fault = {"proxy": "db"} | fault
        (self._port,) = free_ports(1)
        self._directory = directory
        listen = free_ports(2)
        config = [
            {"name": "db", "listen": f"127.0.0.1:{listen[0]}", "upstream": "127.0.0.1:1", "enabled": True},
            {"name": "theirs", "listen": f"127.0.0.1:{listen[1]}", "upstream": "127.0.0.1:1", "enabled": False},
        ]
        (directory / "proxies.json").write_text(json.dumps(config))
        self.relay = Relay(self._port)
        self.endpoints = {"toxiproxy_url": f"http://127.0.0.1:{self.relay.port}"}
        self._witness = Witness()
        self._witness.update_api_consumer("127.0.0.1", self._port)

    async def come_back(self) -> None:
        programs = find_programs()
        config = str(self._directory / "proxies.json")
        command = [str(programs["toxiproxy"]), "-host", "127.0.0.1", "-port", str(self._port), "-config", config]
        self._server = Server(Spec("toxiproxy", command, self._port, "/version"), self._directory, programs["setpriv"])
        await self._server.wait_ready()
        for proxy in ("db", "theirs"):
            add = self._witness.get_proxy(proxy).add_toxic
            await asyncio.to_thread(add, name="theirs", type="latency", toxicity=0.5, attributes={"latency": 5})

    async def go_down(self) -> None:
        self._server.kill()

    def is_broken(self) -> bool:
        proxy = self._witness.get_proxy("db")
        return not proxy.enabled or any(name.startswith("alertdrill") for name in proxy.toxics())

    def others(self) -> Any:
        kept = {}
        for name, (enabled, toxics) in self._look().items():
            kept[name] = enabled, {key: toxics[key] for key in toxics if not key.startswith("alertdrill")}
        return kept

    def _look(self) -> dict[str, tuple[bool, dict[str, Any]]]:
        return {
            name: (proxy.enabled, {t.name: (t.type, t.stream, t.toxicity, t.attributes) for t in _toxics(proxy)})
            for name, proxy in self._witness.proxies().items()
        }


def _toxics(proxy: Any) -> list[Any]:
    return list(proxy.toxics().values())


class RedisToBreak(Target):
    """A Redis with a key of another user."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        self.fault = {"kind": "redis", "url": "redis://redis:6379"} | fault
        (self._port,) = free_ports(1)
        self._directory = directory
        self.relay = Relay(self._port)
        self.endpoints = {
            "toxiproxy_url": "http://127.0.0.1:1",
            "addresses": {"redis:6379": f"127.0.0.1:{self.relay.port}"},
            "allowed": frozenset({"block redis:6379"}),
        }

    async def come_back(self) -> None:
        programs = find_programs()
        command = [str(programs["redis"]), "--bind", "127.0.0.1", "--port", str(self._port), "--save", ""]
        self._server = Server(Spec("redis", command, self._port), self._directory, programs["setpriv"])
        await self._server.wait_ready()
        with self._client() as client:
            client.set("theirs", "kept")

    async def go_down(self) -> None:
        self._server.kill()

    def is_broken(self) -> bool:
        with self._client() as client:
            try:
                client.set("written", "now")
            except redis.TimeoutError:
                return True
            return bool(client.keys("alertdrill*"))

    def others(self) -> Any:
        with self._client() as client:
            return {key: client.get(key) for key in client.scan_iter() if key.startswith(b"theirs")}

    def _client(self) -> Any:
        return redis.Redis(host="127.0.0.1", port=self._port, socket_timeout=0.3, retry=Retry(NoBackoff(), 0))


class PostgresToBreak(Target):
    """A PostgreSQL with a table, and with a connection of another user."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        del directory
        self.fault = {"kind": "postgres", "url": "postgresql://postgres@postgres:5432/postgres"} | fault
        self._open = AsyncExitStack()

    async def come_back(self) -> None:
        self._server = await self._open.enter_async_context(postgres_server())
        theirs = await self._server.connect(server_settings={"application_name": "theirs"})
        await theirs.execute("CREATE TABLE accounts ()")
        self._open.push_async_callback(theirs.close)
        self.relay = Relay(int(self._server.address.rpartition(":")[2]))
        self.fault |= {"password_file": str(self._server.password_file)}
        self.endpoints = {
            "toxiproxy_url": "http://127.0.0.1:1",
            "addresses": {"postgres:5432": f"127.0.0.1:{self.relay.port}"},
        }

    async def go_down(self) -> None:
        await self._open.aclose()

    @property
    def can_restart(self) -> bool:
        return False

    def is_broken(self) -> bool:
        return bool(asyncio.run(self._fetch("SELECT 1 FROM pg_locks WHERE relation = 'accounts'::regclass")))

    def others(self) -> Any:
        theirs = "SELECT pid FROM pg_stat_activity WHERE application_name = 'theirs'"
        return [row["pid"] for row in asyncio.run(self._fetch(theirs))]

    async def _fetch(self, query: str) -> list[Any]:
        connection = await self._server.connect()
        rows: list[Any] = await connection.fetch(query)
        await connection.close()
        return rows


class HttpTarget(Target):
    """A service with a switch for failures, like Chaos Monkey."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        del directory
        (self._port,) = free_ports(1)
        self.relay = Relay(self._port)
        self._runner: web.AppRunner | None = None
        self._enabled = False
        shows = {"url": "http://shop:8080/chaos", "within": "1s"}
        self.fault = fault | {
            "kind": "http",
            "begin": {"url": "http://shop:8080/chaos/enable", "confirm": shows | {"contains": "true"}},
            "end": {"url": "http://shop:8080/chaos/disable", "confirm": shows | {"contains": "false"}},
        }
        self.endpoints = {
            "toxiproxy_url": "http://127.0.0.1:1",
            "addresses": {"shop:8080": f"127.0.0.1:{self.relay.port}"},
        }

    async def come_back(self) -> None:
        app = web.Application()
        app.add_routes([web.post("/chaos/{state}", self._switch), web.get("/chaos", self._status)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def go_down(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def is_broken(self) -> bool:
        return self._enabled

    async def _switch(self, request: web.Request) -> web.Response:
        self._enabled = request.match_info["state"] == "enable"
        return web.Response(text="done")

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response({"enabled": self._enabled})


_ENGINE = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listening.accept()[0].close()
"""
_SUPERVISOR = """
import subprocess, sys, time
while True:
    subprocess.run(["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-S", "-c", *sys.argv[1:]])
    time.sleep(0.05)
"""


class ProcessTarget(Target):
    """A server with a supervisor that restarts it, and a second one like it."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        del directory
        self._ports = free_ports(2)
        self.fault = {"kind": "process", "port": self._ports[0]} | fault
        self.endpoints = {"toxiproxy_url": "http://127.0.0.1:1"}
        self._supervisors: list[subprocess.Popen[bytes]] = []

    async def come_back(self) -> None:
        for port in self._ports:
            command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-S", "-c", _SUPERVISOR]
            self._supervisors.append(subprocess.Popen([*command, _ENGINE, str(port)], stderr=subprocess.DEVNULL))  # noqa: ASYNC220
        before: list[list[int]] = []
        # A server whose port is taken restarts again and again, with a new number at each look.
        while before != (now := [self._pids(port) for port in self._ports]) or not all(now):
            before = now
            await asyncio.sleep(0.5)

    async def go_down(self) -> None:
        """End all servers and their supervisors."""
        for one in self._supervisors:
            one.kill()
            one.wait()

    @property
    def can_restart(self) -> bool:
        return False

    def is_broken(self) -> bool:
        pids = self._pids(self._ports[0])
        return not pids or _state(pids[0]) == "T"

    def others(self) -> Any:
        return self._pids(self._ports[1])

    def _pids(self, port: int) -> list[int]:
        return _processes(lambda command: command[3:5] == [_ENGINE.encode(), str(port).encode()])


class PressureTarget(Target):
    """This machine; the processes of alertdrill are recognised by an unusual share or size."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        del directory
        odd = 10 + os.getpid() % 90
        self._setting: str
        self._value: float
        self._setting, self._value = ("share", float(f"0.05{odd}7")) if fault["kind"] == "cpu" else ("mebibytes", odd)
        self.fault = fault | {self._setting: self._value}
        self.endpoints = {"toxiproxy_url": "http://127.0.0.1:1"}
        self._module = f"alertdrill.chaos.machine.{fault['kind']}".encode()

    def is_broken(self) -> bool:
        return bool(_processes(self._is_ours))

    def _is_ours(self, command: list[bytes]) -> bool:
        return self._module in command and json.loads(command[5])[self._setting] == self._value


class CommandTarget(Target):
    """A folder in which one command creates a file and another removes it, beside a file of another user."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=directory))
        (self._folder / "theirs").touch()
        broken = str(self._folder / "broken")
        self.fault = fault | {
            "kind": "command",
            "begin": {"run": ["touch", broken]},
            "end": {"run": ["rm", "-f", broken]},
            "confirm": {"run": ["test", "!", "-e", broken]},
        }
        self.endpoints = {"toxiproxy_url": "http://127.0.0.1:1"}

    def is_broken(self) -> bool:
        return (self._folder / "broken").exists()

    def others(self) -> Any:
        return sorted(path.name for path in self._folder.iterdir() if path.name != "broken")


def _processes(is_it: Callable[[list[bytes]], bool]) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if is_it((path / "cmdline").read_bytes().split(b"\0")):
                found.append(int(path.name))
        except (OSError, IndexError):
            continue
    return found


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


# The rows of the matrix: name, target, and the fault's settings.
TARGETS: dict[str, tuple[Callable[[Path, dict[str, Any]], Target], dict[str, Any]]] = {
    "latency": (ToxiproxyTarget, {"kind": "latency", "latency": "1s"}),
    "latency, connections cut": (ToxiproxyTarget, {"kind": "latency", "latency": "1s", "cut_connections": True}),
    "bandwidth": (ToxiproxyTarget, {"kind": "bandwidth", "rate_kilobytes": 7, "stream": "upstream"}),
    "limit_data": (ToxiproxyTarget, {"kind": "limit_data", "bytes": 9}),
    "reset_peer": (ToxiproxyTarget, {"kind": "reset_peer", "toxicity": 0.5}),
    "slicer": (ToxiproxyTarget, {"kind": "slicer", "average_size_bytes": 64}),
    "slow_close": (ToxiproxyTarget, {"kind": "slow_close", "delay": "1s"}),
    "timeout": (ToxiproxyTarget, {"kind": "timeout"}),
    "down": (ToxiproxyTarget, {"kind": "down"}),
    "redis fill": (RedisToBreak, {"action": "fill", "mebibytes": 1}),
    "redis block": (RedisToBreak, {"action": "block", "allow": "block redis:6379"}),
    "postgres lock": (PostgresToBreak, {"action": "lock", "table": "accounts"}),
    "http": (HttpTarget, {}),
    "process stop": (ProcessTarget, {"action": "stop"}),
    "process kept down": (ProcessTarget, {"action": "kill", "keep_down": True}),
    "command": (CommandTarget, {}),
    "cpu": (PressureTarget, {"kind": "cpu"}),
    "memory": (PressureTarget, {"kind": "memory"}),
}


@asynccontextmanager
async def running(name: str, directory: Path) -> AsyncIterator[Target]:
    """Keep a target up for the length of the block."""
    class_, fault = TARGETS[name]
    target = class_(directory, fault)
    await target.come_back()
    if target.relay is not None:
        await target.relay.restore()
    try:
        yield target
    finally:
        if target.relay is not None:
            await target.relay.cut()
        if type(target).go_down is not Target.go_down:
            await target.go_down()
