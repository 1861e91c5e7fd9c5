"""Checks of a rule's expression: its comparison, its operators, and cases that it does not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as promql

from alertdrill.agent.config.rules import is_logql
from alertdrill.agent.rules.checks.proofs import in_brackets, not_whole
from alertdrill.agent.rules.classify import bare, classify
from alertdrill.agent.rules.expression import Pairing
from alertdrill.agent.rules.kept_labels import keys, unpaired
from alertdrill.agent.rules.remark import CheckedRule, CheckResult, Severity
from alertdrill.agent.rules.values import is_always, is_never, passes_all, spelled
from alertdrill.units.duration import format_seconds
from alertdrill.units.promql import nodes, parse

_COMPARISONS = {">", "<", ">=", "<=", "==", "!="}
_SETS = {"and", "unless"}
# Names of measured values, which never equal a constant exactly.
_MEASURED = re.compile(r"_(seconds|bytes|ratio|percent|percentage|rate|usage|celsius|volts|amperes)$")
_WITH_UNIT = re.compile(r"_(seconds|bytes|rate|celsius|volts|amperes)$")
_GROWTH = re.compile(r"^(rate|irate|increase|delta|idelta|deriv|predict_linear|changes|resets)$")


def unreadable(checked: CheckedRule) -> Iterator[CheckResult]:
    """Report that the parser cannot read the expression, so only `for` and the intervals are known."""
    try:
        parse(checked.rule.expr)
    except ValueError as error:
        if is_logql(checked.rule.expr):
            yield CheckResult(
                "note",
                "this is LogQL, a query on the lines of logs: its window follows from"
                f" `for` {format_seconds(checked.timing.for_)} and the intervals alone",
                "check it with `lokitool rules check`",
            )
            return
        reason = " ".join(str(error).split())
        yield CheckResult(
            "note",
            f"our parser cannot read this PromQL ({reason}): how much of a fault it needs is not known,"
            f" its window follows from `for` {format_seconds(checked.timing.for_)} and the intervals alone",
            "check it with `promtool check rules` of your own Prometheus",
        )


def no_comparison(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find an expression that is true whenever it has any series."""
    if checked.tree is None:
        return
    node = parse(checked.rule.expr)
    if _compares(node) or is_always(node) or is_never(node, checked.timing.lookback):
        return
    remedy = _brackets(node)
    if remedy is not None:
        last = bare(node).rhs
        yield CheckResult(
            "problem" if _is_calculated(bare(node).lhs) else "note",
            f"`{last.op} {spelled(last.rhs)}` is about the last side of `or` alone: the other side fires for each of its"
            " series, whatever their value",
            remedy,
        )
        return
    if _is_calculated(node):
        passed = next((one for one in nodes(node) if _is_filter(one) and passes_all(one)), None)
        nothing = "nothing is compared" if passed is None else f"`{spelled(passed)}` holds for every value there"
        yield CheckResult(
            "problem",
            f"{nothing}: it fires for each of its series, whatever their value ({checked.rule.expr})",
            "compare it with a number" if passed is None else "compare it with a value that it may not have",
        )
        return
    yield CheckResult(
        "note",
        "nothing is compared: it fires for as long as there is a series, whatever its value, which is right only if the"
        " series exists only while something is wrong",
        f"`({' '.join(checked.rule.expr.split())}) > 0`, if the value tells",
    )


def _brackets(node: Any) -> str | None:  # noqa: ANN401 - the parser has no types
    is_either = isinstance(bare(node), promql.BinaryExpr) and str(bare(node).op) == "or"
    return in_brackets(bare(node)) if is_either else None


def _is_filter(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    return isinstance(node, promql.BinaryExpr) and str(node.op) in _COMPARISONS


def _compares(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether anything in an expression may exclude series: a comparison, `and`, `unless`, absent()."""
    node = bare(node)
    match node:
        case promql.BinaryExpr() if str(node.op) == "or":
            # What one side leaves out may still come from the other one.
            return _compares(node.lhs) and _compares(node.rhs)
        case promql.BinaryExpr():
            # What holds for every value leaves nothing out.
            is_filter = str(node.op) in _SETS or (str(node.op) in _COMPARISONS and not passes_all(node))
            return is_filter or _compares(node.lhs) or _compares(node.rhs)
        case promql.Call():
            return node.func.name.startswith("absent") or any(_compares(argument) for argument in node.args)
        case promql.AggregateExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _compares(node.expr)
    return "ALERTS" in node.prettify()


def _is_calculated(node: Any) -> bool:  # noqa: ANN401 - the parser has no types
    """Return whether the value of an expression is worth something: a growth, a difference, a ratio; not a mere series."""
    for one in nodes(node):
        if isinstance(one, promql.Call) and (_GROWTH.match(one.func.name) or one.func.name == "histogram_quantile"):
            return True
        # A product may only add the labels of an info series.
        if isinstance(one, promql.BinaryExpr) and str(one.op) in {"-", "/", "+", "%"}:
            return True
    return False


def bool_comparison(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a comparison that returns 0 instead of no result."""
    if checked.tree is None:
        return
    node = bare(parse(checked.rule.expr))
    if isinstance(node, promql.BinaryExpr) and node.modifier is not None and node.modifier.return_bool:
        yield CheckResult(
            "problem",
            f"`{node.op} bool` returns 0 or 1, and both are a result: it fires at either",
            f"leave `bool` out, or append `== 1`: `{node.lhs.prettify()} {node.op} {node.rhs.prettify()}`",
        )


def unpaired_sides(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find operators whose sides never have equal labels."""
    for pairing in checked.tree.pairings if checked.tree else ():
        pairs = _count_pairs(checked, pairing)
        if pairs is not None:
            if not pairs:
                yield CheckResult("problem", _as_count_pairs(checked, pairing), _PAIR_REMEDY)
            continue
        proven = unpaired(pairing, checked.context.recorded)
        if proven is not None:
            label, side = proven
            other = "right" if side == "left" else "left"
            text = f"0 pairs: the {side} side of `{pairing.op}` has the label `{label}`, the {other} side never has"
            yield CheckResult("problem", text, _PAIR_REMEDY)


_PAIR_REMEDY = "sum both sides `by` the same labels, or name those that count with `on (…)`"


def _count_pairs(checked: CheckedRule, pairing: Pairing) -> int | None:
    """Count the pairs among the series of a server; None if it has no series on one side."""
    left, right = checked.context.labels.get(pairing.lhs), checked.context.labels.get(pairing.rhs)
    if not left or not right:
        return None
    return len(keys(pairing, left) & keys(pairing, right))


def _as_count_pairs(checked: CheckedRule, pairing: Pairing) -> str:
    sides = []
    for side in (pairing.lhs, pairing.rhs):
        series = checked.context.labels[side]
        names = sorted({name for key in keys(pairing, series) for name, _ in key})
        sides.append(f"{len(series)} series by {', '.join(names) or 'no label'}")
    return f"0 pairs: `{pairing.op}` has {sides[0]} on the left, {sides[1]} on the right"


def one_label_more(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a ratio of two counters that is matched by all their labels: with one more label on a side, nothing pairs."""
    for pairing in checked.tree.pairings if checked.tree else ():
        plain = not any(word in pairing.text for word in ("sum", "avg", "max", "min"))
        if (
            pairing.op == "/"
            and plain
            and pairing.on is None
            and not pairing.ignoring
            and _count_pairs(checked, pairing) is None
            and classify(f"{pairing.text} > 0").kind == "ratio"
        ):
            yield CheckResult(
                "weakness",
                "it pairs series whose labels are all equal: one label more on one of the 2 metrics,"
                " such as a `reason` on the errors, leaves 0 pairs, and it never fires again",
                "sum both sides `by` the same labels: `sum by (job) (…) / sum by (job) (…)`",
            )


def counter_without_rate(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find counters that are compared without a rate."""
    leaves = checked.shape.leaves
    for leaf in leaves:
        selector = leaf.bad
        if leaf.kind != "gauge" or selector is None or not checked.context.is_counter(selector.metric):
            continue
        # Beside another condition, a counter above 0 asks only whether there was anything at all.
        if leaf.threshold == 0 and len(leaves) > 1:
            continue
        is_known = checked.context.type_of(selector.metric) is not None
        # Nobody waits for a counter to be small, so it is none in spite of its name.
        if not is_known and leaf.comparison in {"<", "<="}:
            continue
        severity: Severity = "problem" if leaf.comparison in {">", ">="} else "weakness"
        yield CheckResult(
            severity if is_known else "note",
            f"{selector.metric} is a counter{'' if is_known else ' by its name'}: once past {leaf.threshold:g} it stays"
            " there until its process restarts",
            f"compare how fast it grows: `rate({selector}[5m])` or `increase({selector}[5m])`"
            + ("" if is_known else "; --metadata FILE tells its type"),
        )


def exact_equality(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a measured value that would have to equal one number exactly."""
    for leaf in checked.shape.leaves:
        if leaf.comparison not in {"==", "!="} or leaf.kind not in {"gauge", "ratio", "quantile"}:
            continue
        metric = leaf.bad.metric if leaf.bad is not None else ""
        # Nothing at all is exactly 0.
        is_measured = leaf.kind != "gauge" or _MEASURED.search(metric) or not leaf.threshold.is_integer()
        # All of something is exactly 1, or 100 percent.
        is_all = leaf.kind != "quantile" and leaf.threshold in {1, 100} and not _WITH_UNIT.search(metric)
        if is_measured and leaf.threshold != 0 and not is_all:
            by_name = leaf.kind == "gauge" and leaf.threshold.is_integer()
            yield CheckResult(
                "note" if by_name else "weakness",
                f"`{leaf.comparison} {leaf.threshold:g}` on a measured value{', as its name says' if by_name else ''}:"
                f" {leaf.threshold * 1.001:g} is not equal",
                "compare with `<` or `>`",
            )
    yield from not_whole(checked)


def nothing_by_nothing(checked: CheckedRule) -> Iterator[CheckResult]:
    """Find a ratio of rates that is NaN when nothing happens, as in a total outage."""
    for leaf in checked.shape.leaves:
        if leaf.kind != "ratio":
            continue
        yield CheckResult(
            "weakness",
            f"0 / 0 is NaN, and NaN {leaf.comparison} {leaf.threshold:g} is false: once nothing was counted for"
            f" {format_seconds(leaf.range_seconds)}, as in a total outage, it is silent, and resolves if it fired",
            f"alert on the traffic as well: `sum(rate({leaf.all}[{format_seconds(leaf.range_seconds)}])) == 0`,"
            f" or `absent({leaf.all})`",
        )
