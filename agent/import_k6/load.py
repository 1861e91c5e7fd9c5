"""Converts k6's options to `load:`: arrival rates unchanged, numbers of virtual users to rates."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from alertdrill.agent.import_k6.durations import duration, milliseconds_of, milliseconds_text
from alertdrill.agent.import_k6.environment import Environment
from alertdrill.agent.import_k6.notes import NotCarried, Notes, UnusableScript, refusal_as_not_carried
from alertdrill.agent.import_k6.values import (
    EnvText,
    Value,
    YamlKeys,
    constant,
    entries,
    has_env,
    items,
    number,
    text_of,
)
from alertdrill.probes.load.settings import LoadSettings

K6Options = Mapping[str, Value]
_ONE_LOAD = "a probe file has one load, which is that of a scenario above; import this one with --scenario"


@dataclass(frozen=True)
class Users:
    """How many iterations a virtual user makes: one in `seconds`, which its sleeps take; None where that is unknown."""

    seconds: float | None
    environment: Environment = field(default_factory=Environment)

    @classmethod
    def of(cls, sleeps: Sequence[float | None], environment: Environment) -> Users:
        """Return the pace of users that make these sleeps in an iteration."""
        total = sum(filter(None, sleeps))
        return cls(total if total and None not in sleeps else None, environment)

    def rate(self, number: Value) -> Any:  # noqa: ANN401 - a number, or a text from the environment
        """Return the rate of a number of users; raises NotCarried."""
        content = constant(number)
        if isinstance(content, EnvText) and self.per_seconds != 1:
            number = Value(number.line, self.environment.required(number.line, content))
        return rate(number, self.per_seconds)

    @property
    def per_seconds(self) -> float:
        """The seconds in which a user makes an iteration, 1 where it is unknown."""
        return self.seconds or 1

    def note(self) -> str:
        """Return what is to be said about the rates."""
        start = "numbers of virtual users become transactions a second"
        if self.seconds is None:
            return f"{start}: how many iterations a user makes depends on the answers, so check these rates"
        if self.seconds == 1:
            return f"{start}: with sleep(1) a user makes about one iteration a second"
        return (
            f"{start}: with sleep({self.seconds:g}) a user makes about {1 / self.seconds:.2g} a second, as written here"
        )


@dataclass(frozen=True)
class Chosen:
    """The scenarios that make up the load, by name, and the function that they run; none for options without any.

    `unread` is why the options have scenarios that cannot be read.
    """

    function: str = "default"
    scenarios: Mapping[str, Value] = field(default_factory=dict)
    unread: NotCarried | None = None


def choose(options: K6Options, only: str | None, notes: Notes) -> Chosen:
    """Choose the scenarios to import: `only` one, or the first one and all others that run the same function.

    Raises UnusableScript where there is no scenario `only`.
    """
    if only is None and ("scenarios" not in options or any(key in options for key in _SHORT)):
        return Chosen()
    try:
        scenarios = entries(options["scenarios"]) if "scenarios" in options else {}
    except NotCarried as reason:
        return Chosen(unread=reason)
    if only is not None:
        if only not in scenarios:
            raise UnusableScript(None, f"has no scenario {only!r}, expected one of: {', '.join(scenarios) or 'none'}")
        scenarios = {only: scenarios[only]}
    return _alike(scenarios, notes)


def _alike(scenarios: Mapping[str, Value], notes: Notes) -> Chosen:
    functions: dict[str, str] = {}
    for name, scenario in scenarios.items():
        try:
            functions[name] = _function_of(scenario)
        except NotCarried as reason:
            notes.lost(f"options.scenarios.{name}", reason)
    convertible = [name for name in functions if _is_convertible(scenarios[name])]
    first = next(iter(convertible or functions), "")
    for name, function in functions.items():
        if function != functions[first]:
            notes.not_carried(scenarios[name].line, f"options.scenarios.{name}", f"{_ONE_LOAD} {name}")
    alike = {name: scenarios[name] for name in functions if functions[name] == functions[first]}
    return Chosen(functions.get(first, "default"), alike)


def _is_convertible(scenario: Value) -> bool:
    try:
        return str(constant(entries(scenario, "executor")["executor"])) in _EXECUTORS
    except NotCarried:
        return False


def _function_of(scenario: Value) -> str:
    parts = entries(scenario)
    return str(constant(parts["exec"])) if "exec" in parts else "default"


def read_load(options: K6Options, chosen: Chosen, users: Users, notes: Notes) -> YamlKeys | None:
    """Convert the options that say how many iterations start when; if that is impossible, note it and return no load."""
    present = [key for key in _READERS if key in options]
    if not present and not chosen.scenarios:
        return _once(options, notes)
    key = "scenarios" if chosen.scenarios else present[0]
    try:
        if key != "scenarios":
            _require_one(present, options)
            return _READERS[key](options, users, notes)
        if not chosen.scenarios:
            entries(options["scenarios"])
            return None
    except NotCarried as reason:
        notes.lost(f"options.{key}", reason)
        return None
    return _scenarios(chosen.scenarios, users, notes)


def _require_one(present: list[str], options: K6Options) -> None:
    if len(present) > 1 and "iterations" not in present:
        raise NotCarried(options[present[0]].line, f"{present[1]} is beside it, and k6 allows only one of them")


def _once(options: K6Options, notes: Notes) -> YamlKeys:
    if "vus" in options:
        notes.not_carried(options["vus"].line, "options.vus", "k6 ignores it without a duration or stages")
    line = min((value.line for value in options.values()), default=1)
    how = "alertdrill probe takes --rate and --duration, as k6 takes --vus and --duration"
    notes.say(line, f"the options have no load, so it is one transaction, as k6 makes one iteration; {how}")
    return {"rate": 1, "duration": "1s"}


def _iterations(options: K6Options, users: Users, notes: Notes) -> YamlKeys:
    return _counted(options["iterations"], options.get("vus"), 1, users, notes)


def _counted(iterations: Value, vus: Value | None, times: float, users: Users, notes: Notes) -> YamlKeys:
    """Return a load of as many transactions as there are iterations."""
    line, total = iterations.line, rate(iterations)
    per_second = users.rate(vus) if vus is not None else users.rate(Value(line, 1))
    if isinstance(total, EnvText) or isinstance(per_second, EnvText):
        raise NotCarried(line, "a number of iterations from the environment gives no duration; write a rate and one")
    if total <= 0 or per_second <= 0:
        raise NotCarried(line, "there are no iterations")
    total *= times
    milliseconds = max(int(Decimal(total) * 1000 / Decimal(per_second)), 1)
    how = "k6 begins each when the one before has ended, so check this rate"
    notes.say(line, f"{total:g} iterations become {total:g} transactions at {per_second:g} a second: {how}")
    return checked(line, {"rate": per_second, "duration": milliseconds_text(milliseconds)})


def _constant_users(options: K6Options, users: Users, notes: Notes) -> YamlKeys:
    line = options["duration"].line
    vus = options.get("vus", Value(line, 1))
    settings = checked(line, {"rate": users.rate(vus), "duration": duration(options["duration"])})
    notes.say(vus.line, users.note())
    return settings


def _ramping_users(options: K6Options, users: Users, notes: Notes) -> YamlKeys:
    line = options["stages"].line
    start = {"start_rate": users.rate(options.get("vus", Value(line, 1)))}
    settings = checked(line, start | {"stages": stages(options["stages"], users.rate)})
    notes.say(line, users.note())
    return settings


# In the order in which k6 checks them; the scenarios have a reader of their own.
_READERS: dict[str, Callable[[K6Options, Users, Notes], YamlKeys]] = {
    "iterations": _iterations,
    "duration": _constant_users,
    "stages": _ramping_users,
    "scenarios": lambda _options, _users, _notes: {},
}
_SHORT = ("iterations", "duration", "stages")
KEYS = {*_READERS, "vus"}
"""The options that say how many iterations start when."""


def _scenarios(scenarios: Mapping[str, Value], users: Users, notes: Notes) -> YamlKeys | None:
    """Convert scenarios that run the same function: their rates are added up."""
    loads: dict[str, tuple[YamlKeys, int]] = {}
    for name, scenario in scenarios.items():
        path = f"options.scenarios.{name}"
        try:
            load = checked(scenario.line, _scenario(scenario, users, notes))
            start = entries(scenario).get("startTime")
            loads[name] = load, milliseconds_of(start) if start is not None and len(scenarios) > 1 else 0
        except NotCarried as reason:
            notes.lost(path, reason)
            continue
        _note_left_out(path, scenario, notes, is_single=len(scenarios) == 1)
    if len(loads) <= 1:
        return next((load for load, _ in loads.values()), None)
    first = next(iter(loads))
    try:
        added = checked(scenarios[first].line, _sum(scenarios[first].line, list(loads.values())))
    except NotCarried:
        for name in list(loads)[1:]:
            notes.not_carried(scenarios[name].line, f"options.scenarios.{name}", f"{_ONE_LOAD} {name}")
        return loads[first][0]
    notes.say(scenarios[first].line, f"the rates of the scenarios {', '.join(loads)} are added up to one load")
    return added


_CARRIED = {
    "executor",
    "rate",
    "timeUnit",
    "duration",
    "startRate",
    "stages",
    "gracefulStop",
    "exec",
    "iterations",
    "vus",
    "startVUs",
}
_NO_USERS = "an open loop needs no virtual users; max_in_flight limits the transactions in flight"
_LEFT_OUT = {
    "preAllocatedVUs": _NO_USERS,
    "maxVUs": _NO_USERS,
    "startTime": "a load starts at once",
    "maxDuration": "the load ends by itself",
    "gracefulRampDown": "an open loop has no virtual users to stop",
}


def _scenario(scenario: Value, users: Users, notes: Notes) -> YamlKeys:
    """Return the load of a scenario; raises NotCarried."""
    parts = entries(scenario, "executor")
    executor = str(constant(parts["executor"]))
    if executor not in _EXECUTORS:
        is_controlled = executor == "externally-controlled"
        why = "is controlled from outside while it runs; a load is fixed in its file" if is_controlled else _UNKNOWN
        raise NotCarried(parts["executor"].line, f"{executor} {why}")
    settings = _EXECUTORS[executor](scenario, users, notes)
    if "gracefulStop" in parts:
        settings["graceful_stop"] = duration(parts["gracefulStop"])
    return settings


_UNKNOWN = "is not an executor of k6"


def _note_left_out(path: str, scenario: Value, notes: Notes, *, is_single: bool) -> None:
    """Note the parts of a scenario that its load does not have."""
    for key, value in entries(scenario).items():
        if key not in _CARRIED and (is_single or key != "startTime"):
            notes.not_carried(value.line, f"{path}.{key}", _LEFT_OUT.get(key, "a load has no such setting"))


def _time_unit(parts: Mapping[str, Value]) -> float:
    return milliseconds_of(parts["timeUnit"]) / 1000 if "timeUnit" in parts else 1


def _constant_rate(scenario: Value, _users: Users, _notes: Notes) -> YamlKeys:
    parts = entries(scenario, "rate", "duration")
    return {"rate": rate(parts["rate"], _time_unit(parts)), "duration": duration(parts["duration"])}


def _ramping_rate(scenario: Value, _users: Users, _notes: Notes) -> YamlKeys:
    parts = entries(scenario, "stages")
    unit = _time_unit(parts)
    start: dict[str, Any] = {"start_rate": rate(parts["startRate"], unit)} if "startRate" in parts else {}
    return start | {"stages": stages(parts["stages"], lambda target: rate(target, unit))}


def _constant_vus(scenario: Value, users: Users, notes: Notes) -> YamlKeys:
    return _constant_users(entries(scenario, "duration"), users, notes)


def _ramping_vus(scenario: Value, users: Users, notes: Notes) -> YamlKeys:
    parts = dict(entries(scenario, "stages"))
    if "startVUs" in parts:
        parts["vus"] = parts.pop("startVUs")
    return _ramping_users(parts, users, notes)


def _shared_iterations(scenario: Value, users: Users, notes: Notes) -> YamlKeys:
    parts = entries(scenario)
    return _counted(parts.get("iterations", Value(scenario.line, 1)), parts.get("vus"), 1, users, notes)


def _iterations_per_vu(scenario: Value, users: Users, notes: Notes) -> YamlKeys:
    parts = entries(scenario)
    vus = parts.get("vus", Value(scenario.line, 1))
    times = rate(vus)
    if isinstance(times, EnvText):
        raise NotCarried(vus.line, "a number of users from the environment gives no duration; write a rate and one")
    return _counted(parts.get("iterations", Value(scenario.line, 1)), vus, times, users, notes)


_EXECUTORS: dict[str, Callable[[Value, Users, Notes], YamlKeys]] = {
    "constant-arrival-rate": _constant_rate,
    "constant-vus": _constant_vus,
    "per-vu-iterations": _iterations_per_vu,
    "ramping-arrival-rate": _ramping_rate,
    "ramping-vus": _ramping_vus,
    "shared-iterations": _shared_iterations,
}


def stages(value: Value, rate_of: Callable[[Value], Any]) -> list[YamlKeys]:
    """Convert stages, whose targets become rates by a function; raises NotCarried where one has no counterpart."""
    return [_stage(stage, rate_of) for stage in items(value)]


def _stage(value: Value, rate_of: Callable[[Value], Any]) -> YamlKeys:
    stage = entries(value, "duration", "target")
    return {"duration": duration(stage["duration"]), "target": rate_of(stage["target"])}


def rate(value: Value, per_seconds: float = 1) -> Any:  # noqa: ANN401 - a number, or a text from the environment
    """Convert a number per `per_seconds` to one per second; raises NotCarried."""
    content = constant(value)
    if isinstance(content, EnvText):
        if per_seconds != 1:
            raise NotCarried(value.line, f"{content} would have to be divided by {per_seconds:g} seconds")
        return content
    try:
        # k6 accepts a number in quotes as well.
        return number(round(float(text_of(value)) / per_seconds, 6))
    except (ValueError, ArithmeticError) as error:
        raise NotCarried(value.line, f"{content!r} is not a rate, expected a number") from error


@dataclass(frozen=True)
class _Piece:
    """A rate that goes evenly from one value to another."""

    begin_ms: int
    end_ms: int
    first: float
    last: float

    def at(self, instant_ms: int) -> float:
        """Return the rate at an instant of the piece."""
        part = (instant_ms - self.begin_ms) / (self.end_ms - self.begin_ms)
        return self.first + (self.last - self.first) * part


def _pieces(line: int, load: YamlKeys, start_ms: int) -> list[_Piece]:
    if has_env(load):
        raise NotCarried(line, "rates from the environment cannot be added up")
    if "rate" in load:
        length = milliseconds_of(Value(line, load["duration"]))
        return [_Piece(start_ms, start_ms + length, load["rate"], load["rate"])]
    found, before, begin = [], load.get("start_rate", 0), start_ms
    for stage in load["stages"]:
        length = milliseconds_of(Value(line, stage["duration"]))
        if length:
            found.append(_Piece(begin, begin + length, before, stage["target"]))
        begin, before = begin + length, stage["target"]
    return found


def _sum(line: int, loads: Sequence[tuple[YamlKeys, int]]) -> YamlKeys:
    """Add up loads, each with its start in milliseconds; raises NotCarried."""
    pieces = [piece for load, start in loads for piece in _pieces(line, load, start)]
    instants = sorted({instant for piece in pieces for instant in (piece.begin_ms, piece.end_ms)} | {0})
    steps: list[tuple[int, float, float]] = []
    for begin, end in itertools.pairwise(instants):
        under_way = [piece for piece in pieces if piece.begin_ms <= begin and end <= piece.end_ms]
        first, last = (round(sum(piece.at(at) for piece in under_way), 6) for at in (begin, end))
        steps.append((end - begin, first, last))
    graceful = [load["graceful_stop"] for load, _ in loads if "graceful_stop" in load]
    return _as_load(steps) | ({"graceful_stop": graceful[0]} if graceful else {})


def _as_load(steps: Sequence[tuple[int, float, float]]) -> YamlKeys:
    rates = {rate for _, first, last in steps for rate in (first, last)}
    if len(rates) == 1:
        whole = milliseconds_text(sum(length for length, _, _ in steps))
        return {"rate": number(float(rates.pop())), "duration": whole}
    written: list[YamlKeys] = []
    before = steps[0][1]
    for length, first, last in steps:
        if first != before:
            written.append({"duration": "0s", "target": number(float(first))})
        written.append({"duration": milliseconds_text(length), "target": number(float(last))})
        before = last
    return {"start_rate": number(float(steps[0][1])), "stages": written}


def checked(line: int, settings: YamlKeys) -> YamlKeys:
    """Return the settings of a load unchanged; raises NotCarried for those that a probe file would refuse."""
    if has_env(settings):
        return settings
    with refusal_as_not_carried(line):
        LoadSettings.model_validate(settings)
    return settings
