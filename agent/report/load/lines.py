"""A line for each second of load, as CSV or as JSON: `--out`.

`at_unix_seconds` is the start of the second, and `offset_seconds` its distance from the start of the load. Counts are
of transactions; latencies count from the due time, and are empty where no transaction ended in the second.
A load that ends within a second has a last line for that part, so that the lines add up to the whole load.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

from alertdrill.probes.load.tally import LoadSecond

_WITH_UNIT = {"offset": "offset_seconds", "target_rate": "target_rate_per_second"}
_COLUMNS = ["at_unix_seconds", *(_WITH_UNIT.get(field.name, field.name) for field in fields(LoadSecond))]


@dataclass(frozen=True)
class Format:
    """The first line of a file of seconds, and the function that formats a second of a load begun at `started_at`."""

    head: str
    line: Callable[[LoadSecond, float], str]


def _csv_line(second: LoadSecond, started_at: float) -> str:
    return ",".join("" if value is None else str(value) for value in _values(second, started_at)) + "\n"


def _json_line(second: LoadSecond, started_at: float) -> str:
    return json.dumps(dict(zip(_COLUMNS, _values(second, started_at), strict=True)), allow_nan=False) + "\n"


def _values(second: LoadSecond, started_at: float) -> list[float | None]:
    # The clock has microseconds; smaller digits come from adding floats.
    return [round(started_at + second.offset, 6), *asdict(second).values()]


FORMATS = {
    "csv": Format(",".join(_COLUMNS) + "\n", _csv_line),
    "jsonl": Format("", _json_line),
}
