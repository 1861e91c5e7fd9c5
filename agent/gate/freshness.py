"""Compares the rules of files with their proofs: what each alert has been seen to do, and whether that is recent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from alertdrill.agent.config.rules import parse_any_rules
from alertdrill.agent.config.yaml_source import Source
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.gate.proofs import AlertProof, by_alert, fingerprint
from alertdrill.agent.regression.closure import PlacedRule, placed
from alertdrill.agent.regression.rule_slice import rule_lines
from alertdrill.units.duration import format_duration, parse_duration
from alertdrill.units.text import utc_instant

_CLOCK_SKEW = timedelta(days=1)


class Coverage(StrEnum):
    """What is known of an alert: the first of these that holds."""

    PROVEN = "proven"
    """A drill proved it, with the expressions that it has now."""
    REPLAYED = "replayed"
    """A regress file tests it."""
    FIRED = "fired"
    """It fired during a drill that did not prove it, or before its expressions were changed."""
    SILENT = "silent"
    """Drills recorded series that it reads, and it never fired."""
    UNREAD = "unread"
    """No drill recorded a series that it reads."""


class Standing(StrEnum):
    """Whether the proof of an alert is recent enough."""

    FRESH = "fresh"
    STALE = "stale"
    VOID = "void"
    """There is a proof, but of other expressions."""
    UNPROVEN = "unproven"
    NO_LIMIT = "no limit"
    """No limit is given for its severity."""

    @property
    def passes(self) -> bool:
        """Whether the gate lets it pass."""
        return self in {Standing.FRESH, Standing.NO_LIMIT}


@dataclass(frozen=True)
class GatedAlert:
    """An alert of one severity, and where its first rule is; the times are None if there is no proof or no limit."""

    alert: str
    severity: str
    file: Path
    line: int
    coverage: Coverage
    standing: Standing
    proof: AlertProof | None
    age: timedelta | None
    limit: timedelta | None

    @property
    def told(self) -> str:
        """What is to be said of it, in words."""
        expected = "" if self.limit is None else f"; expected within {_days(self.limit)}"
        if self.proof is None or self.proof.proven_at is None or self.age is None:
            return f"{_NEVER[self.coverage]}{expected}"
        proven = f"proven {_days(self.age)} ago by the drill {self.proof.drill or 'of that day'}"
        if self.is_void:
            return (
                f"{proven}, and its expression, or that of a recording rule that it reads, was changed since{expected}"
            )
        return f"{proven}{expected}"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON; the age and the limit are seconds."""
        return {
            "alert": self.alert,
            "severity": self.severity,
            "file": str(self.file),
            "line": self.line,
            "coverage": self.coverage.value,
            "standing": self.standing.value,
            "proven_at": self.proof and self.proof.proven_at,
            "drill": self.proof and self.proof.drill,
            "age_seconds": None if self.age is None else round(self.age.total_seconds()),
            "within_seconds": None if self.limit is None else round(self.limit.total_seconds()),
        }

    @property
    def is_void(self) -> bool:
        """Whether its only proof is of other expressions."""
        return self.coverage is not Coverage.PROVEN and self.age is not None


_NEVER = {
    Coverage.PROVEN: "proven",
    Coverage.REPLAYED: "tested by a regress file, and never proven by a drill",
    Coverage.FIRED: "fired during a drill, and never proven by one",
    Coverage.SILENT: "never fired, though drills recorded series that it reads",
    Coverage.UNREAD: "never proven, and no drill recorded a series that it reads",
}


@dataclass(frozen=True)
class Gate:
    """All alerts of some rule files; `unused` are the severities with a limit that none of them has."""

    alerts: tuple[GatedAlert, ...]
    unused: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether every alert is proven as recently as its severity asks."""
        return all(one.standing.passes for one in self.alerts)

    @property
    def coverage(self) -> dict[Coverage, int]:
        """The number of alerts of each coverage."""
        counted = Counter(one.coverage for one in self.alerts)
        return {one: counted[one] for one in Coverage}

    @property
    def told(self) -> tuple[str, ...]:
        """The coverage and the result, in words, and limits that concern no alert."""
        counts = ", ".join(f"{count} {name}" for name, count in self.coverage.items() if count)
        failed = sum(not one.standing.passes for one in self.alerts)
        alerts = "1 alert" if len(self.alerts) == 1 else f"{len(self.alerts)} alerts"
        result = f"{alerts}: {counts or 'none'}; {failed} not proven in time"
        if all(one.limit is None for one in self.alerts):
            return (result, "no alert has a limit, so all of them pass")
        return (result, *(f"no alert has the severity {one}, so its limit concerns none" for one in self.unused))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON; ages and limits are seconds."""
        return {
            "version": 1,
            "passes": self.passes,
            "unused_limits": self.unused,
            "coverage": {name.value: count for name, count in self.coverage.items()},
            "alerts": [one.as_json() for one in self.alerts],
        }


def limits_of(text: str) -> dict[str, timedelta]:
    """Read limits such as `critical=30d,warning=90d`; raises ValueError."""
    limits: dict[str, timedelta] = {}
    for part in text.split(","):
        severity, equals, duration = part.strip().partition("=")
        if not severity or not equals:
            msg = (
                f"{part.strip()!r} is not a limit, expected severities with durations such as critical=30d,warning=90d"
            )
            raise ValueError(msg)
        if severity in limits:
            msg = f"{severity} is there twice, expected once"
            raise ValueError(msg)
        limits[severity] = parse_duration(duration)
        if not limits[severity]:
            msg = f"{severity}=0 would fail every alert, expected a duration such as 30d"
            raise ValueError(msg)
    return limits


def gate(
    sources: Sequence[Source],
    proofs: Iterable[AlertProof],
    replayed: Collection[str],
    limits: Mapping[str, timedelta],
    now: datetime,
) -> Gate:
    """Judge the alerts of rule files by their proofs; `replayed` are the alerts with a regress file.

    Raises ConfigError if a file is wrong, or a proof is of the future.
    """
    known = {one.key: one for one in proofs}
    _require_past(known.values(), now)
    of_sources = [placed(str(source.path), parse_any_rules(source).groups) for source in sources]
    rules = [rule for of_source in of_sources for rule in of_source]
    lines = dict(zip(map(id, rules), (line for source in sources for line in rule_lines(source)), strict=True))
    alerts = [
        _Judged(key, own, rules, known.get(key)).alert(
            lines[id(own[0])], limits.get(key[1]), now, is_replayed=key[0] in replayed
        )
        for key, own in by_alert(rules)
    ]
    return Gate(tuple(alerts), tuple(sorted(set(limits) - {one.severity for one in alerts})))


def _require_past(proofs: Iterable[AlertProof], now: datetime) -> None:
    """Refuse a proof that would never be old."""
    for one in proofs:
        if one.proven_at is not None and utc_instant(one.proven_at) > now + _CLOCK_SKEW:
            raise ConfigError(
                f"the proof of {one.alert} is of {one.proven_at}, which is yet to come: correct proven_at"
            )


@dataclass(frozen=True)
class _Judged:
    """The rules of one alert and severity, among all rules, and the proof."""

    key: tuple[str, str]
    own: Sequence[PlacedRule]
    rules: Sequence[PlacedRule]
    proof: AlertProof | None

    def alert(self, line: int, limit: timedelta | None, now: datetime, *, is_replayed: bool) -> GatedAlert:
        proof, age = self.proof, None
        if proof is not None and proof.proven_at is not None:
            age = max(now - utc_instant(proof.proven_at), timedelta())
        coverage = next(self._coverages(is_replayed=is_replayed))
        standing, file = _standing(self.is_proven, age, limit), Path(self.own[0].file)
        return GatedAlert(*self.key, file, line, coverage, standing, proof, age, limit)

    @property
    def is_proven(self) -> bool:
        """Whether a drill proved it with the expressions that it has now."""
        proof = self.proof
        return proof is not None and proof.proven_at is not None and proof.expressions == self._fingerprint(proof)

    def _coverages(self, *, is_replayed: bool) -> Iterator[Coverage]:
        proof = self.proof
        if self.is_proven:
            yield Coverage.PROVEN
        if is_replayed:
            yield Coverage.REPLAYED
        if proof is not None and (proof.fired_at or proof.proven_at):
            yield Coverage.FIRED
        if proof is not None and proof.read_at:
            yield Coverage.SILENT
        yield Coverage.UNREAD

    def _fingerprint(self, proof: AlertProof) -> str:
        try:
            return fingerprint(self.own, self.rules, proof.time_scale)
        except ValueError:
            # An expression that cannot be read here has no other time scale.
            return ""


def _standing(is_proven: bool, age: timedelta | None, limit: timedelta | None) -> Standing:  # noqa: FBT001 - one of three facts
    if limit is None:
        return Standing.NO_LIMIT
    if age is None:
        return Standing.UNPROVEN
    if not is_proven:
        return Standing.VOID
    return Standing.FRESH if age <= limit else Standing.STALE


def _days(duration: timedelta) -> str:
    """Format a duration by its two largest units; less than an hour to the minute."""
    whole = timedelta(hours=duration // timedelta(hours=1)) if duration >= timedelta(hours=1) else duration
    return format_duration(timedelta(days=whole.days) if whole.days > 9 else whole - whole % timedelta(minutes=1))
