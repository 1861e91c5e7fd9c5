"""Doubts because Prometheus lost scrapes or evaluations while a machine was short of time.

A scrape is lost if it timed out, or if it was due and did not take place. Prometheus writes `up` = 0 for a scrape that
timed out, and ends all series of the target. So an alert on `up`, or on series that are absent, may fire although the
service is well, and any other alert may stay silent. Neither is the fault of its rule.

A real outage is no excuse. A loss counts as real if a scrape was refused or failed at once, if the service did not
answer the transactions either, or if a fault took the target or the processors away. Prometheus on this machine is
excused only while the machine was short of time. Of another machine nothing is known, so there the service must have
answered the transactions of the load at the address that is scraped, and as fast as a scrape must be.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, pairwise
from operator import attrgetter
from statistics import median

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.recording.records import RuleRecord, SecondRecord, TargetRecord
from alertdrill.agent.rules.expression import Anatomy, Selector, anatomy
from alertdrill.agent.verdict.evaluations import skipped, targets_behind, watched
from alertdrill.agent.verdict.shortage import STARVES, Shortage, was_short
from alertdrill.agent.verdict.timeline import AlertTimeline, timelines
from alertdrill.agent.verdict.verdict import Doubt, VerdictOutcome

# Prometheus measures a scrape that timed out as a little longer or shorter than its timeout.
_AS_LONG_AS_THE_TIMEOUT = 0.9
# An alert is silent because of its losses if so many of all scrapes, or of all evaluations, were lost.
_SHARE_THAT_MATTERS = 0.25
_SHARE_UNANSWERED = 0.1
# The share of what was due that a service answers that is held up, and one that is well.
_SHARE_ANSWERED, _SHARE_ANSWERED_WELL = 0.5, 0.8
# On a busy machine, a service that is well answers a few seconds late, and all at once.
_ANSWERED_WITHIN_SECONDS = 3.0
# After a jump of the clock a gap would have endless scrapes.
_MOST_NOT_MADE = 10_000
_READS_ABSENCE = re.compile(r"\b(absent\w*|count\w*|group|unless)\b", re.IGNORECASE)
# Faults that may stop what is scraped, or cut it off.
_STOPS = STARVES | {
    "apply_manifest",
    "command",
    "cordon",
    "drain",
    "evict_pods",
    "http",
    "kill_pods",
    "partition",
    "process",
    "restart_rollout",
    "rollout_bad_image",
    "scale",
}


@dataclass(frozen=True)
class Lost:
    """One scrape of a target that was lost, from `at` to `until` (Unix seconds); `how` says in what way."""

    at: float
    until: float
    how: str


_TIMED_OUT, _NOT_MADE, _FAILED = "timed out", "did not take place", "failed"


def shortage_doubts(recording: Recording, fault_at: float, healed_at: float) -> Iterator[Doubt]:
    """Yield a doubt for each alert that a shortage of time excuses; none for recordings that know nothing of it."""
    if recording.machine is None:
        return
    expected = {one.alert for one in recording.drill.expect}
    for rule in recording.rules:
        if rule.alert in expected:
            yield from _silent(recording, rule, fault_at, healed_at)
            yield from _late(recording, rule, fault_at)
    named = {rule.alert for rule in recording.rules} - expected - recording.allowed
    for alert in sorted(named):
        if text := _unexpected(recording, alert, fault_at):
            yield Doubt(text, alert, VerdictOutcome.UNEXPECTED, of_machine=recording.machine.has_prometheus)


def _unexpected(recording: Recording, alert: str, fault_at: float) -> str:
    """Return why an alert that fired may be due to lost scrapes; empty if it did not fire, or if one time was not."""
    rules = [rule for rule in recording.rules if rule.alert == alert]
    fired = [
        one
        for one in timelines(recording, alert, rules[0].interval_seconds)
        if one.firing_at is not None and one.firing_at >= recording.started_at
    ]
    excuses = [next(filter(None, (_excuse(recording, rule, one, fault_at) for rule in rules)), "") for one in fired]
    return excuses[0] if excuses and all(excuses) else ""


def _excuse(recording: Recording, rule: RuleRecord, fired: AlertTimeline, fault_at: float) -> str:
    record, tree = watched(recording, rule), anatomy(rule.expr)
    read = _reading_scrapes(tree) if tree is not None else ()
    if record is None or fired.firing_at is None or not read:
        return ""
    reach = max(one.range_seconds or 0.0 for one in read)
    found = []
    for target in targets_behind(recording, record):
        if not all(fired.labels.get(name) in {None, getattr(target, name)} for name in ("job", "instance")):
            continue
        first = fired.pending_at - reach - target.interval_seconds - target.timeout_seconds
        lost = _lost(target, first, fired.firing_at)
        if lost:
            loss = Loss(recording, target, tuple(lost))
            found.append(loss.told(fault_at) if loss.excused == loss.lost else "")
    return found[0] if found and all(found) else ""


def _reading_scrapes(tree: Anatomy) -> tuple[Selector, ...]:
    """Return the selectors by which an expression is true because scrapes fail, or because series are absent."""
    own = tuple(one for one in tree.selectors if one.metric == "up" or one.metric.startswith("scrape_"))
    return own or (tree.selectors if _READS_ABSENCE.search(tree.text) else ())


def _silent(recording: Recording, rule: RuleRecord, fault_at: float, healed_at: float) -> Iterator[Doubt]:
    """Yield why an alert may have stayed silent: too few scrapes or evaluations, or a pending time that a loss ended."""
    record = watched(recording, rule)
    for target in targets_behind(recording, record) if record is not None else ():
        due = _due(target, fault_at, healed_at)
        loss = Loss(recording, target, tuple(_lost(target, fault_at, healed_at))).only_excused
        broken = _ended_by(timelines(recording, rule.alert, rule.interval_seconds), rule, loss)
        if loss.lost and (len(loss.lost) >= _SHARE_THAT_MATTERS * due or broken):
            yield Doubt(loss.told(fault_at), rule.alert, VerdictOutcome.MISSED, of_machine=loss.is_of_machine)
    group = next((one for one in recording.groups if (one.group, one.file) == (rule.group, rule.file)), None)
    missing = [at for at in skipped(group) if fault_at <= at <= healed_at] if group is not None else []
    due = round(min((healed_at - fault_at) / rule.interval_seconds, 1e9)) if rule.interval_seconds else 0
    if missing and len(missing) >= _SHARE_THAT_MATTERS * due:
        text = f"Prometheus skipped {len(missing)} of {max(due, len(missing))} evaluations of the group {rule.group}"
        told = f"{text} while the fault was in force"
        is_busy = was_short(recording, fault_at, healed_at)
        yield Doubt(told, rule.alert, VerdictOutcome.MISSED, of_machine=is_busy)


def _ended_by(alerts: Iterable[AlertTimeline], rule: RuleRecord, loss: Loss) -> bool:
    """Return whether one of the losses ended the pending time of an alert."""
    reach = rule.interval_seconds + 2 * loss.target.interval_seconds
    ends = [one.ended_at for one in alerts if one.firing_at is None and one.ended_at is not None]
    return any(end - reach <= lost.at <= end for end in ends for lost in loss.lost)


def _late(recording: Recording, rule: RuleRecord, fault_at: float) -> Iterator[Doubt]:
    """Yield why an alert may be later than the drill allows: losses that took as long as it came too late."""
    within = [one.within.total_seconds() for one in recording.drill.expect if one.alert == rule.alert and one.within]
    fired = [one.firing_at for one in timelines(recording, rule.alert, rule.interval_seconds) if one.firing_at]
    first = min((at for at in fired if at >= fault_at), default=None)
    record = watched(recording, rule)
    if record is None or first is None or not within or first <= fault_at + min(within):
        return
    for target in targets_behind(recording, record):
        loss = Loss(recording, target, tuple(_lost(target, fault_at, first))).only_excused
        if loss.lost and len(loss.lost) * target.interval_seconds >= first - fault_at - min(within):
            yield Doubt(loss.told(fault_at), rule.alert, VerdictOutcome.LATE, of_machine=loss.is_of_machine)


def _due(target: TargetRecord, start: float, end: float) -> int:
    made = sum(start <= at <= end for at in target.instants)
    return made + sum(one.how is _NOT_MADE for one in _lost(target, start, end))


def _lost(target: TargetRecord, start: float, end: float) -> list[Lost]:
    """List the scrapes of a target between two instants that failed, or were due and not made.

    Scrapes after the last one were due if Prometheus still had the target when the drill was over.
    """
    taken = zip(target.instants, target.up, target.durations_seconds, strict=True)
    found = [_unsuccessful(target, at, seconds) for at, up, seconds in taken if not up]
    ends = [*target.instants, end] if target.address and target.instants[-1:] < [end] else target.instants
    gaps = ((before, after) for before, after in pairwise(ends) if start <= after and before <= end)
    due = (at for before, after in gaps for at in _due_between(before, after, target.interval_seconds))
    found += [Lost(at, at + target.interval_seconds, _NOT_MADE) for at in islice(due, _MOST_NOT_MADE)]
    return sorted((one for one in found if start <= one.at <= end), key=lambda one: one.at)


def _due_between(before: float, after: float, interval: float) -> Iterator[float]:
    if interval:
        missing = round(min((after - before) / interval, _MOST_NOT_MADE)) - 1
        yield from (before + (number + 1) * interval for number in range(missing))


def _unsuccessful(target: TargetRecord, at: float, seconds: float) -> Lost:
    is_timeout = seconds >= _AS_LONG_AS_THE_TIMEOUT * target.timeout_seconds
    return Lost(at, at + seconds, _TIMED_OUT if is_timeout else _FAILED)


@dataclass(frozen=True, eq=False)
class Loss:
    """Scrapes of one target that were lost."""

    recording: Recording
    target: TargetRecord
    lost: tuple[Lost, ...]

    @property
    def is_of_machine(self) -> bool:
        """Whether this machine's record says that it was busy."""
        return self.recording.machine is not None and self.recording.machine.has_prometheus

    @property
    def only_excused(self) -> Loss:
        """The same with the losses that are excused alone."""
        return replace(self, lost=self.excused)

    @property
    def excused(self) -> tuple[Lost, ...]:
        """The losses for which neither the service nor a fault is to blame, as far as the recording shows."""
        return tuple(one for one in self.lost if not self._is_real(one) and self._is_excused(one))

    def _is_real(self, lost: Lost) -> bool:
        faults = [one for one in self.recording.faults if one.injected_at <= lost.until and lost.at <= one.healed_at]
        if lost.how is _FAILED or any(one.kind in STARVES for one in faults):
            return True
        stops = any(one.kind in _STOPS for one in faults)
        answers = self._answers(lost)
        if answers is None:
            return stops or (bool(faults) and self._is_mostly_lost)
        if not (answers.are_well if stops else answers.are_there):
            return True
        return bool(faults) and not answers.come_within(self.target.timeout_seconds) and self._is_mostly_lost

    def _answers(self, lost: Lost) -> _Answers | None:
        """Return how the transactions around a loss ended that were sent to the address that is scraped; None without."""
        if not self.target.address or self.target.address not in self.recording.probed:
            return None
        found = _Answers.during(self.recording.load.seconds, lost)
        return found if any(one.due for one in found.seconds + found.after) else None

    @cached_property
    def _is_mostly_lost(self) -> bool:
        """Whether fewer than half of the scrapes during the faults succeeded: then a fault may be the reason."""
        faults = self.recording.faults
        start, end = min(one.injected_at for one in faults), max(one.healed_at for one in faults)
        return 2 * len(_lost(self.target, start, end)) > _due(self.target, start, end)

    def _is_excused(self, lost: Lost) -> bool:
        machine = self.recording.machine
        if machine is not None and machine.has_prometheus:
            return Shortage.around(machine.slices, (lost.at, lost.until)).explains(self.target.timeout_seconds)
        answers = self._answers(lost)
        return answers is not None and answers.are_well and answers.come_within(self.target.timeout_seconds)

    def told(self, fault_at: float) -> str:
        """Return the losses and what explains them, with their figures."""
        name = self.target.job or self.target.instance
        start, end = self.lost[0].at, self.lost[-1].until
        of = max(_due(self.target, start, self.lost[-1].at), len(self.lost))
        text = (
            f"Prometheus lost {len(self.lost)} of {of} scrapes of {name} from {start - fault_at:+.1f} s"
            f" to {end - fault_at:+.1f} s ({', '.join(self._ways())})"
        )
        machine = self.recording.machine
        if machine is not None and machine.has_prometheus:
            shortage = Shortage.around(machine.slices, *((one.at, one.until) for one in self.lost))
            return f"{text}, and this machine's processors were busy: {shortage.told(self.target.timeout_seconds)}"
        return f"{text}, while the service answered the transactions: whether the machine of Prometheus was busy is unknown"

    def _ways(self) -> Iterator[str]:
        timed_out = sum(one.how is _TIMED_OUT for one in self.lost)
        if timed_out:
            # The last error may be that of a later scrape.
            error = self.target.last_error
            quoted = f' with "{error}"' if "deadline exceeded" in error or "timeout" in error.lower() else ""
            yield f"{timed_out} timed out after {self.target.timeout_seconds:.3g} s{quoted}"
        if len(self.lost) > timed_out:
            yield f"{len(self.lost) - timed_out} did not take place"


@dataclass(frozen=True)
class _Answers:
    """How the service answered the transactions around a lost scrape, second by second."""

    seconds: tuple[SecondRecord, ...]
    after: tuple[SecondRecord, ...]

    @classmethod
    def during(cls, seconds: list[SecondRecord], lost: Lost) -> _Answers:
        """Take the seconds that overlap a lost scrape, and a few after them."""
        begins, ends, after = (
            bisect_left(seconds, at, key=attrgetter("at"))
            for at in (lost.at - 1, lost.until, lost.until + _ANSWERED_WITHIN_SECONDS)
        )
        return cls(tuple(seconds[begins:ends]), tuple(seconds[ends:after]))

    @property
    def are_there(self) -> bool:
        """Whether most transactions were answered, also with those answered soon after: it may have been held up."""
        every = self.seconds + self.after
        due = sum(one.due for one in every)
        few = _unanswered(every) <= _SHARE_UNANSWERED * due
        return few and 0 < due * _SHARE_ANSWERED <= sum(map(_answered, every))

    @property
    def are_well(self) -> bool:
        """Whether nearly all transactions were answered in every second."""
        few = _unanswered(self.seconds) <= _SHARE_UNANSWERED * sum(one.due for one in self.seconds)
        return (
            few and bool(self.seconds) and all(_answered(s) >= _SHARE_ANSWERED_WELL * s.due > 0 for s in self.seconds)
        )

    def come_within(self, seconds: float) -> bool:
        """Return whether half of the transactions ended within some seconds."""
        values = [one.p50_seconds for one in self.seconds if one.p50_seconds is not None]
        return bool(values) and median(values) <= seconds


def _answered(second: SecondRecord) -> int:
    return second.succeeded + second.failed - _unanswered([second])


def _unanswered(seconds: Iterable[SecondRecord]) -> int:
    return sum(one.failed if one.unanswered is None else one.unanswered for one in seconds)
