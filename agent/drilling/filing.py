"""One drill on its way to the disk: space for its recording, the drill itself, the recording, its verdict, its reports.

`alertdrill drill` and the schedule of `alertdrill run` both go this way. What is between the steps differs: a lab
forgets a drill, and a schedule goes on serving.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from alertdrill.agent.drilling.conductor import Conductor
from alertdrill.agent.errors import ConfigError, leaves
from alertdrill.agent.files import ReservedSpace, reserved
from alertdrill.agent.recording.recording import RESERVED_BYTES, Recording, recording_path, write_into
from alertdrill.chaos.errors import FaultNotApplied, FaultNotHealed


@dataclass(frozen=True)
class Drilled:
    """A drill that is over: its recording, None if its load never began, and the error that cut it short.

    `space` holds the place on the disk for the recording, in `folder`.
    """

    recording: Recording | None
    cut: BaseException | None
    folder: Path
    space: ReservedSpace

    @property
    def is_refused(self) -> bool:
        """Whether it ended because a fault could not be injected, or because an earlier one stands in its way.

        Without a recording its load never began, so a fault that could not be undone is not its own.
        """
        known = FaultNotApplied if self.recording is not None else (FaultNotApplied, FaultNotHealed)
        return self.cut is not None and all(isinstance(one, known) for one in leaves(self.cut))

    def write(self, recording: Recording) -> tuple[Recording, Path]:
        """Write the recording, completed by the caller; return what was written, and where.

        Whatever fails after this can be repeated from the recording. Raises ConfigError.
        """
        path = recording_path(self.folder, recording)
        try:
            return write_into(self.space, recording, path), path
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


@asynccontextmanager
async def drilled(
    conductor: Conductor, folder: Path, around: AbstractAsyncContextManager[object]
) -> AsyncIterator[Drilled]:
    """Run a drill within `around`, with space for its recording held until the block ends.

    Raises ConfigError when there is no space; the error of a drill that is cut short is given to the block.
    """
    with reserved(folder, RESERVED_BYTES) as space:
        cut: BaseException | None = None
        try:
            async with around:
                await conductor.run()
        except (Exception, asyncio.CancelledError, BaseExceptionGroup) as error:  # noqa: BLE001 - the block decides
            cut = error
        yield Drilled(conductor.recording, cut, folder, space)
