"""The place of a secret: a file or an environment variable.

Unlike other secrets of this project it is read only when it is used. The ledger keeps the place and not the secret, so
that a later process can undo the fault.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo


class SecretMissing(Exception):
    """The secret cannot be read; the text says what to do."""


def read_secret(file: Path | None, variable: str | None) -> str | None:
    """Read a secret from a file, without the white space at both ends, or from a variable; None for neither."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SecretMissing(
                f"the secret in {file} cannot be read: {getattr(error, 'strerror', None) or error}"
            ) from error
    if variable is not None:
        if variable not in os.environ:
            raise SecretMissing(f"the environment variable {variable} is not set, expected a secret in it")
        return os.environ[variable]
    return None


def read_secrets(files: Mapping[str, Path]) -> dict[str, str]:
    """Read a secret from each file; raises SecretMissing."""
    return {name: read_secret(path, None) or "" for name, path in files.items()}


def beside_its_file(path: Path, info: ValidationInfo) -> Path:
    """Make a path of a YAML file absolute: it is relative to that file."""
    base = info.context["directory"] if info.context else "."
    return (Path(base) / path.expanduser()).absolute()


PathBesideFile = Annotated[Path, AfterValidator(beside_its_file)]
"""A path that is relative to the YAML file in which it stands."""
