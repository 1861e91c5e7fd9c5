"""Whom `alertdrill run` tells what, in agent.yml: targets of notifications, the cluster's watchdog alert, a heartbeat.

    notify:
      inconclusive_after: 3
      targets:
        - {name: ops, webhook: {url_file: secrets/ops-url, secret_file: secrets/ops-secret}}
        - {slack: {url_file: secrets/slack-url}, when: [failed, unhealed], digest: "Mon 09:00"}
        - email:
            server: smtp.example:587
            from: drills@example.org
            to: [oncall@example.org]
            username: drills
            password_file: secrets/smtp
    watchdog_alert: {alert: Watchdog, every: 5m}
    heartbeat: {url_file: secrets/heartbeat-url}

docs/notifications.md explains them.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from alertdrill.agent.config.servers import require_token
from alertdrill.chaos.guard import TimeZone
from alertdrill.units.duration import Duration
from alertdrill.units.extras import require_library
from alertdrill.units.settings import Secret, Settings
from alertdrill.units.tls import TlsSettings

Kind = Literal["failed", "inconclusive", "stale", "unhealed", "schedule", "load", "watchdog", "reload"]
"""What is told: an alert's verdict, a drill, a proof that is too old, a fault, and the agent's own parts."""
_SECOND = timedelta(seconds=1)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _require_http(secret: Secret) -> Secret:
    """Return a URL that is a secret; raises ValueError, which does not repeat it."""
    url = secret.get_secret_value()
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1) and url.isascii()
    except ValueError:
        is_right = False
    if not is_right or not url.isprintable() or " " in url:
        msg = "is not a URL, expected http://… or https://…"
        raise ValueError(msg)
    return secret


HttpUrl = Annotated[Secret, AfterValidator(_require_http)]


def _weekly(text: str) -> str:
    """Check a weekday with a time of day, such as `Mon 09:00`."""
    day, _, clock = text.partition(" ")
    if day not in _DAYS or not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", clock):
        msg = f'{text!r} is not a time of a week, expected one such as "Mon 09:00"'
        raise ValueError(msg)
    return text


class HttpTarget(Settings):
    """A URL that takes messages. It is a secret, because many services put one in it. `timeout` is for each call."""

    url: HttpUrl
    tls: TlsSettings = TlsSettings()
    timeout: Duration = Field(default=timedelta(seconds=10), ge=_SECOND, le=timedelta(minutes=2))


class Webhook(HttpTarget):
    """Takes JSON. With `secret` each call is signed, with `bearer_token` it has this credential."""

    secret: Secret | None = None
    bearer_token: Annotated[Secret | None, AfterValidator(require_token)] = None

    @model_validator(mode="after")
    def _secret_is_not_empty(self) -> Self:
        if self.secret is not None and not self.secret.get_secret_value():
            msg = "secret is empty, expected a text that only the receiver knows too"
            raise ValueError(msg)
        return self


class Slack(HttpTarget):
    """An incoming webhook of Slack, or of a service that takes the same JSON, such as Mattermost."""


class Email(Settings):
    """A mail server and the addresses.

    `security` is `starttls` (usually at port 587), `tls` (465) or `none`. A password is never sent without TLS.
    """

    server: str = Field(pattern=r"^[^\s:/@]+:\d+$")
    from_: str = Field(alias="from", pattern=r"^[^\s@]+@[^\s@]+$")
    to: tuple[Annotated[str, Field(pattern=r"^[^\s@]+@[^\s@]+$")], ...] = Field(min_length=1, max_length=50)
    username: str | None = None
    password: Secret | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    tls: TlsSettings = TlsSettings()
    timeout: Duration = Field(default=timedelta(seconds=30), ge=_SECOND, le=timedelta(minutes=2))

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        require_library("aiosmtplib", "email")
        if (self.username is None) != (self.password is None):
            msg = "has one of username and password, expected both or none"
            raise ValueError(msg)
        if self.password is not None and self.security == "none":
            msg = "has a password and security: none, expected starttls or tls: others could read the password"
            raise ValueError(msg)
        if self.tls.server_name is not None:
            msg = "tls.server_name cannot be used with a mail server, expected the name of its certificate in `server`"
            raise ValueError(msg)
        return self


class NotifyTarget(Settings):
    """Who is told, and of what: `webhook`, `slack` or `email`.

    `when` lists what is told, all of it by default; with `send_resolved: false` only problems are. `digest` sends a
    review of the last seven days at a time of each week, in `time_zone`. A target without `name` is called by its kind.
    """

    name: str = Field(default="", max_length=100, pattern=r"^([a-z0-9][a-z0-9-]*)?$")
    when: tuple[Kind, ...] | None = None
    send_resolved: bool = True
    digest: Annotated[str, AfterValidator(_weekly)] | None = None
    time_zone: TimeZone | None = None
    webhook: Webhook | None = None
    slack: Slack | None = None
    email: Email | None = None

    @property
    def kind(self) -> str:
        """The kind of the target: the one key of the three that it has."""
        return next(name for name in ("webhook", "slack", "email") if getattr(self, name) is not None)

    @property
    def title(self) -> str:
        """The name, or the kind without one."""
        return self.name or self.kind

    @property
    def digest_cron(self) -> str | None:
        """The time of the digest as five fields of cron."""
        if self.digest is None:
            return None
        day, hour, minute = self.digest[:3], int(self.digest[4:6]), int(self.digest[7:])
        return f"{minute} {hour} * * {day.upper()}"

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        ways = [name for name in ("webhook", "slack", "email") if getattr(self, name) is not None]
        if len(ways) != 1:
            msg = f"has {' and '.join(ways) or 'no place to send to'}, expected one of webhook, slack and email"
            raise ValueError(msg)
        if self.digest is not None and self.time_zone is None:
            msg = "has a digest without time_zone, expected the zone of its time, such as Europe/Berlin"
            raise ValueError(msg)
        return self


class Notify(Settings):
    """All targets. `inconclusive_after` says after how many inconclusive runs in a row a drill is told of."""

    targets: tuple[NotifyTarget, ...] = Field(default=(), max_length=20)
    inconclusive_after: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _have_their_own_names(self) -> Self:
        for title, count in Counter(target.title for target in self.targets).items():
            if count > 1:
                msg = f"{count} targets are called {title!r}, expected a `name` of its own for each"
                raise ValueError(msg)
        return self


class WatchdogAlert(Settings):
    """An alert that always fires, and whose notifications come to this agent's webhook.

    `every` is how often Alertmanager repeats them (`repeat_interval` of its route). It is overdue when none came for
    `every` and `grace` more; `grace` must be longer than `group_interval` of the route.
    """

    alert: str = Field(default="Watchdog", min_length=1)
    every: Duration = Field(ge=_SECOND, le=timedelta(days=1))
    grace: Duration = Field(default=timedelta(minutes=2), ge=timedelta(0))

    @property
    def overdue_after_seconds(self) -> float:
        """The longest silence, in seconds."""
        return (self.every + self.grace).total_seconds()


class Heartbeat(HttpTarget):
    """A URL of a service that tells when it is not called any more. It is called while the load and the schedule run."""

    every: Duration = Field(default=timedelta(minutes=1), ge=_SECOND, le=timedelta(days=1))
    method: Literal["GET", "HEAD", "POST"] = "GET"
