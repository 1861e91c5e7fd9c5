"""Reads a script and writes a probe file, for `alertdrill import-k6`."""

from __future__ import annotations

from pathlib import Path

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.import_k6.conversion import Conversion, convert
from alertdrill.agent.import_k6.notes import Note, UnusableScript
from alertdrill.units.extras import of_extra


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
