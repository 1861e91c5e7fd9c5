"""The post-incident document of a drill, as Markdown, one sentence a line.

It has what the monitoring strategy asks for after an incident: details and time line, root cause and contributing
factors, preventive measures, and what to change in monitoring and alerting. All of it comes from the recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from agent.recording import Recording
from agent.records import MoneyRecord
from agent.report import follow_ups, impact, kpi_phases, words
from agent.report.chronicle import chronicle
from agent.report.markdown import code, plain, table
from agent.report.scorecard_words import MARKS
from agent.verdict.verdict import Judgement, Milestone, Outcome, Verdict
from agent.verdict.waterfall import longest
from units.duration import format_seconds

_NOT_FIRED = frozenset({Outcome.MISSED, Outcome.INCONCLUSIVE})


def render(
    recording: Recording, judgement: Judgement, slow_seconds: float, carried: Sequence[MoneyRecord] | None = None
) -> str:
    """Write the document, ending in a newline.

    Transactions above `slow_seconds` count as slow. `carried` says what transactions carry, by default as recorded.
    """
    money = recording.load.money if carried is None else carried
    blocks = [
        f"# Post-incident report: {plain(recording.drill.name)}",
        *_summary(recording, judgement),
        "## Time line",
        _time_line(recording, judgement.fault_at),
        "## Impact",
        *_impact(recording, slow_seconds, money),
        "## Root cause",
        _root_cause(recording, judgement.fault_at),
        "## Contributing factors",
        _listed(_factors(recording, judgement), "None was found."),
        "## Detection",
        *_detection(recording, judgement),
        "## Follow-ups",
        "### Monitoring and alerting rules",
        _to_do(follow_ups.of_monitoring(recording, judgement)),
        "### Prevention",
        _to_do(follow_ups.of_prevention(recording, judgement)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _summary(recording: Recording, judgement: Judgement) -> Iterator[str]:
    load, lost = recording.load, impact.not_succeeded(recording)
    sentences = [
        f"This was a drill: {plain(recording.drill.summary.rstrip('.') or 'its file has no summary')}.",
        f"Its verdict is **{words.OVERALL[judgement.exit_code]}**.",
        f"{lost:,} of {load.due:,} transactions did not succeed: {load.failed:,} failed, {load.dropped:,} never sent.",
        *(f"{plain(one.alert)}: {_detected(one, judgement.fault_at)}." for one in judgement.verdicts),
    ]
    if recording.time_scale != 1:
        sentences.append(
            f"It ran {recording.time_scale:g} times as fast as written; every time here is that of the run."
        )
    yield "\n".join(sentences)
    yield table(
        ("", ""),
        [
            ("began", words.utc(recording.started_at)),
            ("fault", words.utc(judgement.fault_at) if recording.faults else "none"),
            ("ended", words.utc(recording.ended_at)),
            ("took", format_seconds(round(recording.ended_at - recording.started_at))),
            ("alertdrill", recording.alertdrill),
            ("Prometheus", recording.prometheus.version),
            ("Alertmanager", recording.alertmanager.version),
        ],
    )


def _detected(verdict: Verdict, fault_at: float) -> str:
    firing = _milestone(verdict, "firing")
    told = _milestone(verdict, "notified")
    when = f", fired {_from_fault(firing.at - fault_at)}" if firing is not None and firing.at is not None else ""
    who = f", {verdict.receiver} told after {told.at - fault_at:.1f} s" if told is not None and told.at else ""
    return plain(f"{words.outcome_words(verdict.outcome)}{when}{who if verdict.receiver else ''}")


def _from_fault(seconds: float) -> str:
    return f"{abs(seconds):.1f} s {'before' if seconds < 0 else 'after'} the fault"


def _milestone(verdict: Verdict, name: str) -> Milestone | None:
    return next((milestone for milestone in verdict.milestones if milestone.name == name), None)


def _time_line(recording: Recording, fault_at: float) -> str:
    # Adding zero takes the sign from a zero.
    rows = [
        (_clock(event.at), f"{round(event.at - fault_at, 3) + 0.0:+.3f} s", event.text)
        for event in chronicle(recording)
    ]
    # Without a fault the end of the baseline takes its place.
    since = "after the fault" if recording.faults else "after the baseline"
    return table(("UTC", since, "what happened"), rows)


def _clock(instant: float) -> str:
    # Milliseconds are what Prometheus knows.
    return datetime.fromtimestamp(round(instant, 3), UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")


def _impact(recording: Recording, slow_seconds: float, carried: Sequence[MoneyRecord]) -> Iterator[str]:
    rows = [
        (phase, f"{due:,}", f"{failed:,}", f"{dropped:,}") for phase, due, failed, dropped in impact.by_phase(recording)
    ]
    load = recording.load
    rows.append(("all, with what is no whole second", f"{load.due:,}", f"{load.failed:,}", f"{load.dropped:,}"))
    yield table(("transactions", "due", "failed", "never sent"), rows)
    yield "\n".join(_impact_lines(recording, slow_seconds, carried))
    kpis = [(row.name, *(_cell(cell) for cell in row.cells), row.target) for row in kpi_phases.rows(recording)]
    if kpis:
        yield table(("KPI", *kpi_phases.phases(recording), "target"), kpis)


def _cell(cell: kpi_phases.Cell) -> str:
    return f"{cell.words} {MARKS[cell.status]}".rstrip()


def _impact_lines(recording: Recording, slow_seconds: float, carried: Sequence[MoneyRecord]) -> Iterator[str]:
    load = recording.load
    for name, peak in (
        ("failed", impact.peak(load.seconds, lambda second: second.failed)),
        ("never sent", impact.peak(load.seconds, lambda second: second.dropped)),
    ):
        if peak is not None:
            yield f"- Worst second, {name}: {peak.count:,}, at {_clock(peak.at)} UTC."
    slow = impact.slow(recording, slow_seconds)
    yield (
        f"- Slower than {words.latency_words(slow_seconds)}: {slow.least:,} to {slow.most:,} transactions, as the"
        f" quantiles of each second tell; the 95th percentile was above it in {slow.seconds} s."
    )
    if load.in_flight_at_end:
        yield f"- Broken off at the end: {load.in_flight_at_end:,}."
    for reason, count in sorted(load.reasons.items(), key=lambda one: -one[1]):
        detail = load.details.get(reason, "")
        yield f"- Failed by {plain(reason)}: {count:,}{f' ({plain(detail)})' if detail else ''}."
    yield from _money_lines(impact.not_succeeded(recording), carried)
    if recording.audit is not None:
        yield f"- Ledger: {plain(words.audit_words(recording.audit))}."


def _money_lines(lost: int, carried: Sequence[MoneyRecord]) -> Iterator[str]:
    if not carried:
        yield "- Money: unknown, because neither the recording nor a probe file tells what a transaction carries."
        return
    amounts = impact.money(carried, lost)
    about = "" if all(one.is_exact for one in amounts) else "about "
    sums = ", ".join(f"{one.amount:,} {plain(one.currency)}".rstrip() for one in amounts)
    yield f"- Money in transactions that did not succeed: {about}{sums}."
    if about:
        yield "  Amounts and currencies are drawn by chance, so this is their mean times the count."
    yield "  What failed may have been booked all the same, where only its answer was late or lost."


def _root_cause(recording: Recording, fault_at: float) -> str:
    if not recording.faults:
        return "No fault was injected."
    lines = []
    for fault in recording.faults:
        settings = ", ".join(f"{name} {value}" for name, value in fault.settings.items())
        lines.append(
            f"- {plain(fault.kind)} on {plain(fault.target)}{f': {code(settings)}' if settings else ''},"
            f" in force from {fault.injected_at - fault_at:+.1f} s to {fault.healed_at - fault_at:+.1f} s"
            f" ({format_seconds(round(fault.healed_at - fault.injected_at, 1))})."
        )
    return "\n".join(["Broken on purpose:", "", *lines])


def _factors(recording: Recording, judgement: Judgement) -> Iterator[str]:
    for verdict in judgement.verdicts:
        # What made it inconclusive follows as what undermined it.
        if verdict.outcome in {Outcome.PASSED, Outcome.INCONCLUSIVE}:
            continue
        yield f"{verdict.alert} ({words.outcome_words(verdict.outcome)}): {verdict.reason}."
        yield from (f"{verdict.alert}: {line}." for line in (verdict.finding.evidence if verdict.finding else ()))
    yield from (f"Undermined: {problem}." for problem in judgement.undermined_by)
    yield from (f"Ledger: {problem}." for problem in judgement.audit_problems)
    for outage in recording.outages:
        yield f"{outage.server} could not be asked for {outage.last_at - outage.first_at:.1f} s: {outage.reason}."


def _detection(recording: Recording, judgement: Judgement) -> Iterator[str]:
    fired = [one for one in judgement.verdicts if recording.faults and _fired_since(one, judgement.fault_at)]
    yield "### What detected it"
    if fired:
        head = ("alert", "verdict", "fired", "its window, s", "told", "its window, s", "receiver", "resolved")
        yield table(head, [_row(verdict, judgement.fault_at) for verdict in fired])
        yield _listed((f"{one.alert}: {longest(one.spans)}." for one in fired if one.spans), "")
    else:
        yield "Nothing."
    yield "### What did not"
    yield _listed(_silent(recording, judgement), "Everything that was expected did so in time.")


def _fired_since(verdict: Verdict, fault_at: float) -> bool:
    """Tell that an alert fired, and not before there was anything to detect."""
    firing = _milestone(verdict, "firing")
    return firing is not None and firing.at is not None and firing.at >= fault_at


def _row(verdict: Verdict, fault_at: float) -> tuple[str, ...]:
    cells = [verdict.alert, words.outcome_words(verdict.outcome)]
    for name in ("firing", "notified"):
        milestone = _milestone(verdict, name)
        cells.append(words.came(milestone, fault_at) if milestone is not None else "—")
        cells.append(words.window_words(milestone.window if milestone is not None else None, fault_at))
    resolved = _milestone(verdict, "resolved")
    return (*cells, verdict.receiver or "—", words.came(resolved, fault_at) if resolved is not None else "—")


def _silent(recording: Recording, judgement: Judgement) -> Iterator[str]:
    for verdict in judgement.verdicts:
        if verdict.outcome in _NOT_FIRED and _milestone(verdict, "firing") is None:
            yield f"{verdict.alert} was expected to fire: {verdict.reason}."
        elif verdict.outcome is Outcome.LATE:
            yield f"{verdict.alert} was too late: {verdict.reason}."
        elif verdict.outcome in {Outcome.NOT_NOTIFIED, Outcome.WRONG_RECEIVER}:
            yield f"{verdict.alert} fired, but did not reach its receiver: {verdict.reason}."
    told = {verdict.alert for verdict in judgement.verdicts} | set(judgement.allowed)
    quiet = sorted({rule.alert for rule in recording.rules} - told)
    if quiet:
        yield f"Not expected to fire, and did not: {', '.join(quiet)}."


def _listed(lines: Iterable[str], none: str) -> str:
    return "\n".join(f"- {plain(line)}" for line in dict.fromkeys(lines)) or none


def _to_do(lines: Iterable[str]) -> str:
    return "\n".join(f"- [ ] {plain(line)}" for line in dict.fromkeys(lines)) or "None."
