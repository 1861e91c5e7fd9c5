"""Targets that are files: the configuration, k6 scripts, recordings, and entries of the ledger."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import os
import random
from pathlib import Path
from typing import Any

import yaml

from alertdrill.agent.config.check import check
from alertdrill.agent.config.prometheus import read_prometheus_file
from alertdrill.agent.explaining.from_files import ExplainOptions, from_files
from alertdrill.agent.import_k6.conversion import convert_file
from alertdrill.agent.recording.alertmanager_config import without_secrets
from alertdrill.agent.recording.recording import Recording, read_recording
from alertdrill.agent.rules.routing import receivers, routes, time_intervals
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import VerdictOutcome
from alertdrill.chaos.errors import LedgerRefused
from alertdrill.chaos.safety import ledger_files
from alertdrill.chaos.safety.entry import Entry
from alertdrill.chaos.safety.ledger import Ledger
from alertdrill.chaos.safety.owner import Owner
from alertdrill.chaos.safety.watchdog import Watchdog, loaded
from tools.fuzz import samples
from tools.fuzz.evidence import missing_evidence
from tools.fuzz.mutation import changed_bytes, changed_json, changed_values
from tools.fuzz.target import ROOT, Target, crooked

_LABELS = {"alertname": "HighErrorRate", "severity": "critical", "instance": "a", "job": "payment-engine"}
_LARGEST_SAMPLE = 4_000
_SECONDS_APART = 8


class YamlFiles(Target):
    """Files of the configuration: agent.yml, drills, probes, KPIs, rules, prometheus.yml and alertmanager.yml."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        files = sorted((ROOT / "configs").rglob("*.yml"))
        self._samples = [(one.name, one.read_bytes()[:_LARGEST_SAMPLE]) for one in files if "grafana" not in one.parts]
        self._values = [_small(text) for _, text in self._samples]

    def make(self, draw: random.Random) -> bytes:
        """Change a file, as text or as values."""
        at = draw.randrange(len(self._samples))
        name, text = self._samples[at]
        changed = _yaml(draw, self._values[at]) if draw.random() < 0.4 else changed_bytes(draw, text)
        return f"{name}\n".encode() + changed

    def read(self, draw: random.Random, content: bytes) -> str:
        """Check the file, or read it as the part of the program that it is for."""
        name, _, text = content.partition(b"\n")
        path = self.folder / "a.yml"
        path.write_bytes(text)
        match name:
            case b"alertmanager.yml":
                return _read_routes(path, text)
            case b"prometheus.yml":
                read_prometheus_file(path)
                return ""
            case b"rules.yml" if draw.random() < 0.5:
                from_files(ExplainOptions(paths=[path]))
                return ""
        return crooked(check([path]).problems)


def _small(text: bytes) -> Any:  # noqa: ANN401 - YAML
    """Return the values of a file, with three items of each list at most; None if it has several documents."""
    try:
        return _shortened(yaml.safe_load(text))
    except yaml.YAMLError:
        return None


def _shortened(value: Any) -> Any:  # noqa: ANN401 - YAML
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value[:3]] if isinstance(value, list) else value


def _yaml(draw: random.Random, values: Any) -> bytes:  # noqa: ANN401 - YAML
    """Write changed values as JSON, which is YAML too, or in blocks."""
    changed = changed_values(draw, values)
    if draw.random() < 0.9:
        return json.dumps(changed, default=str).encode()
    with contextlib.suppress(yaml.YAMLError, ValueError):
        return yaml.dump(changed, Dumper=yaml.CSafeDumper, allow_unicode=True).encode("utf-8", "surrogatepass")
    return b""


def _read_routes(path: Path, text: bytes) -> str:
    """Read Alertmanager's configuration as `explain` does from its file, and as the judge does from a recording."""
    told = text.decode(errors="replace")
    masked = without_secrets(told)
    for config in (told, masked):
        receivers(config, _LABELS)
        with contextlib.suppress(ValueError):
            time_intervals(config)
        with contextlib.suppress(ValueError):
            routes(config, _LABELS)
    from_files(ExplainOptions(paths=[_rules(path.parent)], alertmanager=path))
    return ""


@functools.lru_cache(maxsize=1)
def _rules(folder: Path) -> Path:
    path = folder / "rules-of-one.yml"
    path.write_text("groups: [{name: g, rules: [{alert: Down, expr: up == 0}]}]\n", encoding="utf-8")
    return path


class K6Scripts(Target):
    """Scripts of k6, for `alertdrill import-k6`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        scripts = [ROOT / "tests/agent/import_k6/payment-strategy.js", ROOT / "benchmarks/clients/payment.js"]
        self._samples = [one.read_bytes() for one in scripts]

    def make(self, draw: random.Random) -> bytes:
        """Change a script, or a part of one."""
        script = draw.choice(self._samples)
        if draw.random() < 0.3:
            lines = script.splitlines(keepends=True)
            del lines[draw.randrange(len(lines)) :][: draw.choice((1, 2, 10))]
            script = b"".join(lines)
        return changed_bytes(draw, script)

    def read(self, draw: random.Random, content: bytes) -> str:  # noqa: ARG002 - of all targets
        """Convert the script."""
        path = self.folder / "a.js"
        path.write_bytes(content)
        convert_file(path)
        return ""


class Recordings(Target):
    """Recordings: they must be judged, and none may pass without the evidence."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        files = sorted((ROOT / "tests/recordings").glob("*.json.gz"))
        whole = [json.loads(gzip.decompress(one.read_bytes())) for one in files]
        passed = [one for one in whole if _passes(one)]
        # The judge checks less where less was recorded, so a mistake of it shows sooner; and those are small.
        self._lighter = [_in_parts(lighter) for one in [*passed * 3, *whole] for lighter in _lighter(one)]
        self._whole = [_in_parts(one) for one in [*passed, *whole]]

    def make(self, draw: random.Random) -> bytes:
        """Change values of a recording, most often those that a verdict follows from."""
        sample, texts = draw.choice(self._whole if draw.random() < _WHOLE_SHARE else self._lighter)
        if draw.random() < 0.03:
            return changed_json(draw, sample)
        changed = dict(sample)
        for _ in range(draw.choice((1, 1, 2, 3))):
            key = draw.choice(_EVIDENCE) if draw.random() < 0.7 else draw.choice(list(changed))
            change = _changed_evidence if draw.random() < 0.5 else changed_values
            changed[key] = change(draw, changed.get(key))
        written = (
            f"{json.dumps(key)}: {texts[key] if item is sample.get(key) and key in texts else json.dumps(item)}"
            for key, item in changed.items()
        )
        return ("{" + ", ".join(written) + "}").encode()

    def read(self, draw: random.Random, content: bytes) -> str:
        """Judge the recording, and look for the evidence of what passed."""
        path = self.folder / "a.recording.json.gz"
        packed = gzip.compress(content, 0)
        if draw.random() < 0.02:
            packed = changed_bytes(draw, packed)
        path.write_bytes(packed)
        recording = read_recording(path)
        judgement = judge(recording)
        passed = [number for number, one in enumerate(judgement.verdicts) if one.outcome is VerdictOutcome.PASSED]
        if not passed:
            return ""
        values = json.loads(gzip.decompress(packed))
        missing = (missing_evidence(values, values["drill"]["expect"][number]) for number in passed)
        return next((f"wrong `passed`: {one}" for one in missing if one), "")


# Large recordings cost several times as much, and what they have more is seldom what decides.
_WHOLE_SHARE = 0.08
_EVIDENCE = (
    "alerts",
    "notifications",
    "faults",
    "drill",
    "rules",
    "alertmanager",
    "phases",
    "outages",
    "started_at",
    "ended_at",
    "calls",
    "watched",
)


def _changed_evidence(draw: random.Random, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Move instants together, or take whole records away."""
    if isinstance(value, list) and value and draw.random() < 0.4:
        return draw.choice(([], value[1:], value[:-1], value + value[:1], value[::-1]))
    return _shifted(value, draw.choice((-100, -10, -2, -0.5, 0.5, 2, 10, 100, 1000, 1e5)))


def _shifted(value: Any, seconds: float) -> Any:  # noqa: ANN401 - JSON
    """Move all instants in a tree by some seconds."""
    if isinstance(value, dict):
        return {key: _shifted(item, seconds) for key, item in value.items()}
    if isinstance(value, list):
        return [_shifted(item, seconds) for item in value]
    return value + seconds if isinstance(value, float) and value > 1e9 else value


def _passes(recording: dict[str, Any]) -> bool:
    verdicts = judge(Recording.model_validate(recording)).verdicts
    return bool(verdicts) and all(one.outcome is VerdictOutcome.PASSED for one in verdicts)


def _in_parts(recording: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a recording with the JSON of each of its parts, so that only what changes is written again."""
    return recording, {key: json.dumps(item) for key, item in recording.items()}


def _lighter(recording: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a recording without its largest parts, in several ways, and as a version that checks calls writes it."""
    load = recording["load"] | {"seconds": recording["load"]["seconds"][::_SECONDS_APART]}
    bare = recording | {"load": load, "watched": [], "groups": [], "targets": [], "rules_at_end": None}
    alerts = {rule["alert"] for rule in recording["drill"]["expect"]}
    bare["rules"] = [rule for rule in recording["rules"] if rule["alert"] in alerts]
    called = bare | {"calls": {"refused": [], "sent_by_alertmanager": len(recording["notifications"])}}
    resolved = [one | {"status": "resolved"} for one in recording["notifications"]]
    told = called | {"notifications": recording["notifications"] + resolved, "calls": {"refused": []}}
    return [bare, called, told]


class _Watching(Watchdog):
    def seen(self) -> dict[str, dict[str, Any]]:
        """Return the entries that it would undo."""
        return self._entries()


class LedgerEntries(Target):
    """Files in the folder of a ledger: only what this program signed under that name may be carried out."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ledger = Ledger(folder / "ledger", "drill")
        self._owner = Owner.this_process()
        self._watching = _Watching(self._ledger.directory, "drill", self._owner, loaded(self._ledger.directory, ()))
        self._samples = [_entry(self._owner, injection) for injection in samples.INJECTIONS]
        for sample in self._samples:
            Entry.model_validate(sample)
        self._signed = [self._sign("alertdrill-0", sample).read_bytes() for sample in self._samples]
        self._key = (self._ledger.directory / ledger_files.KEY).read_bytes()
        self._own = {"alertdrill-0": self._samples}

    def make(self, draw: random.Random) -> bytes:
        """Change an entry: before it was signed, or after."""
        if draw.random() < 0.5:
            return b"signed\n" + changed_json(draw, draw.choice(self._samples))
        entry = draw.choice(self._signed)
        changed = changed_json(draw, json.loads(entry)) if draw.random() < 0.5 else changed_bytes(draw, entry)
        return b"spoilt\n" + changed

    def read(self, draw: random.Random, content: bytes) -> str:
        """Put the entry into the ledger, and read the ledger as `heal` does and as the watchdog does."""
        how, _, text = content.partition(b"\n")
        signed = _object(text) if how == b"signed" else None
        self._empty()
        if signed is None:
            self._plant(draw, text)
            return self._told() or self._carried_out(self._own)
        self._sign("alertdrill-1", signed)
        return self._told() or self._carried_out({"alertdrill-1": [signed]})

    def _sign(self, entry_id: str, entry: dict[str, Any]) -> Path:
        with ledger_files.made(self._ledger.directory) as opened:
            ledger_files.write_entry(opened, entry_id, json.dumps(entry))
        return self._ledger.directory / f"{entry_id}.json"

    def _told(self) -> str:
        try:
            contents = self._ledger.read()
        except LedgerRefused as error:
            return crooked([str(error)])
        for entry in contents.entries.values():
            _ = entry.injection.target, entry.injection.longest_undo, entry.injection.look_every, entry.owner.is_alive
        return crooked([*contents.unreadable, *contents.refused])

    def _carried_out(self, allowed: dict[str, list[dict[str, Any]]]) -> str:
        """Return which entries would be undone although this program did not sign them."""
        for entry_id, written in self._watching.seen().items():
            if _text(written) not in map(_text, allowed.get(entry_id, ())):
                return f"the watchdog would undo {entry_id}, which is not as it was signed"
        for entry_id, entry in self._entries().items():
            if entry not in (repr(Entry.model_validate(one)) for one in allowed.get(entry_id, ())):
                return f"`heal` would undo {entry_id}, which is not as it was signed"
        return ""

    def _entries(self) -> dict[str, str]:
        with contextlib.suppress(LedgerRefused):
            return {entry_id: repr(entry) for entry_id, entry in self._ledger.read().entries.items()}
        return {}

    def _empty(self) -> None:
        for path in self._ledger.directory.iterdir():
            if path.name != ledger_files.KEY:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        (self._ledger.directory / ledger_files.KEY).write_bytes(self._key)

    def _plant(self, draw: random.Random, text: bytes) -> None:
        folder = self._ledger.directory
        path = folder / draw.choice(_NAMES)
        match draw.randrange(12):
            case 0:
                path.symlink_to(draw.choice(("/etc/passwd", "key", str(path), "/dev/zero")))
            case 1:
                os.mkfifo(path, 0o600)
            case 2:
                path.mkdir()
            case 3:
                _written(path, text, draw.choice((0o666, 0o620, 0o000)))
            case 4:
                _written(path, text)
                (folder / ledger_files.KEY).write_bytes(changed_bytes(draw, self._key))
            case _:
                _written(path, text)


_NAMES = (
    "alertdrill-1.json", "alertdrill-0.json", "alertdrill-0.json", "alertdrill-0.json", "alertdrill-0.lapsed.json",
    "alertdrill-.json", "alertdrill-1.lapsed.lapsed.json", "alertdrill-\n.json", "alertdrill-\udcff.json", "alertdrill-1.tmp",
    "watchdog.log", "other.json",
)  # fmt: skip


def _entry(owner: Owner, injection: dict[str, Any]) -> dict[str, Any]:
    process = {"pid": owner.pid, "started": owner.started, "boot": owner.boot}
    of = {"fault": "latency", "target": "proxy postgres", "drill": "drill", "owner": process}
    return of | {"written_at": 1767323045.5, "expires_at": 1767323945.5, "injection": injection}


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text(entry: dict[str, Any]) -> str:
    return json.dumps(entry, sort_keys=True)


def _written(path: Path, text: bytes, mode: int = 0o600) -> None:
    path.write_bytes(text)
    path.chmod(mode)
