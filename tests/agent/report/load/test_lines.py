"""Each second of load is a line that other programs read, with its units in the names."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, fields

from alertdrill.agent.report.load.lines import FORMATS
from alertdrill.probes.load.tally import LoadSecond

STARTED = 1_790_000_000.25
BUSY = LoadSecond(7, 99.5, 100, 90, 3, 2, 1, 4, 0.001, 0.02, 1.5, 0.000213)
IDLE = LoadSecond(8, 0.0, 0, 0, 0, 0, 0, 4, None, None, None, None)


def _rows(name: str) -> list[dict[str, object]]:
    form = FORMATS[name]
    text = form.head + "".join(form.line(second, STARTED) for second in (BUSY, IDLE))
    if name == "csv":
        return [dict(row) for row in csv.DictReader(text.splitlines())]
    return [json.loads(line) for line in text.splitlines()]


def test_both_formats_have_every_figure_of_a_second() -> None:
    for rows in (_rows("csv"), _rows("jsonl")):
        assert [list(row) for row in rows] == [list(rows[0])] * 2
        assert list(rows[0])[:3] == ["at_unix_seconds", "offset_seconds", "target_rate_per_second"]
        assert list(rows[0])[3:] == [field.name for field in fields(LoadSecond)][2:]


def test_json_lines_have_the_exact_values() -> None:
    for row, second in zip(_rows("jsonl"), (BUSY, IDLE), strict=True):
        assert list(row.values()) == [STARTED + second.offset, *asdict(second).values()]


def test_csv_has_the_same_values_and_is_empty_where_there_is_none() -> None:
    for row, same in zip(_rows("csv"), _rows("jsonl"), strict=True):
        assert [float(str(value)) if value else None for value in row.values()] == list(same.values())
