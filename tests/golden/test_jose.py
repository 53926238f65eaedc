"""The examples of the JOSE specifications, by our own readers: which are taken, and why the others are not.

`jose.json` holds the published values with their sections: RFC 7515 appendix A and E, RFC 7520 section 4, RFC 8037
appendix A.4. Some of them sign a text where a token has claims: of those the signature must hold, and the text must
not be taken for claims.
"""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from proxy.errors import Refused
from proxy.identity.compact import Unverified, read
from proxy.identity.issuers import ALGORITHMS, IssuerSettings
from proxy.identity.key_sets import read_key_set
from proxy.identity.signed_tokens import check_signature

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "jose.json").read_text())


def key_of(example: dict[str, Any]) -> jwt.PyJWK | None:
    """The example's key, if an issuer with it may publish it: for the algorithm that the example says."""
    said = jwt.get_unverified_header(example["token"])["alg"]
    algorithms = (said,) if said in ALGORITHMS else ("ES256",)
    profile = IssuerSettings("https://idp.example", "us", algorithms, jwks_url="https://idp.example/keys")
    document = json.dumps({"keys": [example["key"]]}).encode()
    return read_key_set(document, profile).find(None)


def chosen(expected: str) -> Any:
    found = [example for example in EXAMPLES if example["expected"] == expected]
    return pytest.mark.parametrize("example", found, ids=[f"{one['source']}: {one['name']}" for one in found])


@chosen("valid")
def test_a_published_token_is_read_and_verified(example: dict[str, Any]) -> None:
    """Its claims are those of the specification; with one bit of the signature changed it proves nothing."""
    unverified, key = read(example["token"]), key_of(example)
    assert key is not None
    check_signature(example["token"], unverified, key)
    assert unverified.claims == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}
    wrong = example["token"].rpartition(".")[0] + "." + "A" * len(example["token"].rpartition(".")[2])
    with pytest.raises(Refused) as caught:
        check_signature(wrong, read(wrong), key)
    assert caught.value.refusal.internal.startswith("token_signature")


@chosen("valid signature, no claims")
def test_a_published_text_is_verified_and_is_no_claims(example: dict[str, Any]) -> None:
    """The signature holds by our key reader and our check, and the text is still not taken for a token."""
    token, key = example["token"], key_of(example)
    assert key is not None
    payload = jwt.PyJWS().decode_complete(token, options={"verify_signature": False})["payload"]
    header = jwt.get_unverified_header(token)
    check_signature(token, Unverified(header, {}, payload, header["alg"], "", header.get("kid")), key)
    with pytest.raises(Refused) as caught:
        read(token)
    assert caught.value.refusal.internal.startswith("token_claims_json")


@chosen("refused: text")
def test_a_published_form_that_is_no_signed_compact_token_is_refused(example: dict[str, Any]) -> None:
    """Unsecured, detached, critical extensions, JSON serializations: none of them is read at all."""
    with pytest.raises(Refused):
        read(example["token"])


@chosen("refused: key")
def test_a_published_symmetric_key_verifies_nothing(example: dict[str, Any]) -> None:
    """Whoever could verify with it could also sign, so no issuer may publish it."""
    assert key_of(example) is None
    assert jwt.get_unverified_header(example["token"])["alg"] not in ALGORITHMS


def test_all_examples_are_tested() -> None:
    """None has an outcome that no test looks for."""
    outcomes = {"valid", "valid signature, no claims", "refused: text", "refused: key"}
    assert {example["expected"] for example in EXAMPLES} == outcomes
    assert len(EXAMPLES) == 14
