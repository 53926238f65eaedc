"""Client certificates of every kind, as an agent, or somebody who is none, may show them to the proxy."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def file(self, path: Path, *others: "Issued") -> Path:
        """One file with the key, the certificate, and what stands above it."""
        chain = b"".join(one.certificate.public_bytes(Encoding.PEM) for one in (self, *others))
        path.write_bytes(self.key_pem() + chain)
        return path


def issue(uri: str = "spiffe://prod.test/agent/x", by: Issued | None = None, *, padding: int = 0) -> Issued:
    """A certificate for this URI, signed by this authority, or by itself. `padding` makes it larger."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, uri[-60:])])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True)
    )
    if padding:
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"x" * padding), critical=False)
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)
