from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from alertdrill.agent.import_k6.notes import UnusableScript

Import = Callable[..., Any]
USERS = "2: numbers of virtual users become transactions a second"
STEADY = "executor: 'constant-arrival-rate', preAllocatedVUs: 1"
RAMP = "executor: 'ramping-arrival-rate', preAllocatedVUs: 1"


def dumped(load: Any) -> dict[str, Any]:
    return dict(load.model_dump(mode="json", exclude_unset=True))


@pytest.mark.parametrize(
    ("options", "load"),
    [
        ("{ vus: 10, duration: '30s' }", {"rate": 10, "duration": "30s"}),
        ("{ vus: '10', duration: 30000 }", {"rate": 10, "duration": "30s"}),
        ("{ duration: '1m' }", {"rate": 1, "duration": "1m"}),
        ("{ scenarios: { a: { executor: 'constant-vus', vus: 3, duration: '1m' } } }", {"rate": 3, "duration": "1m"}),
        (
            "{ scenarios: { a: { executor: 'ramping-vus', startVUs: 2, stages: [{ duration: '1m', target: 5 }] } } }",
            {"start_rate": 2, "stages": [{"duration": "1m", "target": 5}]},
        ),
        (
            "{ scenarios: { a: { executor: 'ramping-vus', stages: [{ duration: '1m', target: 5 }] } } }",
            {"start_rate": 1, "stages": [{"duration": "1m", "target": 5}]},
        ),
        (
            "{ stages: [{ duration: '1m', target: 5 }, { target: 0, duration: '0s' }] }",
            {"start_rate": 1, "stages": [{"duration": "1m", "target": 5}, {"duration": "0s", "target": 0}]},
        ),
        (
            "{ vus: 3, stages: [{ duration: '1m', target: 5 }] }",
            {"start_rate": 3, "stages": [{"duration": "1m", "target": 5}]},
        ),
    ],
)
def test_numbers_of_virtual_users_become_rates_with_a_note(
    with_options: Import, options: str, load: dict[str, Any]
) -> None:
    imported = with_options(options)
    assert dumped(imported.file.load) == load
    [note] = imported.notes
    assert note.startswith(USERS)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("sleep(1);", "with sleep(1) a user makes about one iteration a second"),
        ("sleep(0.5); sleep(1.5);", "with sleep(2) a user makes about 0.5 a second, as written here"),
        ("sleep(0.25);", "with sleep(0.25) a user makes about 4 a second, as written here"),
        ("sleep(Math.random() * 4);", "with sleep(2) a user makes about 0.5 a second, as written here"),
        ("", "how many iterations a user makes depends on the answers, so check these rates"),
        ("sleep(pause());", "how many iterations a user makes depends on the answers"),
    ],
)
def test_the_rate_of_a_user_follows_from_its_sleep(with_body: Import, body: str, text: str) -> None:
    imported = with_body(f"http.get('http://shop/'); {body}", "{ vus: 1, duration: '1m' }")
    [note] = [note for note in imported.notes if "virtual users become" in note]
    assert text in note


@pytest.mark.parametrize(
    ("scenario", "load"),
    [
        (f"{{ {STEADY}, rate: 50, duration: '1h30m' }}", {"rate": 50, "duration": "1h30m"}),
        (f"{{ {STEADY}, rate: 300, timeUnit: '1m', duration: '90s' }}", {"rate": 5, "duration": "1m30s"}),
        (f"{{ {STEADY}, rate: 1, timeUnit: 500, duration: '1.5s' }}", {"rate": 2, "duration": "1s500ms"}),
        (
            f"{{ {STEADY}, rate: 5, duration: '1m', gracefulStop: '5s' }}",
            {"rate": 5, "duration": "1m", "graceful_stop": "5s"},
        ),
        (
            f"{{ {RAMP}, startRate: 30, timeUnit: '1m', stages: [{{ target: 60, duration: '2d' }}] }}",
            {"start_rate": 0.5, "stages": [{"duration": "2d", "target": 1}]},
        ),
        (f"{{ {RAMP}, stages: [{{ target: 6, duration: '2m' }}] }}", {"stages": [{"duration": "2m", "target": 6}]}),
    ],
)
def test_a_scenario_of_arrivals_keeps_its_rates(with_options: Import, scenario: str, load: dict[str, Any]) -> None:
    imported = with_options(f"{{ scenarios: {{ shop: {scenario} }} }}")
    assert dumped(imported.file.load) == load
    assert imported.notes == [
        (
            "2: options.scenarios.shop.preAllocatedVUs is not carried over:"
            " an open loop needs no virtual users; max_in_flight limits the transactions in flight"
        )
    ]


@pytest.mark.parametrize(
    ("executor", "why"),
    [
        ("constant-vus", "duration is missing"),
        ("ramping-vus", "stages is missing"),
        ("externally-controlled", "externally-controlled is controlled from outside while it runs"),
        ("warp-speed", "warp-speed is not an executor of k6"),
    ],
)
def test_any_other_executor_is_noted_with_the_reason(with_options: Import, executor: str, why: str) -> None:
    imported = with_options(f"{{ scenarios: {{\n a: {{ executor: '{executor}' }} }} }}")
    assert imported.file.load is None
    [note] = imported.notes
    assert note.startswith(f"3: options.scenarios.a is not carried over: {why}")


@pytest.mark.parametrize(
    ("scenarios", "load"),
    [
        (
            f"a: {{ executor: 'constant-vus', vus: 1, duration: '1m' }}, b: {{ {STEADY}, rate: 5, duration: '1m' }}",
            {"rate": 6, "duration": "1m"},
        ),
        (
            (
                f"warm: {{ {STEADY}, rate: 5, duration: '30s' }},"
                f" main: {{ {RAMP}, startRate: 10, startTime: '30s', stages: [{{ target: 20, duration: '2m' }}] }}"
            ),
            {
                "start_rate": 5,
                "stages": [
                    {"duration": "30s", "target": 5},
                    {"duration": "0s", "target": 10},
                    {"duration": "2m", "target": 20},
                ],
            },
        ),
        (
            (
                f"a: {{ {RAMP}, stages: [{{ target: 10, duration: '20s' }}] }},"
                f" b: {{ {STEADY}, rate: 1, startTime: '10s', duration: '20s', gracefulStop: '5s' }}"
            ),
            {
                "start_rate": 0,
                "stages": [
                    {"duration": "10s", "target": 5},
                    {"duration": "0s", "target": 6},
                    {"duration": "10s", "target": 11},
                    {"duration": "0s", "target": 1},
                    {"duration": "10s", "target": 1},
                ],
                "graceful_stop": "5s",
            },
        ),
    ],
)
def test_scenarios_of_the_same_function_are_added_up(
    with_options: Import, scenarios: str, load: dict[str, Any]
) -> None:
    imported = with_options(f"{{ scenarios: {{ {scenarios} }} }}")
    assert dumped(imported.file.load) == load
    assert any("are added up to one load" in note for note in imported.notes)


TWO_FUNCTIONS = (
    f"import http from 'k6/http'; export const options = {{ scenarios: {{ a: {{ {STEADY}, rate: 5, duration: '1m' }},\n"
    f" b: {{ {STEADY}, rate: 6, duration: '1m', exec: 'buy' }} }} }};\n"
    "export default function () { http.get('http://shop/'); }\n"
    "export function buy() { http.get('http://shop/buy'); }\n"
)


def test_scenarios_of_other_functions_can_be_imported_alone(whole: Import) -> None:
    first, other = whole(TWO_FUNCTIONS), whole(TWO_FUNCTIONS, scenario="b")
    assert (first.file.probe.url, first.file.load.rate) == ("http://shop/", 5)
    assert any(
        note.startswith("2: options.scenarios.b is not carried over")
        and note.endswith("import this one with --scenario b")
        for note in first.notes
    )
    assert (other.file.probe.url, other.file.load.rate) == ("http://shop/buy", 6)
    with pytest.raises(UnusableScript, match="has no scenario 'c', expected one of: a, b"):
        whole(TWO_FUNCTIONS, scenario="c")


@pytest.mark.parametrize(
    ("options", "load"),
    [
        ("{ vus: 5, iterations: 10 }", {"rate": 5, "duration": "2s"}),
        ("{ iterations: 10 }", {"rate": 1, "duration": "10s"}),
        (
            "{ scenarios: { a: { executor: 'shared-iterations', vus: 3, iterations: 10 } } }",
            {"rate": 3, "duration": "3s333ms"},
        ),
        (
            "{ scenarios: { a: { executor: 'per-vu-iterations', vus: 4, iterations: 10 } } }",
            {"rate": 4, "duration": "10s"},
        ),
    ],
)
def test_a_number_of_iterations_becomes_a_load_of_as_many(
    with_options: Import, options: str, load: dict[str, Any]
) -> None:
    imported = with_options(options)
    assert dumped(imported.file.load) == load
    assert imported.file.load.arrivals().total in {10, 40}
    assert any("check this rate" in note for note in imported.notes)


@pytest.mark.parametrize("options", ["", "export const options = {};", "export const options = { thresholds: {} };"])
def test_without_a_load_there_is_one_transaction_as_k6_makes_one_iteration(whole: Import, options: str) -> None:
    imported = whole(
        f"import http from 'k6/http'; {options} export default function () {{ http.get('http://shop/'); }}"
    )
    assert imported.file.load.arrivals().total == 1
    assert any("alertdrill probe takes --rate and --duration" in note for note in imported.notes)


def test_a_scenario_runs_the_function_that_it_names(whole: Import) -> None:
    imported = whole(
        f"import http from 'k6/http'; export const options = {{ scenarios: {{ a: {{ {STEADY}, rate: 5,"
        " duration: '1m', exec: 'buy' } } };\n"
        "export function buy() { http.get('http://shop/buy'); }\n"
        "export default function () { http.get('http://shop/'); }"
    )
    assert imported.file.probe.url == "http://shop/buy"
    assert "3: function default is not carried over: a probe runs no code" in imported.notes


def test_the_function_of_a_scenario_without_a_counterpart_is_read(whole: Import) -> None:
    imported = whole(
        "import http from 'k6/http'; export const options = { scenarios: { a: { executor: 'ramping-vus',"
        " exec: 'buy' } } }; export function buy() { http.get('http://shop/buy'); }"
    )
    assert (imported.file.load, imported.file.probe.url) == (None, "http://shop/buy")


@pytest.mark.parametrize("part", ["startTime: '10s'", "tags: { a: 'b' }", "env: { A: 'b' }", "maxVUs: 5"])
def test_other_parts_of_a_scenario_are_noted(with_options: Import, part: str) -> None:
    imported = with_options(f"{{ scenarios: {{ a: {{ {STEADY}, rate: 5, duration: '1m',\n {part} }} }} }}")
    assert imported.file.load.rate == 5
    assert imported.notes[-1].startswith(f"3: options.scenarios.a.{part.partition(':')[0]} is not carried over: ")


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ("{ iterations: __ENV.N }", "2: options.iterations is not carried over: a number of iterations from the env"),
        (
            "{ vus: 1, duration: '1m', stages: [] }",
            "2: options.duration is not carried over: stages is beside it, and k6 allows only one of them",
        ),
        ("{ stages: 5 }", "2: options.stages is not carried over: 5 is not a list"),
        ("{ stages: [] }", "2: options.stages is not carried over: has no rate and no stages"),
        ("{ stages: makeStages() }", "2: options.stages is not carried over: makeStages() is not a constant"),
        ("{ stages: [{ target: 5 }] }", "2: options.stages is not carried over: duration is missing"),
        (
            "{ stages: [{ duration: '1m', target: 5 },\n{ duration: '1m', target: peak() }] }",
            "3: options.stages is not carried over: peak() is not a constant",
        ),
        (
            "{ stages: [{ duration: '1 minute', target: 5 }] }",
            "2: options.stages is not carried over: '1 minute' is not a duration of k6, expected one such as 30s",
        ),
        (
            "{ stages: [{ duration: '100us', target: 5 }] }",
            "2: options.stages is not carried over: a time of 0.100 ms, expected whole milliseconds",
        ),
        (
            "{ stages: [{ duration: '9999999999h', target: 5 }] }",
            "ms, expected whole milliseconds",
        ),
        ("{ stages: [{ duration: '1m', target: 'many' }] }", "'many' is not a rate, expected a number"),
        ("{ stages: [{ duration: '1m', target: -5 }] }", "2: options.stages is not carried over: input should be"),
        ("{ vus: 0, stages: [{ duration: '1m', target: 0 }] }", "has stages in which nothing is sent"),
        ("{ vus: 200000, duration: '1m' }", "2: options.duration is not carried over: input should be less than"),
        ("{ scenarios: load() }", "2: options.scenarios is not carried over: load() is not a constant"),
        ("{ scenarios: { a: 5 } }", "2: options.scenarios.a is not carried over: 5 is not an object"),
        ("{ scenarios: { a: {} } }", "2: options.scenarios.a is not carried over: executor is missing"),
        (f"{{ scenarios: {{ a: {{ {STEADY} }} }} }}", "2: options.scenarios.a is not carried over: rate is missing"),
        (
            f"{{ scenarios: {{ a: {{ {STEADY}, rate: __ENV.R, timeUnit: '1m', duration: '1m' }} }} }}",
            "${R} would have to be divided by 60 seconds",
        ),
    ],
)
def test_a_load_without_a_counterpart_is_noted_and_left_out(with_options: Import, options: str, note: str) -> None:
    imported = with_options(options)
    assert imported.file.load is None
    assert len(imported.notes) == 1
    assert note in imported.notes[0]


def test_rates_and_durations_come_from_the_environment(with_options: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "7")
    imported = with_options(
        f"{{ scenarios: {{ a: {{ {STEADY}, rate: __ENV.RATE, duration: __ENV.LENGTH || '3m' }} }} }}"
    )
    assert "rate: ${RATE}" in imported.text
    assert (imported.file.load.rate, imported.file.load.duration) == (7, timedelta(minutes=3))


def test_other_options_are_noted(with_options: Import) -> None:
    others = "\n tlsAuth: [],\n insecureSkipTLSVerify: true,\n summaryTrendStats: ['avg']"
    imported = with_options(
        f"{{ scenarios: {{ s: {{ {STEADY.split(',', maxsplit=1)[0]}, rate: 1, duration: '1m' }} }}, {others} }}"
    )
    assert imported.notes == [
        "3: options.tlsAuth is not carried over: write tls: {cert_file: …, key_file: …} under probe",
        (
            "4: options.insecureSkipTLSVerify is not carried over:"
            " write tls: {insecure_skip_verify: true} under probe where this is intended"
        ),
        "5: options.summaryTrendStats is not carried over: a probe file has no such option",
    ]
