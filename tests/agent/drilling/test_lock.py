"""Only one drill runs on a target at a time, and the lock ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alertdrill.agent.config.agent import AgentConfig
from alertdrill.agent.config.drill import Drill
from alertdrill.agent.drilling.lock import canonical, locked
from alertdrill.agent.drilling.site import Dependencies, Site
from alertdrill.agent.errors import ConfigError

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
from pathlib import Path
from alertdrill.agent.drilling.lock import locked
with locked(Path(sys.argv[1]), ["the database"], "theirs"):
    print("held", flush=True)
    time.sleep(60)
"""


def held(folder: Path) -> str:
    """The drill that a lock's file names."""
    (path,) = folder.glob("*.lock")
    return str(json.loads(path.read_text())["drill"])


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_drill_that_holds_the_lock_is_named_and_other_targets_are_free(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    expected = rf"drill theirs of process {other.pid} drills the database already: wait for its end"
    with pytest.raises(ConfigError, match=expected), locked(tmp_path, ["the cache", "the database"], "mine"):
        pass
    with locked(tmp_path, ["the cache"], "mine"):
        pass
    other.kill()
    other.wait()


def test_the_lock_of_a_killed_process_is_free(other: subprocess.Popen[str], tmp_path: Path) -> None:
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with locked(tmp_path, ["the database"], "mine"):
        assert held(tmp_path) == "mine"


def test_the_lock_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path, ["the database"], "mine"):
            assert held(tmp_path) == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="the lock cannot be made there"), locked(tmp_path / "file" / "x", ["a"], "b"):
        pass


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://127.0.0.1:8474", "http://localhost:8474/"),
        ("http://[::1]:8474", "127.0.0.1:8474"),
        ("http://Shop.example.invalid", "http://shop.example.invalid:80/path?query"),
        ("https://192.0.2.1", "192.0.2.1:443"),
        ("the cluster of staging", "the cluster of staging"),
    ],
)
async def test_spellings_of_one_target_are_one(one: str, other: str) -> None:
    assert await canonical(one) == await canonical(other)


async def test_other_ports_and_other_machines_are_others() -> None:
    spelled = ["http://127.0.0.1:8474", "http://127.0.0.1:8475", "http://192.0.2.1:8474", "a cluster"]
    assert len({await canonical(one) for one in spelled}) == len(spelled)


async def test_agents_with_different_ledgers_lock_the_same_targets(tmp_path: Path) -> None:
    def site(name: str, toxiproxy: str) -> Site:
        values = {"probe": {"kind": "tcp", "url": "tcp://127.0.0.1:1"}, "ledger": tmp_path / name / "ledger"}
        servers = {server: {"url": "http://127.0.0.1:1"} for server in ("prometheus", "alertmanager")}
        config = AgentConfig.model_validate(values | servers | {"toxiproxy": {"url": toxiproxy}})
        return Site(config, dependencies=Dependencies(locks=tmp_path))

    def drill(name: str, redis: str) -> Drill:
        fault = {"kind": "redis", "url": redis, "action": "block", "allow": "block x"}
        return Drill.model_validate({"drill": name, "load": {"rate": 1}, "faults": [fault]})

    first, second = drill("first", "redis://127.0.0.1:2"), drill("second", "redis://localhost:2")
    async with site("a", "http://127.0.0.1:3").locked(first):
        with pytest.raises(ConfigError, match=r"drill first of process .* drills this machine:3 already"):
            async with site("b", "http://localhost:3").locked(drill("third", "redis://127.0.0.1:9")):
                pass
        with pytest.raises(ConfigError, match=r"drill first of process .* drills this machine:2 already"):
            async with site("b", "http://127.0.0.1:4").locked(second):
                pass
        async with site("b", "http://127.0.0.1:4").locked(drill("third", "redis://127.0.0.1:9")):
            pass


def test_a_link_in_the_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path, ["a"], "mine"):
        (path,) = tmp_path.glob("*.lock")
    path.touch()
    precious = tmp_path / "precious"
    precious.write_text("kept")
    for link in (path.symlink_to, path.hardlink_to):
        path.unlink()
        link(precious)
        with pytest.raises(ConfigError, match="the lock cannot be made there"), locked(tmp_path, ["a"], "mine"):
            pass
    assert precious.read_text() == "kept"


def test_another_user_can_lock_the_same_file(tmp_path: Path) -> None:
    with locked(tmp_path, ["a"], "mine"):
        (path,) = tmp_path.glob("*.lock")
        assert path.stat().st_mode & 0o777 == 0o666


@pytest.mark.parametrize("text", ["", "[" * 9999, '{"drill": "\\u001b[31m", "pid": 1}', '{"drill": 1, "pid": "x"}'])
def test_what_others_wrote_into_a_lock_is_not_repeated(text: str, tmp_path: Path) -> None:
    with locked(tmp_path, ["a"], "mine"):
        (path,) = tmp_path.glob("*.lock")
        path.write_text(text)
        expected = r"^(another process|a drill of process 1) drills a already"
        with pytest.raises(ConfigError, match=expected), locked(tmp_path, ["a"], "mine"):
            pass


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with locked(tmp_path, ["a", "b"], "mine"):
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []


def test_of_many_that_come_and_go_one_holds_it(tmp_path: Path) -> None:
    """The file is removed by one while others open it."""
    held: list[int] = []

    def come_and_go(number: int) -> int:
        times = 0
        for _ in range(200):
            with contextlib.suppress(ConfigError), locked(tmp_path, ["a"], f"drill-{number}"):
                held.append(number)
                assert held == [number]
                held.clear()
                times += 1
        return times

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(come_and_go, range(4))) > 0
    assert list(tmp_path.iterdir()) == []
