"""`alertdrill import-k6`: from one file to the other."""

from __future__ import annotations

from pathlib import Path

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import write_whole
from alertdrill.agent.import_k6.conversion import Converted, convert
from alertdrill.agent.import_k6.notes import Note, UnusableScript
from alertdrill.units.extras import of_extra


def convert_file(file: Path) -> Converted:
    """Read and convert a script; raises ConfigError with the reason why it cannot be converted, LibraryMissing."""
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
    """Raise ConfigError where a file stands in the way."""
    if output.exists():
        raise ConfigError(f"{output}: exists already, give --force to write over it")


def write(output: Path, text: str) -> None:
    """Write the probe file whole or not at all; raises ConfigError."""
    try:
        write_whole(output, text)
    except OSError as error:
        raise ConfigError(f"{output}: cannot be written: {error.strerror}") from error


def spell(file: Path, note: Note) -> str:
    """Spell a note as `file:line: what`."""
    return f"{file}:{note.line}: {note.text}"
