"""A ledger obeys only the user that runs alertdrill: whatever else lies there is named and not carried out."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alertdrill.chaos.errors import FaultNotApplied, LedgerRefused
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.safety.watchdog import Watchdog, loaded
from tests.support.breaking import endpoints, fault
from tests.support.left_behind import FAULT

# The account `nobody` of most systems.
_SOMEBODY = 65534
_AT_ONCE = """
import sys
from pathlib import Path
from alertdrill.chaos.safety import ledger_files
sys.stdin.readline()
with ledger_files.made(Path(sys.argv[1])) as folder:
    ledger_files.write_entry(folder, sys.argv[2], "{}")
"""

only_for_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


class Planted:
    """A ledger with the entry of a command that leaves a trace, of a process that is dead."""

    def __init__(self, folder: Path) -> None:
        self.trace = folder / "trace"
        self.ledger = Ledger(folder / "ledger", "slow")

    async def write(self) -> Path:
        step = {"run": ["touch", str(self.trace)]}
        command = fault(kind="command", begin=step, end=step)
        injection = await command.resolve(endpoints(), "alertdrill-1")
        here = Owner.this_process()
        dead = {"owner": Owner(here.pid, here.started - 1, here.boot)}
        self.ledger.write("alertdrill-1", Entry.of(FAULT, injection, "slow").model_copy(update=dead))
        return self.ledger.directory / "alertdrill-1.json"

    def alertdrill(self, *words: str) -> subprocess.CompletedProcess[str]:
        config = self.trace.with_name("agent.yml")
        servers = "".join(
            f"{name}: {{url: 'http://127.0.0.1:1'}}\n" for name in ("prometheus", "alertmanager", "toxiproxy")
        )
        probe = "probe: {kind: tcp, url: 'tcp://127.0.0.1:1'}\n"
        config.write_text(f"{servers}{probe}ledger: {self.ledger.directory}\n")
        command = [sys.executable, "-m", "alertdrill", *words, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def watched(self) -> dict[str, dict[str, Any]]:
        """What a watchdog of the entry's owner would undo."""
        here = Owner.this_process()
        dead = Owner(here.pid, here.started - 1, here.boot)
        watchdog = Watchdog(self.ledger.directory, "slow", dead, loaded(self.ledger.directory, ()))
        return watchdog._entries()  # noqa: SLF001 - what it reads is the promise


@pytest.fixture
async def planted(tmp_path: Path) -> Planted:
    made = Planted(tmp_path)
    await made.write()
    return made


def entry_of(planted: Planted) -> Path:
    return planted.ledger.directory / "alertdrill-1.json"


def _remove_the_signature(planted: Planted) -> None:
    entry = json.loads(entry_of(planted).read_text())
    del entry["signature"]
    entry_of(planted).write_text(json.dumps(entry))


def _change_the_command(planted: Planted) -> None:
    entry = json.loads(entry_of(planted).read_text())
    entry["injection"]["end"]["run"] = ["id"]
    entry_of(planted).write_text(json.dumps(entry))


def _rename(planted: Planted) -> None:
    entry_of(planted).rename(entry_of(planted).with_name("alertdrill-2.json"))


def _lose_the_key(planted: Planted) -> None:
    (planted.ledger.directory / "key").unlink()


def _empty_the_key(planted: Planted) -> None:
    (planted.ledger.directory / "key").write_text("")


def _let_others_write(planted: Planted) -> None:
    entry_of(planted).chmod(0o660)


def _let_others_write_the_key(planted: Planted) -> None:
    (planted.ledger.directory / "key").chmod(0o606)


def _put_a_link(planted: Planted) -> None:
    elsewhere = planted.trace.with_name("elsewhere.json")
    entry_of(planted).rename(elsewhere)
    entry_of(planted).symlink_to(elsewhere)


def _put_a_pipe(planted: Planted) -> None:
    entry_of(planted).unlink()
    os.mkfifo(entry_of(planted), 0o600)


def _put_a_huge_file(planted: Planted) -> None:
    with entry_of(planted).open("w") as file:
        file.truncate(5 * 1024 * 1024)


def _give_away(planted: Planted) -> None:
    os.chown(entry_of(planted), _SOMEBODY, _SOMEBODY)


def _give_the_key_away(planted: Planted) -> None:
    os.chown(planted.ledger.directory / "key", _SOMEBODY, _SOMEBODY)


def _let_others_write_the_folder(planted: Planted) -> None:
    planted.ledger.directory.chmod(0o777)


def _let_the_group_write_the_folder(planted: Planted) -> None:
    planted.ledger.directory.chmod(0o770)


def _make_the_folder_a_link(planted: Planted) -> None:
    elsewhere = planted.ledger.directory.with_name("elsewhere")
    planted.ledger.directory.rename(elsewhere)
    planted.ledger.directory.symlink_to(elsewhere)


def _give_the_folder_away(planted: Planted) -> None:
    os.chown(planted.ledger.directory, _SOMEBODY, _SOMEBODY)


WRONG_ENTRIES = [
    (_remove_the_signature, "alertdrill-1.json", "has no signature, so an older version of alertdrill wrote it"),
    (_change_the_command, "alertdrill-1.json", "was not signed with the key of this ledger"),
    (_rename, "alertdrill-2.json", "was not signed with the key of this ledger"),
    (_lose_the_key, "alertdrill-1.json", "was not signed with the key of this ledger"),
    (_empty_the_key, "alertdrill-1.json", "cannot be checked: the ledger's key is damaged: remove both files"),
    (_let_others_write, "alertdrill-1.json", "others can write it, so they could give orders: look at what it holds"),
    (_let_others_write_the_key, "alertdrill-1.json", "cannot be checked: the ledger's key others can write it"),
    (_put_a_link, "alertdrill-1.json", "is a link, and alertdrill makes none: remove it"),
    (_put_a_pipe, "alertdrill-1.json", "is not a file: remove it"),
    (_put_a_huge_file, "alertdrill-1.json", "is larger than any entry: remove it"),
    pytest.param(_give_away, "alertdrill-1.json", "belongs to the user nobody", marks=only_for_root),
    pytest.param(_give_the_key_away, "alertdrill-1.json", "key belongs to the user nobody", marks=only_for_root),
]
WRONG_FOLDERS = [
    (
        _let_others_write_the_folder,
        "others can write it, so they could give orders: look at what it holds, then chmod 700",
    ),
    (_let_the_group_write_the_folder, "others can write it, so they could give orders: look at what it holds"),
    (_make_the_folder_a_link, "the ledger is a link: set `ledger` in agent.yml to the folder itself"),
    pytest.param(_give_the_folder_away, "belongs to the user nobody, but alertdrill runs as", marks=only_for_root),
]


async def test_an_entry_that_this_program_wrote_is_carried_out(planted: Planted) -> None:
    assert list(planted.watched()) == ["alertdrill-1"]
    done = planted.alertdrill("heal")
    assert (done.returncode, planted.trace.exists()) == (0, True)


def _require_refused(planted: Planted, begin: str, expected: str) -> None:
    for command in ("heal", "status"):
        done = planted.alertdrill(command)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"alertdrill: {begin}")
        assert expected in line


@pytest.mark.parametrize(("spoil", "name", "expected"), WRONG_ENTRIES)
async def test_an_entry_that_somebody_else_could_have_written_is_refused(
    spoil: Callable[[Planted], None], name: str, expected: str, planted: Planted
) -> None:
    spoil(planted)
    assert planted.watched() == {}
    _require_refused(planted, f"the ledger entry {planted.ledger.directory / name} is not carried out: it ", expected)
    assert not planted.trace.exists()
    assert (planted.ledger.directory / name).is_symlink() or (planted.ledger.directory / name).exists()


@pytest.mark.parametrize(("spoil", "expected"), WRONG_FOLDERS)
async def test_a_folder_that_others_control_is_refused(
    spoil: Callable[[Planted], None], expected: str, planted: Planted
) -> None:
    entry = planted.ledger.read().entries["alertdrill-1"]
    spoil(planted)
    assert planted.watched() == {}
    _require_refused(planted, f"{planted.ledger.directory}: ", expected)
    assert not planted.trace.exists()
    with pytest.raises(FaultNotApplied, match="cannot be written, so nothing is broken: "):
        planted.ledger.write("alertdrill-3", entry)


async def test_the_other_entries_are_carried_out(planted: Planted) -> None:
    (planted.ledger.directory / "alertdrill-0.json").write_text("{}")
    done = planted.alertdrill("heal")
    assert "alertdrill-0.json is not carried out" in done.stderr
    assert (done.returncode, planted.trace.exists()) == (2, True)


async def test_a_refused_entry_does_not_hide_that_another_is_damaged(planted: Planted) -> None:
    (planted.ledger.directory / "alertdrill-0.json").write_text("{}")
    (planted.ledger.directory / "alertdrill-2.json").write_text("{")
    done = planted.alertdrill("heal")
    assert "alertdrill-0.json is not carried out" in done.stderr
    assert "alertdrill-2.json cannot be read" in done.stderr
    assert done.returncode == 4


async def test_nobody_else_can_read_it(planted: Planted) -> None:
    folder = planted.ledger.directory
    ledger_files.append(folder, "watchdog.log", "a line\n")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    assert modes == {"ledger": 0o700, "alertdrill-1.json": 0o600, "key": 0o600, "watchdog.log": 0o600}


async def test_the_folder_of_an_older_version_is_closed_with_the_next_entry(planted: Planted) -> None:
    planted.ledger.directory.chmod(0o755)
    await planted.write()
    assert stat.S_IMODE(planted.ledger.directory.stat().st_mode) == 0o700


async def test_a_link_in_the_place_of_the_log_is_not_written(planted: Planted) -> None:
    (planted.ledger.directory / "watchdog.log").symlink_to(planted.trace)
    with pytest.raises(OSError, match="symbolic links"):
        ledger_files.append(planted.ledger.directory, "watchdog.log", "a line\n")
    assert not planted.trace.exists()


def test_agents_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _AT_ONCE, str(tmp_path / "ledger")]
    started = [
        subprocess.Popen([*command, f"alertdrill-{number}"], stdin=subprocess.PIPE, text=True) for number in range(8)
    ]
    for one in started:
        one.communicate("\n")
    with ledger_files.opened(tmp_path / "ledger") as folder:
        read = {
            name: ledger_files.read_entry(folder, name, entry_id) for entry_id, name in ledger_files.entry_names(folder)
        }
    assert read == {f"alertdrill-{number}.json": {} for number in range(8)}
    assert not list((tmp_path / "ledger").glob("*.tmp"))


def test_a_folder_that_does_not_exist_is_an_empty_ledger(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "none").read().entries == {}


async def test_reading_a_refused_folder_raises(planted: Planted) -> None:
    _let_others_write_the_folder(planted)
    with pytest.raises(LedgerRefused, match="others can write it"):
        planted.ledger.read()
