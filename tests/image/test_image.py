"""The agent in its image, as the Deployment runs it: another user, no rights, and almost nothing to write to."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from alertdrill.agent.errors import INCONCLUSIVE
from alertdrill.lab.ports import free_ports
from alertdrill.lab.server import Server
from tests.integration.drilling import call
from tests.support import monitoring_servers
from tests.support.image import ROOT, Image, owned, require_unshare
from tests.support.monitoring_servers import Configuration
from tests.support.processes import children
from tests.support.toxiproxy_server import toxiproxy_server, witness
from tests.support.waiting import until

pytestmark = pytest.mark.servers
UID = 10001
_LOOK = """
import json, os
from pathlib import Path
status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\\t" in line)
wrote = []
for folder in ("/", "/work", "/home/alertdrill", "/opt/alertdrill", "/etc", "/usr", "/var", "/dev", "/etc/alertdrill",
               "/etc/alertdrill-secrets", "/tmp", "/dev/shm", "/var/lib/alertdrill"):
    try:
        (Path(folder) / "probe").write_text("a")
    except OSError:
        continue
    wrote.append(folder)
print(json.dumps({
    "uid": os.getuid(), "groups": os.getgroups(), "wrote": wrote, "pid": os.getpid(),
    **{name: status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")},
}))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    require_unshare()
    made = Image(tmp_path_factory.mktemp("image"))
    made.build()
    return made


def test_it_runs_as_another_user_without_rights_and_writes_only_where_it_must(image: Image) -> None:
    ended = image.run("python", "-c", _LOOK)
    assert ended.returncode == 0, ended.stderr
    nothing = "0" * 16
    assert json.loads(ended.stdout) == {
        "uid": UID,
        "groups": [],
        "wrote": ["/tmp", "/dev/shm", "/var/lib/alertdrill"],  # noqa: S108 - of the pod
        "pid": 1,
        "CapEff": nothing,
        "CapPrm": nothing,
        "CapBnd": nothing,
        "NoNewPrivs": "1",
    }


def test_its_command_without_arguments_is_the_help(image: Image) -> None:
    ended = image.run(*image.words["ENTRYPOINT"], *image.words["CMD"])
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Usage: alertdrill" in ended.stdout


def test_it_has_no_package_that_is_not_pinned(image: Image) -> None:
    ended = image.run("python", "-c", "import pytest")
    assert "ModuleNotFoundError: No module named 'pytest'" in ended.stderr


def test_the_configuration_of_the_deployment_is_right(image: Image) -> None:
    documents = yaml.safe_load_all((ROOT / "configs/kubernetes/deployment.yml").read_text())
    (shipped,) = (one["data"] for one in documents if one["kind"] == "ConfigMap")
    for name, text in shipped.items():
        (image.configured / name).write_text(text)
    (image.secrets / "webhook-token").write_text("hush-hush")
    ended = image.run("alertdrill", "check", "/etc/alertdrill")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@dataclass
class Broken:
    """Servers for a drill: a proxy that it breaks, and the agent.yml for it."""

    agent: dict[str, Any]
    toxiproxy: Server

    @property
    def is_open(self) -> bool:
        return bool(witness(self.toxiproxy).get_proxy("web").enabled)


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[Broken]:
    (web,) = free_ports(1)
    down = {"alert": "WebDown", "expr": 'up{job="web"} == 0'}
    monitored = Configuration(
        rule_groups=[{"name": "web", "rules": [down]}],
        prometheus_global={"scrape_interval": "1s", "evaluation_interval": "1s"},
        scrape_configs=[{"job_name": "web", "static_configs": [{"targets": [f"127.0.0.1:{web}"]}]}],
    )
    (folder / "monitoring").mkdir()
    (folder / "toxiproxy").mkdir()
    async with (
        monitoring_servers.find("old").started(folder / "monitoring", monitored) as monitoring,
        toxiproxy_server(folder / "toxiproxy") as toxiproxy,
    ):
        upstream = monitoring.prometheus.url.removeprefix("http://")
        witness(toxiproxy).create(name="web", listen=f"127.0.0.1:{web}", upstream=upstream, enabled=True)
        await until_quiet(monitoring.prometheus.url)
        agent = {
            "probe": {"kind": "http", "url": f"{monitoring.prometheus.url}/-/healthy"},
            "prometheus": {"url": monitoring.prometheus.url},
            "alertmanager": {"url": monitoring.alertmanager.url},
            "toxiproxy": {"url": f"http://{toxiproxy.address}"},
            "listen": f"127.0.0.1:{free_ports(1)[0]}",
            "recordings": "/var/lib/alertdrill/recordings",
            "ledger": "/var/lib/alertdrill/ledger",
        }
        yield Broken(agent, toxiproxy)


async def until_quiet(prometheus: str) -> None:
    """Wait until the proxy is scraped and no alert is active: otherwise a drill breaks nothing."""

    async def is_quiet() -> bool:
        up = await asyncio.to_thread(call, f"{prometheus}/api/v1/query?query=up%7Bjob%3D%22web%22%7D%3D%3D1")
        alerts = await asyncio.to_thread(call, f"{prometheus}/api/v1/alerts")
        return bool(up["data"]["result"]) and not alerts["data"]["alerts"]

    await until(is_quiet, "no alert is active", 180)


DOWN = {"kind": "down", "proxy": "web"}
DRILL = {"drill": "image", "load": {"rate": 5}, "baseline": "5s", "expect": [{"alert": "WebDown", "within": "1m"}]}


async def test_a_drill_breaks_and_mends_from_inside_the_image(image: Image, tmp_path: Path) -> None:
    """The watchdog starts there too: nothing is broken without it."""
    async with servers(tmp_path) as broken:
        step = {"run": ["sh", "-c", "echo from inside"]}
        faults = [DOWN, {"kind": "command", "begin": step, "end": step}]
        for _ in range(5):  # the machine can spoil a baseline, after which nothing is broken
            shutil.rmtree(image.state / "recordings", ignore_errors=True)
            ended = await drilled(image, broken.agent, DRILL | {"faults": faults})
            if ended.returncode != INCONCLUSIVE or "fault injected" in ended.stdout:
                break
            await until_quiet(broken.agent["prometheus"]["url"])
    assert ended.returncode in {0, INCONCLUSIVE}, ended.stdout + ended.stderr
    assert "fault injected: down on proxy web" in ended.stdout
    assert "fault injected: command on " in ended.stdout
    (recording,) = (image.state / "recordings").glob("image-*.recording.json.gz")
    assert owned(recording) == (UID, 0o600)
    assert owned(image.state / "ledger") == (UID, 0o700)
    assert list((image.state / "ledger").glob("alertdrill-*")) == []


async def test_a_killed_container_leaves_its_fault_and_the_next_one_undoes_it_first(
    image: Image, tmp_path: Path
) -> None:
    """Its watchdog ends with it, as docs/sidecar.md says; the first process of both containers has the number 1."""
    async with servers(tmp_path) as broken:
        write(image, broken.agent | {"load": {"rate": 5}}, DRILL | {"faults": [DOWN | {"lasts": "5m"}]})
        files = ("--config", "/etc/alertdrill/agent.yml", "/etc/alertdrill/drill.yml")
        for _ in range(5):
            async with started(image, tmp_path / "first", "drill", *files) as first:
                await first.until_said("fault injected: down on proxy web", "nothing was broken, because")
            if not broken.is_open:
                break
            await until_quiet(broken.agent["prometheus"]["url"])
        assert not broken.is_open
        async with started(image, tmp_path / "next", "run", "--config", "/etc/alertdrill/agent.yml") as following:
            await following.until_said("listening on ")
            assert broken.is_open
    told = (tmp_path / "next").read_text().splitlines()
    assert " healed: alertdrill-" in told[0]
    assert list((image.state / "ledger").glob("alertdrill-*")) == []


@dataclass
class Container:
    """A running container, with what it has printed."""

    process: asyncio.subprocess.Process
    out: Path

    async def until_said(self, *texts: str) -> None:
        """Wait until it has said one of these."""

        async def is_said() -> bool:
            said = self.out.read_text()
            assert self.process.returncode is None or any(text in said for text in texts), said
            return any(text in said for text in texts)

        await until(is_said, " or ".join(texts), 300)


@asynccontextmanager
async def started(image: Image, out: Path, *words: str) -> AsyncIterator[Container]:
    """Run alertdrill in a container, which is killed when the block ends."""
    with out.open("wb") as file:
        process = await asyncio.create_subprocess_exec(*image.command("alertdrill", *words), stdout=file, stderr=file)
    try:
        yield Container(process, out)
    finally:
        (first, *others) = processes_below(process.pid) or [0]
        # Otherwise the watchdog may still see the end of the agent before it is ended itself.
        for one in others:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
        if first:
            # With the first process of a container the kernel ends all others.
            os.kill(first, signal.SIGKILL)
        await process.wait()


def processes_below(pid: int) -> list[int]:
    """Return the descendants of a process, parents first; none if it has ended."""
    return [one for child in children(pid) for one in (child, *processes_below(child))]


def write(image: Image, agent: dict[str, Any], drill: dict[str, Any]) -> None:
    for name, values in {"agent": agent, "drill": drill}.items():
        (image.configured / f"{name}.yml").write_text(yaml.safe_dump(values))


async def drilled(image: Image, agent: dict[str, Any], drill: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    write(image, agent, drill)
    files = ("--config", "/etc/alertdrill/agent.yml", "/etc/alertdrill/drill.yml")
    planned = await asyncio.to_thread(image.run, "alertdrill", "drill", *files, "--dry-run")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    return await asyncio.to_thread(image.run, "alertdrill", "drill", *files)
