"""The audit that follows a load on the lab: every payment that was acknowledged must be in the engine's books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Self

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import private

if TYPE_CHECKING:
    from alertdrill.agent.recording.records import AuditRecord
    from alertdrill.lab.stack import Lab


class PaymentAudit:
    """Audits one load. Without a lab it only writes the ids to a file; without a file it does nothing."""

    def __init__(self, lab: Lab | None, acknowledged: AcknowledgedIds | None, balance: Decimal) -> None:
        self._lab = lab
        self._balance = balance
        self.acknowledged = acknowledged

    @classmethod
    async def begin(cls, lab: Lab | None, tell: Callable[[str], None], path: Path | None = None) -> Self:
        """Begin before the load; the ids go to `path`, by default a file in the lab's folder.

        Raises LabError, and ConfigError when the file cannot be written.
        """
        if lab is None:
            return cls(None, None if path is None else AcknowledgedIds(path, tell), Decimal(0))
        # Only the lab needs its libraries, and a sidecar does not have them.
        from alertdrill.lab.audit import total_balance

        balance = await total_balance(lab.postgres_url)
        return cls(lab, AcknowledgedIds(path or lab.directory / "acknowledged.txt", tell), balance)

    def keep(self, ids: list[str]) -> None:
        """Keep the ids of transactions that succeeded."""
        if self.acknowledged is not None:
            self.acknowledged.keep(ids)

    async def finish(self) -> AuditRecord | None:
        """Audit after the load; when that fails, the record says why."""
        if self.acknowledged is None:
            return None
        self.acknowledged.close()
        if self._lab is None:
            return None
        if self.acknowledged.problem:
            return self._failed(self.acknowledged.count, self.acknowledged.problem)
        return await self._record(self._lab, self.acknowledged)

    async def _record(self, lab: Lab, acknowledged: AcknowledgedIds) -> AuditRecord:
        from alertdrill.agent.recording.records import AuditRecord
        from alertdrill.lab.audit import audit
        from alertdrill.lab.errors import LabError

        try:
            result = await audit(lab.postgres_url, acknowledged.path, self._balance)
        except LabError as error:
            return self._failed(acknowledged.count, str(error))
        return AuditRecord.model_validate(asdict(result))

    def _failed(self, count: int, problem: str) -> AuditRecord:
        from alertdrill.agent.recording.records import AuditRecord

        balance = self._balance
        return AuditRecord(acknowledged=count, found=0, balance_before=balance, balance_after=balance, problem=problem)


class AcknowledgedIds:
    """Appends ids to a new file, complete lines at a time, so that memory does not grow with the load.

    A file that cannot be written does not stop the load: `tell` is called once, and `problem` holds the reason.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        """Open the file; raises ConfigError when it cannot be opened."""
        self.path = path
        self.count = 0
        self.problem = ""
        self._tell = tell
        try:
            self._file = open(path, "w", encoding="utf-8", opener=private)  # noqa: SIM115 - for the length of the load
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error

    def keep(self, ids: list[str]) -> None:
        """Append ids and flush the file."""
        if self.problem or not ids:
            return
        try:
            self._file.write("".join(f"{one}\n" for one in ids))
            self._file.flush()
        except OSError as error:
            self.problem = f"{self.path} cannot be written: {error.strerror or error}"
            self._tell(f"acknowledged transactions are no longer kept: {self.problem}")
            return
        self.count += len(ids)

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.problem = self.problem or f"{self.path} cannot be written: {error.strerror or error}"
