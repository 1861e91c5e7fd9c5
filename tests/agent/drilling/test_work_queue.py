"""Each number of the queue is taken once, by the process that requests it first."""

from __future__ import annotations

import subprocess
import sys

from alertdrill.agent.drilling.together import WorkQueue

PROGRAM = (
    "import sys; from alertdrill.agent.drilling.together import WorkQueue; print(*WorkQueue(int(sys.argv[1])).taken())"
)


def test_one_process_takes_all_in_their_order() -> None:
    with WorkQueue.of(300) as queue:
        assert list(queue.taken()) == list(range(300))


def test_several_processes_take_each_number_once() -> None:
    with WorkQueue.of(1000) as queue:
        number = queue.descriptor
        command = [sys.executable, "-c", PROGRAM, str(number)]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=(number,), text=True) for _ in range(3)]
        printed = [process.communicate(timeout=300)[0] for process in started]
    assert sorted(int(number) for text in printed for number in text.split()) == list(range(1000))


def test_an_empty_queue_has_nothing_to_take() -> None:
    with WorkQueue.of(0) as queue:
        assert list(queue.taken()) == []
