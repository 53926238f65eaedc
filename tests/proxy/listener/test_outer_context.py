"""With which certificate we prove who we are, and what is taken of the peer's."""

import contextlib
import ipaddress
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from proxy.errors import CountersignError
from proxy.listener.ca import Authority
from proxy.listener.outer_context import OuterTls, chain_of, check_files, resumed
from tests.fakes.client_certificates import Issued, issue


def files(folder: Path, issued: Issued, key: Issued | None = None) -> tuple[Path, Path]:
    """These two as a certificate file and a key file."""
    certificate, private = folder / "tls.pem", folder / "tls.key"
    certificate.write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    private.write_bytes((key or issued).key_pem())
    return certificate, private


def met(tls: OuterTls, now: float | None = None) -> tuple[SSL.Connection, ssl.SSLObject]:
    """A whole handshake in memory: the server's end, and the client's."""
    server = tls.connection(time.time() if now is None else now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing)
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        if data := outgoing.read():
            server.bio_write(data)
        with contextlib.suppress(SSL.WantReadError):
            server.do_handshake()
        with contextlib.suppress(SSL.WantReadError):
            incoming.write(server.bio_read(65536))
    return server, client


def shown(client: ssl.SSLObject) -> x509.Certificate:
    der = client.getpeercert(binary_form=True)
    assert der
    return x509.load_der_x509_certificate(der)


def test_a_leaf_of_our_own_authority(tmp_path: Path) -> None:
    """Without files: a certificate for all names that we are called by, from the authority that agents trust."""
    authority = Authority.at(tmp_path, time.time())
    server, client = met(OuterTls(authority, ("gov.example.com", "127.0.0.1"), None))
    leaf = shown(client)
    leaf.verify_directly_issued_by(authority.certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gov.example.com"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
    assert chain_of(server) == ()
    assert not resumed(server)


def test_the_leaf_is_renewed(tmp_path: Path) -> None:
    """It is made once, and anew before it ends."""
    authority = Authority.at(tmp_path, time.time())
    tls = OuterTls(authority, ("localhost",), None)
    serials = [shown(met(tls, time.time() + days * 86_400)[1]).serial_number for days in (0, 1, 25)]
    assert serials[0] == serials[1] != serials[2]


def test_files_are_read_again_when_they_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A renewed certificate is in use at once; half of a renewal changes nothing, and is said."""
    first, second = issue(), issue()
    tls = OuterTls(Authority.at(tmp_path / "ca", time.time()), (), files(tmp_path, first))
    assert shown(met(tls)[1]) == first.certificate
    files(tmp_path, second, key=first)
    assert shown(met(tls)[1]) == first.certificate
    assert "stays in use" in caplog.text
    files(tmp_path, second)
    assert shown(met(tls)[1]) == second.certificate
    (tmp_path / "tls.pem").unlink()
    assert shown(met(tls)[1]) == second.certificate


def test_without_a_certificate_there_is_no_server(tmp_path: Path) -> None:
    """What cannot prove itself does not begin."""
    tls = OuterTls(Authority.at(tmp_path / "ca", time.time()), (), files(tmp_path, issue(), key=issue()))
    with pytest.raises(CountersignError, match="is not the key of"):
        tls.connection(time.time())


def test_what_is_wrong_with_files_is_said(tmp_path: Path) -> None:
    """Missing, of the wrong kind, not belonging together, locked: each in words; nothing for files that fit."""
    certificate, key = files(tmp_path, issue())
    assert check_files(certificate, key) is None
    nowhere = tmp_path / "nowhere"
    assert check_files(nowhere, key) == f"`{nowhere}` cannot be read: no such file or directory"
    assert check_files(certificate, nowhere) == f"`{nowhere}` cannot be read: no such file or directory"
    assert check_files(key, key) == f"`{key}` does not hold a PEM certificate"
    assert (
        check_files(certificate, certificate) == f"`{certificate}` does not hold a PEM private key without a password"
    )
    other = files(tmp_path, issue(), key=issue())[1]
    assert check_files(certificate, other) == f"`{other}` is not the key of the first certificate in `{certificate}`"
