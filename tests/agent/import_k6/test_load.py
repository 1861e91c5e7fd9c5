from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

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
        (
            "{ stages: [{ duration: '1m', target: 5 }, { target: 0, duration: '0s' }] }",
            {"stages": [{"duration": "1m", "target": 5}, {"duration": "0s", "target": 0}]},
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
        ("sleep(0.5); sleep(1.5);", "with sleep(2) a user makes about 0.5 a second, so check these rates"),
        ("sleep(0.25);", "with sleep(0.25) a user makes about 4 a second, so check these rates"),
        ("", "how many iterations a user makes depends on the answers, so check these rates"),
        ("sleep(Math.random());", "how many iterations a user makes depends on the answers"),
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
        ("constant-vus", "constant-vus keeps virtual users busy, so its rate depends on the answers"),
        ("ramping-vus", "ramping-vus keeps virtual users busy, so its rate depends on the answers"),
        ("shared-iterations", "shared-iterations counts iterations; write a load with a rate and a duration"),
        ("per-vu-iterations", "per-vu-iterations counts iterations; write a load with a rate and a duration"),
        ("externally-controlled", "externally-controlled is controlled from outside while it runs"),
        ("warp-speed", "warp-speed is not an executor of k6"),
    ],
)
def test_any_other_executor_is_noted_with_the_reason(with_options: Import, executor: str, why: str) -> None:
    imported = with_options(f"{{ scenarios: {{\n a: {{ executor: '{executor}' }} }} }}")
    assert imported.file.load is None
    [note] = imported.notes
    assert note.startswith(f"3: options.scenarios.a is not carried over: {why}")


def test_the_first_convertible_scenario_is_carried_over(with_options: Import) -> None:
    imported = with_options(
        f"{{ scenarios: {{ a: {{ executor: 'constant-vus', vus: 1, duration: '1m' }},"
        f"\n b: {{ {STEADY}, rate: 5, duration: '1m' }},\n c: {{ {STEADY}, rate: 6, duration: '1m' }} }} }}"
    )
    assert imported.file.load.rate == 5
    assert (
        "4: options.scenarios.c is not carried over: a probe file has one load, which is that of a scenario above"
        in (imported.notes)
    )


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
        ("{ vus: 5 }", "2: options.vus is not carried over: k6 ignores it without a duration or stages"),
        ("{ duration: '1m' }", "2: options.duration is not carried over: vus is missing"),
        ("{ vus: 5, iterations: 10 }", "2: options.iterations is not carried over: a load has a rate and a duration"),
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
        ("{ stages: [{ duration: '1m', target: 0 }] }", "has stages in which nothing is sent"),
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
    imported = with_options("{\n userAgent: 'me',\n insecureSkipTLSVerify: true,\n summaryTrendStats: ['avg'] }")
    assert imported.notes == [
        "3: options.userAgent is not carried over: write the header User-Agent",
        (
            "4: options.insecureSkipTLSVerify is not carried over:"
            " write tls: {insecure_skip_verify: true} under probe where this is intended"
        ),
        "5: options.summaryTrendStats is not carried over: a probe file has no such option",
    ]
