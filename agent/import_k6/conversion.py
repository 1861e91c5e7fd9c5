"""Converts a script to a probe file, with notes on its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.import_k6.draws import Draw
from alertdrill.agent.import_k6.environment import Environment
from alertdrill.agent.import_k6.files import ScriptFiles
from alertdrill.agent.import_k6.load import KEYS, Users, choose, read_load
from alertdrill.agent.import_k6.notes import NotCarried, Note, Notes, UnusableScript
from alertdrill.agent.import_k6.probe_yaml import render
from alertdrill.agent.import_k6.request import DEFAULT_TIMEOUT, redirects_of
from alertdrill.agent.import_k6.scope import Context
from alertdrill.agent.import_k6.script import Script
from alertdrill.agent.import_k6.syntax import parse
from alertdrill.agent.import_k6.thresholds import ThresholdSubjects, read_thresholds
from alertdrill.agent.import_k6.transaction import Transaction, read_transaction, title_of
from alertdrill.agent.import_k6.values import Function, Value, constant
from alertdrill.probes.checks.kinds import StatusCheck
from alertdrill.probes.http.settings import DEFAULT_REDIRECTS
from alertdrill.units.extras import of_extra

_OPTIONS = {
    "insecureSkipTLSVerify": "write tls: {insecure_skip_verify: true} under probe where this is intended",
    "tlsAuth": "write tls: {cert_file: …, key_file: …} under probe",
}
_EACH_TIME = "has a new value in each transaction, in k6 one from the start on"


@dataclass(frozen=True)
class Conversion:
    """The text of a probe file, and the notes for the user."""

    text: str
    notes: tuple[Note, ...]


def convert(
    source: str,
    name: str,
    files: ScriptFiles | None = None,
    scenario: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Conversion:
    """Convert a script; the first line of the file has its `name`, whose end tells the language.

    `files` are those that the script may read; `scenario` is the only one to import; `environment` has variables with
    their values. Raises UnusableScript where no probe file can be made from it.
    """
    shared = Context(environment=Environment(environment))
    try:
        return _converted(source, name, files or ScriptFiles(), scenario, shared)
    except UnusableScript as error:
        assumed = next(iter(shared.environment.assumed), "")
        if assumed and "__ENV" not in error.why:
            error.why = f"{error.why}; {assumed}"
        raise


def _converted(source: str, name: str, files: ScriptFiles, scenario: str | None, shared: Context) -> Conversion:
    notes = Notes()
    script = Script(parse(source, name), notes, files, shared)
    options = script.options()
    chosen = choose(options, scenario, notes)
    if chosen.unread is not None and script.exported("default") is None:
        raise UnusableScript(chosen.unread.line, f"options.scenarios cannot be read: {chosen.unread.why}")
    script.context.draws.users = _users(options, chosen.scenarios)
    setup = script.exported("setup")
    before = setup.content if setup is not None and isinstance(setup.content, Function) else None
    transaction = read_transaction(script.function(chosen.function), before, notes)
    script.note_other_functions({chosen.function, "setup"})
    load = read_load(options, chosen, Users.of(transaction.sleeps, shared.environment), notes)
    probe = _probe(transaction, options, script.context.draws.entries, notes)
    _note_options(options, transaction, notes)
    thresholds = _thresholds(options, transaction, chosen.scenarios, shared.environment, notes)
    for text, line in shared.environment.assumed.items():
        notes.say(line, text)
    return Conversion(render(_comments(name, probe), probe, load, thresholds), notes.in_order())


def _users(options: Mapping[str, Value], scenarios: Mapping[str, Value]) -> int:
    """Return how many virtual users the script has, if that is a number; otherwise 10."""
    parts = [scenario.content for scenario in scenarios.values() if isinstance(scenario.content, dict)]
    for part in (options, *parts):
        for key in ("vus", "preAllocatedVUs"):
            content = part[key].content if key in part else None
            if type(content) is int and content > 0:
                return content
    return 10


def _note_options(options: Mapping[str, Value], transaction: Transaction, notes: Notes) -> None:
    if not transaction.has_checks:
        notes.say(transaction.line, "no check is carried over, so a status of 2xx or 3xx is expected")
    for step in transaction.steps if transaction.has_checks else ():
        if not step.checks:
            notes.say(step.line, f"{title_of(step)} has no check, so a status of 2xx or 3xx is expected")
    for key, value in options.items():
        if key not in KEYS | {"thresholds", "maxRedirects", "userAgent"}:
            notes.not_carried(value.line, f"options.{key}", _OPTIONS.get(key, "a probe file has no such option"))


def _probe(
    transaction: Transaction, options: Mapping[str, Value], data: Mapping[str, Draw], notes: Notes
) -> dict[str, Any]:
    """Return the probe: the first request with what all requests share, the others in `then`, and the data."""
    requests = transaction.settings()
    if agent := _option(options, "userAgent", notes):
        for request in requests:
            request["headers"] = {"User-Agent": agent} | request.get("headers", {})
    redirects = _shared(transaction, requests, "redirects", _most_redirects(options, notes), notes)
    timeout = _shared(transaction, requests, "timeout", DEFAULT_TIMEOUT, notes)
    probe: dict[str, Any] = {} if redirects == 0 and len(requests) == 1 else {"client": "aiohttp"}
    if redirects not in {0, DEFAULT_REDIRECTS} or (redirects == 0 and probe):
        probe["redirects"] = redirects
    probe |= requests[0] | {"timeout": timeout}
    if len(requests) > 1:
        probe["then"] = requests[1:]
    written = [(step.line, repr(request)) for step, request in zip(transaction.steps, requests, strict=True)]
    # The lines of the requests that have each value.
    used = {name: [line for line, text in written if f"{{{{ {name} }}}}" in text] for name in data}
    entries = {name: draw.entry for name, draw in data.items() if used[name]}
    for name in entries:
        if note := data[name].note:
            notes.say_once(*note)
        if data[name].is_of_start:
            notes.say(used[name][0], f"{name} {_EACH_TIME}")
    leaders = {str(entry["together_with"]) for entry in entries.values() if "together_with" in entry}
    entries |= {name: data[name].entry for name in leaders - set(entries)}
    return probe | ({"data": entries} if entries else {})


def _option(options: Mapping[str, Value], key: str, notes: Notes) -> Any:  # noqa: ANN401 - of any type
    try:
        return constant(options[key]) if key in options else None
    except NotCarried as reason:
        notes.lost(f"options.{key}", reason)
        return None


def _most_redirects(options: Mapping[str, Value], notes: Notes) -> int:
    try:
        return redirects_of(options["maxRedirects"]) if "maxRedirects" in options else DEFAULT_REDIRECTS
    except NotCarried as reason:
        notes.lost("options.maxRedirects", reason)
        return DEFAULT_REDIRECTS


def _shared(
    transaction: Transaction, requests: Sequence[dict[str, Any]], key: str, default: object, notes: Notes
) -> object:
    """Take a setting out of every request that a probe has once, for all of them: that of the first request."""
    values = [request.pop(key, default) for request in requests]
    for step, value in zip(transaction.steps, values, strict=True):
        if value != values[0]:
            notes.not_carried(step.line, f"{key} {value}", f"a probe has one for all its requests, here {values[0]}")
    return values[0]


def _thresholds(
    options: Mapping[str, Value],
    transaction: Transaction,
    scenarios: Mapping[str, Value],
    environment: Environment,
    notes: Notes,
) -> dict[str, Any]:
    if "thresholds" not in options:
        return {}
    names = [title_of(step) for step in transaction.steps]
    checks = [name for step in transaction.steps for name in step.checks]
    if not all(step.checks for step in transaction.steps):
        checks.append(StatusCheck(status=("2xx", "3xx")).title)
    whole = not transaction.sleeps and transaction.is_whole
    return read_thresholds(
        options["thresholds"], ThresholdSubjects(names, checks, scenarios, whole, environment), notes
    )


def _comments(name: str, request: Mapping[str, Any]) -> list[str]:
    comments = [f"Imported from {name}, a k6 script."]
    if request["timeout"] == DEFAULT_TIMEOUT:
        comments.append("The script sets no timeout: this is the default of k6.")
    return comments


def convert_file(
    file: Path,
    output: Path | None = None,
    scenario: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Conversion:
    """Read and convert a script for a probe file `output`; raises ConfigError with the reason why it cannot be."""
    try:
        with of_extra("import-k6"):
            files = ScriptFiles(file.parent, output.parent if output is not None else None)
            return convert(file.read_text(encoding="utf-8-sig"), file.name, files, scenario, environment)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text: {error.reason}") from error
    except UnusableScript as error:
        raise ConfigError(f"{error.file or file}{error.place}: {error.why}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: is nested too deeply to be read") from error


def require_free(output: Path) -> None:
    """Raise ConfigError where the output file exists."""
    if output.exists():
        raise ConfigError(f"{output}: exists already, use --force to overwrite it")


def write(output: Path, text: str) -> None:
    """Write the probe file completely or not at all; raises ConfigError."""
    try:
        write_whole(output, text)
    except OSError as error:
        raise ConfigError(f"{output}: cannot be written: {error.strerror}") from error


def spell(file: Path, note: Note) -> str:
    """Format a note as `file:line: text`; the file may be a module of the script."""
    return f"{getattr(note.line, 'file', '') or file}:{note.line}: {note.text}"
