"""The Redis probe: a command, PING by default, and a check on its reply.

kind: redis
url: redis://cache:6379/0         # rediss:// over TLS
password: ${REDIS_PASSWORD}       # or password_file: /run/secrets/redis
command: LLEN jobs                # or a list: [GET, "a key"]
reply: {at_most: 1000}
"""

from __future__ import annotations

import shlex
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from alertdrill.probes.checks.expected import Expected
from alertdrill.probes.probe import SingleRequestProbe
from alertdrill.units.extras import require_library
from alertdrill.units.server_url import RedisUrl, ServerUrl, parse_redis_url
from alertdrill.units.settings import Secret
from alertdrill.units.tls import TlsSettings

# These change the state of a connection, which other transactions use next.
_STATEFUL = {"MULTI", "WATCH", "MONITOR", "SELECT", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"}


def _as_words(command: object) -> object:
    words = shlex.split(command) if isinstance(command, str) else command
    if isinstance(words, list | tuple):
        words = tuple(str(word) if isinstance(word, int | float) else word for word in words)
        if words and str(words[0]).upper() in _STATEFUL:
            msg = f"{words[0]} changes its connection, which other transactions use too, expected another command"
            raise ValueError(msg)
    return words


class RedisProbe(SingleRequestProbe):
    """A command on one of at most `pool_size` connections, which are kept.

    A transaction that waits for a connection is in flight, and its time is running.
    A reply is compared as text; nil is `nil`, and a list is written as JSON.
    """

    kind: Literal["redis"] = "redis"
    url: RedisUrl
    password: Secret | None = None
    command: Annotated[tuple[str, ...], BeforeValidator(_as_words), Field(min_length=1)] = ("PING",)
    reply: Expected | None = None
    pool_size: int = Field(default=50, gt=0)
    tls: TlsSettings | None = None

    @model_validator(mode="after")
    def _client_can_use_it(self) -> RedisProbe:
        require_library("redis", "redis")
        if self.tls is not None and self.server.scheme != "rediss":
            msg = "has tls for a plain url, expected rediss://…"
            raise ValueError(msg)
        if self.tls is not None and self.tls.server_name is not None:
            msg = "tls has a server_name, which redis-py cannot use: expected the certificate's own name in url"
            raise ValueError(msg)
        return self

    @property
    def server(self) -> ServerUrl:
        """The server to connect to, the user, and the database."""
        return parse_redis_url(self.url)

    @property
    def expected(self) -> Expected | None:
        """The check on the reply: that of the file, else PONG for PING, and none for other commands."""
        is_ping = len(self.command) == 1 and self.command[0].upper() == "PING"
        return Expected(equals="PONG") if self.reply is None and is_ping else self.reply

    @property
    def check_names(self) -> tuple[str, ...]:
        """The name of the check on the reply."""
        return () if self.expected is None else (f"reply {self.expected.words}",)
