"""Certificates for the tests' servers, made for each run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

SERVER_NAME = "monitoring.test"
_NAMES = {"server": ("127.0.0.1", SERVER_NAME), "elsewhere": ("elsewhere.test",), "client": ("client.test",)}


@dataclass(frozen=True)
class Certificates:
    """A folder with an authority, certificates signed by it, and one that is not: NAME.crt and NAME.key of each.

    `server` is for 127.0.0.1 and SERVER_NAME, `elsewhere` for another name, `client` for clients;
    `stranger` is self-signed.
    """

    folder: Path

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"


def make_certificates(folder: Path) -> Certificates:
    made = Certificates(folder)
    authority, stranger = trustme.CA(organization_name="authority"), trustme.CA()
    authority.cert_pem.write_to_path(str(made.certificate("authority")))
    stranger.cert_pem.write_to_path(str(made.certificate("stranger")))
    stranger.private_key_pem.write_to_path(str(made.key("stranger")))
    for name, names in _NAMES.items():
        signed = authority.issue_cert(*names)
        signed.private_key_pem.write_to_path(str(made.key(name)))
        signed.cert_chain_pems[0].write_to_path(str(made.certificate(name)))
    return made


def encrypted(key: Path, password: str) -> Path:
    """Write a key encrypted with a password."""
    path = key.with_suffix(".encrypted.key")
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    hidden = serialization.BestAvailableEncryption(password.encode())
    path.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden))
    return path
