"""A trust domain with real keys and certificates: issues what it is told, right or wrong."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.fakes.issuer import NOW, Private, jwk, sign

DOMAIN = "prod.example"
AGENT = "spiffe://prod.example/agent/refunds"
OURS = "https://countersign.example"

_USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip


@cache
def key_of(name: str, kind: str = "P256") -> Private:
    """A real key, made once for the whole run."""
    assert name
    match kind:
        case "P256":
            return ec.generate_private_key(ec.SECP256R1())
        case "secp256k1":
            return ec.generate_private_key(ec.SECP256K1())
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("RSA")))


def usage(*named: str, critical: bool = True) -> tuple[x509.ExtensionType, bool]:
    """A key usage of exactly these."""
    return x509.KeyUsage(**{name: name in named for name in _USES}), critical


@dataclass(frozen=True)
class Certified:
    """A certificate and the key that it is of."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Plan:
    """What a certificate is to say. The defaults are those of a good SVID; None leaves an extension out."""

    uris: Sequence[str] = (AGENT,)
    dns: Sequence[str] = ()
    name: str = ""
    kind: str = "P256"
    ca: bool | None = False
    path_length: int | None = None
    use: tuple[x509.ExtensionType, bool] | None = field(default_factory=lambda: usage("digital_signature"))
    extended: Sequence[x509.ObjectIdentifier] | None = (
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    )
    begins: float = -3600
    ends: float = 3600
    more: Sequence[tuple[x509.ExtensionType, bool]] = ()


def authority(**changes: Any) -> Plan:
    """What the certificate of an authority says."""
    of_authority = {"uris": (), "ca": True, "use": usage("key_cert_sign", "crl_sign"), "extended": None, "ends": 86_400}
    return Plan(**(of_authority | changes))


def certify(plan: Plan, key_name: str, issuer: Certified | None = None, at: float = NOW) -> Certified:
    """A certificate that says this, signed by the issuer, or by itself."""
    key = key_of(key_name, plan.kind)
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, plan.name or key_name)] if plan.ca or plan.name else []
    )
    signer = key if issuer is None else issuer.key
    moment = datetime.fromtimestamp(at, UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment + timedelta(seconds=plan.begins))
        .not_valid_after(moment + timedelta(seconds=plan.ends))
    )
    names = [*map(x509.UniformResourceIdentifier, plan.uris), *map(x509.DNSName, plan.dns)]
    extensions = [
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
        *([(x509.SubjectAlternativeName(names), not list(subject))] if names else []),
        *([(x509.BasicConstraints(plan.ca, plan.path_length), True)] if plan.ca is not None else []),
        *([plan.use] if plan.use is not None else []),
        *([(x509.ExtendedKeyUsage(plan.extended), False)] if plan.extended is not None else []),
        *plan.more,
    ]
    for extension, critical in extensions:
        built = built.add_extension(extension, critical)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Certified(built.sign(signer, algorithm), key)


class TrustDomain:
    """One root, one intermediate, and one key for tokens."""

    def __init__(self, name: str = DOMAIN, at: float = NOW) -> None:
        self.name = name
        self.at = at
        self.root = certify(authority(name=f"root of {name}"), f"root-{name}", at=at)
        self.intermediate = certify(
            authority(name=f"intermediate of {name}", path_length=0), f"mid-{name}", self.root, at
        )

    def svid(self, plan: Plan | None = None, issuer: Certified | None = None) -> list[bytes]:
        """A chain, DER, leaf first; by the intermediate, unless it is said."""
        leaf = certify(plan or Plan(), f"leaf-{self.name}", issuer or self.intermediate, self.at)
        return [leaf.der, *([] if issuer is not None else [self.intermediate.der])]

    @property
    def jwt_key(self) -> dict[str, Any]:
        return jwk("ES256", self.name, use="jwt-svid")

    @property
    def x509_key(self) -> dict[str, Any]:
        return root_entry(self.root)

    def bundle(self, *keys: dict[str, Any], **members: Any) -> bytes:
        """Its bundle: of these entries, or its own; with these other members."""
        return json.dumps({"keys": list(keys or (self.x509_key, self.jwt_key)), **members}).encode()

    def token(self, claims: dict[str, Any] | None = None, head: dict[str, Any] | None = None, **signed: Any) -> str:
        """A good JWT-SVID, changed as told; None leaves a member out."""
        said = {"sub": AGENT, "aud": [OURS], "exp": int(self.at) + 300, "iat": int(self.at) - 10} | (claims or {})
        header = {"alg": "ES256", "kid": self.name, "typ": "JWT"} | (head or {})
        return sign(
            {name: value for name, value in said.items() if value is not None},
            {name: value for name, value in header.items() if value is not None},
            **({"name": self.name} | signed),
        )


def root_entry(root: Certified, **changes: Any) -> dict[str, Any]:
    """A root as a bundle lists it."""
    entry = {"kty": "EC", "use": "x509-svid", "x5c": [base64.b64encode(root.der).decode()]} | changes
    return {name: value for name, value in entry.items() if value is not None}
