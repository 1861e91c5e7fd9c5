"""Certificates for servers of tests, made anew with openssl, for an hour of use."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

SERVER_NAME = "monitoring.test"
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]


@dataclass(frozen=True)
class Certificates:
    """A folder with an authority, what it signed, and a stranger: NAME.crt and NAME.key of each.

    `server` is for 127.0.0.1 and SERVER_NAME, `elsewhere` for another name, `client` for clients;
    `stranger` signed itself.
    """

    folder: Path

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"


def make_certificates(folder: Path) -> Certificates:
    made = Certificates(folder)
    for name in ("authority", "stranger"):
        _openssl(*_request(made, name), "-x509", "-addext", "basicConstraints=critical,CA:true")
    _sign(made, "server", f"subjectAltName=DNS:{SERVER_NAME},IP:127.0.0.1")
    _sign(made, "elsewhere", "subjectAltName=DNS:elsewhere.test")
    _sign(made, "client", "extendedKeyUsage=clientAuth")
    return made


def encrypted(key: Path, password: str) -> Path:
    """Write a key again, so that it needs a password."""
    path = key.with_suffix(".encrypted.key")
    _openssl("pkcs8", "-topk8", "-in", str(key), "-out", str(path), "-passout", f"pass:{password}")
    return path


def _request(made: Certificates, name: str) -> list[str]:
    files = ["-keyout", str(made.key(name)), "-out", str(made.certificate(name))]
    return ["req", "-noenc", *_KEY, "-subj", f"/CN={name}", "-days", "1", *files]


def _sign(made: Certificates, name: str, extension: str) -> None:
    authority = ["-CA", str(made.certificate("authority")), "-CAkey", str(made.key("authority"))]
    leaf = ["-addext", "basicConstraints=critical,CA:false", "-addext", extension]
    _openssl(*_request(made, name), "-x509", *authority, *leaf)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
