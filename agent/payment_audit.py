"""The audit that follows a load on the lab: keep what was acknowledged, then ask the ledger for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Self

from alertdrill.agent.errors import ConfigError

if TYPE_CHECKING:
    from alertdrill.agent.recording.records import AuditRecord
    from alertdrill.lab.stack import Lab


class PaymentAudit:
    """One load's audit, of which nothing is left but the file where there is no lab, and nothing without a file."""

    def __init__(self, lab: Lab | None, acknowledged: Acknowledged | None, balance: Decimal) -> None:
        self._lab = lab
        self._balance = balance
        self.acknowledged = acknowledged

    @classmethod
    async def begin(cls, lab: Lab | None, tell: Callable[[str], None], path: Path | None = None) -> Self:
        """Begin before the load, with the ids in `path`, or else in the lab's folder.

        Raises LabError, and ConfigError when the file cannot be written.
        """
        if lab is None:
            return cls(None, None if path is None else Acknowledged(path, tell), Decimal(0))
        # Only the lab needs its libraries, and a sidecar does not have them.
        from alertdrill.lab.audit import total_balance

        balance = await total_balance(lab.postgres_url)
        return cls(lab, Acknowledged(path or lab.directory / "acknowledged.txt", tell), balance)

    def keep(self, ids: list[str]) -> None:
        """Take the ids of transactions that succeeded."""
        if self.acknowledged is not None:
            self.acknowledged.keep(ids)

    async def finish(self) -> AuditRecord | None:
        """Audit after the load; an audit that cannot be made is a record that says why."""
        if self.acknowledged is None:
            return None
        self.acknowledged.close()
        if self._lab is None:
            return None
        if self.acknowledged.problem:
            return self._unaudited(self.acknowledged.count, self.acknowledged.problem)
        return await self._audited(self._lab, self.acknowledged)

    async def _audited(self, lab: Lab, acknowledged: Acknowledged) -> AuditRecord:
        from alertdrill.agent.recording.records import AuditRecord
        from alertdrill.lab.audit import audit
        from alertdrill.lab.errors import LabError

        try:
            result = await audit(lab.postgres_url, acknowledged.path, self._balance)
        except LabError as error:
            return self._unaudited(acknowledged.count, str(error))
        return AuditRecord.model_validate(asdict(result))

    def _unaudited(self, count: int, problem: str) -> AuditRecord:
        from alertdrill.agent.recording.records import AuditRecord

        balance = self._balance
        return AuditRecord(acknowledged=count, found=0, balance_before=balance, balance_after=balance, problem=problem)


class Acknowledged:
    """Appends ids to a new file, whole lines at once, so that only the file grows with the load.

    A file that cannot be written does not stop the load: `tell` hears of it, and `problem` says why from then on.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        """Open the file; raises ConfigError when that cannot be done."""
        self.path = path
        self.count = 0
        self.problem = ""
        self._tell = tell
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error

    def keep(self, ids: list[str]) -> None:
        """Append ids, flushed."""
        if self.problem or not ids:
            return
        try:
            self._file.write("".join(f"{one}\n" for one in ids))
            self._file.flush()
        except OSError as error:
            self.problem = f"{self.path} cannot be written: {error.strerror or error}"
            self._tell(f"acknowledged transactions are not kept any more: {self.problem}")
            return
        self.count += len(ids)

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self.problem = self.problem or f"{self.path} cannot be written: {error.strerror or error}"
