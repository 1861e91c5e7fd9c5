"""`alertdrill record`."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertdrill.agent.commands.options import ConfigOption, command, fail
from alertdrill.agent.commands.running import run

if TYPE_CHECKING:
    from alertdrill.agent.drilling.stretch import Stretch

_NOT_OF_A_NAME = re.compile(r"[^a-z0-9]+")


@command(
    "alertdrill record --from 3h --to 2h --alert QueueGrows",
    "alertdrill record --from 2026-11-25T10:20:00Z --to 2026-11-25T11:00:00Z --alert QueueGrows --name black-friday",
    note="The rules are those that Prometheus has now. Begin before the alert was pending, and end after it was resolved.",
)
def record(  # noqa: PLR0913, PLR0917 - one parameter for each option
    begin: Annotated[
        str, typer.Option("--from", help="Begin: an instant with its time zone, or how long ago.", metavar="TIME")
    ],
    alert: Annotated[list[str], typer.Option(help="An alert that fired in this time.", metavar="NAME")],
    end: Annotated[str, typer.Option("--to", help="End, written likewise.", metavar="TIME")] = "0s",
    name: Annotated[
        str | None, typer.Option(help="Takes the place of a drill's name; that of the alert if none.", metavar="NAME")
    ] = None,
    config: ConfigOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of recordings.")] = None,
    redact: Annotated[
        list[str] | None, typer.Option(help="Record hashes for the values of this label.", metavar="LABEL")
    ] = None,
) -> None:
    """Record a stretch of time without a drill, such as an incident.

    The recording has what the rules of the alerts read, and can be made a test by `alertdrill regress`.
    """
    from alertdrill.agent import on_lab
    from alertdrill.agent.drilling.stretch import Stretch

    now = time.time()
    started_at, ended_at = _instant(begin, "--from", now), _instant(end, "--to", now)
    if not started_at < ended_at <= now:
        fail("--from must be before --to, and --to not in the future")
    named = name or _NOT_OF_A_NAME.sub("-", alert[0].lower()).strip("-") or "stretch"
    stretch = Stretch(named, started_at, ended_at, tuple(alert))
    path = on_lab.configuration(config)
    raise typer.Exit(run(lambda: _record(path, stretch, output, redact or []), undoes=False))


async def _record(config: Path, stretch: Stretch, output: Path | None, redact: list[str]) -> int:
    from alertdrill.agent.config.agent import read_agent_config
    from alertdrill.agent.drilling.stretch import recorded
    from alertdrill.agent.errors import ConfigError
    from alertdrill.agent.recording.recording import recording_path, write_recording
    from alertdrill.agent.recording.redaction import redacted

    loaded = read_agent_config(config)
    recording = await recorded(loaded, stretch)
    if redact:
        recording = redacted(recording, redact)
    path = recording_path(output or loaded.recordings, recording)
    try:
        write_recording(recording, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    for one in recording.left_out:
        typer.echo(one.warning, err=True)
    typer.echo(f"recording {path}")
    return 0


def _instant(text: str, option: str, now: float) -> float:
    """Return Unix seconds of an instant with a time zone, or of a duration before now."""
    from alertdrill.agent.commands.options import duration_of

    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return now - duration_of(text, option).total_seconds()
    if instant.tzinfo is None:
        fail(f"{option}: {text} has no time zone, expected one such as {text}Z or {text}+01:00")
    return instant.timestamp()
