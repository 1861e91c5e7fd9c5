"""Converts a script to a probe file, with notes on its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.import_k6.load import KEYS, read_load, users_become_rates
from alertdrill.agent.import_k6.notes import Note, Notes, UnusableScript
from alertdrill.agent.import_k6.params import DEFAULT_TIMEOUT
from alertdrill.agent.import_k6.probe_yaml import render
from alertdrill.agent.import_k6.script import Script
from alertdrill.agent.import_k6.syntax import parse
from alertdrill.agent.import_k6.thresholds import read_thresholds
from alertdrill.agent.import_k6.transaction import Transaction, read_transaction
from alertdrill.agent.import_k6.values import Value
from alertdrill.probes.checks.kinds import StatusCheck
from alertdrill.units.extras import of_extra

_OPTIONS = {
    "insecureSkipTLSVerify": "write tls: {insecure_skip_verify: true} under probe where this is intended",
    "userAgent": "write the header User-Agent",
}


@dataclass(frozen=True)
class Conversion:
    """The text of a probe file, and the notes for the user."""

    text: str
    notes: tuple[Note, ...]


def convert(source: str, name: str) -> Conversion:
    """Convert a script; the first line of the file has its `name`.

    Raises UnusableScript where no probe file can be made from it.
    """
    notes = Notes()
    script = Script(parse(source), notes)
    options = script.options()
    load = read_load(options, notes)
    function = script.function(load.function)
    transaction = read_transaction(function, script.scope, script.names, notes)
    if load.users_line is not None:
        notes.say(load.users_line, users_become_rates(transaction.sleeps))
    if not transaction.checks:
        notes.say(function.line, "no check is carried over, so a status of 2xx is expected")
    for key, value in options.items():
        if key not in KEYS | {"thresholds"}:
            notes.not_carried(value.line, f"options.{key}", _OPTIONS.get(key, "a probe file has no such option"))
    thresholds = _thresholds(options, transaction, notes)
    text = render(_comments(name, transaction.settings), transaction.settings, load.settings, thresholds)
    return Conversion(text, notes.in_order())


def _thresholds(options: Mapping[str, Value], transaction: Transaction, notes: Notes) -> dict[str, Any]:
    if "thresholds" not in options:
        return {}
    names = [transaction.settings.get("name") or urlsplit(transaction.settings["url"]).path or "/"]
    checks = list(transaction.checks) or [StatusCheck(status=("2xx",)).title]
    return read_thresholds(options["thresholds"], names, checks, notes)


def _comments(name: str, request: Mapping[str, Any]) -> list[str]:
    comments = [f"Imported from {name}, a k6 script."]
    if request["timeout"] == DEFAULT_TIMEOUT:
        comments.append("The script sets no timeout: this is the default of k6.")
    return comments


def convert_file(file: Path) -> Conversion:
    """Read and convert a script; raises ConfigError with the reason why it cannot be converted."""
    try:
        with of_extra("import-k6"):
            return convert(file.read_text(encoding="utf-8-sig"), file.name)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text: {error.reason}") from error
    except UnusableScript as error:
        raise ConfigError(f"{file}{error.place}: {error.why}") from error
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
    """Format a note as `file:line: text`."""
    return f"{file}:{note.line}: {note.text}"
