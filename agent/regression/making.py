"""Makes a regress file of a recording, for one alert: converted, made small, and checked before it is written.

A file is not written unless promtool, with the rule file of the user, gives the recorded timeline at every evaluation.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

from alertdrill import __version__
from alertdrill.agent.config.drill import Expectation
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord
from alertdrill.agent.recording.redaction import HASH_PREFIX
from alertdrill.agent.regression.case import Case, first_difference, stretches
from alertdrill.agent.regression.conversion import Converted, GridKind, Manner, NotReplayable, converted, has_gaps
from alertdrill.agent.regression.minimising import Minimised, Minimiser, Observed
from alertdrill.agent.regression.promtool import Job, Promtool, spell_series
from alertdrill.agent.regression.regress_file import (
    SUFFIX,
    Contract,
    FaultSpan,
    Recorded,
    RegressFile,
    grouped,
    labels_text,
    render,
    snapshot,
)
from alertdrill.agent.regression.replaying import Replay, Result, judged
from alertdrill.agent.regression.rule_slice import RuleSlice, rule_slice, timeline_of
from alertdrill.agent.regression.spelling import MOST_VALUES
from alertdrill.units.duration import format_duration, parse_duration
from alertdrill.units.text import utc_text
from alertdrill.units.time_scale import scale_duration, scale_expr

_GRIDS: tuple[GridKind, ...] = ("regular", "exact", "waiting", "fine")
# The name of an alert may be any text.
_NOT_OF_A_NAME = re.compile(r"[^\w:-]")
# With more, the recording says too little of what the server saw.
_MOST_TURNED = 10


@dataclass(frozen=True)
class MakingOptions:
    """Where the rules and the routes are, and where the file goes."""

    output: Path
    rules: Sequence[Path]
    alertmanager: Path | None = None


@dataclass(frozen=True)
class Made:
    """A file that proved itself, with its text and its first result."""

    path: Path
    text: str
    result: Result
    series: tuple[int, int]

    @property
    def told(self) -> str:
        """What the file proves, in words."""
        return f"{self.result.file.regress} {self.result.held_text}"


class Maker:
    """Makes the files of one recording."""

    def __init__(self, path: Path, recording: Recording, promtool: Promtool, options: MakingOptions) -> None:
        self.path = path
        self._recording = recording
        self._promtool = promtool
        self._options = options

    def expectations(self, only: str | None) -> list[Expectation]:
        """Return the expectations to make files for; of an alert that was not expected, one with the drill's limits."""
        drill = self._recording.drill
        if only is None:
            return list(drill.expect)
        found = [one for one in drill.expect if one.alert == only]
        return found or [Expectation(alert=only, within=drill.observe_for, resolves=False)]

    def made(self, expectation: Expectation) -> Made:
        """Return the file of an alert; raises NotReplayable with the reason why there is none, and ConfigError."""
        alert, recording = expectation.alert, self._recording
        rule = self._rule(alert)
        self._require_recorded(alert)
        interval = timedelta(seconds=rule.interval_seconds * recording.time_scale)
        sliced = rule_slice(self._rule_files(rule), alert, interval)
        whole = self._converted(sliced, rule)
        small = self._minimiser(sliced).minimised(whole.case)
        return self._written(expectation, sliced, whole, small)

    def _converted(self, sliced: RuleSlice, rule: RuleRecord) -> Converted:
        """Return the case that gives the recorded timeline."""
        first: tuple[Converted, Observed] | None = None
        replay = self._recording.replay
        gaps = (True, False) if replay is not None and has_gaps(replay) else (True,)
        for ends_in_gaps, grid in product(gaps, _GRIDS):
            whole, seen = self._turned(sliced, rule, Manner(grid, ends_in_gaps))
            if not seen.error and first_difference(whole.timeline, seen.timeline, whole.case.since) is None:
                return whole
            first = first or (whole, seen)
        assert first is not None  # noqa: S101 - there were several tries
        self._require_same(sliced, rule, *first)
        return first[0]

    def _turned(self, sliced: RuleSlice, rule: RuleRecord, manner: Manner) -> tuple[Converted, Observed]:
        """Convert a recording; where the timeline shows whether an evaluation saw the scrape before it, it decides."""
        turned: frozenset[int] = frozenset()
        while True:
            whole = converted(self._recording, rule, sliced.reads, turned, manner)
            (seen,) = self._observed(sliced, [whole.case], values=False)
            found = None if seen.error else first_difference(whole.timeline, seen.timeline, whole.case.since)
            if found is None or found[0] in turned or len(turned) == _MOST_TURNED:
                return whole, seen
            turned |= {found[0]}

    def _rule(self, alert: str) -> RuleRecord:
        rule = next((one for one in self._recording.rules if one.alert == alert), None)
        if rule is None:
            raise NotReplayable(f"{alert}: the recording has no such rule")
        return rule

    def _require_recorded(self, alert: str) -> None:
        for one in self._recording.left_out:
            if one.rule == alert:
                raise NotReplayable(f"{alert}: {one.why}")

    def _rule_files(self, rule: RuleRecord) -> list[Path]:
        """Return the given rule files that have the alert; without any, the file that Prometheus read, if it is here."""
        if not self._options.rules:
            here = Path(rule.file)
            if here.is_file():
                return [here]
            raise ConfigError(
                f"{rule.alert}: Prometheus read it from {rule.file}, which is not here: name the file with --rules"
            )
        return list(self._options.rules)

    def _observed(self, sliced: RuleSlice, cases: Sequence[Case], *, values: bool = True) -> list[Observed]:
        answers = self._promtool.run([self._job(sliced, case, values=values) for case in cases])
        return [
            Observed({}, error=answer.error)
            if answer.error
            else Observed(timeline_of(answer, case.evaluations), answer.vectors[1:])
            for case, answer in zip(cases, answers, strict=True)
        ]

    def _job(self, sliced: RuleSlice, case: Case, *, values: bool) -> Job:
        at = tuple(number * case.evaluation_ms for number in range(case.evaluations))
        return Job(
            sliced.rules, case.evaluation_ms, case.lines, sliced.queries(at, values=values), self._external_labels
        )

    @property
    def _external_labels(self) -> dict[str, str]:
        return self._recording.replay.external_labels if self._recording.replay is not None else {}

    def _require_same(self, sliced: RuleSlice, rule: RuleRecord, whole: Converted, seen: Observed) -> None:
        """Refuse what promtool does not reproduce, with the first evaluation that differs and the likely reason."""
        if seen.error:
            raise NotReplayable(f"{rule.alert}: promtool cannot evaluate the rule: {seen.error}")
        found = first_difference(whole.timeline, seen.timeline, whole.case.since)
        if found is None:
            return
        number, labels = found
        state = {".": "inactive", "p": "pending", "f": "firing"}
        recorded, replayed = (state[one.get(labels, "." * 10**6)[number]] for one in (whole.timeline, seen.timeline))
        at = format_duration(timedelta(milliseconds=number * whole.case.evaluation_ms - whole.case.begins_ms))
        raise NotReplayable(
            f"{rule.alert}: promtool does not reproduce the recording: at {at} from the begin of the fault {labels_text(labels)}"
            f" was {recorded}, and is {replayed} in the replay. {self._likely(sliced, rule, whole)}"
        )

    def _likely(self, sliced: RuleSlice, rule: RuleRecord, whole: Converted) -> str:
        if different := self._different(sliced, rule):
            return f"The rule in {sliced.file} is not the recorded one: {different}."
        if "." not in {states[whole.case.since] for states in whole.timeline.values()}:
            return "It was active already when the recording began."
        recorded, here = self._recording.prometheus.version, self._promtool.version
        if recorded[:1].isdigit() and recorded.partition(".")[0] != here.partition(".")[0]:
            return (
                f"It was recorded on Prometheus {recorded}, and this is promtool {here}: their ranges end differently."
            )
        offset = next((one.query_offset_seconds for one in self._recording.watched if one.alert == rule.alert), 0.0)
        if offset:
            return f"Its group has a query offset of {offset:g} s."
        readers = [one.name for one in sliced.reads.rules if one.rule.record is not None]
        if readers:
            return f"It reads {', '.join(readers)}, which the server may have evaluated up to one interval apart."
        return "An evaluation of the server may have come late, or read a scrape before it was complete."

    def _different(self, sliced: RuleSlice, rule: RuleRecord) -> str:
        """Return what the rule of the file has that the recorded one has not, both at the durations of the recording."""
        scale = self._recording.time_scale
        known = [
            (scale_expr(one.expr, scale), _scaled(one.for_, scale), _scaled(one.keep_firing_for, scale))
            for one in sliced.own
        ]
        recorded = (rule.expr, rule.for_seconds, rule.keep_firing_for_seconds)
        if any(_plain(one) == _plain(recorded) for one in known):
            return ""
        expr, wait, keep = known[0]
        if _plain((expr,)) != _plain((rule.expr,)):
            hidden = ": --redact hides a value that the rule names, so leave that label out of --redact"
            told = f"expr is {expr!r} there, and {rule.expr!r} was recorded"
            return told + (hidden if HASH_PREFIX in rule.expr else "")
        name, here, there = (
            ("for", wait, rule.for_seconds)
            if wait != rule.for_seconds
            else ("keep_firing_for", keep, rule.keep_firing_for_seconds)
        )
        spelled = [format_duration(timedelta(seconds=seconds * scale)) for seconds in (here, there)]
        return f"{name} is {spelled[0]} there, and {spelled[1]} was recorded"

    def _minimiser(self, sliced: RuleSlice) -> Minimiser:
        thresholds = [one.threshold for one in sliced.watched]
        return Minimiser(lambda cases: self._observed(sliced, cases), sliced.is_counter, thresholds)

    def _written(self, expectation: Expectation, sliced: RuleSlice, whole: Converted, small: Minimised) -> Made:
        """Write the small case as a file, and read it again: the text itself must prove the recorded timeline."""
        file = self._file(expectation, sliced, small)
        drill = self._recording.drill.name
        path = self._options.output / f"{drill}.{_NOT_OF_A_NAME.sub('_', expectation.alert)}{SUFFIX}"
        replay = Replay(path, file, sliced)
        (seen,) = self._observed(sliced, [file.case()])
        self._require_same(sliced, self._rule(sliced.alert), _in_time_of(whole, file.case()), seen)
        file = file.model_copy(update={"snapshot": snapshot(stretches(seen.timeline, file.case()))})
        text = render(file, f"Made by `alertdrill regress` from {self.path.name}; `alertdrill regress run` replays it.")
        (result,) = judged([replace(replay, file=file)], self._promtool, self._options.alertmanager)
        self._require_proof(expectation.alert, result)
        return Made(path, text, result, (len(whole.case.lines), len(small.case.lines)))

    def _require_proof(self, alert: str, result: Result) -> None:
        if result.error:
            raise NotReplayable(f"{alert}: {result.error}")
        if result.failures:
            raise NotReplayable(f"{alert}: the test would fail as it is: {'; '.join(result.failures)}")

    def _file(self, expectation: Expectation, sliced: RuleSlice, small: Minimised) -> RegressFile:
        case, options = small.case, self._options
        if any(len(line.values) > MOST_VALUES for line in case.lines):
            raise NotReplayable(
                f"{sliced.alert}: its scrapes come so irregularly that a series would need more than {MOST_VALUES:,} values"
            )
        files = sorted({Path(rule.file) for rule in sliced.reads.rules})
        names = [os.path.relpath(path, options.output) for path in files]
        routes = os.path.relpath(options.alertmanager, options.output) if options.alertmanager else None
        ends = None if case.healed_ms is None else timedelta(milliseconds=case.healed_ms)
        return RegressFile(
            regress=sliced.alert,
            rules=names[0] if len(names) == 1 else names,
            alertmanager=routes,
            recorded=self._recorded(),
            contract=self._contract(expectation),
            snapshot=[],
            fault=FaultSpan(begins=timedelta(milliseconds=case.begins_ms), ends=ends),
            evaluation=timedelta(milliseconds=case.evaluation_ms),
            evaluations=case.evaluations,
            compared_from=case.since,
            external_labels=self._external_labels,
            decisive=None if small.decisive is None else spell_series(small.decisive),
            scrapes=grouped(case.lines),
        )

    def _recorded(self) -> Recorded:
        recording = self._recording
        at = utc_text(datetime.fromtimestamp(recording.started_at, UTC))
        return Recorded(
            by=__version__,
            prometheus=recording.prometheus.version,
            at=at,
            drill=recording.drill.name,
            sha256=hashlib.sha256(self.path.read_bytes()).hexdigest()[:16],
            time_scale=recording.time_scale,
        )

    def _contract(self, expectation: Expectation) -> Contract:
        scale, drill = self._recording.time_scale, self._recording.drill
        return Contract(
            fires_within=expectation.within * scale,
            labels=expectation.labels,
            receiver=expectation.receiver,
            resolves_within=drill.observe_for * scale if expectation.resolves else None,
        )


def _in_time_of(whole: Converted, case: Case) -> Converted:
    """Return the recorded timeline for the evaluations of a case that was cut out of it."""
    first = (whole.case.begins_ms - case.begins_ms) // case.evaluation_ms
    states = {labels: one[first : first + case.evaluations] for labels, one in whole.timeline.items()}
    return Converted(case, states)


def _scaled(wait: timedelta | None, scale: float) -> float:
    return 0.0 if not wait else (wait if scale == 1 else _divided(wait, scale)).total_seconds()


def _divided(wait: timedelta, scale: float) -> timedelta:
    return parse_duration(scale_duration(format_duration(wait), scale))


def _plain(parts: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(" ".join(part.split()) if isinstance(part, str) else part for part in parts)
