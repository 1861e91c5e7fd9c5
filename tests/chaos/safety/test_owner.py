from __future__ import annotations

import signal
import subprocess
from dataclasses import replace

import pytest

from alertdrill.chaos.safety.owner import Owner


def owner_of(pid: int) -> Owner:
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - as an operator would look
        return replace(Owner.this_process(), pid=pid, started=int(stat.read().rpartition(")")[2].split()[19]))


def test_a_process_differs_from_a_later_one_with_its_number() -> None:
    here = Owner.this_process()
    assert here.is_alive
    assert not replace(here, started=here.started - 1).is_alive
    assert not replace(here, boot="another").is_alive


def test_a_stopped_process_is_alive_and_a_killed_one_is_not_even_before_it_is_reaped() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        owner = owner_of(process.pid)
        process.send_signal(signal.SIGSTOP)
        assert owner.is_alive
        process.kill()
        while owner.is_alive:
            pass
        assert process.returncode is None
    assert not owner.is_alive


@pytest.mark.parametrize("name", ["a) S 1 (b", "plain"])
def test_a_process_name_with_brackets_is_parsed(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    program = tmp_path_factory.mktemp("bin") / name
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        assert owner_of(process.pid).is_alive
        process.kill()
