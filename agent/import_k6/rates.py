"""Rates and stages of a load, from numbers of the script."""

from __future__ import annotations

from typing import Any

from alertdrill.agent.import_k6.durations import duration
from alertdrill.agent.import_k6.notes import NotCarried, asking_the_probe_file
from alertdrill.agent.import_k6.values import EnvText, Value, entries, has_env, items, number, plain, text_of
from alertdrill.probes.load.settings import LoadSettings

Settings = dict[str, Any]


def stages(value: Value, per_seconds: float = 1) -> list[Settings]:
    """Read stages, whose targets are for so many seconds; raises NotCarried when one of them cannot be read."""
    return [_stage(stage, per_seconds) for stage in items(value)]


def _stage(value: Value, per_seconds: float) -> Settings:
    stage = entries(value, "duration", "target")
    return {"duration": duration(stage["duration"]), "target": rate(stage["target"], per_seconds)}


def rate(value: Value, per_seconds: float = 1) -> Any:  # noqa: ANN401 - a number, or a text from the environment
    """Give a number for so many seconds as one a second; raises NotCarried."""
    content = plain(value)
    if isinstance(content, EnvText):
        if per_seconds != 1:
            raise NotCarried(value.line, f"{content} would have to be divided by {per_seconds:g} seconds")
        return content
    try:
        # k6 takes a number in quotes as well.
        return number(float(text_of(value)) / per_seconds)
    except (ValueError, ArithmeticError) as error:
        raise NotCarried(value.line, f"{content!r} is no rate, expected a number") from error


def checked(line: int, settings: Settings) -> Settings:
    """Give back the settings of a load; raises NotCarried for those that a probe file would refuse."""
    if has_env(settings):
        return settings
    with asking_the_probe_file(line):
        LoadSettings.model_validate(settings)
    return settings
