"""Converts k6's options to `load:`: arrival rates unchanged, numbers of virtual users to rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from alertdrill.agent.import_k6.durations import duration
from alertdrill.agent.import_k6.notes import NotCarried, Notes
from alertdrill.agent.import_k6.rates import checked, rate, stages
from alertdrill.agent.import_k6.scenarios import function_of, note_left_out, read_scenario
from alertdrill.agent.import_k6.values import Value, YamlKeys, entries

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
