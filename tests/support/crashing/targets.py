"""The targets of the matrix: real servers and processes, each with a witness that shares no code with alertdrill.

A target tells whether the fault is in force, what of others is there, and how its server is restarted.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import redis
from aiohttp import web
from redis.backoff import NoBackoff
from redis.retry import Retry
from toxiproxy import Toxiproxy as Witness
from toxiproxy.api import APIConsumer

from alertdrill.lab.ports import free_ports
from alertdrill.lab.programs import find_programs
from alertdrill.lab.server import Server, Spec
from crashing.relay import Relay
from tests.support.postgres_server import postgres_server

_SETTLES_WITHIN_SECONDS = 60.0


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

    async def vanish(self) -> None:
        """Remove what the fault is on, for good; its server, if it has one, goes on."""
        raise NotImplementedError

    async def return_anew(self) -> None:
        """Make a new one in its place, for the next run."""
        raise NotImplementedError

    @property
    def can_vanish(self) -> bool:
        """Return whether it can be removed."""
        return type(self).vanish is not Target.vanish

    async def be_changed(self) -> None:
        """Change, as somebody else, what the fault made or changed, if there is anything yet."""
        raise NotImplementedError

    @property
    def can_be_changed(self) -> bool:
        """Return whether somebody else can change what the fault does."""
        return type(self).be_changed is not Target.be_changed

    def keeps_the_change(self) -> bool:
        """Return whether what somebody else changed is still so, as far as it is theirs; called in a thread."""
        return True

    async def settle(self) -> None:
        """Wait a limited time until it has done by itself what follows from the change."""
        return

    async def mend(self) -> None:
        """Undo by hand what a fault left that was given up."""
        return


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

    async def vanish(self) -> None:
        await asyncio.to_thread(lambda: self._witness.get_proxy("db").destroy())

    async def return_anew(self) -> None:
        await self.go_down()
        await self.come_back()

    async def be_changed(self) -> None:
        await asyncio.to_thread(self._change)

    def _change(self) -> None:
        proxy = self._witness.get_proxy("db")
        if self.fault["kind"] == "down":
            proxy.enable()
        for name in self._ours():
            APIConsumer.post(f"/proxies/db/toxics/{name}", json={"toxicity": 0.25})

    async def mend(self) -> None:
        await asyncio.to_thread(self._mend)

    def _mend(self) -> None:
        proxy = self._witness.get_proxy("db")
        proxy.enable()
        for name in self._ours():
            proxy.destroy_toxic(name)

    def _ours(self) -> list[str]:
        return [name for name in self._witness.get_proxy("db").toxics() if name.startswith("alertdrill")]

    def is_broken(self) -> bool:
        # One request, twenty times a second: toxiproxy-python makes two, for ten times the processor time.
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            connection.request("GET", "/proxies/db")
            proxy = json.load(connection.getresponse())
        return not proxy["enabled"] or any(toxic["name"].startswith("alertdrill") for toxic in proxy["toxics"])

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


_THEIRS = b"theirs now"


class RedisToBreak(Target):
    """A Redis with a key of another user."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        self._changed: list[bytes] = []
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

    async def be_changed(self) -> None:
        await asyncio.to_thread(self._change)

    def _change(self) -> None:
        """Overwrite the keys of a fill, or end a pause."""
        with self._client() as client:
            self._changed = client.keys("alertdrill*")
            for key in self._changed:
                client.set(key, _THEIRS)
            client.execute_command("CLIENT UNPAUSE")

    def keeps_the_change(self) -> bool:
        with self._client() as client:
            kept = [client.get(key) == _THEIRS for key in self._changed]
            for key in self._changed:
                client.delete(key)
        return all(kept)

    async def mend(self) -> None:
        await asyncio.to_thread(self._mend)

    def _mend(self) -> None:
        with self._client() as client:
            client.execute_command("CLIENT UNPAUSE")
            for key in client.keys("alertdrill*"):
                client.delete(key)

    def is_broken(self) -> bool:
        if self._delays_a_write(0.3):
            # A busy machine may delay it, too; a pause does not delay an answer to this.
            with self._client() as client:
                client.ping()
            if self._delays_a_write(1.0):
                return True
        with self._client() as client:
            return any(client.get(key) not in {None, _THEIRS} for key in client.keys("alertdrill*"))

    def others(self) -> Any:
        with self._client() as client:
            return {key: client.get(key) for key in client.scan_iter() if key.startswith(b"theirs")}

    def _delays_a_write(self, within_seconds: float) -> bool:
        with self._client(within_seconds) as client:
            try:
                client.set("written", "now")
            except redis.TimeoutError:
                return True
        return False

    def _client(self, within_seconds: float = 60.0) -> Any:
        return redis.Redis(
            host="127.0.0.1", port=self._port, socket_timeout=within_seconds, retry=Retry(NoBackoff(), 0)
        )


_OURS = "FROM pg_stat_activity WHERE application_name LIKE 'alertdrill-%'"


class PostgresToBreak(Target):
    """A PostgreSQL with a database and a table, and with a connection of another user to another database."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        del directory
        self.fault = {"kind": "postgres", "url": "postgresql://postgres@postgres:5432/shop"} | fault
        self._open = AsyncExitStack()

    async def come_back(self) -> None:
        self._server = await self._open.enter_async_context(postgres_server())
        theirs = await self._server.connect(server_settings={"application_name": "theirs"})
        await self.return_anew()
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

    async def vanish(self) -> None:
        await self._fetch("DROP DATABASE shop WITH (FORCE)")

    async def return_anew(self) -> None:
        await self._fetch("CREATE DATABASE shop")
        await self._fetch("CREATE TABLE accounts ()", "shop")

    async def be_changed(self) -> None:
        await self._fetch(f"SELECT pg_terminate_backend(pid) {_OURS}")

    async def mend(self) -> None:
        await self.be_changed()

    def is_broken(self) -> bool:
        return bool(asyncio.run(self._fetch(f"SELECT 1 {_OURS}")))

    def others(self) -> Any:
        theirs = "SELECT pid FROM pg_stat_activity WHERE application_name = 'theirs'"
        return [row["pid"] for row in asyncio.run(self._fetch(theirs))]

    async def _fetch(self, query: str, database: str = "postgres") -> list[Any]:
        connection = await self._server.connect(database=database)
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

    async def be_changed(self) -> None:
        self._enabled = False

    async def mend(self) -> None:
        self._enabled = False

    def is_broken(self) -> bool:
        return self._enabled

    async def _switch(self, request: web.Request) -> web.Response:
        self._enabled = request.match_info["state"] == "enable"
        return web.Response(text="done")

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response({"enabled": self._enabled})


# A supervisor that is killed just after a fork would leave an engine that nobody told of its death.
_ENGINE = """
import os, socket, sys
if os.getppid() != int(sys.argv[2]):
    sys.exit()
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listening.accept()[0].close()
"""
_SUPERVISOR = """
import os, subprocess, sys, time
command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-S", "-c", *sys.argv[1:], str(os.getpid())]
while True:
    subprocess.run(command)
    time.sleep(0.05)
"""


class ProcessTarget(Target):
    """A server with a supervisor that restarts it, and a second one like it."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        del directory
        self._ports = free_ports(2)
        self.fault = {"kind": "process", "port": self._ports[0]} | fault
        self.endpoints = {"toxiproxy_url": "http://127.0.0.1:1"}
        self._supervisors: dict[int, subprocess.Popen[bytes]] = {}

    async def come_back(self) -> None:
        for port in self._ports:
            self._supervise(port)
        await self._until_settled()

    def _supervise(self, port: int) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-S", "-c", _SUPERVISOR]
        self._supervisors[port] = subprocess.Popen([*command, _ENGINE, str(port)], stderr=subprocess.DEVNULL)

    async def _until_settled(self) -> None:
        before: list[list[int]] = []
        # A server whose port is taken restarts again and again, with a new number at each look.
        while before != (now := [self._pids(port) for port in self._ports]) or not all(now):
            before = now
            await asyncio.sleep(0.5)

    async def go_down(self) -> None:
        """End all servers and their supervisors."""
        for port in self._ports:
            self._end_supervisor(port)

    def _end_supervisor(self, port: int) -> None:
        self._supervisors[port].kill()
        self._supervisors[port].wait()

    @property
    def can_restart(self) -> bool:
        return False

    async def vanish(self) -> None:
        self._end_supervisor(self._ports[0])
        self._end_server()

    async def return_anew(self) -> None:
        self._supervise(self._ports[0])
        await self._until_settled()

    async def be_changed(self) -> None:
        """End the server, so that its supervisor starts another one."""
        self._end_server()

    async def settle(self) -> None:
        """Wait for its supervisor, which starts it again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLES_WITHIN_SECONDS):
                await self._until_settled()

    def _end_server(self) -> None:
        for pid in self._pids(self._ports[0]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

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

    async def be_changed(self) -> None:
        """End the processes that hold the fault."""
        for pid in _processes(self._is_ours):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def is_broken(self) -> bool:
        return bool(_processes(self._is_ours))

    def _is_ours(self, command: list[bytes]) -> bool:
        return self._module in command and json.loads(command[5])[self._setting] == self._value


class CommandTarget(Target):
    """A folder in which one command creates a file and another removes it, beside a file of another user."""

    def __init__(self, directory: Path, fault: dict[str, Any]) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=directory))
        (self._folder / "theirs").touch()
        self._broken, self._program = self._folder / "broken", directory / "undo-it"
        self.fault = fault | {
            "kind": "command",
            "begin": {"run": ["touch", str(self._broken)]},
            "end": {"run": [str(self._program), str(self._broken)]},
            "confirm": {"run": ["test", "!", "-e", str(self._broken)]},
        }
        self.endpoints = {"toxiproxy_url": "http://127.0.0.1:1"}

    async def come_back(self) -> None:
        self._program.write_text('#!/bin/sh\nrm -f "$1"\n')
        self._program.chmod(0o755)

    async def vanish(self) -> None:
        """Remove the program that ends the fault."""
        self._program.unlink()

    async def return_anew(self) -> None:
        await self.come_back()

    async def be_changed(self) -> None:
        await self.mend()

    async def mend(self) -> None:
        self._broken.unlink(missing_ok=True)

    def is_broken(self) -> bool:
        return self._broken.exists()

    def others(self) -> Any:
        return sorted(path.name for path in self._folder.iterdir() if path.name != "broken")


def _processes(is_it: Callable[[list[bytes]], bool]) -> list[int]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - as below
        try:
            with open(f"/proc/{name}/cmdline", "rb", buffering=0) as file:  # noqa: PTH123 - paths would take twice the time
                command = file.read()
            if is_it(command.split(b"\0")):
                found.append(int(name))
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
    "process kept down": (ProcessTarget, {"action": "kill", "keep_down": True, "restarts_within": "5s"}),
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
