"""Converts numbers of a script to the rates and stages of a load."""

from __future__ import annotations

from typing import Any

from alertdrill.agent.import_k6.durations import duration
from alertdrill.agent.import_k6.notes import NotCarried, refusal_as_not_carried
from alertdrill.agent.import_k6.values import EnvText, Value, YamlKeys, entries, has_env, items, number, plain, text_of
from alertdrill.probes.load.settings import LoadSettings


def stages(value: Value, per_seconds: float = 1) -> list[YamlKeys]:
    """Convert stages whose targets are per `per_seconds`; raises NotCarried where one of them has no counterpart."""
    return [_stage(stage, per_seconds) for stage in items(value)]


def _stage(value: Value, per_seconds: float) -> YamlKeys:
    stage = entries(value, "duration", "target")
    return {"duration": duration(stage["duration"]), "target": rate(stage["target"], per_seconds)}


def rate(value: Value, per_seconds: float = 1) -> Any:  # noqa: ANN401 - a number, or a text from the environment
    """Convert a number per `per_seconds` to one per second; raises NotCarried."""
    content = plain(value)
    if isinstance(content, EnvText):
        if per_seconds != 1:
            raise NotCarried(value.line, f"{content} would have to be divided by {per_seconds:g} seconds")
        return content
    try:
        # k6 accepts a number in quotes as well.
        return number(float(text_of(value)) / per_seconds)
    except (ValueError, ArithmeticError) as error:
        raise NotCarried(value.line, f"{content!r} is not a rate, expected a number") from error


def checked(line: int, settings: YamlKeys) -> YamlKeys:
    """Return the settings of a load unchanged; raises NotCarried for those that a probe file would refuse."""
    if has_env(settings):
        return settings
    with refusal_as_not_carried(line):
        LoadSettings.model_validate(settings)
    return settings
