"""TLS settings of a client: which certificates it trusts, and its own certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator, model_validator

from alertdrill.units.settings import Settings


class VerifiedTls(Settings):
    """The trusted authorities and the client's certificate, under the same keys as in Prometheus.

    Paths are relative to the file that they are written in.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = Field(default=None, min_length=1)

    @field_validator("ca_file", "cert_file", "key_file")
    @classmethod
    def _relative_to_its_file(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is None:
            return None
        path = (Path(info.context["directory"] if info.context else ".") / file).absolute()
        try:
            path.read_bytes()
        except OSError as error:
            # ssl's own error for a missing file does not name the file.
            msg = f"cannot be read: {path}: {error.strerror}"
            raise ValueError(msg) from error
        return path

    @model_validator(mode="after")
    def _files_can_be_used(self) -> VerifiedTls:
        if self.key_file and not self.cert_file:
            msg = "has a key_file without a cert_file, expected both"
            raise ValueError(msg)
        if not (self.ca_file or self.cert_file):
            # Without files there is nothing to check, and reading the system's authorities takes long.
            return self
        try:
            self.context()
        except (OSError, ssl.SSLError) as error:
            msg = f"its files cannot be used: {error.strerror or error}"
            raise ValueError(msg) from error
        return self

    def context(self) -> ssl.SSLContext:
        """Return the context of a client; raises OSError, or its kind SSLError, when a file cannot be used."""
        context = ssl.create_default_context(cafile=self.ca_file and str(self.ca_file))
        if self.cert_file:
            # Without a password here, OpenSSL would ask for one at the terminal if the key is encrypted.
            context.load_cert_chain(self.cert_file, self.key_file, password="")
        return context


class TlsSettings(VerifiedTls):
    """TLS settings that may also switch verification off."""

    insecure_skip_verify: bool = False

    def context(self) -> ssl.SSLContext:
        """Return the context of a client; raises OSError, or its kind SSLError, when a file cannot be used."""
        context = super().context()
        if self.insecure_skip_verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
