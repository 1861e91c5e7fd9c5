from __future__ import annotations

import asyncio
import gzip
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from alertdrill.agent.errors import ConfigError
from alertdrill.chaos.registry import INJECTIONS
from tools.fuzz import samples
from tools.fuzz.evidence import missing_evidence
from tools.fuzz.loops import LoopTarget, Sayer
from tools.fuzz.mutation import changed_bytes, changed_json
from tools.fuzz.run import TARGETS, Fed, Order, fuzz, fuzz_apart, table
from tools.fuzz.target import ROOT, Target

RECORDINGS = ROOT / "tests/recordings"


@pytest.mark.parametrize("name", TARGETS)
def test_broken_inputs_are_read_or_refused(name: str, tmp_path: Path) -> None:
    """A short run of `make fuzz`."""
    fed = fuzz(Order(name, inputs=150, ends_at=time.monotonic() + 120, seed=2026, folder=tmp_path))
    assert fed.findings == ()


def test_the_ledger_gets_entries_of_every_kind_of_fault() -> None:
    assert {one["kind"] for one in samples.INJECTIONS} == set(INJECTIONS)


class Reader(Target):
    """Inputs that a test chooses how to read."""

    def make(self, draw: random.Random) -> bytes:
        return b"%x" % draw.getrandbits(32)

    def read(self, draw: random.Random, content: bytes) -> str:  # noqa: ARG002 - the same for every input
        self.do()
        return ""

    def do(self) -> None:
        raise NotImplementedError


class Raising(Reader):
    def do(self) -> None:
        raise RecursionError("too deep")


class Busy(Reader):
    def do(self) -> None:
        began = time.process_time()
        while time.process_time() - began < 2.1:
            pass


class Growing(Reader):
    def do(self) -> None:
        assert len(b"x" * (500 * 2**20))


class Refusing(Reader):
    def do(self) -> None:
        raise ConfigError("a.yml:1: is empty")


class RefusingWithoutAWord(Reader):
    def do(self) -> None:
        raise ConfigError(" ")


@pytest.mark.parametrize(
    ("target", "finding"),
    [
        (Raising, "a: RecursionError: 'too deep' (kept in "),
        (Busy, "a: took 2."),
        (Growing, "a: grew by "),
        (RefusingWithoutAWord, "a: told in a crooked line: ' ' (kept in "),
    ],
)
def test_a_mistake_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: type[Target], finding: str
) -> None:
    monkeypatch.setitem(TARGETS, "a", target)
    (found,) = fuzz(Order("a", inputs=1, seed=7, folder=tmp_path)).findings
    assert found.startswith(finding)


def test_a_refusal_is_no_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TARGETS, "a", Refusing)
    fed = fuzz(Order("a", inputs=3, folder=tmp_path))
    assert (fed.inputs, fed.findings) == (3, ())


def test_no_input_is_read_after_the_end_of_the_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TARGETS, "a", Raising)
    fed = fuzz(Order("a", inputs=3, ends_at=time.monotonic(), folder=tmp_path))
    assert (fed.inputs, fed.findings) == (0, ())


def test_a_process_that_dies_is_a_finding(tmp_path: Path) -> None:
    """A library in C can end the whole process."""
    with ThreadPoolExecutor(1) as thread:
        fed = thread.submit(fuzz_apart, Order("k6", inputs=10**9, first=5, folder=tmp_path))
        while not (children := active_children()):
            time.sleep(0.01)
        children[0].kill()
        (found,) = fed.result().findings
    assert found.startswith("k6: the process died, exit code -9 (again: python -m tools.fuzz k6 --seed 1 --first ")


def test_the_figures_of_a_target_are_added_up() -> None:
    fed = [Fed("k6", 30, 0.5, 2.0, ("a",)), Fed("k6", 20, 2.0, 1.0, ()), Fed("yaml", 10, 1.0, 0.0, ())]
    assert table(fed)[2:] == ["| k6 | 50 | 20 | 2 MiB | 1 |", "| yaml | 10 | 10 | 0 MiB | 0 |"]


def test_a_finding_is_kept_and_can_be_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TARGETS, "a", Raising)
    _, second = fuzz(Order("a", inputs=2, seed=7, folder=tmp_path)).findings
    kept = (tmp_path / "a-7-1").read_bytes()
    assert second.endswith(
        f"(kept in {tmp_path / 'a-7-1'}, again: python -m tools.fuzz a --seed 7 --first 1 --inputs 1)"
    )
    (tmp_path / "a-7-1").unlink()
    assert fuzz(Order("a", inputs=1, seed=7, first=1, folder=tmp_path)).findings == (second,)
    assert (tmp_path / "a-7-1").read_bytes() == kept


class Forgetting(LoopTarget):
    """Leaves an error to the event loop."""

    def opened(self) -> Any:
        return Sayer().serving()

    def make(self, draw: random.Random) -> bytes:
        return b"%x" % draw.getrandbits(32)

    async def take(self, draw: random.Random, content: bytes) -> str:  # noqa: ARG002 - the same for every input
        asyncio.get_running_loop().call_soon(int, "one")
        await asyncio.sleep(0)
        return ""


def test_an_error_that_reaches_the_event_loop_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TARGETS, "a", Forgetting)
    (found,) = fuzz(Order("a", inputs=1, folder=tmp_path)).findings
    assert found.startswith("a: in the event loop: ValueError")


def test_the_same_seed_gives_the_same_input() -> None:
    valid = json.loads((RECORDINGS / "passed.verdicts.json").read_bytes())
    draws = [random.Random("7") for _ in range(2)]  # noqa: S311 - an input, not a secret
    first, second = ((changed_json(draw, valid), changed_bytes(draw, b"a: b")) for draw in draws)
    assert first == second


def _recording(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    recording = json.loads(gzip.decompress((RECORDINGS / "passed.recording.json.gz").read_bytes())) | changes
    return recording, recording["drill"]["expect"][0]


def test_a_recording_that_passes_has_the_evidence() -> None:
    assert missing_evidence(*_recording()) == ""


_BEFORE = [{"kind": "latency", "target": "a", "settings": {}, "injected_at": 1.0, "healed_at": 2.0}]
_CALL: dict[str, Any] = {"receiver": "team-lead", "status": "firing", "labels": {"alertname": "HighResponseTime"}}


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"alerts": []}, "did not fire"),
        ({"faults": _BEFORE}, "did not fire"),
        ({"rules": []}, "no rule"),
        ({"notifications": []}, "no call"),
        ({"notifications": [_CALL | {"received_at": 1.0}]}, "no call"),
        ({"notifications": [_CALL | {"received_at": 1e10}]}, "no call"),
        ({"aborted": "interrupted"}, "broken off"),
        ({"outages": [{"server": "Prometheus"}]}, "could not be asked"),
        ({"ended_at": 1795600084.3}, "did not end"),
    ],
)
def test_a_recording_without_the_evidence_is_recognised(changes: dict[str, Any], missing: str) -> None:
    assert missing in missing_evidence(*_recording(**changes))


def test_a_receiver_that_no_route_has_is_recognised() -> None:
    recording, expected = _recording(calls={"refused": []})
    recording["notifications"][0]["receiver"] = expected["receiver"] = "nobody"
    assert "neither Alertmanager's routes nor its list" in missing_evidence(recording, expected)


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("aiohttp", 173_846),  # a redirect to a path with the words "Content-Length: "
        ("prometheus", 103_237),  # a start after the last year of the calendar
        ("prometheus", 130_033),  # a value that is NaN
    ],
)
def test_an_earlier_finding_is_none_any_more(tmp_path: Path, target: str, number: int) -> None:
    assert fuzz(Order(target, inputs=1, seed=20261129, first=number, folder=tmp_path)).findings == ()
