"""The checks of a run, with what was found, independent of the form in which a CI server reads them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from alertdrill.agent.gate.freshness import Gate, GatedAlert, Standing
from alertdrill.agent.regression.replaying import Result


class FindingKind(StrEnum):
    """What a finding is about. The texts are stable: CI servers know a finding again by them."""

    CONTRACT = "contract"
    SNAPSHOT = "snapshot"
    NOT_JUDGED = "not-judged"
    STALE = "stale-proof"
    VOID = "void-proof"
    UNPROVEN = "unproven"


DESCRIPTIONS = {
    FindingKind.CONTRACT: "The alert would break its contract on a recorded fault.",
    FindingKind.SNAPSHOT: "The alert would behave otherwise than recorded, within its contract.",
    FindingKind.NOT_JUDGED: "The rule cannot be evaluated on its recording.",
    FindingKind.STALE: "No drill proved the alert recently.",
    FindingKind.VOID: "The expression of the alert was changed since a drill proved it.",
    FindingKind.UNPROVEN: "No drill ever proved the alert.",
}


@dataclass(frozen=True)
class CiFinding:
    """One thing to be told about an alert: it fails the run unless it is a difference from a snapshot."""

    kind: FindingKind
    text: str

    @property
    def fails(self) -> bool:
        """Whether it fails the run."""
        return self.kind is not FindingKind.SNAPSHOT


@dataclass(frozen=True)
class Check:
    """One alert that was checked, at the line of its rule; `group` is the file that tests it, or its severity.

    `held` is what is told if nothing was found. `seconds` is the time from the fault to the alert.
    """

    alert: str
    group: str
    file: str
    line: int
    findings: tuple[CiFinding, ...] = ()
    held: str = ""
    notes: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def fails(self) -> bool:
        """Whether something was found that fails the run."""
        return any(one.fails for one in self.findings)


@dataclass(frozen=True)
class CiReport:
    """All checks of one run of the command `name`, and what is told of all of them together."""

    name: str
    checks: tuple[Check, ...]
    told: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """The number of checks that fail."""
        return sum(one.fails for one in self.checks)

    def found(self, *, fails: bool) -> list[tuple[Check, CiFinding]]:
        """Return the findings that fail the run, or those that do not."""
        return [(check, one) for check in self.checks for one in check.findings if one.fails is fails]


def of_results(results: Sequence[Result], told: Iterable[str] = ()) -> CiReport:
    """Return the checks of `regress run`."""
    return CiReport("regress", tuple(map(_check, results)), tuple(told))


def _check(result: Result) -> Check:
    file, line = (result.path, 1) if result.rule is None else (result.rule.file, result.rule.line)
    fired = next((one.firing for one in result.found if one.firing is not None), None)
    return Check(
        alert=result.file.regress,
        group=_relative(result.path),
        file=_relative(file),
        line=line,
        findings=tuple(_findings(result)),
        held=result.held_text,
        notes=result.notes,
        seconds=fired,
    )


def _findings(result: Result) -> Iterator[CiFinding]:
    if result.error:
        yield CiFinding(FindingKind.NOT_JUDGED, result.error)
    yield from (CiFinding(FindingKind.CONTRACT, text) for text in result.failures)
    yield from (CiFinding(FindingKind.SNAPSHOT, text) for text in result.differences)


_OF_STANDING = {
    Standing.STALE: FindingKind.STALE,
    Standing.VOID: FindingKind.VOID,
    Standing.UNPROVEN: FindingKind.UNPROVEN,
}


def of_gate(gate: Gate) -> CiReport:
    """Return the checks of `gate`."""
    return CiReport("gate", tuple(map(_gated, gate.alerts)), gate.told)


def _gated(one: GatedAlert) -> Check:
    kind = _OF_STANDING.get(one.standing)
    return Check(
        alert=one.alert,
        group=one.severity or "no severity",
        file=_relative(one.file),
        line=one.line,
        findings=() if kind is None else (CiFinding(kind, one.told),),
        held=one.told,
    )


def _relative(path: Path) -> str:
    """Return a path from the working folder, which is the top of the repository in CI."""
    return Path(os.path.relpath(path)).as_posix()
