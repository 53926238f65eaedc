"""Reading the bundle of a trust domain: its roots for X.509-SVIDs and its keys for JWT-SVIDs, never another's
(SPIFFE Trust Domain and Bundle section 4)."""

import base64
import binascii
import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from policies.model import Json
from proxy.identity.certificates import may_sign_others, read_certificate
from proxy.identity.key_sets import MAX_BYTES, UnusableKey, listed_keys, read_key
from proxy.identity.lineage import name_of
from proxy.strict_json import loads

log = logging.getLogger("countersign.identity")

# JWT-SVID section 2.1: nothing else, and no EdDSA.
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS = (*_RSA, "ES256", "ES384", "ES512")
JWT_SVID, WIT_SVID = "jwt-svid", "wit-svid"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What proves identities of one trust domain. Without any key, nothing of that trust domain is valid.

    `keys` are by `kid` and algorithm. `sequence` only ever grows; `refresh_hint` is in seconds. `names` are those of
    all keys, of the roots too.
    """

    trust_domain: str
    keys: Mapping[tuple[str, str], jwt.PyJWK]
    roots: tuple[x509.Certificate, ...]
    fingerprints: frozenset[str]
    sequence: int | None = None
    refresh_hint: int | None = None
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Profile:
    issuer: str
    algorithms: tuple[str, ...] = ALGORITHMS
    key_use: str = JWT_SVID


def read_bundle(data: bytes, trust_domain: str) -> Bundle:
    """The bundle in this document; `ValueError` if it is none. An entry that cannot be used is left out."""
    document = loads(data, max_bytes=MAX_BYTES, max_depth=16)
    entries = [entry for entry in listed_keys(document) if isinstance(entry, dict)]
    assert isinstance(document, dict)  # it has a list of keys
    named = Counter(key_id for entry in entries if isinstance(key_id := _name_of_a_token_key(entry), str))
    keys: dict[tuple[str, str], jwt.PyJWK] = {}
    roots: dict[bytes, x509.Certificate] = {}
    fingerprints: set[str] = set()
    for entry in entries:
        try:
            match entry.get("use"):
                case "x509-svid":
                    root = _root(entry)
                    roots[root.public_bytes(Encoding.DER)] = root
                case "jwt-svid":
                    for key_id, fingerprint, key in _authorities(entry, named, trust_domain):
                        keys[key_id, key.algorithm_name] = key
                        fingerprints.add(f"{key_id} {fingerprint}")
        except ValueError as error:
            log.info("trust domain %s: a key is not used: %s", trust_domain, error)
    fingerprints |= {hashlib.sha256(der).hexdigest() for der in roots}
    sequence, hint = _number(document, "spiffe_sequence"), _number(document, "spiffe_refresh_hint")
    names = {
        name_of(one) for one in (*(key.key for key in keys.values()), *(root.public_key() for root in roots.values()))
    }
    return Bundle(trust_domain, keys, tuple(roots.values()), frozenset(fingerprints), sequence, hint, frozenset(names))


def _name_of_a_token_key(entry: Mapping[str, Json]) -> Json:
    return entry.get("kid") if entry.get("use") in (JWT_SVID, WIT_SVID) else None


def _root(entry: Mapping[str, Json]) -> x509.Certificate:
    """The one certificate of the entry's `x5c`, if it is that of an authority."""
    chain = entry.get("x5c")
    if "kid" in entry or not isinstance(chain, list) or not chain or not isinstance(chain[0], str):
        raise UnusableKey("an `x509-svid` has an `x5c`, and no `kid`")
    try:
        der = base64.b64decode(chain[0], validate=True)
    except binascii.Error as error:
        raise UnusableKey("its `x5c` is not base64") from error
    certificate = read_certificate(der)
    if not may_sign_others(certificate):
        raise UnusableKey("its certificate is not that of an authority")
    return certificate


def _authorities(
    entry: dict[str, Json], named: Counter[str], trust_domain: str
) -> Iterator[tuple[str, str, jwt.PyJWK]]:
    """The key, once for each algorithm that it may be used with: an entry seldom names one, and RSA fits several."""
    key_id = entry.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= 256:
        raise UnusableKey("a `jwt-svid` has a `kid`")
    if named[key_id] != 1:
        # Two keys of one name leave open which of them proves a token, so neither does.
        raise UnusableKey("its `kid` is that of another key")
    fitting = _RSA if entry.get("kty") == "RSA" and "alg" not in entry else ALGORITHMS
    profiles = [_Profile(trust_domain, (one,)) for one in fitting] if fitting is _RSA else [_Profile(trust_domain)]
    for profile in profiles:
        yield read_key(entry, profile)


def _number(document: Mapping[str, Json], name: str) -> int | None:
    value = document.get(name)
    if value is None and name not in document:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise ValueError(f"`{name}` is not a whole number")
    return value
