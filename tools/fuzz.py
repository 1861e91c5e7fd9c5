"""Feeds broken files and answers to the parts that read them: `python -m tools.fuzz` (`make fuzz`).

Each input is a valid one with some changes, drawn from a seed, so that a finding can be repeated. An input must be read
or refused with an error of this project, within two seconds. To add a target, write a function and a row in TARGETS.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alertdrill.agent.config.check import check
from alertdrill.agent.config.servers import MonitoringServer
from alertdrill.agent.errors import ConfigError, ServiceUnavailable
from alertdrill.agent.monitoring.alertmanager import Alertmanager
from alertdrill.agent.monitoring.prometheus import Prometheus
from alertdrill.agent.recording.recording import read_recording
from alertdrill.agent.verdict.judge import judge

ROOT = Path(__file__).parent.parent
_SERVER = MonitoringServer.model_validate({"url": "http://127.0.0.1:1"})
_LONGEST_SECONDS = 2.0
_MOST_MEBIBYTES = 256
_ODD: tuple[Any, ...] = (None, True, 0, -1, 1e308, -0.0, "", "NaN", "\ud800", "\0", "9" * 50, [], {}, [[]], {"a": None})
_PIECES = (
    b"\0",
    b"\xff",
    b"{",
    b"[",
    b"]",
    b"&a ",
    b"*a",
    b"- ",
    b": ",
    b"\n",
    b"'",
    b'"',
    b"9" * 30,
    b"!!int ",
    b"${X}",
)


def _bytes(draw: random.Random, valid: bytes) -> bytes:
    """Change some places of a text."""
    content = bytearray(valid)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(content) + 1)
        content[at : at + draw.choice((0, 1, 1, 5, 50))] = draw.choice(_PIECES) * draw.choice((1, 1, 1, 2, 200))
    return bytes(content)


def _values(draw: random.Random, valid: Any) -> Any:  # noqa: ANN401 - JSON
    """Replace one value of a tree."""
    if isinstance(valid, dict) and valid and draw.random() < 0.9:
        key = draw.choice(list(valid))
        return {**valid, key: _values(draw, valid[key])}
    if isinstance(valid, list) and valid and draw.random() < 0.9:
        at = draw.randrange(len(valid))
        return [*valid[:at], _values(draw, valid[at]), *valid[at + 1 :]]
    return draw.choice(_ODD)


def _answer(draw: random.Random, valid: Any) -> bytes:  # noqa: ANN401 - JSON
    if draw.random() < 0.3:
        return _bytes(draw, json.dumps(valid).encode())
    return json.dumps(_values(draw, valid)).encode()


def yaml_file(draw: random.Random, folder: Path) -> None:
    """Check a file of the configuration, a drill, a probe, KPIs or rules."""
    files = sorted((ROOT / "configs").rglob("*.yml"))
    path = folder / "a.yml"
    path.write_bytes(_bytes(draw, draw.choice(files).read_bytes()[:3000]))
    check([path])


def recording(draw: random.Random, folder: Path) -> None:
    """Read and judge a recording."""
    files = sorted((ROOT / "tests/recordings").glob("*.json.gz"))
    content = gzip.decompress(draw.choice(files).read_bytes())
    path = folder / "a.recording.json.gz"
    path.write_bytes(gzip.compress(_answer(draw, json.loads(content)), 1))
    judge(read_recording(path))


def prometheus(draw: random.Random, _: Path) -> None:
    """Read Prometheus' answers about its rules, its series and its targets."""
    rule = {"type": "alerting", "name": "Down", "query": "up == 0", "duration": 30, "labels": {}, "annotations": {}}
    rule |= {"alerts": [], "health": "ok", "state": "firing", "lastEvaluation": "2026-01-02T03:04:35.001+01:00"}
    group = {"name": "g", "file": "/etc/rules.yml", "interval": 15, "limit": 0, "rules": [rule], "evaluationTime": 0.1}
    series = {"resultType": "matrix", "result": [{"metric": {"job": "a"}, "values": [[1767323045.1, "1"]]}]}
    is_rules = draw.random() < 0.5
    data = {"groups": [group]} if is_rules else series
    server = _Answering(Prometheus, _answer(draw, {"status": "success", "data": data}))
    asyncio.run(server.rules() if is_rules else server.values("up", 0.0, 60.0, 15.0))


def alertmanager(draw: random.Random, _: Path) -> None:
    """Read Alertmanager's answer about itself."""
    status = {"cluster": {"status": "disabled", "peers": []}, "config": {"original": "route: {receiver: a}"}}
    status |= {"uptime": "2026-01-02T03:04:05.123Z", "versionInfo": {"version": "0.25.0"}}
    asyncio.run(_Answering(Alertmanager, _answer(draw, status)).status())


def _Answering(kind: type[Any], body: bytes) -> Any:  # noqa: ANN401, N802 - a class made for one answer
    async def ask(*_: object) -> bytes:
        return body

    return type("Answering", (kind,), {"_ask": ask})(_SERVER)


def k6_script(draw: random.Random, folder: Path) -> None:
    """Convert a k6 script."""
    from alertdrill.agent.import_k6.conversion import convert_file

    path = folder / "a.js"
    path.write_bytes(_bytes(draw, (ROOT / "tests/agent/import_k6/payment-strategy.js").read_bytes()))
    convert_file(path)


TARGETS: dict[str, Callable[[random.Random, Path], None]] = {
    "yaml": yaml_file,
    "recording": recording,
    "prometheus": prometheus,
    "alertmanager": alertmanager,
    "k6": k6_script,
}
"""Each target by its name: it draws one input and reads it; ConfigError and ServiceUnavailable are its refusals."""


def fuzz(name: str, inputs: int, seconds: float, seed: int) -> list[str]:
    """Feed a target; return a line for each finding, and print what was done."""
    began, findings, number = time.monotonic(), [], 0
    memory = _peak_mebibytes()
    with tempfile.TemporaryDirectory() as folder:
        while number < inputs and time.monotonic() - began < seconds:
            if told := _one(name, f"{seed}:{name}:{number}", Path(folder)):
                findings.append(told)
            number += 1
    if (grown := _peak_mebibytes() - memory) > _MOST_MEBIBYTES:
        findings.append(f"{name}: grew by {grown:.0f} MiB")
    rate = number / max(time.monotonic() - began, 1e-9)
    sys.stdout.write(f"{name}: {number} inputs, {rate:.0f}/s, {grown:.0f} MiB more, {len(findings)} findings\n")
    return findings


def _one(name: str, seed: str, folder: Path) -> str:
    # The processor's time: another process may have this machine for a while.
    began = time.process_time()
    try:
        TARGETS[name](random.Random(seed), folder)  # noqa: S311 - an input, not a secret
    except (ConfigError, ServiceUnavailable) as error:
        if not str(error).strip():
            return f"{seed}: refused without a word"
    except BaseException as error:  # noqa: BLE001 - whatever else comes out is the finding
        return f"{seed}: {type(error).__name__}: {str(error)[:200]!r}"
    took = time.process_time() - began
    return f"{seed}: took {took:.1f} s" if took > _LONGEST_SECONDS else ""


def _peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Feed the targets named on the command line, or all; exit code 1 when there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS])
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=1800.0, help="the longest time for one target")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = [line for name in given.targets or TARGETS for line in fuzz(name, given.inputs, given.seconds, given.seed)]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
