"""Faults that repeat, that grow, and that contradict each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alertdrill.chaos.fault import Endpoints, Fault, Repeat
from alertdrill.chaos.injection import Injection
from alertdrill.chaos.machine.process import Process
from alertdrill.chaos.redis.fault import Redis
from alertdrill.chaos.timeline import contradictions, most_at_once, overlap, spread
from alertdrill.chaos.toxiproxy.down import Down
from alertdrill.chaos.toxiproxy.latency import Latency, Ramp


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def latency(**settings: Any) -> Latency:
    return Latency(proxy="db", **({"latency": seconds(3)} | settings))


class Unplugged(Fault):
    """A fault that cannot be in force twice."""

    kind: Literal["unplugged"] = "unplugged"

    @property
    def target(self) -> str:
        return "the cable"

    async def resolve(self, endpoints: Endpoints, entry_id: str) -> Injection:
        raise NotImplementedError


def test_a_fault_is_repeated_as_often_as_set() -> None:
    fault = latency(at=seconds(5), lasts=seconds(10), repeat=Repeat(times=3, every=seconds(60)))
    assert [(one.at, one.lasts, one.repeat) for one in spread([fault])] == [
        (seconds(5), seconds(10), None),
        (seconds(65), seconds(10), None),
        (seconds(125), seconds(10), None),
    ]


def test_a_latency_grows_by_equal_shares_that_end_together() -> None:
    fault = latency(jitter=seconds(0.3), lasts=seconds(60), ramp=Ramp(steps=3, over=seconds(30)))
    steps = spread([fault])
    assert [(one.at, one.lasts) for one in steps] == [
        (seconds(0), seconds(60)),
        (seconds(10), seconds(50)),
        (seconds(20), seconds(40)),
    ]
    assert [one.attributes for one in steps] == [{"latency": 1000, "jitter": 100}] * 3  # type: ignore[attr-defined]


def test_faults_are_in_the_order_in_which_they_begin() -> None:
    first, second = latency(at=seconds(9)), latency(at=seconds(1), ramp=Ramp(steps=2, over=seconds(20)))
    assert [one.at for one in spread([first, second])] == [seconds(1), seconds(9), seconds(11)]


@given(st.floats(1, 1000), st.integers(2, 9))
def test_a_time_scale_divides_the_time_line_and_nothing_else(scale: float, steps: int) -> None:
    fault = latency(
        at=seconds(60),
        lasts=seconds(600),
        ramp=Ramp(steps=steps, over=seconds(300)),
        repeat={"times": 2, "every": "20m"},
    )
    scaled, plain = spread([fault.scaled(scale)]), spread([fault])
    for one, other in zip(scaled, plain, strict=True):
        assert abs(one.at * scale - other.at) < seconds(0.01)
        assert one.attributes == other.attributes  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ((0, 10), (11, 10), False),
        ((0, 10), (9, 10), True),
        ((5, None), (0, 4), False),
        ((5, None), (1000, 1), True),
    ],
)
def test_faults_overlap_when_both_are_in_force(
    one: tuple[int, int | None],
    other: tuple[int, int | None],
    together: bool,  # noqa: FBT001 - a case
) -> None:
    faults = [
        Unplugged(at=seconds(begin), lasts="until-fired" if lasts is None else seconds(lasts))
        for begin, lasts in (one, other)
    ]
    assert overlap(*faults) is overlap(*reversed(faults)) is together
    assert bool(contradictions(faults)) is together
    assert most_at_once(faults) == 1 + together


def test_a_fault_that_begins_as_another_ends_contradicts_it_but_does_not_count_as_at_once() -> None:
    faults = [Unplugged(lasts=seconds(10)), Unplugged(at=seconds(10), lasts=seconds(10))]
    assert len(contradictions(faults)) == 1
    assert most_at_once(faults) == 1


def test_no_other_fault_is_possible_on_a_blocked_server() -> None:
    def on_redis(host: str, **settings: Any) -> Fault:
        return Redis.model_validate({"url": f"redis://{host}:6379", "lasts": "1m"} | settings)

    block, fill = on_redis("cache", action="block", allow="block cache:6379"), {"action": "fill", "mebibytes": 1}
    assert contradictions([block, on_redis("cache", **fill)]) == [
        "redis and redis on cache:6379 (fill) overlap: nothing can be undone on a server that is blocked"
    ]
    assert contradictions([block, on_redis("other", **fill)]) == []


def test_a_stopped_process_cannot_be_killed_meanwhile() -> None:
    stop, kill = (Process(action=action, name="engine") for action in ("stop", "kill"))
    assert contradictions([stop, kill]) == ["process and process on engine (kill) overlap: both are of one process"]
    assert contradictions([stop, Process(action="kill", name="other")]) == []


def test_two_of_a_kind_on_one_target_contradict_and_toxics_add_up() -> None:
    assert contradictions([Unplugged(), Unplugged()]) == [
        "unplugged and unplugged on the cable overlap: ending one would end the other"
    ]
    assert contradictions([latency(), latency()]) == []
    assert contradictions([Down(proxy="db"), latency()]) == [
        "down and latency on proxy db (downstream) overlap: nothing passes through the proxy db while it is down"
    ]
    assert contradictions([Down(proxy="cache"), latency()]) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"repeat": {"times": 2, "every": "1m"}}, "expected a duration for `lasts`"),
        ({"lasts": "1m", "repeat": {"times": 2, "every": "1m"}}, "expected `lasts` below `repeat.every`"),
        ({"lasts": "1m", "repeat": {"times": 1, "every": "2m"}}, "greater than or equal to 2"),
        ({"lasts": "1m", "ramp": {"steps": 3, "over": "2m"}}, "expected `ramp.over` of at most `lasts`"),
        ({"at": "-1s"}, "at"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Latency.model_validate({"kind": "latency", "proxy": "db", "latency": "1s"} | settings)
    assert said in str(error.value)
