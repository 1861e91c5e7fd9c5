from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from alertdrill.agent.config.yaml_source import read_settings
from alertdrill.agent.errors import ConfigError
from alertdrill.probes.checks.answer import Answer
from alertdrill.probes.checks.checks import Check, Checks, compile_carry, compile_checks
from alertdrill.units.settings import Settings

CHECKS: TypeAdapter[tuple[Check, ...]] = TypeAdapter(tuple[Check, ...])
BODY = b'{"status": "ok", "amount": 100.0, "paid": true, "error": null, "tags": ["a", "bc"], "items": [{"id": 7}]}'
HEADERS = {b"content-type": b"application/json; charset=utf-8", b"x-count": b"5"}


class File(Settings):
    checks: tuple[Check, ...]


def checks(*settings: dict[str, Any]) -> Checks:
    return compile_checks(CHECKS.validate_python(settings))


def answer(status: int = 201, body: bytes = BODY, seconds: float = 0.25) -> Answer:
    return Answer(status, HEADERS, body, seconds)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"status": 201}, "status is 201"),
        ({"status": "201"}, "status is 201"),
        ({"status": [200, 201]}, "status is 200 or 201"),
        ({"status": "2xx"}, "status is 2xx"),
        ({"status": ["3xx", 201]}, "status is 3xx or 201"),
        ({"time": "2s"}, "response time < 2s"),
        ({"name": "quick", "time": "251ms"}, "quick"),
        ({"header": "content-type", "contains": "json"}, "header content-type contains json"),
        ({"header": "Content-Type", "matches": "^application/(json|xml)"}, "header Content-Type matches ^appl"),
        ({"header": "x-count", "equals": 5}, "header x-count equals 5"),
        ({"header": "x-count", "exists": True}, "header x-count exists"),
        ({"header": "x-none", "exists": False}, "header x-none does not exist"),
        ({"json": "$.status", "equals": "ok"}, "json $.status equals ok"),
        ({"json": "status", "contains": "k"}, "json status contains k"),
        ({"json": "$.amount", "equals": 100}, "json $.amount equals 100"),
        ({"json": "$.paid", "equals": True}, "json $.paid equals true"),
        ({"json": "$.error", "matches": "^null$"}, "json $.error matches ^null$"),
        ({"json": "$.error", "exists": True}, "json $.error exists"),
        ({"json": "$.tags", "contains": "bc"}, "json $.tags contains bc"),
        ({"json": "$.items[0].id", "matches": r"^\d$"}, r"json $.items[0].id matches ^\d$"),
        ({"json": "$.none", "exists": False}, "json $.none does not exist"),
        ({"contains": "ok"}, "body contains ok"),
        ({"matches": "^{.*}$"}, "body matches ^{.*}$"),
        ({"equals": BODY.decode()}, "body equals {"),
    ],
)
def test_a_passed_check_has_a_name_and_no_reason(settings: dict[str, Any], name: str) -> None:
    compiled = checks(settings)
    assert compiled.names[0].startswith(name)
    assert compiled.failed(answer()) == ()
    assert compiled.detail(answer()) == ""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"status": 200}, "status 201, expected 200"),
        ({"status": [200, "4xx"]}, "status 201, expected 200 or 4xx"),
        ({"time": "250ms"}, "took 0.250 s, expected less than 250ms"),
        ({"header": "X-Count", "equals": "6"}, "header X-Count is '5', expected '6'"),
        ({"header": "x-count", "contains": "6"}, "header x-count is '5', expected it to contain '6'"),
        ({"header": "x-count", "matches": "^6"}, "header x-count is '5', expected it to match '^6'"),
        ({"header": "x-count", "exists": False}, "header x-count is '5', expected it not to be there"),
        ({"header": "x-none", "equals": "6"}, "header x-none is missing, expected '6'"),
        ({"header": "x-none", "exists": True}, "header x-none is missing, expected it to be there"),
        ({"json": "$.status", "equals": "failed"}, "json $.status is 'ok', expected 'failed'"),
        ({"json": "$.amount", "equals": "100.0"}, "json $.amount is 100.0, expected '100.0'"),
        ({"json": "$.paid", "equals": 1}, "json $.paid is true, expected 1"),
        ({"json": "$.items[0].id", "equals": True}, "json $.items[0].id is 7, expected true"),
        ({"json": "$.tags", "contains": "b"}, 'json $.tags is ["a","bc"], expected it to contain \'b\''),
        ({"json": "$.error", "exists": False}, "json $.error is null, expected it not to be there"),
        ({"json": "$.items[1]", "exists": True}, "json $.items[1] is missing, expected it to be there"),
        ({"contains": "OK"}, f"body is {BODY.decode()[:80] + '…'!r}, expected it to contain 'OK'"),
    ],
)
def test_a_failed_check_names_the_found_and_the_expected_value(settings: dict[str, Any], expected: str) -> None:
    compiled = checks({**settings, "name": "mine"})
    assert compiled.failed(answer()) == ("mine",)
    assert compiled.detail(answer()) == expected


def test_failed_checks_are_named_in_order_and_the_first_is_explained() -> None:
    compiled = checks({"contains": "OK"}, {"status": "2xx"}, {"status": 200}, {"time": "1s"}, {"time": "100ms"})
    assert compiled.failed(answer()) == ("body contains OK", "status is 200", "response time < 100ms")
    assert compiled.detail(answer(503)).startswith("body is ")
    assert compiled.failed(answer(503)) == (
        "body contains OK",
        "status is 2xx",
        "status is 200",
        "response time < 100ms",
    )


def test_two_checks_on_the_same_value_must_both_pass() -> None:
    assert checks({"status": "2xx"}, {"status": [201, 404]}).failed(answer(200)) == ("status is 201 or 404",)
    assert checks({"time": "1s"}, {"time": "100ms"}).failed(answer()) == ("response time < 100ms",)


def test_without_checks_every_answer_passes() -> None:
    assert checks().failed(answer(599, b"", 3600.0)) == ()
    assert not checks().needs_headers
    assert not checks().needs_body


@pytest.mark.parametrize(
    ("settings", "needs"),
    [
        ({"status": 201}, (False, False)),
        ({"time": "1s"}, (False, False)),
        ({"header": "a", "exists": True}, (True, False)),
        ({"json": "a", "exists": True}, (False, True)),
        ({"contains": "a"}, (False, True)),
    ],
)
def test_checks_declare_which_parts_of_an_answer_they_need(settings: dict[str, Any], needs: tuple[bool, bool]) -> None:
    compiled = checks({"status": "2xx", "name": "any"}, settings)
    assert (compiled.needs_headers, compiled.needs_body) == needs


class Untouchable(Answer):
    """An answer whose headers and body must not be read."""

    def __init__(self, status: int, seconds: float) -> None:
        self.status = status
        self.seconds = seconds


def test_checks_on_status_and_time_need_nothing_else() -> None:
    compiled = checks({"status": 201}, {"time": "1s"})
    assert compiled.failed(Untouchable(201, 0.5)) == ()
    assert compiled.failed(Untouchable(500, 2.0)) == ("status is 201", "response time < 1s")
    with pytest.raises(AttributeError):
        checks({"status": 201}, {"contains": "a"}).failed(Untouchable(201, 0.5))


@pytest.mark.parametrize("expectation", [{"equals": "ok"}, {"exists": True}, {"exists": False}])
def test_a_body_that_is_not_json_fails_every_json_check(expectation: dict[str, Any]) -> None:
    compiled = checks({"json": "$.status", **expectation}, {"status": 201})
    assert compiled.failed(answer(body=b"<html>")) == compiled.names[:1]
    assert compiled.detail(answer(body=b"<html>")).startswith("the body is not JSON: Expecting value")


@given(st.integers(0, 65_535), st.dictionaries(st.just(b"x"), st.binary()), st.binary(), st.floats(0, 1e9))
def test_no_answer_makes_a_check_raise(status: int, headers: dict[bytes, bytes], body: bytes, seconds: float) -> None:
    compiled = checks(
        {"status": "2xx"},
        {"time": "1s"},
        {"header": "x", "matches": "a.b"},
        {"json": "a[0]", "contains": "a"},
        {"contains": "a"},
    )
    given_answer = Answer(status, headers, body, seconds)
    failed = compiled.failed(given_answer)
    assert bool(failed) == bool(compiled.detail(given_answer))
    assert ("status is 2xx" in failed) == (not 200 <= status <= 299)
    assert ("response time < 1s" in failed) == (seconds >= 1)
    assert ("body contains a" in failed) == (b"a" not in body)


@pytest.mark.parametrize(
    "body", [b'{"a": 1e999}', b'{"a": [-1e999]}', b'{"a": "\\ud800"}', b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}"]
)
def test_a_value_that_cannot_be_formatted_fails_its_check(body: bytes) -> None:
    compiled = checks({"json": "a", "matches": "^x", "name": "one"}, {"json": "a", "equals": "x", "name": "other"})
    assert compiled.failed(answer(body=body)) == ("one", "other")
    assert compiled.detail(answer(body=body)).startswith("json a")


def problems(directory: Path, check: str) -> list[str]:
    path = directory / "probe.yml"
    path.write_text(f"checks:\n  - {{status: 200}}\n  - {check}\n")
    with pytest.raises(ConfigError) as error:
        read_settings(path, File)
    return [problem.removeprefix(f"{path}:") for problem in error.value.problems]


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("{status: 2010}", "3: checks[1].status: 2010 is not a status, expected a number such as 201, a range"),
        ("{status: [200, 2x]}", "3: checks[1].status: '2x' is not a status"),
        ("{status: true}", "3: checks[1].status: true is not a status"),
        ("{status: []}", "3: checks[1].status: is an empty list, expected at least one status"),
        ("{time: 2}", "3: checks[1].time: 2 has no unit, expected a duration such as 250ms"),
        ("{time: 0s}", "3: checks[1].time: input should be greater than 0"),
        ("{statuss: 200}", "3: checks[1]: unknown key 'statuss', did you mean status?"),
        ("{header: a, exist: true}", "3: checks[1]: unknown key 'exist', did you mean exists?"),
        ("{header: a, zebra: true}", "3: checks[1]: unknown key 'zebra', expected one of: status, name, time"),
        (
            "{status: 200, time: 2s}",
            "3: checks[1]: time and status cannot be in one check, expected status, name",
        ),
        ("{status: 200, contains: a}", "3: checks[1]: contains and status cannot be in one check"),
        (
            "{exists: true}",
            "3: checks[1]: exists and body cannot be in one check, expected equals, contains, matches, name",
        ),
        ("{header: a}", "3: checks[1].header check: expected one of equals, contains, matches and exists, found none"),
        ("{json: a, equals: 1, exists: true}", "exists, found equals and exists"),
        ("{name: a}", "3: checks[1]: checks nothing, expected one of status, time, header and json"),
        ("{json: a, equals: null}", "3: checks[1].equals: null means that nothing is expected"),
        ("{json: a, equals: [1]}", "3: checks[1].equals: [1] is a list, expected a text, a number"),
        ("{json: 'a[', exists: true}", "3: checks[1].json: 'a[' is not a JSON path from character 2 on"),
        (
            "{json: a, matches: 'ab('}",
            "3: checks[1].matches: 'ab(' is not a regular expression: missing ), unterminated subpattern at character 3",
        ),
        ("{matches: 'a{99999999999}'}", "3: checks[1].matches: 'a{99999999999}' is not a regular expression: the rep"),
        ("{header: 'a b', exists: true}", "3: checks[1].header: string should match pattern"),
        ("ok", "3: checks[1]: 'ok' is not a check, expected a mapping such as {status: 201}"),
        ("", "3: checks[1]: none is not a check, expected a mapping such as {status: 201}"),
    ],
)
def test_a_wrong_check_is_reported_with_its_line(tmp_path: Path, check: str, expected: str) -> None:
    found = problems(tmp_path, check)
    assert len(found) == 1
    assert expected in found[0]


def test_two_checks_with_the_same_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two checks are named 'status is 201', expected a name of its own for each"):
        checks({"status": 201}, {"status": "201"})


def test_checks_can_be_dumped_and_read_again() -> None:
    settings: tuple[dict[str, Any], ...] = (
        {"status": [201, "3xx"]},
        {"time": "1m30s"},
        {"header": "a", "exists": False},
        {"json": "$.a", "equals": False},
        {"matches": "a"},
    )
    once = CHECKS.validate_python(settings)
    dumped = CHECKS.dump_python(once, mode="json", by_alias=True, exclude_none=True)
    assert CHECKS.validate_python(dumped) == once
    assert CHECKS.validate_python(once) == once


def test_values_are_carried_with_their_types() -> None:
    carry = compile_carry({"id": "$.items[0].id", "tags": "tags", "error": "$.error"})
    assert carry(answer()) == {"id": 7, "tags": ["a", "bc"], "error": None}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": 1}', "no id to carry: the answer has nothing at $.transactionId"),
        (b"[]", "no id to carry: the answer has nothing at $.transactionId"),
        (b"oops", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"", "the body is empty, expected JSON"),
    ],
)
def test_a_value_that_cannot_be_carried_has_a_reason(body: bytes, expected: str) -> None:
    assert compile_carry({"id": "$.transactionId"})(answer(body=body)) == expected


def test_a_wrong_path_to_carry_is_refused_when_a_file_is_read() -> None:
    with pytest.raises(ValueError, match="not a JSON path from character 2 on"):
        compile_carry({"id": "$..id"})


def test_a_check_of_several_conditions_counts_once() -> None:
    given = [{"name": "ok and quick", "all": [{"status": 200}, {"json": "$.id", "equals": 5}, {"time": "2s"}]}]
    checks = compile_checks(TypeAdapter[Any](list[Check]).validate_python(given))
    assert (checks.names, checks.needs_body) == (("ok and quick",), True)
    assert checks.failed(Answer(200, {}, b'{"id": 5}', 0.1)) == ()
    for answer in (Answer(500, {}, b'{"id": 5}', 0.1), Answer(200, {}, b"{}", 0.1), Answer(200, {}, b'{"id": 5}', 3.0)):
        assert checks.failed(answer) == ("ok and quick",)
    assert checks.detail(Answer(500, {}, b"", 0.1)) == "status 500, expected 200"
