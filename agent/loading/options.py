"""The options of `alertdrill probe`, and the load that they and the file describe."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import ValidationError

from alertdrill.agent import on_lab
from alertdrill.agent.config.probe import ProbeFile
from alertdrill.agent.errors import ConfigError
from alertdrill.probes.load.settings import LoadSettings

# One worker does more than twice this on a core of its own.
_RATE_OF_ONE_WORKER = 10_000


@dataclass(frozen=True)
class LoadOptions:
    """The options of `alertdrill probe`; None leaves a value to the file or a default."""

    file: Path
    rate: float | None = None
    duration: timedelta | None = None
    workers: int | None = None
    lab: bool = False
    config: Path | None = None
    time_scale: float = 1.0
    summary_export: Path | None = None
    html: Path | None = None
    out: Sequence[str] = ()
    quiet: bool = False
    acknowledged: Path | None = None
    listen: str | None = None
    url: str | None = None
    require_honest: bool = False

    @property
    def lab_config(self) -> Path:
        """The configuration of the lab; the lab's other files are beside it."""
        return on_lab.configuration(self.config, lab=True)

    def pointed(self, file: ProbeFile) -> ProbeFile:
        """Return the file with the command line's URL; raises ConfigError.

        A URL with a path replaces that of the first request. One without replaces scheme, host and port of every
        request that has the same ones as the first.
        """
        if self.url is None:
            return file
        values = file.model_dump(by_alias=True, exclude_unset=True)
        probe = values["probe"]
        if "url" not in probe:
            raise ConfigError(f"--url: {self.file} has no url to replace, for its probe is of kind {file.probe.kind}")
        before, given = urlsplit(probe["url"]), urlsplit(self.url)
        for request in (probe, *probe.get("then", ())):
            url = urlsplit(request["url"])
            if url[:2] == before[:2]:
                request["url"] = urlunsplit(given[:2] + url[2:])
        if given.path.strip("/") or given.query:
            probe["url"] = self.url
        try:
            return ProbeFile.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"--url: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error

    def load_settings(self, file: ProbeFile) -> LoadSettings:
        """Return the file's load with the command line's rate and duration; raises ConfigError."""
        settings = self._unscaled(file).scaled(self.time_scale)
        # Durations are whole microseconds: a large scale makes them 0.
        if settings.arrivals().total == 0:
            raise ConfigError(
                f"--time-scale: {self.time_scale:g} leaves no transaction of the load, expected a smaller scale"
            )
        return settings

    def _unscaled(self, file: ProbeFile) -> LoadSettings:
        load = file.load
        if self.rate is not None:
            kept = {"max_in_flight", "graceful_stop", "poisson", "seed"}
            extra = {} if load is None else load.model_dump(include=kept)
            return LoadSettings(rate=self.rate, duration=self.duration, **extra)
        if load is None:
            raise ConfigError(f"{self.file}: has no load, expected one there or --rate here")
        if self.duration is None:
            return load
        if load.steps:
            raise ConfigError(
                f"--duration: {self.file} has stages or phases with durations of their own, expected --rate as well"
            )
        return load.model_copy(update={"duration": self.duration})

    def worker_count(self, settings: LoadSettings) -> int:
        """Return how many processes send."""
        if self.workers is not None:
            return self.workers
        peak = max([settings.rate or settings.start_rate, *(stage.target for stage in settings.steps)])
        return min(math.ceil(peak / _RATE_OF_ONE_WORKER), os.cpu_count() or 1)
