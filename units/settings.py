"""The shape of everything that is read from a file: frozen, complete, and strict about its keys."""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, model_validator


class Secret(SecretStr):
    """A text that prints as `<secret>`; its `NAME_file` twin in the file names a file that holds it."""

    def _display(self) -> str:
        return "<secret>"


class Settings(BaseModel):
    """A frozen model whose fields are the keys of a YAML mapping; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - what YAML held
        if not isinstance(values, dict):
            return values
        read = dict(values)
        for name, field in cls.model_fields.items():
            if not _is_secret(field.annotation) or f"{name}_file" not in read:
                continue
            if name in read:
                msg = f"has both {name} and {name}_file, expected one of them"
                raise ValueError(msg)
            path = Path(info.context["directory"] if info.context else ".") / str(read.pop(f"{name}_file"))
            try:
                read[name] = path.read_text(encoding="utf-8").strip()
            except OSError as error:
                msg = f"{name}_file cannot be read: {path}: {error.strerror}"
                raise ValueError(msg) from error
        return read


def _is_secret(annotation: object) -> bool:
    """Tell whether a field holds one secret, or None; a mapping of secrets has no one file."""
    return annotation is Secret or (get_origin(annotation) in {Union, UnionType} and Secret in get_args(annotation))
