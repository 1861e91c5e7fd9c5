"""The ledger, on a real file system and on a full one."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from alertdrill.chaos.errors import FaultNotApplied
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.toxiproxy.down import DownInjection
from alertdrill.chaos.toxiproxy.toxic import ToxicInjection
from tests.support.full_disk import files_of_at_most
from tests.support.left_behind import FAULT

TOXIC = ToxicInjection(
    toxiproxy_url="http://127.0.0.1:8474",
    proxy="db",
    name="alertdrill-1",
    type="latency",
    stream="upstream",
    toxicity=0.5,
    attributes={"latency": 1, "jitter": 0},
)
DOWN = DownInjection(toxiproxy_url="http://127.0.0.1:8474", proxy="db")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger", "slow")


def names(ledger: Ledger) -> list[str]:
    return [path.name for path in ledger.directory.iterdir()]


@pytest.mark.parametrize("injection", [TOXIC, DOWN])
def test_an_entry_is_read_as_it_was_written(injection: ToxicInjection | DownInjection, ledger: Ledger) -> None:
    entry = Entry.of(FAULT, injection, "slow")
    ledger.write("alertdrill-1", entry)
    assert ledger.read().entries == {"alertdrill-1": entry}


def test_finding_an_entry_loads_nothing_for_the_others(ledger: Ledger) -> None:
    """A fault must be undone soon, and loading another kind takes long on a busy machine."""
    ledger.write("alertdrill-1", Entry.of(FAULT, TOXIC, "slow"))
    ledger.write("alertdrill-2", Entry.of(FAULT, DOWN, "other"))
    program = (
        "import sys\nfrom pathlib import Path\nfrom alertdrill.chaos.safety.ledger import Ledger\n"
        "print(Ledger(Path(sys.argv[1])).find('alertdrill-1').target, 'alertdrill.chaos.toxiproxy.down' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(ledger.directory)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{TOXIC.target} False\n"


def test_an_entry_can_be_written_again_with_what_was_learnt_meanwhile(ledger: Ledger) -> None:
    ledger.write("alertdrill-1", Entry.of(FAULT, TOXIC, "slow"))
    learnt = Entry.of(FAULT, TOXIC.model_copy(update={"attributes": {"latency": 2}}), "slow")
    ledger.rewrite("alertdrill-1", learnt)
    assert ledger.read().entries == {"alertdrill-1": learnt}
    assert {path.stat().st_mode & 0o777 for path in ledger.directory.iterdir()} == {0o600}


def test_an_entry_that_lapsed_stays_lapsed_when_it_is_written_again(ledger: Ledger) -> None:
    entry = Entry.of(FAULT, TOXIC, "slow")
    ledger.write("alertdrill-1", entry)
    ledger.lapse("alertdrill-1")
    learnt = Entry.of(FAULT, DOWN, "slow")
    ledger.rewrite("alertdrill-1", learnt)
    contents = ledger.read()
    assert contents.entries == {"alertdrill-1": learnt}
    assert contents.lapsed == {"alertdrill-1"}
    assert not ledger.is_kept("alertdrill-1")


def test_an_entry_that_was_removed_is_not_written_again(ledger: Ledger) -> None:
    entry = Entry.of(FAULT, TOXIC, "slow")
    ledger.write("alertdrill-1", entry)
    ledger.remove("alertdrill-1")
    ledger.rewrite("alertdrill-1", entry)
    assert ledger.read().entries == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "cannot be read: Expecting property name"),
        ("", "cannot be read: Expecting value"),
        ("\udcff", "cannot be read: 'utf-8' codec"),
        ("[" * 100_000, "cannot be read: maximum recursion depth"),
    ],
)
def test_an_unreadable_entry_is_reported_and_hides_no_other(text: str, expected: str, ledger: Ledger) -> None:
    ledger.write("alertdrill-2", Entry.of(FAULT, TOXIC, "slow"))
    (ledger.directory / "alertdrill-1.json").write_bytes(text.encode(errors="surrogateescape"))
    contents = ledger.read()
    assert list(contents.entries) == ["alertdrill-2"]
    (problem,) = contents.unreadable
    assert "alertdrill-1.json" in problem
    assert expected in problem
    assert "\n" not in problem


def test_an_entry_with_an_odd_name_is_reported_in_one_line(ledger: Ledger) -> None:
    ledger.write("alertdrill-2", Entry.of(FAULT, TOXIC, "slow"))
    for name, text in (
        ("alertdrill-\n1.json", "{"),
        ("alertdrill-\x1b[2J.json", "{}"),
        ("alertdrill-\udcff.json", "{}"),
    ):
        (ledger.directory / name).write_text(text)
    contents = ledger.read()
    assert (len(contents.unreadable), len(contents.refused)) == (1, 2)
    assert all(line.isprintable() for line in (*contents.unreadable, *contents.refused))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "fault: Field required"),
        ('{"injection": {"kind": "magic"}}', "unknown kind 'magic', expected one of: "),
        ('{"injection": {"kind": ["toxic"]}}', "unknown kind ['toxic'], expected one of: "),
        ('{"injection": {"kind": "apply_manifest", "objects": [{"body": {}}]}}', "injection.objects.0.kind: "),
    ],
)
def test_a_signed_entry_that_is_no_fault_is_unreadable(text: str, expected: str, ledger: Ledger) -> None:
    with ledger_files.made(ledger.directory) as folder:
        ledger_files.write_entry(folder, "alertdrill-1", text)
    (problem,) = ledger.read().unreadable
    assert expected in problem


def test_a_full_disk_leaves_nothing_behind(ledger: Ledger) -> None:
    with files_of_at_most(64), pytest.raises(FaultNotApplied, match="cannot be written, so nothing is broken"):
        ledger.write("alertdrill-1", Entry.of(FAULT, TOXIC, "slow"))
    assert list(ledger.directory.iterdir()) == []
    # Large enough for the key, and not for the entry.
    with files_of_at_most(100), pytest.raises(FaultNotApplied, match="cannot be written, so nothing is broken"):
        ledger.write("alertdrill-1", Entry.of(FAULT, TOXIC, "slow"))
    assert names(ledger) == ["key"]


def test_a_lapsed_fault_is_in_force_but_does_not_belong_to_its_owner(ledger: Ledger) -> None:
    ledger.write("alertdrill-1", Entry.of(FAULT, TOXIC, "slow"))
    assert ledger.is_kept("alertdrill-1")
    ledger.lapse("alertdrill-1")
    assert not ledger.is_kept("alertdrill-1")
    assert ledger.read().lapsed == {"alertdrill-1"}
    ledger.remove("alertdrill-1")
    assert ledger.read().entries == {}


def test_a_removed_entry_cannot_lapse_and_may_be_removed_again(ledger: Ledger) -> None:
    ledger.write("alertdrill-1", Entry.of(FAULT, TOXIC, "slow"))
    ledger.remove("alertdrill-1")
    ledger.remove("alertdrill-1")
    ledger.lapse("alertdrill-1")
    assert names(ledger) == ["key"]


def test_an_entry_expires_a_little_after_the_longest_duration_of_its_fault() -> None:
    entry = Entry.of(FAULT.model_copy(update={"at_most": timedelta(minutes=2)}), TOXIC, "slow")
    assert entry.expires_at - entry.written_at == pytest.approx(125)
    assert not entry.is_expired
    assert entry.model_copy(update={"expires_at": entry.written_at - 1}).is_expired


def test_an_entry_without_its_owner_is_refused() -> None:
    with pytest.raises(ValidationError, match="owner"):
        Entry.model_validate({"fault": "latency"})
