"""Each turn is taken once, by whichever process asks for it first."""

from __future__ import annotations

import subprocess
import sys

from alertdrill.agent.drilling.turns import dealt, taken

PROGRAM = "import sys; from alertdrill.agent.drilling.turns import taken; print(*taken(int(sys.argv[1])))"


def test_one_process_takes_all_in_their_order() -> None:
    with dealt(300) as turns:
        assert list(taken(turns)) == list(range(300))


def test_several_processes_have_each_turn_once() -> None:
    with dealt(1000) as turns:
        command = [sys.executable, "-c", PROGRAM, str(turns)]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=(turns,), text=True) for _ in range(3)]
        said = [process.communicate(timeout=60)[0] for process in started]
    assert sorted(int(number) for text in said for number in text.split()) == list(range(1000))


def test_without_turns_there_is_nothing_to_take() -> None:
    with dealt(0) as turns:
        assert list(taken(turns)) == []
