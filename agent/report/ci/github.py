"""What GitHub shows: annotations at lines, the summary of a step, and the text of one comment.

GitHub shows ten errors and ten warnings of a step, a summary of a mebibyte and a comment of 65,536 characters.
"""

from __future__ import annotations

from collections.abc import Iterator

from alertdrill.agent.report.ci.checks import Check, CiReport
from alertdrill.agent.report.markdown import code, plain, table

MOST_ANNOTATIONS = 10
MOST_COMMENT_BYTES = 60_000
_MOST_SUMMARY_BYTES = 1_000_000


def marker(report: CiReport) -> str:
    """Return the first line of a comment, by which the next run finds it again; nobody sees it."""
    return f"<!-- alertdrill {report.name} -->"


def at_lines(report: CiReport) -> Iterator[str]:
    """Yield the workflow commands that show findings at their lines: the first ten errors, the first ten warnings."""
    for level, fails in (("error", True), ("warning", False)):
        for check, finding in report.found(fails=fails)[:MOST_ANNOTATIONS]:
            at = f"file={_property(check.file)},line={check.line},title={_property(check.alert)}"
            yield f"::{level} {at}::{_data(f'{check.alert} {finding.text}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(report: CiReport) -> str:
    """Render the summary of a step."""
    return _shortened(report, _MOST_SUMMARY_BYTES)


def comment(report: CiReport) -> str:
    """Render the text of a comment; it begins with the marker."""
    return f"{marker(report)}\n{_shortened(report, MOST_COMMENT_BYTES - 100)}"


def _shortened(report: CiReport, most_bytes: int) -> str:
    """Render a report with as many rows as fit."""
    shown = sorted((one for one in report.checks if one.findings), key=lambda one: not one.fails)
    count = len(shown)
    while len((text := _rendered(report, shown[:count])).encode()) > most_bytes and count:
        count = count * 3 // 4
    return text


def _rendered(report: CiReport, shown: list[Check]) -> str:
    parts = [f"### alertdrill {report.name}: {_counted(report)}"]
    if shown:
        parts.append(table(("", "Alert", "What was found", "Rule"), map(_row, shown)))
    if left := sum(bool(one.findings) for one in report.checks) - len(shown):
        parts.append(f"{left} more are not shown here.")
    parts += [f"- {plain(text)}" for text in dict.fromkeys([*report.told, *_notes(shown)])]
    if held := [one for one in report.checks if not one.findings]:
        lines = "\n".join(f"- {code(one.alert)} {plain(one.held)}" for one in held[: len(shown) + 50])
        parts.append(f"<details><summary>{len(held)} as expected</summary>\n\n{lines}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _notes(shown: list[Check]) -> Iterator[str]:
    yield from (f"{check.alert}: {note}" for check in shown for note in check.notes)


def _counted(report: CiReport) -> str:
    if not report.checks:
        return "nothing to check"
    told = len(report.checks) - report.failed
    return f"{report.failed} of {len(report.checks)} fail" if report.failed else f"all {told} hold"


def _row(check: Check) -> tuple[str, ...]:
    # Code notifies nobody, whatever a label says.
    found = "; ".join(one.text for one in check.findings)
    mark = "\N{CROSS MARK}" if check.fails else "\N{WARNING SIGN}"
    return mark, code(check.alert), code(found), code(f"{check.file}:{check.line}")
