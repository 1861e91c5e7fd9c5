from __future__ import annotations

import uuid
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from alertdrill.probes.data.data import AnyData, Timestamp, rows
from alertdrill.probes.http.settings import HttpProbe

DATA: TypeAdapter[AnyData] = TypeAdapter(AnyData)
SEEDS = st.integers()


def read(directory: Path | None = None, /, **settings: Any) -> AnyData:
    return DATA.validate_python(settings, context={"directory": directory})


def take(data: AnyData, times: int, seed: int = 7, shard: int = 0, shards: int = 1) -> list[Any]:
    return list(islice(iter(data.values(seed, shard, shards), object()), times))


RANDOM_KINDS = [
    {"kind": "uuid"},
    {"kind": "choice", "of": list(range(1000))},
    {"kind": "choice", "of": list(range(1000)), "weights": [1] * 1000},
    {"kind": "range", "from": 0, "to": 10**6},
    {"kind": "range", "from": 0, "to": 10**6, "digits": 2},
    {"kind": "range", "from": 0.5, "to": 10**6},
]


@pytest.mark.parametrize("settings", RANDOM_KINDS)
def test_the_same_seed_gives_the_same_values_and_another_gives_others(settings: dict[str, Any]) -> None:
    data = read(**settings)
    assert take(data, 20) == take(data, 20)
    assert take(data, 20, seed=7) != take(data, 20, seed=-7)


@pytest.mark.parametrize("settings", RANDOM_KINDS)
def test_each_shard_has_a_stream_of_its_own(settings: dict[str, Any]) -> None:
    data = read(**settings)
    assert take(data, 20, shard=0, shards=2) != take(data, 20, shard=1, shards=2)


def test_values_do_not_change_between_versions() -> None:
    """A recorded run can be repeated years later only if these values stay the same."""
    assert take(read(kind="uuid"), 1) == ["0f3d4ea7-9de8-42e9-9ab3-9fd1b4b815a0"]
    assert take(read(**{"kind": "range", "from": 1, "to": 500}), 3) == [353, 309, 62]


@given(SEEDS)
def test_a_uuid_is_of_version_4_in_the_usual_format(seed: int) -> None:
    for text in take(read(kind="uuid"), 20, seed):
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, text)


def test_uuids_are_unique_across_shards() -> None:
    data = read(kind="uuid")
    drawn = [text for shard in range(8) for text in take(data, 5000, shard=shard, shards=8)]
    assert len(set(drawn)) == 8 * 5000


@given(start=st.integers(), shards=st.integers(min_value=1, max_value=9), times=st.integers(min_value=0, max_value=20))
def test_shards_together_give_each_number_once(start: int, shards: int, times: int) -> None:
    data = read(kind="sequence", start=start)
    dealt = [take(data, times, shard=shard, shards=shards) for shard in range(shards)]
    assert [number for turn in zip(*dealt, strict=True) for number in turn] == list(
        range(start, start + shards * times)
    )


def test_a_choice_keeps_its_weights() -> None:
    drawn = Counter(take(read(kind="choice", of=["a", "b", "c"], weights=[9, 1, 0]), 10_000))
    assert drawn["a"] == pytest.approx(9000, rel=0.02)
    assert drawn["b"] == pytest.approx(1000, rel=0.1)
    assert drawn["c"] == 0


def test_a_value_of_weight_zero_is_never_chosen_beside_the_smallest_weights() -> None:
    assert set(take(read(kind="choice", of=["a", "b"], weights=[5e-324, 0]), 100)) == {"a"}


def test_a_choice_without_weights_is_uniform() -> None:
    drawn = Counter(take(read(kind="choice", of=["a", 2, None, True]), 10_000))
    assert all(count == pytest.approx(2500, rel=0.1) for count in drawn.values())
    assert len(drawn) == 4


def test_a_choice_keeps_the_types_of_its_values() -> None:
    assert {repr(value) for value in take(read(kind="choice", of=["1", 1, 1.0, True, None]), 500)} == {
        "'1'",
        "1",
        "1.0",
        "True",
        "None",
    }


@given(st.integers(-(2**40), 2**40), st.integers(0, 2**40), SEEDS)
def test_a_whole_number_is_within_its_range(low: int, width: int, seed: int) -> None:
    drawn = take(read(**{"kind": "range", "from": low, "to": low + width}), 20, seed)
    assert all(type(number) is int and low <= number <= low + width for number in drawn)


def test_both_ends_of_a_range_are_as_likely_as_the_rest() -> None:
    for settings, numbers in (
        ({"from": 1, "to": 4}, [1, 2, 3, 4]),
        ({"from": 0.1, "to": 0.4, "digits": 1}, [0.1, 0.2, 0.3, 0.4]),
        ({"from": 0.05, "to": 0.49, "digits": 1}, [0.1, 0.2, 0.3, 0.4]),
        ({"from": 1.0, "to": 4.0, "digits": 0}, [1, 2, 3, 4]),
    ):
        drawn = Counter(take(read(kind="range", **settings), 10_000))
        assert sorted(drawn) == numbers
        assert all(count == pytest.approx(2500, rel=0.1) for count in drawn.values())


@given(st.floats(-1e6, 1e6), st.floats(0.1, 1e6), st.integers(1, 6), SEEDS)
def test_no_more_than_the_given_digits_are_printed(low: float, width: float, digits: int, seed: int) -> None:
    for number in take(read(**{"kind": "range", "from": low, "to": low + width, "digits": digits}), 20, seed):
        assert low <= number <= low + width
        assert number == round(number, digits)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), SEEDS)
def test_a_float_is_within_its_range(one: float, other: float, seed: int) -> None:
    low, high = sorted((one, other))
    assert all(low <= number <= high for number in take(read(**{"kind": "range", "from": low, "to": high}), 20, seed))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("iso", ["2026-11-24T02:38:54.123Z", "2026-11-24T02:38:54.999Z", "2026-11-24T02:38:55.000Z"]),
        ("unix", [1795487934, 1795487934, 1795487935]),
        ("unix_ms", [1795487934123, 1795487934999, 1795487935000]),
    ],
)
def test_a_timestamp_is_the_time_of_the_clock(form: Any, expected: list[object]) -> None:
    clock = iter([1795487934.1235, 1795487934.9995, 1795487935.0]).__next__
    value = Timestamp(format=form).values(7, 0, 1, clock)
    assert [value() for _ in expected] == expected


def test_a_timestamp_follows_a_clock_that_is_set_back() -> None:
    value = Timestamp().values(7, 0, 1, iter([100.5, 99.25]).__next__)
    assert [value(), value()] == ["1970-01-01T00:01:40.500Z", "1970-01-01T00:01:39.250Z"]


def accounts(directory: Path, count: int) -> AnyData:
    (directory / "accounts.csv").write_text("id,name\n" + "".join(f"{row},n\n" for row in range(count)))
    return read(directory, kind="csv", file="accounts.csv", column="id")


@pytest.mark.parametrize(("count", "shards"), [(1, 1), (3, 1), (5, 2), (6, 2), (6, 4), (2, 5), (1, 3)])
def test_rows_come_in_order_and_repeat_and_shards_take_turns(tmp_path: Path, count: int, shards: int) -> None:
    data = accounts(tmp_path, count)
    dealt = [take(data, 20, shard=shard, shards=shards) for shard in range(shards)]
    together = [row for turn in zip(*dealt, strict=True) for row in turn]
    assert together == [str(index % count) for index in range(20 * shards)]


def test_a_csv_file_is_relative_to_its_probe_file_in_any_working_directory(tmp_path: Path) -> None:
    data = accounts(tmp_path, 2)
    again = DATA.validate_python(DATA.dump_python(data, mode="json"), context={"directory": Path("/elsewhere")})
    assert take(again, 3) == ["0", "1", "0"]


def test_a_file_that_lost_its_rows_after_the_check_is_refused_when_opened(tmp_path: Path) -> None:
    data = accounts(tmp_path, 2)
    (tmp_path / "accounts.csv").write_text("id\n")
    with pytest.raises(ValueError, match="has no rows below its header"):
        data.values(7, 0, 1)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "uid"}, "'uid' found using 'kind' does not match"),
        ({"kind": "choice", "of": []}, "has nothing to choose from, expected at least one value in of"),
        ({"kind": "choice", "of": ["a", "b"], "weights": [1]}, "has 1 weights for 2 values, expected one for each"),
        ({"kind": "choice", "of": ["a"], "weights": [0]}, "has only weights of 0"),
        ({"kind": "choice", "of": ["a"], "weights": [-1]}, "greater than or equal to 0"),
        ({"kind": "choice", "of": [["a"]]}, "['a'] is a list, expected a text, a number, true, false or null"),
        ({"kind": "range", "from": 2, "to": 1}, "from 2 is above to 1"),
        ({"kind": "range", "from": 0.11, "to": 0.19, "digits": 1}, "no number of 1 digits between 0.11 and 0.19"),
        ({"kind": "range", "from": 0, "to": 2**53}, "more than 53 bits"),
        ({"kind": "range", "from": 0.5, "to": 10**400}, "goes beyond 1e+300, expected both ends nearer to 0"),
        ({"kind": "timestamp", "format": "rfc"}, "'iso', 'unix' or 'unix_ms'"),
        ({"kind": "csv", "file": "none.csv", "column": "id"}, "none.csv cannot be read: No such file"),
        ({"kind": "csv", "file": "header.csv", "column": "id"}, "has no rows below its header"),
        ({"kind": "csv", "file": "header.csv", "column": "idd"}, "has no column 'idd', did you mean id?"),
    ],
)
def test_settings_that_cannot_work_have_a_reason(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    (tmp_path / "header.csv").write_text("id\n")
    with pytest.raises(ValidationError) as error:
        read(tmp_path, **settings)
    assert expected in str(error.value)


def test_a_row_has_the_used_names_and_equal_entries_differ() -> None:
    data = {
        "key": read(kind="uuid"),
        "other": read(kind="uuid"),
        "n": read(kind="sequence"),
        "unused": read(kind="uuid"),
    }
    row = rows(data, {"key", "other", "n"}, seed=7)
    first, second = row(), row()
    assert set(first) == {"key", "other", "n"}
    assert first["key"] != first["other"]
    assert (first["n"], second["n"]) == (1, 2)


def test_another_entry_does_not_change_a_name_s_values() -> None:
    alone, beside = {"key": read(kind="uuid")}, {"a": read(kind="uuid"), "key": read(kind="uuid")}
    assert rows(alone, alone, seed=7)()["key"] == rows(beside, beside, seed=7)()["key"]


def test_shards_draw_different_rows() -> None:
    data = {"n": read(kind="sequence"), "key": read(kind="uuid")}
    one, other = rows(data, data, 7, 0, 2)(), rows(data, data, 7, 1, 2)()
    assert (one["n"], other["n"]) == (1, 2)
    assert one["key"] != other["key"]


def test_choices_that_belong_together_have_the_same_place() -> None:
    users, passwords = ["a", "b", "c"], ["x", "y", "z"]
    data = {
        "user": {"kind": "choice", "of": users},
        "password": {"kind": "choice", "of": passwords, "together_with": "user"},
    }
    probe = HttpProbe.model_validate({"url": "http://shop/", "data": data})
    draw = rows(probe.data, {"user", "password"}, seed=1)
    drawn = [draw() for _ in range(50)]
    assert {users.index(str(one["user"])) for one in drawn} == {0, 1, 2}
    assert all(passwords[users.index(str(one["user"]))] == one["password"] for one in drawn)


@pytest.mark.parametrize("other", [{}, {"user": {"kind": "uuid"}}, {"user": {"kind": "choice", "of": [1]}}])
def test_a_choice_together_with_one_of_another_length_is_refused(other: dict[str, Any]) -> None:
    data = other | {"password": {"kind": "choice", "of": [1, 2], "together_with": "user"}}
    with pytest.raises(ValidationError, match=r"data.password is together_with 'user', expected a choice of as many"):
        HttpProbe.model_validate({"url": "http://shop/", "data": data})
