from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from alertdrill.agent.log import Log, LogFormat, LogLevel, LogLine, leveled

NOW = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)


class Written:
    """A log with its lines; `seconds` is its clock."""

    def __init__(self, form: LogFormat = LogFormat.TEXT, level: LogLevel = LogLevel.INFO) -> None:
        self.seconds = 0.0
        self.lines: list[str] = []
        self.log = Log(self.lines.append, lambda: NOW, lambda: self.seconds, form, level)


@pytest.mark.parametrize(
    ("form", "line"),
    [
        (LogFormat.TEXT, '2026-09-21T14:00:00Z warning: it\'s 1 "x" é'),
        (LogFormat.LOGFMT, r"""ts=2026-09-21T14:00:00Z level=warning msg="it's 1 \"x\" é" drill=db"""),
        (
            LogFormat.JSON,
            r"""{"ts": "2026-09-21T14:00:00Z", "level": "warning", "msg": "it's 1 \"x\" é", "drill": "db"}""",
        ),
    ],
)
def test_an_event_is_one_line_in_each_form(form: LogFormat, line: str) -> None:
    written = Written(form)
    tell = leveled(written.log, drill="db")
    tell(LogLine('it\'s\n1 "x"\x1b é', LogLevel.WARNING))
    assert written.lines == [line]
    if form is LogFormat.JSON:
        assert json.loads(line)["level"] == "warning"


def test_a_text_without_a_level_has_that_of_its_part() -> None:
    written = Written(level=LogLevel.WARNING)
    leveled(written.log)("nothing special")
    leveled(written.log, LogLevel.WARNING)("a worker died")
    leveled(leveled(written.log, LogLevel.ERROR), LogLevel.WARNING)("the inner level holds")
    assert [line.split(" ", 1)[1] for line in written.lines] == [
        "warning: a worker died",
        "warning: the inner level holds",
    ]


def test_lines_that_differ_only_in_numbers_are_limited_and_counted() -> None:
    written = Written()
    for number in range(500):
        written.log(f"worker {number} died")
        written.log("something else") if number == 499 else None
    assert len(written.lines) == 21
    written.seconds = 61
    written.log("later")
    assert written.lines[-2].endswith("warning: 480 more lines were left out that are like: worker 0 died")
    assert written.lines[-1].endswith(" later")
    written.log("worker 501 died")
    assert written.lines[-1].endswith(" worker 501 died")
