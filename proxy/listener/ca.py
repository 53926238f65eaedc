"""The certificate authority that agents trust: made at the first start, kept on disk, one leaf per host name."""

import datetime as dt
import ipaddress
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from proxy.errors import CountersignError
from proxy.files import publish_once, replace_file

CA_LIFE = dt.timedelta(days=3650)
LEAF_LIFE = dt.timedelta(days=30)
BACKDATED = dt.timedelta(days=1)  # for agents whose clock is behind
RENEW_BEFORE = dt.timedelta(days=7)
MAX_LEAVES = 4096


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate for one host, and the time (UNIX seconds) at which it should be replaced."""

    certificate: x509.Certificate
    renew_at: float


class Authority:
    """Signs leaves. Leaves share one key, made for this process, that is not the authority's own."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate
        self.leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._leaves: OrderedDict[str, Leaf] = OrderedDict()

    @classmethod
    def at(cls, directory: Path, now: float) -> Self:
        """The authority kept in this directory, made now if there is none yet.

        Several processes may start at once: exactly one of them makes it, and all use that one.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / "ca-key.pem"
        if not path.exists():
            publish_once(path, _make(now))
        try:
            pem = path.read_bytes()
            key = load_pem_private_key(pem, None)
            certificate = x509.load_pem_x509_certificate(pem)
        except OSError as error:
            raise CountersignError(f"{path}: cannot be read: {(error.strerror or '').lower()}") from error
        except ValueError as error:
            why = "is not a key with its certificate in PEM; restore it, or remove it to make another authority"
            raise CountersignError(f"{path}: {why}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
            raise CountersignError(f"{path}: the key and the certificate do not belong together; remove the file")
        if certificate.not_valid_after_utc.timestamp() <= now:
            raise CountersignError(f"{path}: the certificate authority has expired; remove the file to make a new one")
        authority = cls(key, certificate)
        replace_file(directory / "ca.pem", authority.certificate_pem(), 0o644)
        return authority

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def write_bundle(self, path: Path) -> None:
        """Writes the public roots and ours into one file, for clients that take one file of trusted roots."""
        replace_file(path, Path(certifi.where()).read_bytes() + b"\n" + self.certificate_pem(), 0o644)

    def leaf(self, host: str, now: float) -> Leaf:
        """A certificate for this host, from the cache or made now."""
        leaf = self._leaves.get(host)
        if leaf is None or leaf.renew_at <= now:
            leaf = self._leaves[host] = self._sign((host,), now)
            if len(self._leaves) > MAX_LEAVES:
                self._leaves.popitem(last=False)
        return leaf

    def server_leaf(self, names: tuple[str, ...], now: float) -> Leaf:
        """A certificate for ourselves, under all of these names, made now."""
        return self._sign(names, now)

    def _sign(self, hosts: tuple[str, ...], now: float) -> Leaf:
        start = dt.datetime.fromtimestamp(now, dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .issuer_name(self.certificate.subject)
            .subject_name(x509.Name([]))
            .public_key(self.leaf_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - BACKDATED)
            .not_valid_after(min(start + LEAF_LIFE, self.certificate.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        return Leaf(builder.sign(self._key, hashes.SHA256()), (start + LEAF_LIFE - RENEW_BEFORE).timestamp())


def _make(now: float) -> bytes:
    """Key and certificate of a new authority, PEM, in one piece, so that neither can exist without the other."""
    key = ec.generate_private_key(ec.SECP256R1())
    start = dt.datetime.fromtimestamp(now, dt.UTC)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Countersign"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Countersign CA {secrets.token_hex(4)}"),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - BACKDATED)
        .not_valid_after(start + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
