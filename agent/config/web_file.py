"""web.yml: TLS at `listen`, and who may call what there.

    tls_server_config: {cert_file: tls/server.crt, key_file: tls/server.key}
    basic_auth_users: {alice: $2y$10$…}
    alertdrill:
      bearer_token_files: {ci: secrets/ci, alertmanager: secrets/alertmanager}
      roles: {alice: read, ci: write, alertmanager: webhook}

The first two keys are those of Prometheus and its exporters (exporter-toolkit). `alertdrill` is ours, and they refuse it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from alertdrill.agent.config.yaml_source import read_settings
from alertdrill.chaos.secret_source import PathBesideFile, SecretMissing, read_secrets
from alertdrill.units.settings import Settings

Role = Literal["read", "write", "webhook"]
"""`write` includes `read`; `webhook` may only send notifications."""
_LEAST_CHARACTERS = 16
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY = {"VerifyClientCertIfGiven": ssl.CERT_OPTIONAL, "RequireAndVerifyClientCert": ssl.CERT_REQUIRED}


def _is_bcrypt(text: str) -> str:
    """Return a hash; raises ValueError, without the hash, if it is none or takes long to check."""
    kind, _, rest = text[1:].partition("$")
    cost = rest[:2]
    if not text.startswith("$") or kind not in {"2a", "2b", "2y"} or not cost.isdecimal() or len(text) != 60:
        msg = "is not a hash of bcrypt, expected the output of `htpasswd -nBC 10 NAME` behind the colon"
        raise ValueError(msg)
    if not 4 <= int(cost) <= 14:
        msg = f"is a hash of cost {int(cost)}, expected 4 to 14: each step up takes twice the time"
        raise ValueError(msg)
    return text


Name = Annotated[str, StringConstraints(pattern=r"^[^:\x00-\x1f\x7f]+$", max_length=100)]
Hash = Annotated[str, AfterValidator(_is_bcrypt)]


class ServerTls(Settings):
    """TLS of the server, under the keys of exporter-toolkit.

    The certificate is read again when its files change. `client_auth_type` says whether a caller needs a certificate of
    `client_ca_file`: `RequireAndVerifyClientCert`, or `VerifyClientCertIfGiven`.
    """

    cert_file: PathBesideFile
    key_file: PathBesideFile
    client_auth_type: Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] = "NoClientCert"
    client_ca_file: PathBesideFile | None = None
    min_version: Literal["TLS12", "TLS13"] = "TLS12"

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if (self.client_ca_file is None) != (self.client_auth_type == "NoClientCert"):
            msg = (
                f"has client_auth_type {self.client_auth_type} {'without' if self.client_ca_file is None else 'and'} a"
                " client_ca_file, expected both or none"
            )
            raise ValueError(msg)
        self.context()
        return self

    def context(self) -> ssl.SSLContext:
        """Return the context of a server; raises ValueError, with the file that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self.min_version]
        self.load_into(context)
        if self.client_ca_file is not None:
            _usable(self.client_ca_file)
            try:
                context.load_verify_locations(self.client_ca_file)
            except (OSError, ssl.SSLError) as error:
                msg = f"client_ca_file cannot be used: {self.client_ca_file}: {error.strerror or error}"
                raise ValueError(msg) from error
            context.verify_mode = _VERIFY[self.client_auth_type]
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Load the certificate and its key; raises ValueError, with the file that cannot be used."""
        for file in (self.cert_file, self.key_file):
            _usable(file)
        try:
            # Without a password here, OpenSSL would ask for one at the terminal if the key is encrypted.
            context.load_cert_chain(self.cert_file, self.key_file, password="")
        except (OSError, ssl.SSLError) as error:
            msg = f"cert_file and key_file cannot be used: {self.cert_file}, {self.key_file}: {error.strerror or error}"
            raise ValueError(msg) from error


def _usable(file: Path) -> None:
    """Raise ValueError for a file that cannot be read: the error of ssl does not name it."""
    try:
        file.read_bytes()
    except OSError as error:
        msg = f"cannot be read: {file}: {error.strerror or error}"
        raise ValueError(msg) from error


def _hold_tokens(files: dict[str, Path]) -> dict[str, Path]:
    try:
        tokens = read_secrets(files)
    except SecretMissing as error:
        raise ValueError(str(error)) from error
    for name, token in tokens.items():
        if not token.isascii() or not token.isprintable() or " " in token or len(token) < _LEAST_CHARACTERS:
            msg = f"{files[name]} holds no token, expected one word of ASCII text with at least {_LEAST_CHARACTERS} characters"
            raise ValueError(msg)
    return files


class Callers(Settings):
    """Bearer tokens, each in a file, and the roles of their names and of those in `basic_auth_users`.

    A name without a role may only read. `open_metrics` lets everybody read `/metrics`.
    """

    bearer_token_files: Annotated[dict[Name, PathBesideFile], AfterValidator(_hold_tokens)] = {}
    roles: dict[Name, Role] = {}
    open_metrics: bool = False


class WebFile(Settings):
    """The whole of web.yml."""

    tls_server_config: ServerTls | None = None
    basic_auth_users: dict[Name, Hash] = {}
    alertdrill: Callers = Field(default=Callers())

    @model_validator(mode="after")
    def _names_mean_one_caller(self) -> Self:
        tokens = self.alertdrill.bearer_token_files
        if twice := sorted(tokens.keys() & self.basic_auth_users.keys()):
            msg = f"the name {twice[0]!r} has a password and a token, expected one of them"
            raise ValueError(msg)
        if unknown := sorted(self.alertdrill.roles.keys() - tokens.keys() - self.basic_auth_users.keys()):
            msg = f"alertdrill.roles has {unknown[0]!r}, who has neither a password nor a token"
            raise ValueError(msg)
        return self

    @property
    def has_callers(self) -> bool:
        """Whether a credential is needed."""
        return bool(self.basic_auth_users or self.alertdrill.bearer_token_files)

    def tokens(self) -> dict[str, str]:
        """Read the tokens, by name; raises SecretMissing."""
        return read_secrets(self.alertdrill.bearer_token_files)

    def files(self) -> Iterator[Path]:
        """Yield the files that are read again when they change, but for those of TLS."""
        yield from self.alertdrill.bearer_token_files.values()


def read_web_file(path: Path | None) -> WebFile:
    """Read web.yml, or return what holds without one; raises ConfigError with every problem of the file."""
    return WebFile() if path is None else read_settings(path, WebFile)
