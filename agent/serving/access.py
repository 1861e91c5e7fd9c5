"""Who may call what at `listen`: names with a password or a token, and the role of each, from web.yml.

web.yml and its tokens are read again when they change. A password is checked by bcrypt in a thread, because that takes
a tenth of a second; that one is right is remembered, by a digest with a key that only this process has.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alertdrill.agent.config.web_file import Role, WebFile, read_web_file
from alertdrill.agent.errors import ConfigError
from alertdrill.agent.files import identity
from alertdrill.chaos.machine.threads import in_thread
from alertdrill.chaos.secret_source import SecretMissing
from alertdrill.units.text import one_line

_LOOK_EVERY_SECONDS = 1.0
_MOST_KNOWN = 256
# bcrypt takes no more, and no password manager makes a longer one for it.
_LONGEST_PASSWORD = 72


class TooMany(Exception):
    """Too many passwords were to be checked."""


@dataclass(frozen=True)
class Caller:
    """Who calls, by a name of web.yml."""

    name: str
    role: Role


class Access:
    """The callers of web.yml; `is_local` says that only this machine can reach `listen`.

    `tell` gets a line when web.yml was changed, and when it then cannot be used: what was read before stays in force.
    `may_check` limits how often a password is checked that is not known to be right.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        is_local: bool = True,
        tell: Callable[[str], None] = lambda _: None,
        may_check: Callable[[], bool] = lambda: True,
    ) -> None:
        self.is_local = is_local
        self._path = path
        self._tell = tell
        self._may_check = may_check
        self._key = secrets.token_bytes(32)
        # Only what was right: wrong passwords must not push it out.
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._checking = asyncio.Lock()
        self._looked_at = time.monotonic()
        self._file, self._tokens = self._read()
        self._seen = self._identities()

    def _read(self) -> tuple[WebFile, dict[str, str]]:
        file = read_web_file(self._path)
        try:
            return file, file.tokens()
        except SecretMissing as error:
            raise ConfigError(f"{self._path}: {error}") from error

    def _identities(self) -> list[tuple[int, ...] | None]:
        paths = [] if self._path is None else [self._path, *self._file.files()]
        return [identity(path) for path in paths]

    @property
    def file(self) -> WebFile:
        """The web.yml in force; it is read again if it was changed."""
        now = time.monotonic()
        if self._path is not None and now - self._looked_at >= _LOOK_EVERY_SECONDS:
            self._looked_at, seen = now, self._identities()
            if seen != self._seen:
                self._seen = seen
                self._read_again()
        return self._file

    def _read_again(self) -> None:
        try:
            self._file, self._tokens = self._read()
        except ConfigError as error:
            self._tell(f"web.yml is not read again, and the one before stays in force: {one_line(error.problems[0])}")
            return
        self._seen = self._identities()
        self._tell(f"{self._path} was changed and is in force; what it says of TLS needs a new start")

    @property
    def has_callers(self) -> bool:
        """Whether a credential of web.yml is needed."""
        return self.file.has_callers

    @property
    def schemes(self) -> list[str]:
        """The schemes of `Authorization` that are understood."""
        found = {"Basic": self._file.basic_auth_users, "Bearer": self._tokens}
        return [scheme for scheme, names in found.items() if names]

    async def caller(self, authorization: str) -> Caller | None:
        """Return who has a credential; None if nobody has it. Raises TooMany."""
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._of_token(rest.strip())
        return await self._of_password(rest.strip()) if scheme.lower() == "basic" else None

    def _named(self, name: str) -> Caller:
        return Caller(name, self.file.alertdrill.roles.get(name, "read"))

    def _of_token(self, given: str) -> Caller | None:
        # All are compared, each in constant time.
        found = [
            name
            for name, token in self._tokens.items()
            if hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())
        ]
        return self._named(found[0]) if found else None

    async def _of_password(self, encoded: str) -> Caller | None:
        try:
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        raw = password.encode()
        if not colon or not raw or len(raw) > _LONGEST_PASSWORD or b"\0" in raw:
            return None
        users = self.file.basic_auth_users
        if not users:
            return None
        # A name that does not exist must not be known by a quick answer.
        matches = await self._matches(raw, users.get(name) or max(users.values(), key=_cost))
        return self._named(name) if matches and name in users else None

    async def _matches(self, password: bytes, hashed: str) -> bool:
        key = hmac.digest(self._key, hashed.encode() + password, "sha256")
        if key in self._known:
            self._known.move_to_end(key)
            return True
        if not self._may_check():
            raise TooMany
        # One after another: the processor belongs to the load.
        async with self._checking:
            matches = await in_thread(_is_password, password, hashed)
        if matches:
            self._known[key] = None
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return matches


def _cost(hashed: str) -> str:
    return hashed.split("$")[2]


def _is_password(password: bytes, hashed: str) -> bool:
    import bcrypt

    return bcrypt.checkpw(password, hashed.encode())
