"""Signals at any moment of a start."""

from __future__ import annotations

import subprocess
import sys

SWALLOWED = """
import os, signal
from alertdrill.agent import interrupts
interrupts.listen()
with interrupts.exiting():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException:
        pass  # as some imports do
    with interrupts.cancelling(lambda: None):
        print("it went on")
"""


def test_a_signal_that_an_import_swallowed_still_ends_the_command() -> None:
    ended = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "alertdrill: interrupted\n")


IN_C_CODE = """
import ctypes, os, signal
from alertdrill.agent import interrupts
interrupts.listen()
with interrupts.exiting():
    ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), signal.SIGTERM))()
"""


def test_a_signal_within_c_code_that_cannot_raise_prints_no_traceback() -> None:
    ended = subprocess.run([sys.executable, "-c", IN_C_CODE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "alertdrill: interrupted\n")


HALF_MADE = """
import asyncio, os, signal, weakref
from alertdrill.agent import interrupts

class Signalled(weakref.WeakValueDictionary):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGINT)

# The loop of uvloop makes one in the middle of its own making.
weakref.WeakValueDictionary = Signalled
import uvloop
interrupts.listen()
with interrupts.exiting():
    uvloop.new_event_loop()
"""


def test_a_signal_while_a_loop_is_made_logs_nothing_of_the_loop() -> None:
    ended = subprocess.run([sys.executable, "-c", HALF_MADE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "alertdrill: interrupted\n")


BURST = """
import asyncio, os, signal
from alertdrill.agent import interrupts
from alertdrill.agent.commands.running import run

async def main():
    # The loop does nothing between two of them.
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        print("summary")
        raise

interrupts.listen()
raise SystemExit(run(main, undoes=False))
"""


def test_a_burst_of_signals_is_told_once_and_leaves_the_summary_whole() -> None:
    ended = subprocess.run([sys.executable, "-c", BURST], capture_output=True, text=True, check=False)
    told = "alertdrill: stopping …\nalertdrill: interrupted\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "summary\n", told)
