"""A running agent is told to reload damaged files: the configuration before stays in force, and the load goes on."""

from __future__ import annotations

import random
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agent.daemon.test_run import Running, run_on, running, written
from tests.probes.hostile_server import HostileServer
from tests.support.waiting import wait_until

CALENDAR = """\
BEGIN:VCALENDAR
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260101
SUMMARY:New Year
END:VEVENT
END:VCALENDAR
"""
RELOADED = "alertdrill_config_last_reload_successful"
SUCCEEDED = 'alertdrill_transactions_total{outcome="succeeded"}'
HASH = re.compile(r'^alertdrill_config_hash\{sha256="(\w+)"\} 1\.0$', re.MULTILINE)
NAMED = re.compile(r"^\S+/agent\.yml:\d+: ")

CHANGES = {
    "an unknown kind": ("kind: http", "kind: htp"),
    "an unknown key": ("schedule:", "shedule:"),
    "a missing load": ("load: {rate: 40}\n", ""),
    "a load below zero": ("rate: 40", "rate: -40"),
    "a rate that is a text": ("rate: 40", "rate: fast"),
    "a duration without its unit": ("timeout: 5s", "timeout: 5"),
    "no drill of that name": ("*.drill", "*.dril"),
    "four fields of cron": ("0 10 1 1 *", "0 10 1 1"),
    "six fields of cron": ("0 10 1 1 *", "0 0 10 1 1 *"),
    "a minute that no hour has": ("0 10 1 1 *", "61 10 1 1 *"),
    "a zone that does not exist": ("Europe/Berlin", "Europe/Berlyn"),
    "no zone": ("  time_zone: Europe/Berlin\n", ""),
    "a calendar that does not exist": ("holidays.ics", "holiday.ics"),
    "an entry twice": ("entries: [", 'entries: [{name: yearly, drills: ["*.drill"], cron: "@daily"}, '),
    "a list where a mapping belongs": ("load: {rate: 40}", "load: [rate, 40]"),
    "a list that does not end": ("entries: [", "entries: [["),
    "a key twice": ("load: {rate: 40}\n", "load: {rate: 40}\nload: {rate: 40}\n"),
    "a variable that is not set": ("name: yearly", 'name: "${NOT_SET_ANYWHERE}"'),
    "an alias of nothing": ("rate: 40", "rate: *rate"),
    "a tag of Python": ("rate: 40", "rate: !!python/name:os.system x"),
    "a tab": ("  time_zone", "\ttime_zone"),
    "two documents": ("schedule:", "---\nschedule:"),
    "a template": ("rate: 40", "rate: {{ .Values.rate }}"),
    "another address": ("listen: 127.0.0.1:", "listen: 127.0.0.2:"),
    "another ledger": ("ledger: ledger", "ledger: other"),
    "no ledger": ("ledger: ledger\n", ""),
    "another folder of recordings": ("recordings: kept", "recordings: other"),
    "another Prometheus": ('prometheus: {url: "http://127.0.0.1:1"}', 'prometheus: {url: "http://127.0.0.1:2"}'),
    "another web": ("enable_lifecycle: true", "enable_lifecycle: false"),
    "a web.yml that does not exist": ("enable_lifecycle: true", "config_file: web.yml"),
}
CONTENTS = {
    "nothing": b"",
    "only a comment": b"# later\n",
    "a text": b"no configuration\n",
    "a list": b"- 1\n",
    "bytes": bytes(range(256)),
    "zeros, as after a power cut": bytes(4096),
    "UTF-16": "load: {rate: 40}".encode("utf-16"),
    "brackets without end": b"load: " + b"[" * 50_000,
    "aliases that multiply": b"a: &a [x, x]\nb: [" + b"*a, " * 60_000 + b"]\n",
}
DRILLS = {
    "a drill without its name": ("drill: slow\n", ""),
    "a drill with an unknown key": ("rate: 40", "rat: 40"),
    "a drill with a fault of no kind": ("expect:", "faults: [{kind: slowness}]\nexpect:"),
    "a drill that expects nothing by name": ("alert: Slow", "alarm: Slow"),
    "a drill that does not end": ("[{alert", "[[{alert"),
}
CALENDARS = {
    "a calendar that does not end": ("END:VCALENDAR", ""),
    "a calendar of hours": ("UID:1", "UID:1\nRRULE:FREQ=HOURLY"),
    "a day that no month has": ("20260101", "20260199"),
    "an event before 1900": ("20260101", "18000101"),
}


def damages(agent: Running) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield more than a hundred damages by their names, each with what does it to the whole files."""
    folder, config = agent.config.parent, agent.config
    for file, changes in ((config, CHANGES), (folder / "slow.drill", DRILLS), (folder / "holidays.ics", CALENDARS)):
        text = file.read_text()
        for name, (before, after) in changes.items():
            assert before in text, name
            new = text.replace(before, after)
            yield name, lambda file=file, new=new: file.write_text(new)
    for name, content in CONTENTS.items():
        yield name, lambda content=content: config.write_bytes(content)
    yield "no file", config.unlink
    yield "a link to nothing", lambda: (config.unlink(), config.symlink_to("nothing"))
    yield "a link to itself", lambda: (config.unlink(), config.symlink_to(config))
    yield "a folder", lambda: (config.unlink(), config.mkdir())
    yield "no drill", (folder / "slow.drill").unlink
    yield "no calendar", (folder / "holidays.ics").unlink
    yield from _by_chance(config)


def _by_chance(file: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield cuts, missing lines and changed characters; a few of them leave a file that is well."""
    chance = random.Random(19)  # noqa: S311 - a sample
    text = file.read_text()
    lines = text.splitlines(keepends=True)
    for number in range(len(lines)):
        yield f"line {number + 1} twice", lambda n=number: file.write_text("".join(lines[: n + 1] + lines[n:]))
    for at in chance.sample(range(len(text)), 60):
        yield f"cut off at {at}", lambda at=at: file.write_text(text[:at])
    # With another load there would be other workers.
    begin = text.index("\n")
    for at in chance.sample([*range(begin, text.index("load:")), *range(text.index("web:"), len(text))], 60):
        wrong = chance.choice([b"\xff", b"\0", b"[", b"}", b"- ", b"\t"])
        new = text[:at].encode() + wrong + text[at + 1 :].encode()
        yield f"{wrong!r} at {at}", lambda new=new: file.write_bytes(new)


@contextmanager
def whole_afterwards(folder: Path) -> Iterator[None]:
    """Put every file of a folder back as it was."""
    contents = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    try:
        yield
    finally:
        for path, content in contents.items():
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.is_symlink():
                path.unlink()
            path.write_bytes(content)


def in_force(agent: Running) -> str:
    (found,) = HASH.findall(agent.ask("/metrics")[1])
    return str(found)


@contextmanager
def agent_with_files(folder: Path, port: int) -> Iterator[Running]:
    """Run an agent with a calendar as well."""
    (folder / "holidays.ics").write_text(CALENDAR)
    with running(folder, port, more="  calendars: [holidays.ics]\n") as agent:
        agent.until("/-/ready")
        agent.until_metric(SUCCEEDED, 1)
        yield agent


@pytest.mark.servers
def test_a_running_agent_refuses_a_hundred_damaged_files_and_the_one_before_stays_in_force(tmp_path: Path) -> None:
    with HostileServer() as server, agent_with_files(tmp_path, server.port) as agent:
        before, worker = in_force(agent), agent.worker
        refused = list[str]()
        for name, damage in damages(agent):
            with whole_afterwards(tmp_path):
                damage()
                status, text = agent.ask("/-/reload", post=True)
                # The agent looks at the file by itself, too: soon it would find that it is whole again.
                found = in_force(agent), agent.metric(RELOADED)
            if status == 200 and (" at " in name or name.startswith("line ")):
                # By chance it was no damage.
                assert agent.ask("/-/reload", post=True)[0] == 200, name
                continue
            assert status == 400, (name, text)
            assert text.strip(), name
            if not name.startswith(("no file", "a link", "a folder")):
                assert all(NAMED.match(line) for line in text.splitlines()), (name, text)
            assert str(agent.config) in text, (name, text)
            assert found == (before, 0), name
            refused.append(name)
            if len(refused) % 20 == 0:
                agent.until_metric(SUCCEEDED, agent.metric(SUCCEEDED) + 1)
        assert len(refused) >= 100
        assert agent.ask("/-/reload", post=True) == (200, "reloaded\n")
        assert (in_force(agent), agent.metric(RELOADED)) == (before, 1)
        assert (agent.worker, agent.metric("alertdrill_worker_deaths_total")) == (worker, 0)
        assert agent.metric('alertdrill_transactions_total{outcome="lost"}') <= 0
        agent.until("/-/ready")


@pytest.mark.servers
def test_at_sighup_a_damaged_file_is_refused_as_well(tmp_path: Path) -> None:
    """Only a signal or a call lets the agent look at a drill again."""
    with HostileServer() as server, agent_with_files(tmp_path, server.port) as agent:
        before, drill = in_force(agent), tmp_path / "slow.drill"
        whole = drill.read_text()
        for name, (old, new) in DRILLS.items():
            for content, succeeds in ((whole.replace(old, new), 0), (whole, 1)):
                drill.write_text(content)
                agent.process.send_signal(signal.SIGHUP)
                agent.until_metric_is(RELOADED, succeeds)
                assert in_force(agent) == before, name
        agent.until_metric(SUCCEEDED, agent.metric(SUCCEEDED) + 1)
        agent.process.send_signal(signal.SIGTERM)
        lines = agent.process.communicate(timeout=300)[0].splitlines()
        refusals = [line for line in lines if "is not reloaded, and the one before stays in force" in line]
        assert len(refusals) == len(DRILLS)
        assert all(re.search(r"agent\.yml:\d+: schedule\.entries: \S*slow\.drill:\d+: ", line) for line in refusals)


def as_config_map(folder: Path) -> None:
    """Put the files of a folder as Kubernetes mounts them: each is a link through a link to a folder."""
    (folder / "..one").mkdir()
    (folder / "..data").symlink_to("..one")
    for file in [path for path in folder.iterdir() if path.is_file()]:
        file.rename(folder / "..one" / file.name)
        file.symlink_to(Path("..data") / file.name)


def update_config_map(folder: Path, name: str, old: str, new: str) -> None:
    """Change one file as Kubernetes does: all files are there again, and one rename puts them in force."""
    shutil.copytree(folder / "..one", folder / "..two")
    file = folder / "..two" / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    (folder / "..data_tmp").symlink_to("..two")
    (folder / "..data_tmp").rename(folder / "..data")


@pytest.mark.servers
def test_a_config_map_that_is_replaced_comes_into_force_by_itself(tmp_path: Path) -> None:
    """Nobody signals or calls; the link agent.yml stays the same."""
    with HostileServer() as server:
        config, listen = written(tmp_path, server.port)
        as_config_map(tmp_path)
        with run_on(config, listen) as agent:
            agent.until("/-/ready")
            before, worker = in_force(agent), agent.worker
            update_config_map(tmp_path, "agent.yml", "name: yearly", "name: once-a-year")
            wait_until(lambda: in_force(agent) != before, "the new configuration is in force", 180)
            assert agent.metric(RELOADED) == 1
            agent.until_metric('alertdrill_schedule_next_run_timestamp_seconds{entry="once-a-year"}', 1)
            assert agent.worker == worker


@pytest.mark.servers
@pytest.mark.parametrize("web", ["", "web: {enable_lifecycle: false}\n"])
def test_without_the_setting_a_call_reloads_nothing_and_is_told_how_to_allow_it(tmp_path: Path, web: str) -> None:
    with HostileServer() as server:
        config, listen = written(tmp_path, server.port)
        config.write_text(config.read_text().replace("web: {enable_lifecycle: true}\n", web))
        with run_on(config, listen) as agent:
            agent.until("/-/ready")
            before = agent.metric("alertdrill_config_last_reload_success_timestamp_seconds")
            told = "it is not allowed: set web: {enable_lifecycle: true} in agent.yml\n"
            assert agent.ask("/-/reload", post=True) == (403, told)
            assert agent.metric("alertdrill_config_last_reload_success_timestamp_seconds") == before
