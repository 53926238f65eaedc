"""Security event tokens: each check has a token that fails it, and nothing but a good one is heard."""

import asyncio
import contextlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.control.signals.model import Heard
from proxy.control.signals.sets import MAX_AGE, SetReader
from proxy.control.signals.subjects import IssSub
from proxy.control.signals.words import CAEP, SetRefused
from proxy.errors import Refused
from tests.fakes.issuer import ISSUER, NOW, b64, jwk, key_set, public_pem, sign
from tests.fakes.signal_house import FRANK, OURS, REVOKED, set_claims, set_header, set_token, transmitter


def hear(folder, token, now=NOW, **changes):
    reader = SetReader([transmitter(folder, **changes)])
    return asyncio.run(reader.verify(reader.open(token), now))


def err(folder, token, **more):
    with pytest.raises(SetRefused) as refused:
        hear(folder, token, **more)
    assert str(refused.value)
    return refused.value.err


def test_a_good_token_is_heard(tmp_path):
    """Who says it, which one it is, about whom, and what."""
    heard = hear(tmp_path, set_token(aud=["other", OURS], txn="t-1", toe=int(NOW), extra={"ignored": True}))
    assert (heard.transmitter.issuer, heard.token_id, heard.issued_at) == (ISSUER, "set-1", int(NOW) - 5)
    assert heard.subject == IssSub(ISSUER, FRANK)
    assert [event.uri for event in heard.events] == [REVOKED]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": None}, "invalid_issuer"),
        ({"iss": "https://evil.example"}, "invalid_issuer"),
        ({"iss": [ISSUER]}, "invalid_issuer"),
        ({"aud": None}, "invalid_audience"),
        ({"aud": "https://other.example"}, "invalid_audience"),
        ({"aud": [OURS, OURS]}, "invalid_audience"),
        ({"aud": [OURS, 1]}, "invalid_audience"),
        ({"aud": [OURS, *(f"a{n}" for n in range(16))]}, "invalid_audience"),
        ({"sub": FRANK}, "invalid_request"),
        ({"exp": int(NOW) + 60}, "invalid_request"),
        ({"nbf": int(NOW)}, "invalid_request"),
        ({"act": {"sub": "x"}}, "invalid_request"),
        ({"cnf": {}}, "invalid_request"),
        ({"jti": None}, "invalid_request"),
        ({"jti": ""}, "invalid_request"),
        ({"jti": 1}, "invalid_request"),
        ({"jti": "x" * 256}, "invalid_request"),
        ({"iat": None}, "invalid_request"),
        ({"iat": int(NOW) + 31}, "invalid_request"),
        ({"iat": int(NOW) - MAX_AGE - 1}, "invalid_request"),
        ({"iat": True}, "invalid_request"),
        ({"iat": NOW + 0.5}, "invalid_request"),
        ({"iat": -1}, "invalid_request"),
        ({"iat": str(int(NOW))}, "invalid_request"),
        ({"sub_id": None}, "invalid_request"),
        ({"sub_id": FRANK}, "invalid_request"),
        ({"events": None}, "invalid_request"),
        ({"events": {}}, "invalid_request"),
        ({"events": [REVOKED]}, "invalid_request"),
        ({"events": {REVOKED: True}}, "invalid_request"),
        ({"events": {"": {}}}, "invalid_request"),
        ({"events": {"a b": {}}}, "invalid_request"),
        ({"events": {f"{CAEP}x{n}": {} for n in range(17)}}, "invalid_request"),
    ],
)
def test_a_claim_that_is_not_right_is_refused(tmp_path, changes, code):
    """With the error that RFC 8935 has for it; a signature does not help."""
    assert err(tmp_path, set_token(**changes)) == code


@pytest.mark.parametrize(
    ("head", "kind", "code"),
    [
        (set_header(typ=None), "RS256", "invalid_request"),
        (set_header(typ="JWT"), "RS256", "invalid_request"),
        (set_header(typ="at+jwt"), "RS256", "invalid_request"),
        (set_header(typ="txntoken+jwt"), "RS256", "invalid_request"),
        (set_header(alg="none"), "RS256", "invalid_key"),
        (set_header(alg="HS256"), "RS256", "invalid_key"),
        (set_header(alg="RS512"), "RS256", "invalid_key"),
        (set_header(alg="ES256"), "ES256", "invalid_key"),
        (set_header(kid="unknown"), "RS256", "invalid_key"),
        (set_header(jwk={"kty": "RSA"}), "RS256", "invalid_request"),
        (set_header(jku="https://evil.example"), "RS256", "invalid_request"),
        (set_header(crit=["exp"]), "RS256", "invalid_request"),
    ],
)
def test_a_header_that_is_not_right_is_refused(tmp_path, head, kind, code):
    """Another type, another algorithm, another key, or a key that the token brings along."""
    assert err(tmp_path, set_token(head, kind=kind)) == code


def test_a_media_type_in_full_is_the_same_type(tmp_path):
    """`application/secevent+jwt` is `secevent+jwt` (RFC 7515 section 4.1.9)."""
    assert hear(tmp_path, set_token(set_header(typ="application/secevent+jwt"))).token_id == "set-1"


def test_a_signature_of_somebody_else_is_refused(tmp_path):
    """Another key of the same kind, a signature of other bytes, none, and an HMAC with the public key."""
    assert err(tmp_path, set_token(name="other")) == "invalid_key"
    head, _, signature = set_token().split(".")
    other = b64(json.dumps(set_claims(jti="set-2")).encode())
    assert err(tmp_path, f"{head}.{other}.{signature}") == "invalid_key"
    assert err(tmp_path, f"{head}.{other}.") == "invalid_request"
    first = b64(json.dumps(set_header(alg="HS256")).encode())
    forged = b64(hmac.digest(public_pem("RS256"), f"{first}.{other}".encode(), "sha256"))
    assert err(tmp_path, f"{first}.{other}.{forged}") == "invalid_key"


def test_a_weak_key_verifies_nothing(tmp_path):
    """RSA of fewer than 2048 bits is left out of the set, whatever it signs."""
    reader = transmitter(tmp_path)
    reader.profile.jwks_file.write_bytes(key_set(jwk("RS1024")))
    weak = sign(set_claims(), set_header(), kind="RS1024")

    async def main():
        heard = SetReader([reader])
        await heard.verify(heard.open(weak), NOW)

    with pytest.raises(SetRefused) as refused:
        asyncio.run(main())
    assert refused.value.err == "invalid_key"


def test_keys_that_cannot_be_had_are_no_refusal_for_ever(tmp_path):
    """The transmitter is to send it again: nothing is wrong with its token."""
    one = transmitter(tmp_path)
    one.profile.jwks_file.unlink()

    async def main():
        reader = SetReader([one])
        await reader.verify(reader.open(set_token()), NOW)

    with pytest.raises(Refused) as refused:
        asyncio.run(main())
    assert refused.value.refusal.status == 503


def test_two_members_of_one_name_are_refused(tmp_path):
    """Readers could disagree on which of them counts."""
    twice = json.dumps(set_claims()).replace('"jti": "set-1"', '"jti": "set-1", "jti": "set-2"').encode()
    assert err(tmp_path, sign(twice, set_header(), kind="RS256")) == "invalid_request"


@pytest.mark.parametrize("token", ["", "a.b", "x" * 9000, "a.b.c", f"{set_token()}=", f"{set_token()}.x", "\ud800.a.b"])
def test_what_is_no_token_is_refused(tmp_path, token):
    """Too large, too few parts, padding, a fifth part, half a character."""
    assert err(tmp_path, token) == "invalid_request"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(["iss", "aud", "jti", "iat", "sub_id", "events", "sub"]), JSON))
def test_any_signed_claims_are_heard_or_refused(tmp_path_factory, changes):
    """Never anything else, whatever a transmitter with a good key says."""
    heard = None
    with contextlib.suppress(SetRefused):
        heard = hear(tmp_path_factory.mktemp("sets"), set_token(**changes))
    assert heard is None or isinstance(heard, Heard)


@given(
    st.text(max_size=200)
    | st.from_regex(r"[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{1,9}", fullmatch=True)
)
def test_any_text_is_refused_before_anything_is_believed(token):
    """No exception but the refusal."""
    with pytest.raises(SetRefused):
        SetReader([]).open(token)
