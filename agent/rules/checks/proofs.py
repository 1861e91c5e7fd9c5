"""Checks that prove from the text alone that a rule does not do what it looks like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql

from alertdrill.agent.rules.classify import bare
from alertdrill.agent.rules.expression import LabelMatcher, Pairing, Selector, constant, matching_of, selectors_of
from alertdrill.agent.rules.kept_labels import kept, unpaired
from alertdrill.agent.rules.remark import CheckedRule, CheckResult, Severity
from alertdrill.agent.rules.values import COMPARISONS, bounds, is_always, is_never, spelled
from alertdrill.units.duration import format_seconds
from alertdrill.units.promql import nodes, parse

_NEWEST = {"gauge", "gauges", "up", "age", "absent"}
_RATES = {"rate", "irate", "increase", "delta", "changes", "resets"}
_OVER_TIME = {"avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "last_over_time"}
_ACTION = re.compile(r"\{\{-?\s*(?P<action>.*?)\s*-?\}\}", re.DOTALL)
_VALUE = re.compile(r"\$value\b|(?<![\w)])\.Value\b")
_NO_OUTPUT = re.compile(r"^(?:if|else|with|range|end|define|block)\b|^\$\w+\s*:?=|^/\*")
_LABEL = re.compile(r"\$labels\.(\w+)|(?<![\w$])\.Labels\.(\w+)")
_PLAIN = re.compile(r"[\w/.:@ -]*")
_META = re.compile(r"[.+*?()\[\]{}^$\\]")
_STATUS_LABEL = re.compile(r"^(?:http_)?(?:code|status|status_code|response_code|http_status|statuscode)$")
# What exporters write there: a status, none at all, or the class of one; nobody gives 555.
_STATUSES = [
    "0",
    "000",
    *map(str, (one for one in range(100, 600) if one % 111 or one == 444)),
    *(f"{first}{rest}" for first in "12345" for rest in ("xx", "XX")),
]
_BEGINNING = re.compile(r"\^?[1-5][\dxX]?[*+]?\$?")
_PATTERN = re.compile(r"\.[*+]|\.\.|\||\[.*\]|^\^|\$$")
_ASSIGNED = re.compile(r"^(\$\w+)\s*:?=")


def never_fires(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find an expression that never has a result, or a side of `or` that never has one."""
    if checked.tree is None:
        return
    node, lookback = parse(checked.rule.expr), checked.timing.lookback
    why = is_never(node, lookback)
    if why is not None:
        yield CheckResult("problem", f"it never fires: {why}", _remedy(why))
        return
    for one in nodes(node):
        if isinstance(one, promql.BinaryExpr) and str(one.op) == "or":
            for side in (one.lhs, one.rhs):
                dead = is_never(side, lookback)
                if dead is not None:
                    remedy = in_brackets(one) or _remedy(dead)
                    yield CheckResult("weakness", f"one side of `or` never fires it: {dead}", remedy)
                    return


def in_brackets(either: Any) -> str | None:  # noqa: ANN401 - the parser has no types
    """Return the remedy for `a or vector(0) > 5`, whose comparison is about the last operand alone."""
    last = either.rhs
    if not _is_limited(last) or any(
        isinstance(one, promql.BinaryExpr) and _is_filter(one) for one in nodes(either.lhs)
    ):
        return None
    either_one = f"{spelled(either.lhs)} or {spelled(last.lhs)}"
    return f"a comparison binds tighter than `or`: `({either_one}) {last.op} {spelled(last.rhs)}`"


def _is_filter(operator: Any) -> bool:  # noqa: ANN401 - the parser has no types
    return str(operator.op) in COMPARISONS | {"and", "unless"}


def _is_limited(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    return isinstance(node, promql.BinaryExpr) and str(node.op) in COMPARISONS and constant(node.rhs) is not None


def _remedy(why: str) -> str:
    if "label `le`" in why:
        return "keep the bounds: `sum by (le, …) (rate(…))`"
    if "count" in why and "never below 1" in why:
        return "`absent(…)` for none at all, or `(count(…) or vector(0)) == 0`"
    if "timestamp" in why:
        return "keep the instant in a metric of its own, and compare `time() - max_over_time(…[1d])`"
    return "compare with a value that it can have"


def always_fires(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find an expression that has a result at every instant."""
    if checked.tree is None or not is_always(parse(checked.rule.expr)):
        return
    if not checked.tree.selectors:
        text = "0 series are looked at: it always fires"
        yield CheckResult("note", text, "keep it only as the proof that alerts arrive at all")
        return
    text = "it always fires: it has a result at every instant, and a value of 0 is a result as well"
    yield CheckResult("problem", text, "compare all of it with a number: `(…) > 0`")


def self_ratio(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a ratio, or a comparison with a share, whose sides pair each series with itself."""
    for node in nodes(parse(checked.rule.expr)) if checked.tree else ():
        if not isinstance(node, promql.BinaryExpr) or matching_of(node.modifier) != (None, ()):
            continue
        op, sides = str(node.op), (_without_factor(node.lhs), _without_factor(node.rhs))
        is_compared = op in COMPARISONS and not (node.modifier is not None and node.modifier.return_bool)
        if op != "/" and not is_compared:
            continue
        more = _more_matchers(*sides) or (_more_matchers(*reversed(sides)) if is_compared else ())
        if more:
            labels = ", ".join(sorted({one.label for one in more}))
            then = (
                "so it is not a share of the others" if is_compared else "so the value is 1 however large the share is"
            )
            yield CheckResult(
                "problem",
                f"each series with {', '.join(map(str, more))} is {'compared with' if is_compared else 'divided by'}"
                f" itself: both sides keep the label {labels}, {then}",
                f"sum that label away on both sides: `sum without ({labels}) (…) {op} sum without ({labels}) (…)`",
            )
            return


def _without_factor(node: Any) -> Any:  # noqa: ANN401 - the parser has no types
    """Return an expression without a constant that it is multiplied with, and without `> 0`, which guards a division."""
    node = bare(node)
    while isinstance(node, promql.BinaryExpr) and str(node.op) in {"*", "/", ">"}:
        if str(node.op) == ">" and constant(node.rhs) != 0:
            break
        if constant(node.rhs) is not None:
            node = bare(node.lhs)
        elif constant(node.lhs) is not None and str(node.op) == "*":
            node = bare(node.rhs)
        else:
            break
    return node


def _more_matchers(left: Any, right: Any) -> tuple[LabelMatcher, ...]:  # noqa: ANN401 - the parser has no types
    """Return the matchers that the left side has in addition, if both sides are otherwise equal and keep these labels."""
    left, right = bare(left), bare(right)
    if type(left) is not type(right):
        return ()
    match left:
        case promql.Call() if left.func.name == right.func.name and (
            left.func.name in _RATES or left.func.name in _OVER_TIME
        ):
            return _more_matchers(left.args[0], right.args[0])
        case promql.AggregateExpr() if str(left.op) == str(right.op) and str(left.op) in {"sum", "avg", "max", "min"}:
            inner = _more_matchers(left.expr, right.expr)
            both = kept(left), kept(right)
            same = str(left.modifier) == str(right.modifier) or both[0].exact == both[1].exact is not None
            return inner if same and all(_keeps(left, one.label) for one in inner) else ()
        case promql.VectorSelector() | promql.MatrixSelector():
            (one,), (other,) = selectors_of(left), selectors_of(right)
            return _difference(one, other)
    return ()


def _keeps(aggregate: Any, label: str) -> bool:  # noqa: ANN401 - the parser has no types
    if aggregate.modifier is None:
        return False
    is_by = str(aggregate.modifier.type).endswith("By")
    return (label in aggregate.modifier.labels) == is_by


def _difference(one: Selector, other: Selector) -> tuple[LabelMatcher, ...]:
    is_same = (one.metric, one.offset_seconds, one.range_seconds) == (
        other.metric, other.offset_seconds, other.range_seconds,
    )  # fmt: skip
    if not is_same or not set(other.matchers) <= set(one.matchers):
        return ()
    return tuple(matcher for matcher in one.matchers if matcher not in other.matchers)


def value_in_label(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a label with the value in it: each value makes an alert of its own, which waits anew."""
    if checked.tree is None:
        return
    values = bounds(parse(checked.rule.expr), checked.timing.lookback)
    for name, template in checked.rule.labels.items():
        actions = [found["action"] for found in _ACTION.finditer(template)]
        if values.low == values.high or not _shows_value(actions):
            continue
        for_ = checked.timing.for_
        then = f"and waits {format_seconds(for_)} anew: it may never fire" if for_ else "and the one before it ends"
        yield CheckResult(
            "problem" if for_ else "weakness",
            f"the label `{name}` has the value in it: each new value is a new alert, {then}",
            f"move it from the label `{name}` to an annotation",
        )


def _shows_value(actions: list[str]) -> bool:
    """Return whether any action of a template writes the value, itself or from a variable."""
    names = {found[1] for one in actions if (found := _ASSIGNED.match(one)) and _VALUE.search(one)}
    written = [one for one in actions if not _NO_OUTPUT.match(one)]
    return any(_VALUE.search(one) or names & set(re.findall(r"\$\w+", one)) for one in written)


def quantile_range(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a quantile that is not between 0 and 1, whose result has no bound."""
    for node in nodes(parse(checked.rule.expr)) if checked.tree else ():
        if isinstance(node, promql.Call) and node.func.name in {"histogram_quantile", "quantile_over_time"}:
            q = constant(node.args[0])
        elif isinstance(node, promql.AggregateExpr) and str(node.op) == "quantile":
            q = constant(node.param)
        else:
            continue
        if q is not None and not 0 <= q <= 1:
            yield CheckResult(
                "problem",
                f"the quantile {q:g} is not between 0 and 1: the result is always {'+' if q > 1 else '-'}Inf",
                f"{q / 100:g}" if 1 < q <= 100 else "a number from 0 to 1",
            )


def label_lost(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a template of a label that the result certainly does not have."""
    if checked.tree is None:
        return
    labels = kept(parse(checked.rule.expr))
    texts = {**checked.rule.annotations, **checked.rule.labels}
    for wanted in dict.fromkeys(name for text in texts.values() for name in _named_in(text)):
        if labels.lacks(wanted):
            places = sorted(name for name, text in texts.items() if wanted in _named_in(text))
            has = ", ".join(sorted(labels.exact or ())) or "no label"
            why = "the expression takes that label away" if labels.exact is None else f"the result has {has}"
            yield CheckResult(
                "weakness",
                f"`$labels.{wanted}` is always empty in {', '.join(places)}: {why}",
                f"keep the label `{wanted}` in the expression, or leave it out of the text",
            )


def _named_in(text: str) -> set[str]:
    actions = " ".join(found["action"] for found in _ACTION.finditer(text))
    # In these, $labels may be of another query.
    return {a or b for a, b in _LABEL.findall(actions)} if "query" not in actions else set()


def sets_unpaired(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find `and` or `unless` whose sides never have equal labels."""
    for node in nodes(parse(checked.rule.expr)) if checked.tree else ():
        if not isinstance(node, promql.BinaryExpr) or str(node.op) not in {"and", "unless"}:
            continue
        on, ignoring = matching_of(node.modifier)
        op = str(node.op)
        pairing = Pairing(
            node.prettify(), op, node.lhs.prettify(), node.rhs.prettify(), on, ignoring, (node.lhs, node.rhs)
        )
        proven = unpaired(pairing, checked.context.recorded)
        if proven is not None:
            label, side = proven
            other = "right" if side == "left" else "left"
            yield CheckResult(
                "problem" if op == "and" else "weakness",
                f"0 pairs: the {side} side of `{op}` has the label `{label}`, the {other} side never has,"
                f" so {'it never fires' if op == 'and' else '`unless` leaves nothing out'}",
                f"name the labels that count: `{op} on (…)`",
            )
            return


def unanchored(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a regular expression that looks as if it were for a part of the value: it must match all of it."""
    for selector in checked.tree.selectors if checked.tree else ():
        for one in selector.matchers:
            if one.op not in {"=~", "!~"} or not one.value:
                continue
            some = _no_status(one.value) if _STATUS_LABEL.match(one.label) else None
            if some is not None and "http" in selector.metric:
                text = f"`{one}` matches all of a value: no HTTP status is {some}"
                first = next(digit for digit in some if digit in "12345")
                yield CheckResult(
                    "problem" if one.op == "=~" else "weakness", text, f'`{one.label}{one.op}"{first}.."`'
                )
            elif not _META.search(one.value) and (
                (some is not None and one.label != "code") or one.value.startswith("/")
            ):
                text = f"`{one}` matches all of a value: it is the same as `{one.op[0]}=`, not a beginning".replace(
                    "=`,", "`,"
                )
                yield CheckResult("note", text, f'`{one.label}{one.op}"{one.value}.*"`, if a beginning is meant')


def _no_status(pattern: str) -> str | None:
    """Return the alternative of a regular expression that looks like the beginning of an HTTP status, and is none."""
    for word in pattern.strip("()").split("|"):
        try:
            re.compile(word)
        except (re.error, RecursionError, OverflowError):
            return None
        # What others wrote may have many ways to match, so only a word of this form is held against every status.
        if _BEGINNING.fullmatch(word) and not any(re.fullmatch(word, status) for status in _STATUSES):
            return word
    return None


def literal_pattern(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a regular expression behind `=`, which compares it as a text."""
    for selector in checked.tree.selectors if checked.tree else ():
        for one in selector.matchers:
            if one.op not in {"=", "!="} or not _PATTERN.search(one.value):
                continue
            is_status = _STATUS_LABEL.match(one.label) is not None and re.match(r"\^?[1-5]", one.value) is not None
            is_sure = is_status and "http" in selector.metric
            why = f"no HTTP status is {one.value}" if is_sure else "a regular expression needs `=~`"
            severity: Severity = ("problem" if one.op == "=" else "weakness") if is_sure else "note"
            meant = LabelMatcher(one.label, "=~" if one.op == "=" else "!~", one.value)
            yield CheckResult(severity, f"`{one}` compares with this very text: {why}", f"`{meant}`")


def scalar_of_many(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find scalar() of series that may be several, of which it makes NaN."""
    for node in nodes(parse(checked.rule.expr)) if checked.tree else ():
        if isinstance(node, promql.Call) and node.func.name == "scalar":
            if kept(node.args[0]).exact == frozenset() or not selectors_of(node.args[0]):
                continue
            inner = spelled(node.args[0])
            yield CheckResult(
                "weakness",
                f"scalar() of `{inner}` is NaN unless there is exactly 1 series, and no comparison with NaN holds",
                f"`scalar(max({inner}))`, or pair the series with `on (…) group_left ()`",
            )


def absent_of_many(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find absent() of several series, which is silent as long as one of them is there."""
    for node in nodes(parse(checked.rule.expr)) if checked.tree else ():
        if not isinstance(node, promql.Call) or not node.func.name.startswith("absent"):
            continue
        for selector in selectors_of(node):
            for one in selector.matchers:
                words = _words(one.value) if one.op == "=~" else []
                if len(words) > 1:
                    each = " or ".join(f"absent({_with(selector, one, word)})" for word in words)
                    yield CheckResult(
                        "weakness",
                        f"it fires only once none of {', '.join(words)} is left:"
                        " absent() is silent as long as one series is there",
                        f"`{each}`",
                    )


def _words(pattern: str) -> list[str]:
    """Return the texts that a regular expression is an alternative of; a dot between letters is meant as a dot."""
    inner = re.sub(r"^\((?:\?:)?([^()]*)\)$", r"\1", pattern).replace(r"\.", ".")
    words = inner.split("|")
    plain = re.compile(r"[^.+*?()\[\]{}^$\\]+(?:\.[^.+*?()\[\]{}^$\\]+)*")
    return words if all(plain.fullmatch(word) for word in words) else []


def _with(selector: Selector, matcher: LabelMatcher, value: str) -> Selector:
    kept_ones = (one if one is not matcher else LabelMatcher(one.label, "=", value) for one in selector.matchers)
    return Selector(selector.metric, tuple(kept_ones), selector.offset_seconds, selector.range_seconds)


def mean_of_counter(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a function over the levels of a counter, which only grow."""
    for node in nodes(parse(checked.rule.expr)) if checked.tree else ():
        if not isinstance(node, promql.Call) or node.func.name not in {"sum_over_time", "avg_over_time"}:
            continue
        for selector in selectors_of(node.args[0]) if isinstance(bare(node.args[0]), promql.MatrixSelector) else ():
            if checked.context.is_counter(selector.metric):
                known = checked.context.type_of(selector.metric) is not None
                yield CheckResult(
                    "problem" if known else "note",
                    f"{node.func.name}() takes the level of {selector.metric}, which"
                    f" {'is' if known else 'by its name is'} a counter: it grows for as long as the process runs",
                    f"`increase({selector}[{format_seconds(selector.range_seconds or 0)}])`",
                )


def group_limit(checked: CheckedRule) -> Iterator[CheckResult]:
    """Report that a group's limit ends all alerts of a rule."""
    if checked.limit:
        yield CheckResult(
            "note",
            f"the group's limit is {checked.limit}: with more alerts than that the evaluation fails, and 0 of them fire",
            "a higher `limit`, or an expression that sums",
        )


def repeated(checked: CheckedRule) -> Iterator[CheckResult]:
    """Report that the very same rule stands more than once in its group."""
    if checked.copies > 1:
        yield CheckResult(
            "note",
            f"the same rule stands {checked.copies} times in its group: each makes the same alert",
            "keep one of them",
        )


def scrape_beyond_lookback(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find series whose newest sample is too old to count before the next one comes."""
    scrape, lookback = checked.timing.scrape, checked.timing.lookback
    if scrape <= lookback or not any(leaf.kind in _NEWEST for leaf in checked.shape.leaves):
        return
    waits = (
        f", so a `for` of {format_seconds(checked.timing.for_)} is never over"
        if checked.timing.wait >= lookback
        else ""
    )
    yield CheckResult(
        "note" if checked.timing.is_guess else "problem",
        f"a sample counts for {format_seconds(lookback)}, and the next one comes after {format_seconds(scrape)}:"
        f" its series are gone for {format_seconds(scrape - lookback)} each time{waits}",
        f"scrape at least every {format_seconds(lookback / 2)}, or a longer --query.lookback-delta",
    )


def not_whole(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find an extrapolated or a measured value that would have to equal one number exactly."""
    for node in nodes(parse(checked.rule.expr)) if checked.tree else ():
        if not isinstance(node, promql.BinaryExpr) or str(node.op) not in COMPARISONS:
            continue
        value, number = (
            (node.lhs, constant(node.rhs)) if constant(node.rhs) is not None else (node.rhs, constant(node.lhs))
        )
        if str(node.op) not in {"==", "!="} or not number or bounds(value, checked.timing.lookback).is_whole:
            continue
        inner = _without_factor(value)
        while isinstance(inner, promql.AggregateExpr):
            inner = bare(inner.expr)
        if isinstance(inner, promql.Call) and inner.func.name in {"increase", "rate", "irate", "delta"}:
            then = "does not hold" if str(node.op) == "==" else "holds even so"
            yield CheckResult(
                "weakness",
                f"`{inner.func.name}()` is extrapolated to the edges of its range: what is {number:g} may be"
                f" computed as {number * 1.017:.4g}, and `{node.op} {number:g}` {then}",
                "compare with `>` or `<`, between two whole numbers",
            )
