"""The proofs of alerts, and the file `proofs.json` that keeps them beside the rules.

A proof belongs to expressions: those of the alert and of the recording rules that it reads, at the time scale of its
drill. Layout, other waits, labels and annotations leave them as they are. Each alert has a heading that never changes,
a line, and an empty one, so that git merges what two branches add; what a merge leaves twice is taken together.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from alertdrill.agent.config.rules import parse_any_rules, rule_sources_in
from alertdrill.agent.config.yaml_source import read_text
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.history.index import proven_rules
from alertdrill.agent.recording.recording import SUFFIX, Recording, read_recording
from alertdrill.agent.regression.closure import PlacedRule, closure, placed, selects
from alertdrill.agent.verdict.judge import judge
from alertdrill.agent.verdict.verdict import Judgement
from alertdrill.units import json_text
from alertdrill.units.promql import parse
from alertdrill.units.settings import Settings
from alertdrill.units.text import utc_instant, utc_text
from alertdrill.units.time_scale import scale_expr

_MOST_VALUES = 1_000_000
_BEGIN, _END = '{"version": 1, "proofs": [', "{}]}"
Key = tuple[str, str]
"""An alert and its severity."""


def _require_instant(text: str) -> str:
    utc_instant(text)
    return text


_Instant = Annotated[str, AfterValidator(_require_instant)]


class AlertProof(Settings):
    """What drills saw of an alert of one severity.

    `read_at` is the newest drill that recorded series which the rule reads, `fired_at` the newest in which it fired, and
    `proven_at` the newest that proved it: with these expressions, at this time scale.
    """

    alert: str = Field(min_length=1)
    severity: str = ""
    read_at: _Instant | None = None
    fired_at: _Instant | None = None
    proven_at: _Instant | None = None
    drill: str | None = None
    expressions: str | None = None
    time_scale: float = Field(default=1.0, gt=0)

    @property
    def key(self) -> Key:
        """The alert and the severity."""
        return self.alert, self.severity

    def together(self, other: AlertProof) -> AlertProof:
        """Return what two drills saw: the newer one of each instant, and the newer proof."""
        newer = max(self, other, key=lambda one: (one.proven_at or "", one.expressions or ""))
        update = {
            "read_at": max(self.read_at or "", other.read_at or "") or None,
            "fired_at": max(self.fired_at or "", other.fired_at or "") or None,
        }
        return newer.model_copy(update=update)


class _File(Settings):
    version: int = Field(ge=1, le=1)
    proofs: list[AlertProof]


def merged(proofs: Iterable[AlertProof]) -> list[AlertProof]:
    """Return one proof for each alert and severity, in their order."""
    found: dict[Key, AlertProof] = {}
    for one in proofs:
        found[one.key] = one.together(found[one.key]) if one.key in found else one
    return [found[key] for key in sorted(found)]


def render(proofs: Iterable[AlertProof]) -> str:
    """Return the text of a file."""
    return "\n".join([_BEGIN + "\n", *map(_block, merged(proofs)), _END + "\n"])


def _block(one: AlertProof) -> str:
    """Return a heading, which never changes, and a line that stands for itself."""
    heading = json.dumps(" ".join(filter(None, one.key)), ensure_ascii=False)
    return f"{heading},\n{json.dumps(one.model_dump(exclude_defaults=True), ensure_ascii=False)},\n"


def read_proofs(path: Path) -> list[AlertProof]:
    """Read a file; raises ConfigError."""
    text = read_text(path)
    if conflict := next((n for n, line in enumerate(text.splitlines(), 1) if line.startswith("<<<<<<<")), None):
        raise ConfigError(
            f"{path}:{conflict}: git left a conflict here: keep the lines of both sides: what is there twice is taken together"
        )
    try:
        values = json_text.parse(text.encode(), _MOST_VALUES)
    except ValueError as error:
        place = f"{path}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else str(path)
        raise ConfigError(f"{place}: is not JSON: {error}") from error
    if isinstance(values, dict) and isinstance(values.get("proofs"), list):
        # The texts are headings, and the last object is empty, so that every line of an alert ends alike.
        values["proofs"] = [one for one in values["proofs"] if one != {} and not isinstance(one, str)]
    try:
        return merged(_File.model_validate(values).proofs)
    except ValidationError as error:
        found = (f"{path}: {'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors())
        raise ConfigError(*found) from error


def add_proofs(path: Path, proofs: Iterable[AlertProof]) -> None:
    """Add proofs to a file, which is made if it is missing; raises ConfigError.

    Several processes may do this at once.
    """
    try:
        with _alone_in(path.parent):
            before = read_proofs(path) if path.exists() else []
            write_whole(path, render([*before, *proofs]))
            # It is committed, and holds nothing but names.
            path.chmod(0o644)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder for the length of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def proofs_of(recording: Recording, judgement: Judgement) -> list[AlertProof]:
    """Return what a recording says of every rule in the files of its alerts.

    A recording without the text of these files says nothing: it has no recording rules.
    """
    texts = {} if recording.replay is None else recording.replay.files
    rules = [
        rule
        for name, text in texts.items()
        for source in rule_sources_in(text, Path(name))
        for rule in placed(name, parse_any_rules(source).groups)
    ]
    proven = set(proven_rules(recording, judgement)) - set(_changed_alerts(recording))
    return [_proof(recording, key, own, rules, is_proven=key in proven) for key, own in by_alert(rules)]


def proofs_in(folder: Path, skip: Callable[[str], None]) -> list[AlertProof]:
    """Return what all recordings below a folder prove; `skip` gets a line for each that cannot be read."""
    found: list[AlertProof] = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            recording = read_recording(path)
            found += proofs_of(recording, judge(recording))
        except ConfigError as error:
            skip(str(error))
    return merged(found)


def _changed_alerts(recording: Recording) -> Iterator[Key]:
    """Yield the alerts of which an expression was changed during the drill: what fired had another one."""
    began, ended = (
        {(one.alert, one.labels.get("severity", ""), one.expr) for one in rules}
        for rules in (recording.rules, recording.rules_at_end or recording.rules)
    )
    yield from ((alert, severity) for alert, severity, _ in began ^ ended)


def _proof(
    recording: Recording, key: Key, own: Sequence[PlacedRule], rules: Sequence[PlacedRule], *, is_proven: bool
) -> AlertProof:
    at = utc_text(datetime.fromtimestamp(recording.started_at, UTC))
    has_fired = any(
        one.state == "firing"
        and one.labels.get("alertname") == key[0]
        and one.labels.get("severity", "") == key[1]
        and any(instant >= recording.started_at for instant in one.instants)
        for one in recording.alerts
    )
    return AlertProof(
        alert=key[0],
        severity=key[1],
        read_at=at if has_fired or _is_read(recording, own, rules) else None,
        fired_at=at if has_fired else None,
        proven_at=at if is_proven else None,
        drill=recording.drill.name if is_proven else None,
        expressions=fingerprint(own, rules) if is_proven else None,
        time_scale=recording.time_scale if is_proven else 1.0,
    )


def _is_read(recording: Recording, own: Sequence[PlacedRule], rules: Sequence[PlacedRule]) -> bool:
    """Return whether a recording has, or counted, a series that rules read."""
    replay, reads = recording.replay, closure(own, rules).reads
    if replay is None:
        return False
    counted = any(size.samples for one in replay.left_out if one.rule == own[0].name for size in one.selectors)
    return counted or any(selects(selector, series.labels) for series in replay.series for selector in reads)


def by_alert(rules: Iterable[PlacedRule]) -> list[tuple[Key, list[PlacedRule]]]:
    """Return the rules of each alert and severity, in the order of these."""
    alerts = [((one.rule.alert, severity_of(one)), one) for one in rules if one.rule.alert is not None]
    ordered = sorted(alerts, key=lambda pair: pair[0])
    return [(key, [rule for _, rule in pairs]) for key, pairs in groupby(ordered, key=lambda pair: pair[0])]


def severity_of(placed_rule: PlacedRule) -> str:
    """Return the severity of a rule; empty if it has none."""
    return ({**placed_rule.group.labels, **placed_rule.rule.labels}).get("severity", "")


def fingerprint(own: Sequence[PlacedRule], rules: Iterable[PlacedRule], time_scale: float = 1.0) -> str:
    """Return a hash of the expressions of an alert and of the recording rules that it reads, in one spelling."""
    found = closure(own, list(rules)).rules
    texts = sorted(f"{one.rule.record or ''} {_spelled(one.rule.expr, time_scale)}" for one in found)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _spelled(expr: str, time_scale: float) -> str:
    """Return an expression as one spelling of all that mean the same, at a time scale: Prometheus spells it anew."""
    scaled = expr if time_scale == 1 else scale_expr(expr, time_scale)
    try:
        return str(parse(scaled).prettify())
    except ValueError:
        return scaled.strip()
