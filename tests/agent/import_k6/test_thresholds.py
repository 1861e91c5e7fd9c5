from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.agent.import_k6.conftest import STEADY

Import = Callable[..., Any]


def judged(with_options: Import, metric: str, thresholds: str) -> Any:
    return with_options(f"{{ {STEADY}, thresholds: {{\n'{metric}': {thresholds} }} }}")


@pytest.mark.parametrize(
    ("metric", "threshold", "written"),
    [
        ("http_req_duration", "p(95)<2000", "p(95)<2s"),
        ("http_req_duration", "p(99.9) <= 1500", "p(99.9)<=1500ms"),
        ("http_req_duration", "avg<90000", "avg<1m30s"),
        ("http_req_duration", "med < 250.0", "med<250ms"),
        ("http_req_duration", "min>0", "min>0s"),
        ("http_req_duration{name:/}", "max<1000", "max<1s"),
        ("iteration_duration", "max<1000", "max<1s"),
        ("http_req_failed", "rate<0.01", "rate<0.01"),
        ("http_reqs", "rate>100", "rate>100"),
        ("iterations", "count>=1000", "count>=1000"),
        ("dropped_iterations", "count==0", "count==0"),
        ("checks", "rate>0.99", "rate>0.99"),
        ("checks{check:ok}", "rate===1", "rate===1"),
    ],
)
def test_a_threshold_keeps_its_meaning_and_a_time_gets_its_unit(
    with_options: Import, metric: str, threshold: str, written: str
) -> None:
    imported = judged(with_options, metric, f"['{threshold}']")
    assert {key: [one.threshold for one in of] for key, of in imported.file.thresholds.items()} == {metric: [written]}
    assert imported.notes == []
    # The summary has the key of the script.
    assert [(one.written_as or one.threshold) for of in imported.file.thresholds.values() for one in of] == [threshold]


@pytest.mark.parametrize(
    "body",
    [
        "sleep(1);",
        "if (more) { http.get('http://shop/2'); }",
        "http.get(url());",
        "if (more) { sleep(1); }",
        "more && sleep(1);",
        "const start = Date.now(); while (Date.now() - start < 1000) {}",
        "wait();",
    ],
)
def test_the_duration_of_an_iteration_without_all_its_parts_is_not_judged(with_body: Import, body: str) -> None:
    options = f"{{ {STEADY}, thresholds: {{ iteration_duration: ['p(95)<900'] }} }}"
    imported = with_body(f"http.get('http://shop/'); {body}", options)
    assert imported.file.thresholds == {}
    assert any("k6's iteration lasts through its sleeps" in note for note in imported.notes)


@pytest.mark.parametrize("body", ["console.log('ok');", "errors.add(1);", "if (more) { errors.add(1); }"])
def test_the_duration_of_an_iteration_is_judged_where_only_what_is_over_at_once_is_lost(
    with_body: Import, body: str
) -> None:
    options = f"{{ {STEADY}, thresholds: {{ iteration_duration: ['p(95)<900'] }} }}"
    assert list(with_body(f"http.get('http://shop/'); {body}", options).file.thresholds) == ["iteration_duration"]


def test_the_tag_of_the_only_scenario_is_left_out(with_options: Import) -> None:
    imported = judged(with_options, "http_req_duration{scenario:s}", "['p(95)<500ms']")
    assert list(imported.file.thresholds) == ["http_req_duration"]


def test_the_object_form_can_abort_the_load(with_options: Import) -> None:
    imported = judged(
        with_options,
        "http_req_duration",
        "['avg<100', { threshold: 'p(95)<2000', abortOnFail: true, delayAbortEval: '10s' },"
        " { threshold: 'max<5000', abortOnFail: false }]",
    )
    dumped = [one.model_dump(mode="json", exclude_unset=True) for one in imported.file.thresholds["http_req_duration"]]
    assert dumped == [
        {"threshold": "avg<100ms", "written_as": "avg<100"},
        {"threshold": "p(95)<2s", "written_as": "p(95)<2000", "abort_on_fail": True, "delay_abort_eval": "10s"},
        {"threshold": "max<5s", "written_as": "max<5000"},
    ]
    assert imported.notes == []


@pytest.mark.parametrize(
    ("metric", "thresholds", "why"),
    [
        ("http_req_waiting", "['avg<100']", "unknown metric 'http_req_waiting', did you mean http_req_duration?"),
        ("my_errors", "['rate<0.1']", "unknown metric 'my_errors', a metric of the script's own has no counterpart"),
        ("latency", "['avg<100']", "unknown metric 'latency', a metric of the script's own has no counterpart"),
        ("http_req_duration{status:200}", "['avg<100']", "http_req_duration has no tag 'status'"),
        ("http_req_duration{name:other}", "['avg<100']", "no name 'other' in this load, expected one of: /"),
        ("checks{check:ko}", "['rate>0.9']", "no check 'ko' in this load, expected one of: ok"),
        ("http_req_duration", "['avg<0.5']", "a time of 0.5 ms, expected whole milliseconds"),
        ("http_req_duration", "['count>5']", "http_req_duration is a trend and has no count"),
        ("http_req_duration", "['faster']", "'faster' is not a threshold, expected one such as"),
        ("http_req_duration", "[`avg<${__ENV.A}`]", "__ENV.A decides it, and has no default; give it with --env A=…"),
        ("http_req_duration", "[bound()]", "bound() is not a constant"),
        ("http_req_duration", "[5]", "5 is not a threshold with a constant limit"),
        ("http_req_duration", "'avg<100'", "'avg<100' is not a list"),
        ("http_req_duration", "[{ abortOnFail: true }]", "threshold is missing"),
        ("http_req_duration", "[{ threshold: 'avg<100', abort: true }]", "abort is unknown"),
        ("http_req_duration", "[{ threshold: 'avg<100', delayAbortEval: 'soon' }]", "'soon' is not a duration of k6"),
    ],
)
def test_a_threshold_without_a_counterpart_is_noted(
    with_options: Import, metric: str, thresholds: str, why: str
) -> None:
    imported = judged(with_options, metric, thresholds)
    assert imported.file.thresholds == {}
    [note] = imported.notes
    assert note.startswith(f"3: threshold on {metric} is not carried over: ")
    assert why in note


def test_two_spellings_of_one_metric_are_merged(with_options: Import) -> None:
    imported = with_options(
        f"{{ {STEADY}, thresholds: {{ 'http_reqs{{name:/}}': ['count>1'], 'http_reqs{{ name: / }}': ['rate>2'] }} }}"
    )
    assert {key: len(of) for key, of in imported.file.thresholds.items()} == {"http_reqs{name:/}": 2}


def test_computed_thresholds_are_noted(with_options: Import) -> None:
    assert with_options(f"{{ {STEADY}, thresholds: make() }}").notes == [
        "2: options.thresholds is not carried over: make() is not a constant"
    ]
