"""The two sides of an operator: whether their labels agree, and how near their values came.

Each link is a function that returns a Finding if it is broken, and None if it holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from alertdrill.agent.recording.records import PartRecord, SeriesRecord
from alertdrill.agent.rules.expression import Pairing
from alertdrill.agent.rules.kept_labels import keys
from alertdrill.agent.verdict.diagnosis.silent import SilentAlert, true_instants
from alertdrill.agent.verdict.evaluations import part
from alertdrill.agent.verdict.verdict import ChainLink, Finding

# Of each side of an operator, to find the two series that differ least.
_MOST_COMPARED = 20
_ARITHMETIC = {"/", "*", "+", "-", "%", "^"}


def no_pair(silent: SilentAlert) -> Finding | None:
    """Find an operator whose sides have no series with labels that agree."""
    for pairing in silent.tree.pairings if silent.tree else ():
        whole, left, right = (part(silent.record, text) for text in (pairing.text, pairing.lhs, pairing.rhs))
        if whole is None or left is None or right is None or whole.total or not (left.total and right.total):
            continue
        if pairing.op in _ARITHMETIC or not _has_pair(pairing, left, right):
            return _unpaired(pairing, left, right)
    return None


def _unpaired(pairing: Pairing, left: PartRecord, right: PartRecord) -> Finding:
    """Return that two sides have no pair; without common names of labels, no other series would make one."""
    names = [{frozenset(name for name, _ in key) for key in _keys(pairing, side)} for side in (left, right)]
    is_structural = names[0].isdisjoint(names[1])
    return Finding(ChainLink.NO_PAIR, _differing(pairing, left, right), is_structural=is_structural)


def _has_pair(pairing: Pairing, left: PartRecord, right: PartRecord) -> bool:
    return not _keys(pairing, left).isdisjoint(_keys(pairing, right))


def _keys(pairing: Pairing, side: PartRecord) -> set[frozenset[tuple[str, str]]]:
    return keys(pairing, [series.labels for series in side.series])


def _differing(pairing: Pairing, left: PartRecord, right: PartRecord) -> str:
    """Return the labels in which the most similar series of two sides differ."""
    pairs = product(left.series[:_MOST_COMPARED], right.series[:_MOST_COMPARED])
    one, other = min(pairs, key=lambda pair: len(_different(pairing, *pair)))
    sides = "; ".join(
        f"{name} is {_shown(name, one, other)} on the left and {_shown(name, other, one)} on the right"
        for name in _different(pairing, one, other)
    )
    return f"the sides of `{pairing.op}` have no labels in common to pair by: {sides or 'none agree'}"


def _different(pairing: Pairing, one: SeriesRecord, other: SeriesRecord) -> list[str]:
    mine, its = ({name for key in keys(pairing, [side.labels]) for name, _ in key} for side in (one, other))
    return sorted(name for name in mine | its if one.labels.get(name, "") != other.labels.get(name, ""))


def _shown(name: str, side: SeriesRecord, other: SeriesRecord) -> str:
    """Return the value of a label; where it is absent, the labels that have the value of the other side."""
    if side.labels.get(name):
        return repr(side.labels[name])
    same = sorted(label for label, value in side.labels.items() if value == other.labels.get(name))
    return f"absent (which has it as {', '.join(same)})" if same else "absent"


def never_agreed(silent: SilentAlert) -> Finding | None:
    """Find conditions whose series never have the labels by which `and` compares them."""
    for join in silent.tree.joins if silent.tree else ():
        left, right = part(silent.record, join.lhs), part(silent.record, join.rhs)
        if join.op == "and" and left and right and left.series and right.series and not _has_pair(join, left, right):
            return _unpaired(join, left, right)
    return None


def excluded(silent: SilentAlert) -> Finding | None:
    """Find a condition that held, and that the right side of `unless` took away."""
    if any(true_instants(silent)):
        return None
    for join in silent.tree.joins if silent.tree else ():
        left, right = part(silent.record, join.lhs), part(silent.record, join.rhs)
        if join.op != "unless" or left is None or right is None:
            continue
        held = [at for series in left.series for at, _ in silent.after_fault(series)]
        if held and _has_pair(join, left, right):
            return Finding(
                ChainLink.NEVER_TRUE,
                f"`{join.lhs}` was true from {silent.offset(min(held))} on, but `unless {join.rhs}` excluded it",
            )
    return None


def sides_apart(silent: SilentAlert) -> Finding | None:
    """Find two values that are compared with one another, and how near they came."""
    pairing = silent.tree.compared if silent.tree else None
    left, right = (part(silent.record, side) for side in (pairing.lhs, pairing.rhs)) if pairing else (None, None)
    if pairing is None or left is None or right is None:
        return None
    sign = -1.0 if pairing.op in {">", ">="} else 1.0
    pairs = list(_pairs(silent, pairing, left, right))
    if not pairs or pairing.op not in {">", ">=", "<", "<="}:
        return None
    at, one, other = min(pairs, key=lambda pair: sign * (pair[1] - pair[2]))
    text = f"never crossed: nearest at {silent.offset(at)}, {one:.4g} on the left and {other:.4g} on the right"
    return Finding(ChainLink.NEVER_CROSSED, f"{text}; it fires at left {pairing.op} right")


def _pairs(
    silent: SilentAlert, pairing: Pairing, left: PartRecord, right: PartRecord
) -> Iterator[tuple[float, float, float]]:
    """Yield the values of both sides at the evaluations from the fault on, each with its instant."""
    of_key = {key: series for series in right.series for key in keys(pairing, [series.labels])}
    for series in left.series:
        other = next((of_key[key] for key in keys(pairing, [series.labels]) if key in of_key), None)
        its = dict(silent.after_fault(other)) if other is not None else {}
        both = ((at, value, its[at]) for at, value in silent.after_fault(series) if at in its)
        yield from (pair for pair in both if not (math.isnan(pair[1]) or math.isnan(pair[2])))
