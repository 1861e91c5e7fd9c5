"""Replays regress files with the rules as they are now: the contract, the negative controls, and what is different.

Each file is three cases for promtool: the recorded series, the time before the fault repeated, and the fault without the
series that decide. All cases of all files run in one process. A rule that would fire only after the recorded fault had
ended is evaluated once more, with a fault that goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from alertdrill.agent.config.yaml_source import read_text
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.regression.case import AlertActivity, Case, Timeline, stretches
from alertdrill.agent.regression.closure import DEFAULT_LOOKBACK_SECONDS, selects
from alertdrill.agent.regression.minimising import without_bucket
from alertdrill.agent.regression.promtool import Job, Promtool, QueryResult, spell_series
from alertdrill.agent.regression.regress_file import (
    RegressFile,
    SnapshotEntry,
    labels_text,
    read_regress_file,
    seconds_of,
    snapshot,
)
from alertdrill.agent.regression.rule_slice import AlertGone, RuleSlice, rule_slice, timeline_of
from alertdrill.agent.rules.routing import receivers
from alertdrill.units.duration import format_duration, spell_seconds

MAY_DIFFER = "a difference may come from that"
"""A part of the note that tells why another version of promtool may give another timeline."""
_MARGIN = timedelta(minutes=1)
_LOOKBACK_MS = round(DEFAULT_LOOKBACK_SECONDS * 1000)
_IF_MOVED = "if the rule moved, name its file as `rules:`; if it was removed on purpose, delete this regress file"
_IF_GONE = (
    "if it has another name now, write that as `regress:`, after a split in a copy of this regress file for each;"
    f" {_IF_MOVED}"
)
_LONGEST_END = timedelta(minutes=15)


@dataclass(frozen=True)
class Result:
    """What became of one file: the failures of its contract, the differences from its snapshot, and notes."""

    file: RegressFile
    path: Path
    rule: RuleSlice | None = None
    found: tuple[AlertActivity, ...] = ()
    failures: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""

    @property
    def snapshot(self) -> list[SnapshotEntry]:
        """What the alert does now."""
        return snapshot(self.found)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON; times are seconds from the begin of the fault."""
        return {
            "file": str(self.path),
            "alert": self.file.regress,
            "passes": not (self.failures or self.error),
            "rule": None if self.rule is None else {"file": str(self.rule.file), "line": self.rule.line},
            "error": self.error,
            "failures": self.failures,
            "differences": self.differences,
            "notes": self.notes,
            "seen": [asdict(one) | {"labels": dict(one.labels)} for one in self.found],
        }

    @property
    def held_text(self) -> str:
        """What a file says whose contract holds and which is as recorded."""
        firing = next((one.firing for one in self.file.snapshot if one.firing), "?")
        return f"fires after {firing} as recorded; contract {format_duration(self.file.contract.fires_within)}: holds"


@dataclass(frozen=True)
class Replay:
    """One file with the slice of its rule, and its cases."""

    path: Path
    file: RegressFile
    rule: RuleSlice

    @cached_property
    def case(self) -> Case:
        """The recorded series, at the interval that the rule's group has now."""
        case = self.file.case()
        interval = self.rule.interval
        # In a lab with a time scale, the interval of the file is that of the rule file, stretched back.
        return case if interval is None else case.at_interval(round(interval / timedelta(milliseconds=1)))

    @property
    def quiet(self) -> Case | None:
        """The time before the fault alone."""
        return self.case.quiet(self.rule.is_counter)

    @property
    def without(self) -> Case | None:
        """The fault without what decides."""
        decisive = self.file.decisive
        if decisive is None:
            return None
        left = [line for line in self.case.lines if spell_series(without_bucket(line.labels)) != decisive]
        return self.case.with_lines(left) if len(left) < len(self.case.lines) else None

    @property
    def held(self) -> Case | None:
        """The fault as if it went on until the contract has surely failed, from the instant at which the alert fired.

        When the end of a fault is noted, its effect may be over.
        """
        case, fired = self.case, timedelta(seconds=self.recorded_firing)
        waits = [one.for_ or timedelta() for one in self.rule.own]
        longest = max(self.file.contract.fires_within, fired) + 2 * max(waits) + _MARGIN
        fired_ms, longest_ms = (round(one / timedelta(milliseconds=1)) for one in (fired, longest))
        from_ms = case.begins_ms + fired_ms + 1 if fired_ms else case.healed_ms or 0
        return case.held(from_ms, case.begins_ms + longest_ms, self.rule.is_counter)

    @property
    def recorded_firing(self) -> float:
        """When the alert fired when the file was made, in seconds; 0 if it did not."""
        return max((seconds_of(one.firing) for one in self.file.snapshot if one.firing), default=0.0)

    def job(self, case: Case) -> Job:
        """Return a case for promtool."""
        at = tuple(number * case.evaluation_ms for number in range(case.evaluations))
        return Job(
            self.rule.rules, case.evaluation_ms, case.lines, self.rule.queries(at), dict(self.file.external_labels)
        )


def replay_of(path: Path) -> Replay | Result:
    """Read a file with the slice of its rule, or return the result if that cannot be evaluated.

    Raises ConfigError if the file itself is wrong.
    """
    file = read_regress_file(path)
    try:
        return Replay(path, file, rule_slice(file.rule_files(path), file.regress, file.evaluation))
    except AlertGone as error:
        return Result(file, path, error=f"{error}: {_IF_GONE}")
    except ConfigError as error:
        is_there = all(rules.exists() for rules in file.rule_files(path))
        return Result(file, path, error=str(error) if is_there else f"{error}: {_IF_MOVED}")


def replays(paths: Sequence[Path]) -> tuple[list[Replay], list[Result]]:
    """Read files with the slices of their rules; return also the results of those whose rule cannot be evaluated.

    Raises ConfigError if a file itself is wrong.
    """
    found = [replay_of(path) for path in paths]
    return [one for one in found if isinstance(one, Replay)], [one for one in found if isinstance(one, Result)]


def run(paths: Sequence[Path], promtool: Promtool, alertmanager: Path | None = None) -> list[Result]:
    """Replay files, and return the result of each in their order; raises ConfigError."""
    ready, broken = replays(paths)
    made = {one.path: one for one in (*judged(ready, promtool, alertmanager), *broken)}
    return [made[path] for path in paths]


def run_each(
    paths: Sequence[Path], promtool: Promtool, alertmanager: Path | None = None
) -> dict[Path, Result | ConfigError]:
    """Replay files as `run` does, and return an error for each that is wrong: the others have their results."""
    found: dict[Path, Replay | Result | ConfigError] = {path: _replay_or_error(path) for path in paths}
    ready = [one for one in found.values() if isinstance(one, Replay)]
    try:
        found |= {one.path: one for one in judged(ready, promtool, alertmanager)}
    except ConfigError:
        # A missing alertmanager.yml concerns only the files that name it.
        for one in ready:
            try:
                found |= {one.path: judged([one], promtool, alertmanager)[0]}
            except ConfigError as error:
                found[one.path] = error
    return {path: one for path, one in found.items() if not isinstance(one, Replay)}


def _replay_or_error(path: Path) -> Replay | Result | ConfigError:
    try:
        return replay_of(path)
    except ConfigError as error:
        return error


def judged(ready: Sequence[Replay], promtool: Promtool, alertmanager: Path | None = None) -> list[Result]:
    """Return the results of files, whose cases run in one process; raises ConfigError."""
    cases = [[replay.case, replay.quiet, replay.without] for replay in ready]
    answers = iter(promtool.run([r.job(case) for r, own in zip(ready, cases, strict=True) for case in own if case]))
    seen = [[next(answers) if case else None for case in own] for own in cases]
    results = [_Judged(replay, own, alertmanager) for replay, own in zip(ready, seen, strict=True)]
    again = [(one, judge, case) for one in results for judge, case in one.more()]
    for (_, judge, case), answer in zip(again, promtool.run([one.replay.job(c) for one, _, c in again]), strict=True):
        judge(case, answer)
    return [one.result(promtool.version) for one in results]


@dataclass
class _Judged:
    """The judgement of one file."""

    replay: Replay
    answers: list[QueryResult | None]
    alertmanager: Path | None
    found: list[AlertActivity] = field(default_factory=list)
    held: list[AlertActivity] | None = None
    longer: Case | None = None

    def __post_init__(self) -> None:
        if not self.error:
            self.found = self._stretches(self.replay.case, self.answers[0])

    @property
    def error(self) -> str:
        return next((answer.error for answer in self.answers if answer is not None and answer.error), "")

    def _stretches(self, case: Case, answer: QueryResult | None) -> list[AlertActivity]:
        timeline: Timeline = timeline_of(answer, case.evaluations) if answer is not None else {}
        return stretches(timeline, case)

    def more(self) -> Iterator[tuple[Callable[[Case, QueryResult], None], Case]]:
        """Yield what must be evaluated besides, if the recorded time is too short for the rule as it is now."""
        if self.error:
            return
        replay = self.replay
        if self._first(self.found) is None and (held := replay.held) is not None:
            yield self._judge_held, held
        ended = all(one.resolved for one in replay.file.snapshot)
        if ended and any(one.firing is not None and one.resolved is None for one in self.found):
            by = replay.file.contract.resolves_within or _LONGEST_END
            yield self._judge_longer, replay.case.longer(round(by / timedelta(milliseconds=1)), replay.rule.is_counter)

    def _judge_held(self, case: Case, answer: QueryResult) -> None:
        if not answer.error:
            self.held = self._stretches(case, answer)

    def _judge_longer(self, case: Case, answer: QueryResult) -> None:
        if not answer.error:
            self.found, self.longer = self._stretches(case, answer), case

    def _first(self, found: Sequence[AlertActivity]) -> AlertActivity | None:
        """Return the first alert to fire; one that fires after the recorded fault is no detection of it."""
        case = self.replay.case
        ended = None if case.healed_ms is None else (case.healed_ms - case.begins_ms) / 1000
        fired = [one for one in found if one.firing is not None]
        if found is self.found and ended is not None:
            # A short fault may be over before its alert fires: then it was so in the recording, too.
            latest = max(ended, self.replay.recorded_firing) + case.evaluation_ms / 1000
            fired = [one for one in fired if (one.firing or 0.0) <= latest]
        of_contract = [one for one in fired if self._has_labels(one)]
        return next(iter(of_contract or fired), None)

    def _has_labels(self, one: AlertActivity) -> bool:
        labels = dict(one.labels)
        return all(labels.get(name, "") == value for name, value in self.replay.file.contract.labels.items())

    @property
    def first(self) -> AlertActivity | None:
        return self._first(self.found) or (self._first(self.held) if self.held is not None else None)

    def result(self, version: str) -> Result:
        file, path, rule = self.replay.file, self.replay.path, self.replay.rule
        base = Result(file, path, rule, tuple(self.found))
        if self.error:
            return replace(base, error=f"promtool cannot evaluate the rule: {self.error}")
        return replace(
            base,
            failures=tuple(self._failures()),
            differences=tuple(self._differences()),
            notes=tuple(self._notes(version)),
        )

    def _failures(self) -> Iterator[str]:
        contract, first = self.replay.file.contract, self.first
        within = format_duration(contract.fires_within)
        if first is None or first.firing is None:
            yield f"would not fire; contract {within}: fails"
        elif first.firing < 0:
            yield f"would fire {spell_seconds(-first.firing)} before the fault: fails"
        else:
            if first.firing > contract.fires_within.total_seconds():
                yield f"{self._moved(first.firing)}; contract {within}: fails"
            yield from self._wrong_labels(first)
            yield from self._late_end(first)
        yield from self._controls()

    def _wrong_labels(self, first: AlertActivity) -> Iterator[str]:
        contract = self.replay.file.contract
        if not self._has_labels(first):
            expected = labels_text(tuple(contract.labels.items()))
            yield f"would fire with {labels_text(_shown(first))}; contract {expected}: fails"
        config = self._alertmanager_config()
        if contract.receiver is None or config is None:
            return
        reached = receivers(config, dict(first.labels) | self.replay.file.external_labels)
        if contract.receiver not in reached:
            found = ", ".join(sorted(reached)) or "nobody"
            yield f"would be sent to {found}; contract receiver {contract.receiver}: fails"

    def _late_end(self, first: AlertActivity) -> Iterator[str]:
        contract, case = self.replay.file.contract, self.replay.case
        if contract.resolves_within is None or case.healed_ms is None or first not in self.found:
            return
        limit = (case.healed_ms - case.begins_ms) / 1000 + contract.resolves_within.total_seconds()
        within = f"contract {format_duration(contract.resolves_within)} after the fault: fails"
        seen = self.longer or case
        if first.resolved is None and limit <= (seen.ends_ms - seen.begins_ms) / 1000:
            yield f"would not resolve; {within}"
        elif first.resolved is not None and first.resolved > limit:
            yield f"would resolve {spell_seconds(first.resolved - limit)} too late; {within}"

    def _controls(self) -> Iterator[str]:
        quiet, without = self.replay.quiet, self.replay.without
        if quiet is not None and any(one.firing is not None for one in self._stretches(quiet, self.answers[1])):
            yield "would fire without any fault, on the time before it: fails"
        if without is not None and any(one.firing is not None for one in self._stretches(without, self.answers[2])):
            yield f"would fire even without {self.replay.file.decisive}: this file proves nothing any more: fails"

    def _differences(self) -> Iterator[str]:
        before, after = self.replay.file.snapshot, snapshot(self.found)
        if before == after:
            return
        first = self.first
        old = next((seconds_of(one.firing) for one in before if one.firing), None)
        contract = format_duration(self.replay.file.contract.fires_within)
        told = False
        if first is not None and first.firing is not None and old is not None and first.firing != old:
            told = True
            if first.firing <= self.replay.file.contract.fires_within.total_seconds():
                yield f"{self._moved(first.firing)}; contract {contract}: holds"
        # That it would not fire at all is told already.
        if after or first is not None:
            yield from _other_differences(before, after, told or first is None)

    def _moved(self, firing: float) -> str:
        old = next((seconds_of(one.firing) for one in self.replay.file.snapshot if one.firing), None)
        if old is None or old == firing:
            return f"would fire after {spell_seconds(firing)}"
        by, word = spell_seconds(abs(firing - old)), "later" if firing > old else "earlier"
        return f"would fire {by} {word}: {spell_seconds(old)} → {spell_seconds(firing)}"

    def _notes(self, version: str) -> Iterator[str]:
        recorded, case = self.replay.file.recorded.prometheus, self.replay.case
        if recorded[:1].isdigit() and version.partition(".")[0] != recorded.partition(".")[0]:
            yield f"recorded on Prometheus {recorded}, replayed by promtool {version}: {self._edge_words()}"
        if self.held is not None and self._first(self.held) is not None and case.healed_ms is not None:
            ended = spell_seconds((case.healed_ms - case.begins_ms) / 1000)
            yield f"the recorded fault ended after {ended}; its state when the alert fired was continued"
        if self.first is None and (names := self._absent()):
            yield f"the file has no series of {', '.join(names)}, which the rule reads{self._if_recorded(names)}"
        if replayed := self.replay.rule.replayed:
            told = f"{', '.join(replayed)} {'is' if len(replayed) == 1 else 'are'} of a group with another interval"
            yield f"{told}: what was recorded is replayed, and a change of its expression is not tested"
        if self.longer is not None:
            yield "after the end of the recording its last state was continued"
        if self.replay.file.contract.receiver is not None and self._alertmanager_config() is None:
            yield f"the receiver {self.replay.file.contract.receiver} was not checked: no alertmanager.yml is named"

    def _edge_words(self) -> str:
        """Return in words whether 2.x and 3.x may see different samples: those at the very begin of a range count only in 2.x."""
        if self.replay.rule.has_subquery:
            return f"the begin of a subquery counts only in 2.x, so {MAY_DIFFER}"
        edges = {round(edge * 1000) for edge in self.replay.rule.reads.edges} | {_LOOKBACK_MS}
        count = sum(self.replay.case.samples_on(edge) for edge in edges)
        if not count:
            return "no sample lies at the begin of a range, where only 2.x counts it, so both see the same"
        return (
            f"{count} times a sample lies at the very begin of a range, where only 2.x counts it;"
            f" {MAY_DIFFER}, so take the promtool of that Prometheus"
        )

    def _absent(self) -> list[str]:
        """Return what the rule reads that is neither in the file nor recorded by a rule, such as a misspelt metric."""
        rule = self.replay.rule
        recorded = [{"__name__": one.rule.record} for one in rule.reads.rules if one.rule.record]
        known = [*recorded, *(dict(line.labels) for line in self.replay.case.lines)]
        return [str(selector) for selector in rule.reads.reads if not any(selects(selector, one) for one in known)]

    @staticmethod
    def _if_recorded(names: list[str]) -> str:
        """Return what to do if a recording rule of another file makes them: its name has a colon."""
        if any(":" in name.partition("{")[0] for name in names):
            return ": if a recording rule makes it, name its file as `rules:`, too"
        return ""

    def _alertmanager_config(self) -> str | None:
        named = self.replay.file.alertmanager
        path = self.alertmanager or (self.replay.path.parent / named if named else None)
        return None if path is None else read_text(path)


def _shown(one: AlertActivity) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in one.labels if pair[0] != "alertname")


def _other_differences(before: list[SnapshotEntry], after: list[SnapshotEntry], told: bool) -> Iterator[str]:  # noqa: FBT001
    """List what else is different: the number of alerts, their labels, when they end or become pending."""
    if len(before) != len(after):
        yield f"would be active {_times(len(after))} instead of {_times(len(before))}"
        return
    for old, new in zip(before, after, strict=True):
        if old.labels != new.labels:
            yield f"would have the labels {labels_text(tuple(new.labels.items()))} instead of {labels_text(tuple(old.labels.items()))}"
        if old.firing == new.firing or not told:
            yield from _moves("become pending", old.pending, new.pending)
        yield from _moves("resolve", old.resolved, new.resolved)


def _moves(what: str, old: str | None, new: str | None) -> Iterator[str]:
    if old == new:
        return
    if old is None or new is None:
        yield f"would {what} {'after ' + new if new else 'no more in this time'} (before: {old or 'not in this time'})"
        return
    by = seconds_of(new) - seconds_of(old)
    yield f"would {what} {spell_seconds(abs(by))} {'later' if by > 0 else 'earlier'}: {old} → {new}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
