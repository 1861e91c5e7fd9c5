"""The base of all settings that are read from a file: they are frozen, and unknown keys are errors."""

from __future__ import annotations

from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationInfo, model_validator


class Secret(SecretStr):
    """A text that prints as `<secret>`; for the key NAME the settings may have NAME_file, a file that contains it."""

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
    """Whether a field is one secret, or one or None; for a mapping of secrets there is no such file."""
    return annotation is Secret or (get_origin(annotation) in {Union, UnionType} and Secret in get_args(annotation))
