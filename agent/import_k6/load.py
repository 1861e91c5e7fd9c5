"""k6's options into `load:`: rates of arrival as they are, numbers of virtual users as rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from alertdrill.agent.import_k6.durations import duration
from alertdrill.agent.import_k6.notes import NotCarried, Notes
from alertdrill.agent.import_k6.rates import Settings, checked, rate, stages
from alertdrill.agent.import_k6.scenarios import function_of, note_what_is_left_out, read_scenario
from alertdrill.agent.import_k6.values import Value, entries

Options = Mapping[str, Value]


@dataclass(frozen=True)
class Load:
    """The `load:` of a probe file, if there is one, and the function that it runs.

    `users_line` is the line of the numbers of virtual users that became rates, None where there were none.
    """

    settings: Settings | None = None
    function: str = "default"
    users_line: int | None = None


def read_load(options: Options, notes: Notes) -> Load:
    """Read when how many iterations are to start; where that is not carried over there is a note, and no load."""
    given = [key for key in _READERS if key in options]
    if not given:
        if "vus" in options:
            notes.not_carried(
                options["vus"].line, "options.vus", "k6 does nothing with it without a duration or stages"
            )
        return Load()
    try:
        _require_one(given, options)
        return _READERS[given[0]](options, notes)
    except NotCarried as reason:
        notes.lost(f"options.{given[0]}", reason)
        return Load()


def _require_one(given: list[str], options: Options) -> None:
    if len(given) > 1 and "iterations" not in given:
        raise NotCarried(options[given[0]].line, f"{given[1]} stands beside it, and k6 allows one of the two")


def _iterations(options: Options, _: Notes) -> Load:
    why = "a load has a rate and a duration, no number of iterations; give --rate and --duration to alertdrill probe"
    raise NotCarried(options["iterations"].line, why)


def _constant_users(options: Options, _: Notes) -> Load:
    line = options["duration"].line
    if "vus" not in options:
        raise NotCarried(line, "vus is missing beside it")
    settings = {"rate": rate(options["vus"]), "duration": duration(options["duration"])}
    return Load(checked(line, settings), users_line=options["vus"].line)


def _ramping_users(options: Options, _: Notes) -> Load:
    line = options["stages"].line
    start: Settings = {"start_rate": rate(options["vus"])} if "vus" in options else {}
    return Load(checked(line, start | {"stages": stages(options["stages"])}), users_line=line)


def _scenarios(options: Options, notes: Notes) -> Load:
    carried: Load | None = None
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
        note_what_is_left_out(path, scenario, notes)
    return carried or Load(function=named[0] if named else "default")


def _scenario(scenario: Value, *, taken: bool) -> Load:
    if taken:
        raise NotCarried(scenario.line, "a probe file has one load, which a scenario above has become")
    settings, function = read_scenario(scenario)
    return Load(checked(scenario.line, settings), function)


# In the order in which k6 looks at them.
_READERS: dict[str, Callable[[Options, Notes], Load]] = {
    "iterations": _iterations,
    "duration": _constant_users,
    "stages": _ramping_users,
    "scenarios": _scenarios,
}
KEYS = {*_READERS, "vus"}
"""The options that say how many iterations are to start when."""


def users_become_rates(sleeps_seconds: Sequence[float | None]) -> str:
    """Say what became of numbers of virtual users, whose rate depends on how long an iteration sleeps."""
    said = "numbers of virtual users become transactions a second"
    if not sleeps_seconds or None in sleeps_seconds or not sum(filter(None, sleeps_seconds)):
        return f"{said}: how many iterations a user makes depends on the answers, so see to it that these are meant"
    seconds = sum(filter(None, sleeps_seconds))
    if seconds == 1:
        return f"{said}: with sleep(1) a user makes about one iteration a second"
    return f"{said}: with sleep({seconds:g}) a user makes about {1 / seconds:.2g} a second, so see to it that these are meant"
