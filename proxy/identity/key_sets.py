"""Reading a JWK set: which of its keys may verify tokens of one issuer (RFC 7517, RFC 8725 section 3.5)."""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from policies.model import Json
from proxy.identity.issuers import ALGORITHMS
from proxy.identity.lineage import name_of
from proxy.strict_json import canonical, loads

log = logging.getLogger("countersign.identity")

MAX_BYTES = 256 * 1024
_MAX_KEYS = 64
_MAX_MEMBER = 1400  # base64url of an RSA modulus of 8192 bits, and a little
_PUBLIC = frozenset({"kty", "crv", "x", "y", "n", "e", "kid"})


class KeyProfile(Protocol):
    """Which keys of a set may be used: of these algorithms, for this `use`."""

    @property
    def issuer(self) -> str: ...

    @property
    def algorithms(self) -> tuple[str, ...]: ...

    @property
    def key_use(self) -> str: ...


class UnusableKey(ValueError):
    """A key, or a whole document, that must not verify anything; the text says why."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """Usable keys by `kid`, each bound to one algorithm; `fingerprints` tell whether one was taken away.

    `names` are those of the keys, whatever they are called here.
    """

    keys: Mapping[str, jwt.PyJWK]
    fingerprints: frozenset[str]
    names: frozenset[str] = frozenset()

    def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key of this id. A token without one may only mean the single key that there is."""
        if key_id is not None:
            return self.keys.get(key_id)
        return next(iter(self.keys.values())) if len(self.keys) == 1 else None


def read_key_set(data: bytes, profile: KeyProfile) -> KeySet:
    """The usable keys of this document; `ValueError` if it is no key set. A key that cannot be used is left out."""
    usable: list[tuple[str, str, jwt.PyJWK]] = []
    for entry in listed_keys(loads(data, max_bytes=MAX_BYTES, max_depth=16)):
        try:
            usable.append(read_key(entry, profile))
        except ValueError as error:
            log.info("issuer %s: a key is not used: %s", profile.issuer, error)
    named = Counter(key_id for key_id, _, _ in usable)
    # Two keys of one name leave open which of them proves a token, so neither does.
    single = [one for one in usable if named[one[0]] == 1]
    return KeySet(
        {key_id: key for key_id, _, key in single},
        frozenset(fingerprint for _, fingerprint, _ in single),
        frozenset(name_of(key.key) for _, _, key in single),
    )


def listed_keys(document: Json) -> list[Json]:
    """The entries of a JWK set, none of them judged; `ValueError` if this is none."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise UnusableKey("not a JWK set: no list of keys")
    if len(listed) > _MAX_KEYS:
        raise UnusableKey(f"more than {_MAX_KEYS} keys")
    return listed


def read_key(entry: Json, profile: KeyProfile) -> tuple[str, str, jwt.PyJWK]:
    """The key's id, its fingerprint, and the key; `ValueError` if it may not be used."""
    if not isinstance(entry, dict):
        raise UnusableKey("not an object")
    if any(isinstance(value, str) and len(value) > _MAX_MEMBER for name, value in entry.items() if name in _PUBLIC):
        raise UnusableKey("a member is too long")
    if "d" in entry or entry.get("kty") == "oct":
        raise UnusableKey("a private or symmetric key")
    _check_use(entry, profile)
    algorithm = _algorithm(entry, profile)
    public: dict[str, Json] = {name: value for name, value in entry.items() if name in _PUBLIC}
    try:
        key = jwt.PyJWK(public, algorithm)
    except (jwt.PyJWTError, TypeError, KeyError) as error:
        raise UnusableKey(f"not a usable key ({type(error).__name__})") from error
    if isinstance(key.key, RSAPublicKey) and not 2048 <= key.key.key_size <= 8192:
        raise UnusableKey(f"an RSA key of {key.key.key_size} bits")
    key_id = entry.get("kid", "")
    if not isinstance(key_id, str):
        raise UnusableKey("a `kid` that is not a string")
    return key_id, hashlib.sha256(canonical(public) + algorithm.encode()).hexdigest(), key


def _check_use(entry: Mapping[str, Json], profile: KeyProfile) -> None:
    """PyJWT ignores `use` and `key_ops`, so that a key meant for something else would verify tokens."""
    use = entry.get("use")
    if use != profile.key_use and not (use is None and "use" not in entry and profile.key_use == "sig"):
        raise UnusableKey("its `use` is another one")
    if "key_ops" in entry and entry["key_ops"] != ["verify"]:
        raise UnusableKey("its `key_ops` are not exactly `verify`")


def _algorithm(entry: Mapping[str, Json], profile: KeyProfile) -> str:
    """The one algorithm of this key: its own, or the first configured one that fits it."""
    fitting = [
        algorithm
        for algorithm in profile.algorithms
        if ALGORITHMS[algorithm] == (entry.get("kty"), cast("str", entry.get("crv", "")))
    ]
    if "alg" in entry:
        fitting = [algorithm for algorithm in fitting if algorithm == entry["alg"]]
    if not fitting:
        raise UnusableKey("none of the issuer's algorithms fits it")
    return fitting[0]
