"""X.509-SVIDs: path validation (RFC 5280) by the roots of the SVID's own trust domain, and the rules for its leaf
(X509-SVID sections 2 to 5). A name constraint on URIs is not supported: a chain with one is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from proxy.errors import Refused
from proxy.identity.certificates import UNREADABLE, read_certificate
from proxy.identity.challenges import unproven
from proxy.identity.lineage import name_of
from proxy.identity.spiffe_id import SpiffeId, parse_workload

MAX_CHAIN = 5


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a chain says of itself: of good form, and nothing of it proven."""

    id: SpiffeId
    certificate: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]


def read_leaf(chain: Sequence[bytes]) -> Leaf:
    """The identity that this chain (DER, leaf first) claims, if its leaf has the form of an SVID; else a refusal."""
    if not 1 <= len(chain) <= MAX_CHAIN:
        raise _refused("chain_length")
    try:
        leaf, *intermediates = [read_certificate(der) for der in chain]
    except ValueError as error:
        raise _refused("unreadable", error) from error
    try:
        return Leaf(_identity(leaf), _of_a_leaf(leaf), tuple(intermediates))
    except UNREADABLE as error:
        raise _refused("extension_missing", error) from error


def verify_chain(leaf: Leaf, roots: Sequence[x509.Certificate], now: float) -> tuple[float, str]:
    """Until when the whole chain is valid, if one of these roots of its own trust domain vouches for it at `now`; and
    the name of that root's key."""
    if not roots:
        raise _refused("no_roots")
    at = datetime.fromtimestamp(now, UTC)
    policy = PolicyBuilder().store(Store(list(roots))).time(at).max_chain_depth(MAX_CHAIN)
    try:
        verified = policy.build_client_verifier().verify(leaf.certificate, list(leaf.intermediates))
    except (VerificationError, *UNREADABLE) as error:
        if leaf.certificate.not_valid_after_utc < at:
            raise unproven("identity_expired", "x509_expired") from error
        raise _refused("path", error) from error
    return min(one.not_valid_after_utc.timestamp() for one in verified.chain), name_of(verified.chain[-1].public_key())


def _identity(leaf: x509.Certificate) -> SpiffeId:
    """Exactly one URI, and nothing but an identity of a workload in it (X509-SVID section 2)."""
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise _refused("uri_san_count")
    try:
        return parse_workload(uris[0])
    except ValueError as error:
        raise _refused("spiffe_id", error) from error


def _of_a_leaf(leaf: x509.Certificate) -> x509.Certificate:
    """The certificate itself, unless it may sign others, or is not meant for showing who one is (section 4)."""
    try:
        if leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise _refused("leaf_is_authority")
    except x509.ExtensionNotFound:
        pass  # absent means that it is no authority (RFC 5280 section 4.2.1.9)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    if usage.value.key_cert_sign or usage.value.crl_sign:
        raise _refused("leaf_is_authority")
    if not usage.value.digital_signature or not usage.critical:
        raise _refused("key_usage")
    try:
        extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return leaf
    if ExtendedKeyUsageOID.CLIENT_AUTH not in extended:
        raise _refused("extended_key_usage")
    return leaf


def _refused(code: str, error: Exception | None = None) -> Refused:
    return unproven("identity_invalid", f"x509_{code}" + (f": {error}" if error is not None else ""))
