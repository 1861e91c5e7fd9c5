from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from alertdrill.units.tls import TlsSettings
from tests.support.certificates import Certificates, encrypted, make_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def refusal(folder: Path, **settings: object) -> str:
    with pytest.raises(ValidationError) as refused:
        TlsSettings.model_validate(settings, context={"directory": folder})
    (error,) = refused.value.errors()
    return ".".join(map(str, error["loc"])) + ": " + error["msg"].removeprefix("Value error, ")


def test_files_are_relative_to_the_file_with_their_names(certificates: Certificates) -> None:
    settings = {"ca_file": "authority.crt", "cert_file": "client.crt", "key_file": "client.key"}
    tls = TlsSettings.model_validate(settings, context={"directory": certificates.folder})
    assert tls.ca_file == certificates.certificate("authority")
    (trusted,) = tls.context().get_ca_certs()
    assert (("organizationName", "authority"),) in trusted["subject"]


def test_a_server_is_verified_by_default() -> None:
    assert TlsSettings().context().verify_mode is ssl.CERT_REQUIRED
    assert TlsSettings().context().check_hostname
    assert TlsSettings(insecure_skip_verify=True).context().verify_mode is ssl.CERT_NONE


def test_a_missing_file_is_named(certificates: Certificates) -> None:
    path = certificates.folder / "nothing.crt"
    for field in ("ca_file", "cert_file"):
        said = refusal(certificates.folder, **{field: "nothing.crt"})
        assert said == f"{field}: cannot be read: {path}: No such file or directory"


def test_a_file_with_other_contents_is_refused(certificates: Certificates) -> None:
    (certificates.folder / "notes.txt").write_text("no certificate")
    assert "its files cannot be used" in refusal(certificates.folder, ca_file="notes.txt")


def test_a_key_without_its_certificate_is_refused(certificates: Certificates) -> None:
    assert "key_file without a cert_file" in refusal(certificates.folder, key_file="client.key")


def test_the_key_of_another_certificate_is_refused(certificates: Certificates) -> None:
    assert "its files cannot be used" in refusal(certificates.folder, cert_file="client.crt", key_file="server.key")


def test_an_encrypted_key_is_refused_without_asking_for_its_password(certificates: Certificates) -> None:
    key = encrypted(certificates.key("client"), "hush")
    assert "its files cannot be used" in refusal(certificates.folder, cert_file="client.crt", key_file=key.name)
