"""The post-incident document of a drill, as Markdown, one sentence a line.

It has the parts that the monitoring strategy requires after an incident: details and time line, root cause and
contributing factors, preventive measures, and changes to monitoring and alerting. All of it comes from the recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alertdrill.agent.recording.recording import Recording
from alertdrill.agent.report import words
from alertdrill.agent.report.drill import follow_ups, impact, wording
from alertdrill.agent.report.drill.chronicle import chronicle
from alertdrill.agent.report.markdown import code, plain, table
from alertdrill.agent.verdict.verdict import Judgement, Milestone, Verdict, VerdictOutcome
from alertdrill.agent.verdict.waterfall import longest
from alertdrill.units.duration import format_seconds

SLOW_SECONDS = 2.0
"""Transactions above this count as slow, unless something else is said."""
_NOT_FIRED = frozenset({VerdictOutcome.MISSED, VerdictOutcome.INCONCLUSIVE})


def render(recording: Recording, judgement: Judgement, slow_seconds: float) -> str:
    """Write the document, ending in a newline; transactions above `slow_seconds` count as slow."""
    blocks = [
        f"# Post-incident report: {plain(recording.drill.name)}",
        *_summary(recording, judgement),
        "## Time line",
        _time_line(recording, judgement.fault_at),
        "## Impact",
        *impact.blocks(recording, slow_seconds),
        "## Root cause",
        _root_cause(recording, judgement.fault_at),
        "## Contributing factors",
        _bullets(_factors(recording, judgement), "None were found."),
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
    loads = impact.loads(recording).values()
    due, failed, dropped = (sum(getattr(load, name) for load in loads) for name in ("due", "failed", "dropped"))
    sentences = [
        f"This was a drill: {plain(recording.drill.summary.rstrip('.') or 'its file has no summary')}.",
        f"Its verdict is **{wording.OVERALL[judgement.exit_code]}**.",
        f"{failed + dropped:,} of {due:,} transactions did not succeed: {failed:,} failed, {dropped:,} never sent.",
        *(f"{plain(one.alert)}: {_detection_words(one, judgement.fault_at)}." for one in judgement.verdicts),
    ]
    if attempt := wording.attempt_words(recording):
        sentences.append(f"This is the run {attempt}: a machine without enough processor time spoiled the earlier one.")
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


def _detection_words(verdict: Verdict, fault_at: float) -> str:
    firing = _milestone(verdict, "firing")
    notified = _milestone(verdict, "notified")
    when = f", fired {_from_fault(firing.at - fault_at)}" if firing is not None and firing.at is not None else ""
    receipt = ""
    if verdict.receiver and notified is not None and notified.at:
        receipt = f", {verdict.receiver} notified after {notified.at - fault_at:.1f} s"
    return plain(f"{wording.outcome_words(verdict.outcome)}{when}{receipt}")


def _from_fault(seconds: float) -> str:
    return f"{abs(seconds):.1f} s {'before' if seconds < 0 else 'after'} the fault"


def _milestone(verdict: Verdict, name: str) -> Milestone | None:
    return next((milestone for milestone in verdict.milestones if milestone.name == name), None)


def _time_line(recording: Recording, fault_at: float) -> str:
    # Adding 0.0 turns -0.0 into 0.0.
    rows = [
        (words.utc_milliseconds(event.at), f"{round(event.at - fault_at, 3) + 0.0:+.3f} s", event.text)
        for event in chronicle(recording)
    ]
    # Without a fault, fault_at is the end of the baseline.
    since = "after the fault" if recording.faults else "after the baseline"
    return table(("UTC", since, "what happened"), rows)


def _root_cause(recording: Recording, fault_at: float) -> str:
    if not recording.faults:
        return "No fault was injected."
    lines = []
    for fault in recording.faults:
        settings = ", ".join(f"{name} {value}" for name, value in wording.fault_settings(fault).items())
        lines.append(
            f"- {plain(fault.kind)} on {plain(fault.target)}{f': {code(settings)}' if settings else ''},"
            f" in force from {fault.injected_at - fault_at:+.1f} s to {fault.healed_at - fault_at:+.1f} s"
            f" ({format_seconds(round(fault.healed_at - fault.injected_at, 1))})."
        )
    return "\n".join(["Broken on purpose:", "", *lines])


def _factors(recording: Recording, judgement: Judgement) -> Iterator[str]:
    for verdict in judgement.verdicts:
        # The cause of an inconclusive verdict follows below as "Undermined".
        if verdict.outcome in {VerdictOutcome.PASSED, VerdictOutcome.INCONCLUSIVE}:
            continue
        yield f"{verdict.alert} ({wording.outcome_words(verdict.outcome)}): {verdict.reason}."
        yield from (f"{verdict.alert}: {line}." for line in (verdict.finding.evidence if verdict.finding else ()))
    yield from (f"Undermined: {problem}." for problem in judgement.undermined_by)
    yield from (f"Payment audit: {problem}." for problem in judgement.audit_problems)
    for outage in recording.outages:
        yield f"{outage.server} did not answer for {outage.last_at - outage.first_at:.1f} s: {outage.reason}."


def _detection(recording: Recording, judgement: Judgement) -> Iterator[str]:
    fired = [one for one in judgement.verdicts if recording.faults and _fired_since(one, judgement.fault_at)]
    yield "### Alerts that detected the fault"
    if fired:
        head = ("alert", "verdict", "fired", "its window, s", "notified", "its window, s", "receiver", "resolved")
        yield table(head, [_row(verdict, judgement.fault_at) for verdict in fired])
        yield _bullets((f"{one.alert}: {longest(one.spans)}." for one in fired if one.spans), "")
    else:
        yield "Nothing."
    yield "### Alerts that did not detect it"
    expected = "Every expected alert fired in time."
    yield _bullets(_silent(recording, judgement), expected if recording.drill.expect else "The drill expects no alert.")


def _fired_since(verdict: Verdict, fault_at: float) -> bool:
    """Return whether an alert fired, and not before the fault."""
    firing = _milestone(verdict, "firing")
    return firing is not None and firing.at is not None and firing.at >= fault_at


def _row(verdict: Verdict, fault_at: float) -> tuple[str, ...]:
    cells = [verdict.alert, wording.outcome_words(verdict.outcome)]
    for name in ("firing", "notified"):
        milestone = _milestone(verdict, name)
        cells.append(wording.came(milestone, fault_at) if milestone is not None else "—")
        cells.append(wording.window_words(milestone.window if milestone is not None else None, fault_at))
    resolved = _milestone(verdict, "resolved")
    return (*cells, verdict.receiver or "—", wording.came(resolved, fault_at) if resolved is not None else "—")


def _silent(recording: Recording, judgement: Judgement) -> Iterator[str]:
    for verdict in judgement.verdicts:
        if verdict.outcome in _NOT_FIRED and _milestone(verdict, "firing") is None:
            yield f"{verdict.alert} was expected to fire: {verdict.explanation}."
        elif verdict.outcome is VerdictOutcome.LATE:
            yield f"{verdict.alert} was too late: {verdict.reason}."
        elif verdict.outcome in {VerdictOutcome.NOT_NOTIFIED, VerdictOutcome.WRONG_RECEIVER}:
            yield f"{verdict.alert} fired, but did not reach its receiver: {verdict.reason}."
    named = {verdict.alert for verdict in judgement.verdicts} | set(judgement.allowed)
    quiet = sorted({rule.alert for rule in recording.rules} - named)
    if quiet:
        yield f"Not expected to fire, and did not: {', '.join(quiet)}."


def _bullets(lines: Iterable[str], none: str) -> str:
    return "\n".join(f"- {plain(line)}" for line in dict.fromkeys(lines)) or none


def _to_do(lines: Iterable[str]) -> str:
    return "\n".join(f"- [ ] {plain(line)}" for line in dict.fromkeys(lines)) or "None."
