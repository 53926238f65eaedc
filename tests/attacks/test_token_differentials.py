"""Two JOSE libraries and one meaning: what we take for a token, a second implementation reads as the same."""

import contextlib
import json
import warnings
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.identity.compact import Unverified, read
from proxy.identity.issuers import IssuerSettings
from proxy.identity.key_sets import read_key_set
from proxy.identity.signed_tokens import check_signature
from tests.fakes.issuer import AUDIENCE, ISSUER, b64, claims, header, jwk, sign

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own, at import
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

KINDS = ("ES256", "RS256")
DOCUMENT = {"keys": [jwk(kind, kind) for kind in KINDS]}
OURS = read_key_set(
    json.dumps(DOCUMENT).encode(), IssuerSettings(ISSUER, AUDIENCE, KINDS, jwks_url="https://idp.example/keys")
)
THEIRS = KeySet.import_key_set(DOCUMENT)  # type: ignore[arg-type]  # as it is published
# Headers that nobody defined are to be ignored (RFC 7515 section 4), which joserfc does if it is told.
REGISTRY = jws.JWSRegistry(algorithms=[*KINDS], strict_check_header=False)
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

NAMES = st.text("abcdefgh_/:.", min_size=1, max_size=8)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def taken(token: str) -> Unverified | None:
    """What we read, if the signature holds by one of our keys."""
    with contextlib.suppress(Refused):
        unverified = read(token)
        key = OURS.find(unverified.key_id)
        if key is not None:
            check_signature(token, unverified, key)
            return unverified
    return None


def read_by_joserfc(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, by the other implementation; it raises what it will."""
    found = jws.deserialize_compact(token, THEIRS, registry=REGISTRY)
    said: dict[str, Any] = json.loads(found.payload)
    return dict(found.headers()), said


@given(said=st.dictionaries(NAMES, json_values, max_size=6), kind=st.sampled_from(KINDS))
@settings(max_examples=60, deadline=None)
def test_a_good_token_means_the_same_to_both(said: dict[str, Any], kind: str) -> None:
    """Whatever its claims are, both verify it and read the same."""
    token = sign(said, header(alg=kind, kid=kind), kind=kind, name=kind)
    ours = taken(token)
    assert ours is not None
    assert (dict(ours.header), dict(ours.claims)) == read_by_joserfc(token)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A good token of which a piece was changed: characters, parts, header, claims; some are signed anew."""
    kind = draw(st.sampled_from(KINDS))
    token = sign(claims(), header(alg=kind, kid=kind), kind=kind, name=kind)
    match draw(st.sampled_from(["characters", "cut", "parts", "header", "payload", "signed header"])):
        case "characters":
            place = draw(st.integers(0, len(token) - 1))
            piece = draw(st.text(st.sampled_from(BASE64URL + "=.+/ \n"), max_size=3))
            return token[:place] + piece + token[place + draw(st.integers(0, 3)) :]
        case "cut":
            return token[draw(st.integers(0, 40)) : len(token) - draw(st.integers(0, 40))]
        case "parts":
            parts = token.split(".")
            return ".".join(draw(st.lists(st.sampled_from([*parts, ""]), min_size=2, max_size=5)))
        case "payload":
            parts = token.split(".")
            return ".".join([parts[0], b64(draw(st.binary(max_size=40))), parts[2]])
        case "header":
            parts = token.split(".")
            return ".".join([b64(json.dumps(draw(_headers(kind))).encode()), parts[1], parts[2]])
    return sign(claims(), draw(_headers(kind)), kind=kind, name=kind)


def _headers(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    algorithms = ["none", "HS256", "RS256", "ES256", "PS256", "es256", "EdDSA", "", None, 7]
    more = st.dictionaries(st.sampled_from(["crit", "jku", "jwk", "b64", "x5c", "cty", "zip", "typ", "x"]), json_values)
    return st.builds(
        lambda algorithm, key, rest: {**rest, "alg": algorithm, "kid": key},
        st.sampled_from(algorithms) | st.just(kind),
        st.sampled_from([*KINDS, "k9", "", None, 1]) | st.just(kind),
        more,
    )


@given(token=mutated())
@settings(max_examples=400, deadline=None)
def test_what_we_take_the_other_takes_too_and_reads_alike(token: str) -> None:
    """No text proves something to us that it does not prove, or that means something else, to joserfc."""
    ours = taken(token)
    if ours is not None:
        try:
            theirs = read_by_joserfc(token)
        except JoseError as error:
            raise AssertionError(f"we take what joserfc refuses: {type(error).__name__}: {token}") from error
        assert (dict(ours.header), dict(ours.claims)) == theirs
