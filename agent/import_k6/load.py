"""Converts k6's options to `load:`: arrival rates unchanged, numbers of virtual users to rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alertdrill.agent.import_k6.durations import duration, milliseconds_of
from alertdrill.agent.import_k6.notes import NotCarried, Notes, refusal_as_not_carried
from alertdrill.agent.import_k6.values import EnvText, Value, YamlKeys, entries, has_env, items, number, plain, text_of
from alertdrill.probes.load.settings import LoadSettings

K6Options = Mapping[str, Value]


@dataclass(frozen=True)
class ImportedLoad:
    """The `load:` of a probe file, if there is one, and the function that it runs.

    `users_line` is the line of the numbers of virtual users that were converted to rates, None where there are none.
    """

    settings: YamlKeys | None = None
    function: str = "default"
    users_line: int | None = None


def read_load(options: K6Options, notes: Notes) -> ImportedLoad:
    """Convert the options that say how many iterations start when; if that is impossible, note it and return no load."""
    present = [key for key in _READERS if key in options]
    if not present:
        if "vus" in options:
            notes.not_carried(options["vus"].line, "options.vus", "k6 ignores it without a duration or stages")
        return ImportedLoad()
    try:
        _require_one(present, options)
        return _READERS[present[0]](options, notes)
    except NotCarried as reason:
        notes.lost(f"options.{present[0]}", reason)
        return ImportedLoad()


def _require_one(present: list[str], options: K6Options) -> None:
    if len(present) > 1 and "iterations" not in present:
        raise NotCarried(options[present[0]].line, f"{present[1]} is beside it, and k6 allows only one of them")


def _iterations(options: K6Options, _: Notes) -> ImportedLoad:
    why = "a load has a rate and a duration, not a number of iterations; give --rate and --duration to alertdrill probe"
    raise NotCarried(options["iterations"].line, why)


def _constant_users(options: K6Options, _: Notes) -> ImportedLoad:
    line = options["duration"].line
    if "vus" not in options:
        raise NotCarried(line, "vus is missing")
    settings = {"rate": rate(options["vus"]), "duration": duration(options["duration"])}
    return ImportedLoad(checked(line, settings), users_line=options["vus"].line)


def _ramping_users(options: K6Options, _: Notes) -> ImportedLoad:
    line = options["stages"].line
    start: YamlKeys = {"start_rate": rate(options["vus"])} if "vus" in options else {}
    return ImportedLoad(checked(line, start | {"stages": stages(options["stages"])}), users_line=line)


def _scenarios(options: K6Options, notes: Notes) -> ImportedLoad:
    carried: ImportedLoad | None = None
    named: list[str] = []
    for name, scenario in entries(options["scenarios"]).items():
        path = f"options.scenarios.{name}"
        try:
            named.append(function_of(scenario))
            load = _scenario(scenario, taken=carried is not None)
        except NotCarried as reason:
            notes.lost(path, reason)
            continue
        carried = load
        note_left_out(path, scenario, notes)
    return carried or ImportedLoad(function=named[0] if named else "default")


def _scenario(scenario: Value, *, taken: bool) -> ImportedLoad:
    if taken:
        raise NotCarried(scenario.line, "a probe file has one load, which is that of a scenario above")
    settings, function = read_scenario(scenario)
    return ImportedLoad(checked(scenario.line, settings), function)


# In the order in which k6 checks them.
_READERS: dict[str, Callable[[K6Options, Notes], ImportedLoad]] = {
    "iterations": _iterations,
    "duration": _constant_users,
    "stages": _ramping_users,
    "scenarios": _scenarios,
}
KEYS = {*_READERS, "vus"}
"""The options that say how many iterations start when."""


def users_become_rates(sleeps_seconds: Sequence[float | None]) -> str:
    """Return the note on converted virtual users, whose real rate depends on the sleeps of an iteration."""
    start = "numbers of virtual users become transactions a second"
    if not sleeps_seconds or None in sleeps_seconds or not sum(filter(None, sleeps_seconds)):
        return f"{start}: how many iterations a user makes depends on the answers, so check these rates"
    seconds = sum(filter(None, sleeps_seconds))
    if seconds == 1:
        return f"{start}: with sleep(1) a user makes about one iteration a second"
    return f"{start}: with sleep({seconds:g}) a user makes about {1 / seconds:.2g} a second, so check these rates"


_CARRIED = {"executor", "rate", "timeUnit", "duration", "startRate", "stages", "gracefulStop", "exec"}
_KEEPS_USERS_BUSY = "keeps virtual users busy, so its rate depends on the answers; write a load with rates"
_COUNTS_ITERATIONS = "counts iterations; write a load with a rate and a duration"
_OTHER_EXECUTORS = {
    "constant-vus": _KEEPS_USERS_BUSY,
    "ramping-vus": _KEEPS_USERS_BUSY,
    "shared-iterations": _COUNTS_ITERATIONS,
    "per-vu-iterations": _COUNTS_ITERATIONS,
    "externally-controlled": "is controlled from outside while it runs; a load is fixed in its file",
}
_NO_USERS = "an open loop needs no virtual users; max_in_flight limits the transactions in flight"
_LEFT_OUT = {"preAllocatedVUs": _NO_USERS, "maxVUs": _NO_USERS, "startTime": "a load starts at once"}


def read_scenario(scenario: Value) -> tuple[YamlKeys, str]:
    """Return the load of a scenario, and the name of its function; raises NotCarried."""
    parts = entries(scenario, "executor")
    executor = str(plain(parts["executor"]))
    if executor not in _EXECUTORS:
        why = _OTHER_EXECUTORS.get(executor, "is not an executor of k6")
        raise NotCarried(parts["executor"].line, f"{executor} {why}")
    per_seconds = milliseconds_of(parts["timeUnit"]) / 1000 if "timeUnit" in parts else 1
    settings = _EXECUTORS[executor](scenario, per_seconds)
    if "gracefulStop" in parts:
        settings["graceful_stop"] = duration(parts["gracefulStop"])
    return settings, function_of(scenario)


def function_of(scenario: Value) -> str:
    """Return the name of the function that a scenario runs; raises NotCarried."""
    parts = entries(scenario)
    return str(plain(parts["exec"])) if "exec" in parts else "default"


def note_left_out(path: str, scenario: Value, notes: Notes) -> None:
    """Note the parts of a scenario that its load does not have."""
    for key, value in entries(scenario).items():
        if key not in _CARRIED:
            notes.not_carried(value.line, f"{path}.{key}", _LEFT_OUT.get(key, "a load has no such setting"))


def _constant_rate(scenario: Value, per_seconds: float) -> YamlKeys:
    parts = entries(scenario, "rate", "duration")
    return {"rate": rate(parts["rate"], per_seconds), "duration": duration(parts["duration"])}


def _ramping_rate(scenario: Value, per_seconds: float) -> YamlKeys:
    parts = entries(scenario, "stages")
    start: dict[str, Any] = {"start_rate": rate(parts["startRate"], per_seconds)} if "startRate" in parts else {}
    return start | {"stages": stages(parts["stages"], per_seconds)}


_EXECUTORS: dict[str, Callable[[Value, float], YamlKeys]] = {
    "constant-arrival-rate": _constant_rate,
    "ramping-arrival-rate": _ramping_rate,
}


def stages(value: Value, per_seconds: float = 1) -> list[YamlKeys]:
    """Convert stages whose targets are per `per_seconds`; raises NotCarried where one of them has no counterpart."""
    return [_stage(stage, per_seconds) for stage in items(value)]


def _stage(value: Value, per_seconds: float) -> YamlKeys:
    stage = entries(value, "duration", "target")
    return {"duration": duration(stage["duration"]), "target": rate(stage["target"], per_seconds)}


def rate(value: Value, per_seconds: float = 1) -> Any:  # noqa: ANN401 - a number, or a text from the environment
    """Convert a number per `per_seconds` to one per second; raises NotCarried."""
    content = plain(value)
    if isinstance(content, EnvText):
        if per_seconds != 1:
            raise NotCarried(value.line, f"{content} would have to be divided by {per_seconds:g} seconds")
        return content
    try:
        # k6 accepts a number in quotes as well.
        return number(float(text_of(value)) / per_seconds)
    except (ValueError, ArithmeticError) as error:
        raise NotCarried(value.line, f"{content!r} is not a rate, expected a number") from error


def checked(line: int, settings: YamlKeys) -> YamlKeys:
    """Return the settings of a load unchanged; raises NotCarried for those that a probe file would refuse."""
    if has_env(settings):
        return settings
    with refusal_as_not_carried(line):
        LoadSettings.model_validate(settings)
    return settings
