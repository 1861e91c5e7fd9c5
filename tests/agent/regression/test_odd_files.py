"""A regress file with any value in any place: refused in one line for each problem, or a case for promtool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.regression.promtool import input_series
from alertdrill.agent.regression.regress_file import read_regress_file, render, with_snapshot

SHIPPED = Path(__file__).parents[3] / "configs/regress/high-error-rate.HighErrorRate.regress.yml"
ODD: tuple[Any, ...] = (
    None, 0, -1, 1.5, 10**30, "", "x", [], {}, True, "5m", "-5m", "0s", "99999999999d", "1x5", "1x99999", "_x9", "stale",
    "NaN Inf -Inf", "1+1e308x9", 'a{b="c"}', "{", "../../x", "\n", "é", ["x"], {"a": "b"}, {"queue": "1 2"}, {"queue": "x"},
)  # fmt: skip


def _places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    names: Any = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for name in names:
        yield from _places(node[name], (*path, name))


def _changed(node: Any, place: tuple[str | int, ...], value: Any) -> Any:
    if not place:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[place[0]] = _changed(node[place[0]], place[1:], value)
    return copy


WHOLE = yaml.safe_load(SHIPPED.read_text())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(list(_places(WHOLE))), value=st.sampled_from(ODD))
def test_an_odd_file_is_refused_or_read(tmp_path: Path, place: tuple[str | int, ...], value: Any) -> None:
    path = tmp_path / "odd.regress.yml"
    path.write_text(yaml.safe_dump(_changed(WHOLE, place, value), allow_unicode=True))
    try:
        file = read_regress_file(path)
    except ConfigError as error:
        refused = [one for one in error.problems if not one.startswith(f"{path}:") or not one.isprintable()]
        if refused:
            raise AssertionError(refused) from error
        return
    case = file.case()
    for one in (case, case.quiet(lambda _: True), case.held(1, case.ends_ms + 10**6, lambda _: False)):
        if one is not None:
            input_series(one.lines)
    # What is written can be read again, and is the same.
    path.write_text(render(file, "again"))
    assert read_regress_file(path) == file
    path.write_text(with_snapshot(path.read_text(), file.snapshot[:1]))
    assert read_regress_file(path).snapshot == file.snapshot[:1]
