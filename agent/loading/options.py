"""The options of `alertdrill probe`, and the load that they and the file describe."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

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

    @property
    def lab_config(self) -> Path:
        """The configuration of the lab; the lab's other files are beside it."""
        return on_lab.configuration(self.config, lab=True)

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
