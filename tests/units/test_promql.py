"""PromQL that anyone may have written is read within limits."""

from __future__ import annotations

import pytest

from alertdrill.units.promql import DEEPEST, MOST_STEPS, nodes, parse, require_promql


def nested(kind: str, levels: int) -> str:
    return {
        "parentheses": "(" * levels + "up" + ")" * levels,
        "functions": "abs(" * levels + "up" + ")" * levels,
        "aggregations": "sum(" * levels + "up" + ")" * levels,
        "signs": "-" * levels + "up",
        "or": " or ".join(["up"] * (levels + 1)),
        "powers": "2 ^ " * levels + "2",
        "sums": "up" + " + 1" * levels,
    }[kind]


KINDS = ["parentheses", "functions", "aggregations", "signs", "or", "powers", "sums"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("levels", [DEEPEST + 1, MOST_STEPS, 10 * MOST_STEPS, 100 * MOST_STEPS])
def test_what_is_nested_too_deep_is_refused_at_once(kind: str, levels: int) -> None:
    with pytest.raises(ValueError, match=r"nested more than 200 deep|more than 1,000 brackets and operators"):
        parse(nested(kind, levels))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_nested_less_deep_is_read(kind: str) -> None:
    assert len(list(nodes(parse(nested(kind, DEEPEST - 1))))) >= DEEPEST


def test_a_long_expression_that_is_not_deep_is_read() -> None:
    wide = "label_join(up, " + ", ".join(f'"{number}("' for number in range(2_000)) + ")"
    assert len(list(nodes(parse(wide)))) == 2_002


@pytest.mark.parametrize(
    "text", ['up{a="' + "(" * 5_000 + '"}', "up{a='\\'" + "-" * 5_000 + "'}", "up # " + "(" * 5_000]
)
def test_brackets_in_texts_and_comments_do_not_count(text: str) -> None:
    assert parse(text) is not None


@pytest.mark.parametrize("text", ['up{a="' * 50_000, '"\\' * 50_000, "`" * 99_999])
def test_texts_without_an_end_are_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="is not PromQL"):
        require_promql(text)


@pytest.mark.parametrize(
    "expr",
    [
        *("a[9223372037]", "a[1e300]", "a[5m:1e300]", "a[1e300:5m]", "rate(a[18446744073709551616])"),
        *("a offset 1e30", "a offset -1e30", "a offset 99999999999999999999", "a OFFSET NaN", "(a offset 1e30) + 1"),
    ],
)
def test_a_duration_that_prometheus_cannot_count_is_refused(expr: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The parser would panic, and print lines of its own."""
    with pytest.raises(ValueError, match=r"is not within the 9,223,372,036 s that Prometheus can count"):
        parse(expr)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "expr",
    [
        *("a[9223372036]", "a[300y:1m]", 'a{b="[1e300]"}', "a{b='x offset 1e300'}", "a # offset 1e300", "a > 1e300"),
        *("a:1e300", "a offset 5 + 3", "a @ 1e30"),
    ],
)
def test_a_long_number_that_is_no_duration_is_read(expr: str) -> None:
    parse(expr)
