"""The thresholds of a load, written as in k6: `p(95)<2s`, `rate<0.01`, `count>1000`.

A bound on a time needs its unit, because k6 reads a bare number as milliseconds, and other tools as seconds.
At the end of a load, a metric without samples is judged as by k6 (1.8): a rate always passes, and every other figure
counts as 0, so `p(95)<2s` passes and `min>1s` does not. While the load runs, it is not judged at all.
Grammar: https://grafana.com/docs/k6/latest/using-k6/thresholds/#threshold-syntax
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from alertdrill.probes.figures.expression import AGGREGATIONS, Expression, expression_text, parse
from alertdrill.probes.figures.measures import METRICS, Counter, Measure, Measures, Rate, Trend, blank, split, tagged
from alertdrill.units.duration import Duration, format_duration
from alertdrill.units.settings import Settings

_SELECTOR = re.compile(r"(?P<name>[^{}]*)\{(?P<tag>[^:]*):(?P<value>.*)\}", re.DOTALL)
_LONGEST_MS = 86_400_000


class Threshold(Settings):
    """One threshold of a metric: in YAML its text alone, or a mapping that can stop the load when it is crossed.

    The load is never stopped earlier than `delay_abort_eval` after its start. Reports show the text
    of `written_as` instead of the threshold's own, if there is one: that of a script from which it comes.
    """

    threshold: str
    written_as: str = ""
    abort_on_fail: bool = False
    delay_abort_eval: Duration = timedelta(0)

    @model_validator(mode="before")
    @classmethod
    def _may_be_text(cls, value: Any) -> Any:  # noqa: ANN401 - what YAML held
        if isinstance(value, str):
            return {"threshold": value}
        if isinstance(value, (Mapping, cls)):
            return value
        raise ValueError(
            f"{value!r} is not a threshold, expected one such as p(95)<2s, or a mapping with the key threshold"
        )

    @model_validator(mode="after")
    def _can_be_parsed(self) -> Threshold:
        parse(self.threshold)
        return self

    @property
    def expression(self) -> Expression:
        """The threshold's text, parsed."""
        return parse(self.threshold)


def _checked(thresholds: dict[str, list[Threshold]]) -> dict[str, list[Threshold]]:
    """Write every key in the same way, and refuse thresholds that do not fit their metric."""
    checked: dict[str, list[Threshold]] = {}
    problems: list[tuple[tuple[str | int, ...], str]] = []
    for key, of_metric in thresholds.items():
        try:
            canonical = _canonical(key)
        except ValueError as error:
            problems.append(((key,), str(error)))
            continue
        if canonical in checked:
            problems.append(((key,), f"is the same as {canonical} above; put all thresholds there"))
        checked[canonical] = of_metric
        misfits = ((index, _misfit(canonical, threshold.expression)) for index, threshold in enumerate(of_metric))
        problems += [((key, index), misfit) for index, misfit in misfits if misfit]
    if problems:
        # One error for each problem, so that each is reported with its line in the file.
        details = [InitErrorDetails(type=_custom(text), loc=loc, input=thresholds) for loc, text in problems]
        raise ValidationError.from_exception_data("thresholds", details)
    return checked


def _custom(text: str) -> PydanticCustomError:
    return PydanticCustomError("threshold", "{problem}", {"problem": text})


Thresholds = Annotated[dict[str, list[Threshold]], AfterValidator(_checked)]
"""A pydantic field type: thresholds by metric, `http_req_duration` or `http_req_duration{name:payment}`."""


def _hint(text: str, known: Collection[str]) -> str:
    if not known:
        return "which has none"
    near = difflib.get_close_matches(text, known, n=1)
    return f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(known)}"


def _canonical(key: str) -> str:
    match = _SELECTOR.fullmatch(key.strip())
    name = (match["name"] if match else key).strip()
    if name not in METRICS:
        if "{" in name or "}" in name:
            raise ValueError(f"{key!r} is not a metric, expected one such as http_reqs or http_reqs{{name:payment}}")
        raise ValueError(f"unknown metric {name!r}, {_hint(name, METRICS)}")
    if match is None:
        return name
    allowed, tag = METRICS[name].tag, match["tag"].strip()
    if allowed is None:
        raise ValueError(f"{name} has no tags, write {name}")
    if tag != allowed:
        raise ValueError(f"{name} has no tag {tag!r}, expected {name}{{{allowed}:…}}")
    return tagged(name, tag, match["value"].strip().strip("\"'"))


def _misfit(key: str, expression: Expression) -> str | None:
    name, kind = split(key)[0], METRICS[split(key)[0]].kind
    if expression.aggregation not in AGGREGATIONS[kind]:
        of_kind = ", ".join(AGGREGATIONS[kind])
        return f"{name} is a {kind.__name__.lower()} and has no {expression.figure}, expected one of: {of_kind}"
    bound = expression.bound
    if kind is not Trend and isinstance(bound, timedelta):
        return f"{expression_text(expression)}: {name} is not a time, expected a bare number"
    if kind is Trend and isinstance(bound, float) and bound != 0:
        return f"{expression_text(expression)} has no unit, {_with_unit(expression, bound)}"
    if kind is Rate and isinstance(bound, float) and bound > 1:
        return f"{expression_text(expression)}: a rate lies between 0 and 1, write 0.05 for 5 per cent"
    return None


def _with_unit(expression: Expression, milliseconds: float) -> str:
    if not milliseconds.is_integer() or milliseconds > _LONGEST_MS:
        return "expected a duration such as 250ms or 2s"
    left, duration = f"{expression.figure}{expression.comparison}", timedelta(milliseconds=milliseconds)
    spelled = dict.fromkeys([format_duration(duration), f"{milliseconds:.0f}ms"])
    return f"write {' or '.join(left + text for text in spelled)} for what k6 means by it"


@dataclass(frozen=True, slots=True)
class JudgedThreshold:
    """The result of one threshold: its metric and text, whether it passed, and the figure that was observed.

    `observed` is in seconds for times, and None without samples; `spelling` is the figure as in k6: `p(95)=1.2ms`.
    """

    metric: str
    source: str
    ok: bool
    observed: float | None
    spelling: str


def evaluate(thresholds: Mapping[str, Iterable[Threshold]], measures: Measures) -> list[JudgedThreshold]:
    """Judge every threshold, in the order of the file."""
    return [
        _judge(metric, threshold, measures.get(metric) or blank(metric))
        for metric, of_metric in thresholds.items()
        for threshold in of_metric
    ]


def crossed(judged: Iterable[JudgedThreshold]) -> list[str]:
    """Return the metrics with a threshold that did not pass, each once, in alphabetical order."""
    return sorted({one.metric for one in judged if not one.ok})


def abort_reason(
    thresholds: Mapping[str, Iterable[Threshold]], measures: Measures, elapsed_seconds: float
) -> str | None:
    """Return a text with the reason why the load must stop now, or None."""
    for metric, of_metric in thresholds.items():
        measure = measures.get(metric)
        if measure is None or measure.empty:
            continue
        for threshold in of_metric:
            if not threshold.abort_on_fail or elapsed_seconds < threshold.delay_abort_eval.total_seconds():
                continue
            judged = _judge(metric, threshold, measure)
            if not judged.ok:
                return f"threshold {judged.source} on {metric} was crossed: {judged.spelling}"
    return None


def unmatched(thresholds: Iterable[str], names: Collection[str], checks: Collection[str]) -> dict[str, str]:
    """Return a problem for each threshold with a tag that no transaction of the load has.

    `names` and `checks` are all names and checks of the load. Such a threshold would be judged without samples.
    """
    known = {"name": names, "check": checks}
    problems = {}
    for key in thresholds:
        name, value = split(key)
        tag = METRICS[name].tag
        if value is not None and tag is not None and value not in known[tag]:
            problems[key] = f"no {tag} {value!r} in this load, {_hint(value, known[tag])}"
    return problems


def _judge(metric: str, threshold: Threshold, measure: Measure) -> JudgedThreshold:
    expression, source = threshold.expression, (threshold.written_as or threshold.threshold).strip()
    observed = expression.observe(measure)
    ok = expression.holds(observed) or (measure.empty and isinstance(measure, Rate))
    # A count of 0 is a figure. Without samples there is no share and no percentile.
    if measure.empty and not isinstance(measure, Counter):
        return JudgedThreshold(metric, source, ok, None, "no samples")
    return JudgedThreshold(metric, source, ok, observed, expression.observed_text(measure))
