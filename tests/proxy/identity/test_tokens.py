"""Tokens of configured issuers: the good one passes, everything else is refused."""

import asyncio
import hashlib
import hmac
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.identity.issuers import IssuerSettings
from proxy.identity.lineage import name_of
from proxy.identity.token_cache import VerifiedToken
from proxy.identity.tokens import SubjectToken, TokenVerifier
from tests.fakes.issuer import (
    AUDIENCE,
    ISSUER,
    NOW,
    SUBJECT,
    b64,
    claims,
    header,
    jwk,
    key_set,
    private_key,
    public_pem,
    sign,
)


@pytest.fixture(scope="module")
def jwks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The issuer's published keys: one for each algorithm that a profile below names."""
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    path.write_bytes(key_set(jwk("ES256"), jwk("RS256", "rsa"), jwk("EdDSA", "ed"), jwk("ES384", "p384")))
    return path


def profile(jwks: Path, **changes: Any) -> IssuerSettings:
    """A profile for RFC 9068 tokens signed with ES256."""
    return IssuerSettings(
        **({"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ("ES256",), "jwks_file": jwks} | changes)
    )


def verify(token: str, *profiles: IssuerSettings, now: float = NOW) -> VerifiedToken:
    """One verification by a fresh verifier."""
    return asyncio.run(TokenVerifier(profiles).verify(token, now))


def refusal(token: str, *profiles: IssuerSettings, now: float = NOW) -> tuple[str, str]:
    """The reason and the internal code that a token is refused with."""
    with pytest.raises(Refused) as caught:
        verify(token, *profiles, now=now)
    found = caught.value.refusal
    assert found.status == 407
    assert [name for name, _ in found.headers] == ["Proxy-Authenticate"] * 2
    assert "token_" not in found.detail, "the agent is not told which check failed"
    return found.reason, found.internal.partition(":")[0]


def test_a_good_token_is_verified(jwks: Path) -> None:
    """A token that passes every check proves its issuer and subject, within times that allow for the clock."""
    token = sign()
    assert verify(token, profile(jwks)) == VerifiedToken(
        issuer=ISSUER,
        subject=SUBJECT,
        token_id="j-1",
        issued_at=NOW - 10 - 30,
        not_after=NOW + 600 + 30,
        digest=hashlib.sha256(token.encode()).hexdigest(),
        client="refunds",
        key=name_of(private_key("ES256", "k1").public_key()),
    )


@pytest.mark.parametrize(("algorithm", "name"), [("ES256", "k1"), ("RS256", "rsa"), ("EdDSA", "ed"), ("ES384", "p384")])
def test_each_configured_algorithm_works(jwks: Path, algorithm: str, name: str) -> None:
    """What a profile names is accepted, with the key of that algorithm."""
    token = sign(claims(), header(alg=algorithm, kid=name), kind=algorithm, name=name)
    assert verify(token, profile(jwks, algorithms=(algorithm,))).subject == SUBJECT


GOOD_VARIATIONS = [
    pytest.param({}, header(typ="application/at+jwt"), {}, id="media type in full"),
    pytest.param({}, header(typ="AT+JWT"), {}, id="media types have no case"),
    pytest.param({"aud": [AUDIENCE]}, header(), {}, id="a list of one audience"),
    pytest.param({"aud": [AUDIENCE, "other"]}, header(), {"extra_audiences": 1}, id="one other audience, if allowed"),
    pytest.param({"nbf": int(NOW) + 30}, header(), {}, id="not before, within the tolerance"),
    pytest.param({"iat": int(NOW) - 60, "exp": int(NOW) - 29}, header(), {}, id="expired, within the tolerance"),
    pytest.param({"jti": None, "client_id": None}, header(typ="JWT"), {"typ": "jwt"}, id="another kind needs less"),
    pytest.param({}, header(typ=None), {"typ": ""}, id="no type, if that is the kind"),
    pytest.param({"extra": {"a": [1]}}, header(x5t="abc"), {}, id="unknown claims and harmless headers"),
    pytest.param({"sub": "spiffe://prod.example/agent/a"}, header(), {"subject_format": "spiffe"}, id="spiffe"),
]


@pytest.mark.parametrize(("changes", "head", "configured"), GOOD_VARIATIONS)
def test_what_may_vary(jwks: Path, changes: dict[str, Any], head: dict[str, Any], configured: dict[str, Any]) -> None:
    """The strict rules leave room for what the standards allow and the profile names."""
    assert verify(sign(claims(**changes), head), profile(jwks, **configured)).issuer == ISSUER


INVALID, EXPIRED = "identity_invalid", "identity_expired"

MISTAKES = [
    # algorithm and key (RFC 8725 sections 3.1, 3.2)
    (lambda: sign(head=header(alg="none")), INVALID, "token_algorithm"),
    (lambda: sign(head=header(alg="HS256")), INVALID, "token_algorithm"),
    (lambda: sign(head=header(alg="RS256", kid="rsa"), kind="RS256", name="rsa"), INVALID, "token_algorithm"),
    (lambda: sign(head=header(alg=None)), INVALID, "token_header_type"),
    (lambda: sign(head=header(alg=["ES256"])), INVALID, "token_header_type"),
    (lambda: sign(name="another"), INVALID, "token_signature"),
    (lambda: sign(head=header(kid="p384"), kind="ES384", name="p384"), INVALID, "token_key_unknown"),
    (lambda: sign(head=header(kid="nobody")), INVALID, "token_key_unknown"),
    (lambda: sign(head=header(kid="")), INVALID, "token_key_id"),
    (lambda: sign(head=header(kid=7)), INVALID, "token_key_id"),
    (lambda: sign(head=header() | {"kid": None}), INVALID, "token_key_id"),
    (lambda: sign(head=header(kid="k" * 257)), INVALID, "token_key_id"),
    # headers that bring keys, or change what is signed
    (lambda: sign(head=header(jwk=jwk("ES256", "another")), name="another"), INVALID, "token_header_refused"),
    (lambda: sign(head=header(jku="https://evil.example/jwks")), INVALID, "token_header_refused"),
    (lambda: sign(head=header(x5u="https://evil.example/x5")), INVALID, "token_header_refused"),
    (lambda: sign(head=header(x5c=["MII"])), INVALID, "token_header_refused"),
    (lambda: sign(head=header(crit=["exp"], exp=1)), INVALID, "token_header_refused"),
    (lambda: sign(head=header(crit=[])), INVALID, "token_header_refused"),
    (lambda: sign(head=header(b64=False)), INVALID, "token_header_refused"),
    (lambda: sign(head=header(zip="DEF")), INVALID, "token_header_refused"),
    (lambda: sign(head=header(enc="A256GCM")), INVALID, "token_header_refused"),
    # kind of token (RFC 8725 sections 3.11, 3.12)
    (lambda: sign(head=header(typ=None)), INVALID, "token_issuer_or_typ_not_configured"),
    (lambda: sign(head=header(typ="")), INVALID, "token_header_type"),
    (lambda: sign(head=header(typ="JWT")), INVALID, "token_issuer_or_typ_not_configured"),
    (lambda: sign(head=header(typ="oauth-id-jag+jwt")), INVALID, "token_issuer_or_typ_not_configured"),
    (lambda: sign(head=header(typ="application/application/at+jwt")), INVALID, "token_issuer_or_typ_not_configured"),
    (lambda: sign(head=header(typ=["at+jwt"])), INVALID, "token_header_type"),
    # issuer, audience, subject
    (lambda: sign(claims(iss="https://idp.example/")), INVALID, "token_issuer_or_typ_not_configured"),
    (lambda: sign(claims(iss="https://IDP.example")), INVALID, "token_issuer_or_typ_not_configured"),
    (lambda: sign(claims(iss=None)), INVALID, "token_issuer_or_typ_not_configured"),
    (lambda: sign(claims(iss=[ISSUER])), INVALID, "token_issuer_or_typ_not_configured"),
    (lambda: sign(claims(aud=None)), INVALID, "token_claim_missing"),
    (lambda: sign(claims(aud="https://other.example")), INVALID, "token_audience"),
    (lambda: sign(claims(aud=[AUDIENCE, "https://other.example"])), INVALID, "token_audience"),
    (lambda: sign(claims(aud=[AUDIENCE, AUDIENCE])), INVALID, "token_audience"),
    (lambda: sign(claims(aud=[])), INVALID, "token_audience"),
    (lambda: sign(claims(aud=[AUDIENCE, 1])), INVALID, "token_audience"),
    (lambda: sign(claims(aud={AUDIENCE: 1})), INVALID, "token_audience"),
    (lambda: sign(claims(aud=AUDIENCE + "/")), INVALID, "token_audience"),
    (lambda: sign(claims(sub=None)), INVALID, "token_claim_missing"),
    (lambda: sign(claims(sub="")), INVALID, "token_subject"),
    (lambda: sign(claims(sub="a\u0000b")), INVALID, "token_subject"),
    (lambda: sign(claims(sub="a b")), INVALID, "token_subject"),
    (lambda: sign(claims(sub=SUBJECT + "\n")), INVALID, "token_subject"),
    (lambda: sign(claims(sub="x" * 256)), INVALID, "token_subject"),
    (lambda: sign(claims(sub=7)), INVALID, "token_subject"),
    # times
    (lambda: sign(claims(exp=None)), INVALID, "token_claim_missing"),
    (lambda: sign(claims(iat=None)), INVALID, "token_claim_missing"),
    (lambda: sign(claims(iat=int(NOW) - 60, exp=int(NOW) - 30)), EXPIRED, "token_expired"),
    (lambda: sign(claims(exp=str(int(NOW) + 600))), INVALID, "token_claim_type"),
    (lambda: sign(claims(exp=NOW + 600.5)), INVALID, "token_claim_type"),
    (lambda: sign(claims(exp=True)), INVALID, "token_claim_type"),
    (lambda: sign(claims(exp=10**20)), INVALID, "token_claim_type"),
    (lambda: sign(claims(iat=-1)), INVALID, "token_claim_type"),
    (lambda: sign(claims(iat=int(NOW) + 31)), INVALID, "token_not_yet_valid"),
    (lambda: sign(claims(nbf=int(NOW) + 31)), INVALID, "token_not_yet_valid"),
    (lambda: sign(claims(nbf="soon")), INVALID, "token_claim_type"),
    (lambda: sign(claims(exp=int(NOW) - 11)), INVALID, "token_lifetime"),
    (lambda: sign(claims(exp=int(NOW) - 10)), INVALID, "token_lifetime"),
    (lambda: sign(claims(exp=int(NOW) + 3591)), INVALID, "token_lifetime"),
    # what RFC 9068 adds, and what cannot be honoured
    (lambda: sign(claims(jti=None)), INVALID, "token_claim_missing"),
    (lambda: sign(claims(client_id=None)), INVALID, "token_claim_missing"),
    (lambda: sign(claims(jti=7)), INVALID, "token_claim_type"),
    (lambda: sign(claims(jti="")), INVALID, "token_claim_type"),
    (lambda: sign(claims(act={"sub": "other"})), INVALID, "token_claim_refused"),
    (lambda: sign(claims(act="other")), INVALID, "token_claim_refused"),
    (lambda: sign(claims(may_act={"sub": "other"})), INVALID, "token_claim_refused"),
    (lambda: sign(claims(cnf={"jkt": "x"})), INVALID, "token_claim_refused"),
    (lambda: sign(claims(events={})), INVALID, "token_claim_refused"),
    # JSON with two readings
    (lambda: sign(json.dumps(claims()).replace("{", '{"sub": "admin", ', 1).encode()), INVALID, "token_claims_json"),
    (lambda: sign(head=b'{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"k1"}'), INVALID, "token_header_json"),
    (lambda: sign(json.dumps(claims(x=float("nan"))).encode()), INVALID, "token_claims_json"),
    (lambda: sign(json.dumps(claims(x=1)).replace("1}", "1e999}").encode()), INVALID, "token_claims_json"),
    (lambda: sign(json.dumps(claims()).encode("utf-16")), INVALID, "token_claims_json"),
    (lambda: sign(b"\xef\xbb\xbf" + json.dumps(claims()).encode()), INVALID, "token_claims_json"),
    (lambda: sign(json.dumps(claims(x="?")).replace("?", "\\ud800").encode()), INVALID, "token_claims_json"),
    (lambda: sign(b"[" * 17 + b"]" * 17), INVALID, "token_claims_json"),
    (lambda: sign(b"[" * 3000), INVALID, "token_claims_json"),
    (lambda: sign(b'["not", "an object"]'), INVALID, "token_claims_not_an_object"),
    (lambda: sign(head=b'"ES256"'), INVALID, "token_header_not_an_object"),
    (lambda: sign(b""), INVALID, "token_not_compact_jws"),
    # the form of the token
    (lambda: sign() + "=", INVALID, "token_not_compact_jws"),
    (lambda: sign() + "\n", INVALID, "token_not_compact_jws"),
    (lambda: " " + sign(), INVALID, "token_not_compact_jws"),
    (lambda: sign().rpartition(".")[0] + ".", INVALID, "token_not_compact_jws"),
    (lambda: sign() + ".x", INVALID, "token_not_compact_jws"),
    (lambda: "a.b.c.d.e", INVALID, "token_not_compact_jws"),
    (lambda: sign().replace(".", "/.", 1), INVALID, "token_not_compact_jws"),
    (lambda: sign(claims(x="x" * 6000)), INVALID, "token_too_large"),
    (lambda: "", INVALID, "token_not_compact_jws"),
    (lambda: "\ud800.a.b", INVALID, "token_not_compact_jws"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "reason", "code"), MISTAKES, ids=[f"{n}-{m[2]}" for n, m in enumerate(MISTAKES)])
def test_every_mistake_is_refused(jwks: Path, make: Any, reason: str, code: str) -> None:
    """One thing wrong with a token, really signed, is enough; the record says which."""
    assert refusal(make(), profile(jwks)) == (reason, code)


def test_a_key_used_as_hmac_secret_is_refused(jwks: Path) -> None:
    """The oldest trick: HS256 with the public key as the secret."""
    signed = f"{b64(json.dumps(header(alg='HS256')).encode())}.{b64(json.dumps(claims()).encode())}"
    mac = hmac.digest(public_pem("ES256"), signed.encode(), "sha256")
    assert refusal(f"{signed}.{b64(mac)}", profile(jwks)) == (INVALID, "token_algorithm")


def test_a_key_serves_one_algorithm(jwks: Path) -> None:
    """Where an issuer has two algorithms, a key verifies only its own (RFC 8725 section 3.1)."""
    both = profile(jwks, algorithms=("ES256", "ES384"))
    assert refusal(sign(head=header(alg="ES384")), both) == (INVALID, "token_algorithm")
    assert refusal(sign(head=header(kid="p384")), both) == (INVALID, "token_algorithm")


def test_a_token_without_key_id_needs_a_single_key(jwks: Path) -> None:
    """Without `kid` only the one usable key can be meant; among several, none is."""
    token = sign(head=header(kid=None))
    assert verify(token, profile(jwks)).subject == SUBJECT
    assert refusal(token, profile(jwks, algorithms=("ES256", "ES384"))) == (INVALID, "token_key_unknown")


def test_one_value_has_one_text(jwks: Path) -> None:
    """A last character with other unused bits decodes to the same signature, and is refused all the same."""
    token = sign()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = alphabet.index(token[-1])
    twins = [token[:-1] + alphabet[at & ~15 | low] for low in range(16) if at & 15 != low]
    assert {refusal(twin, profile(jwks))[1] for twin in twins} == {"token_base64"}


def test_a_swapped_kind_is_always_refused(jwks: Path) -> None:
    """Every kind of token, shown where every other one is expected, is refused (RFC 8725 section 3.12)."""
    kinds = ["at+jwt", "jwt", "txntoken+jwt", "oauth-id-jag+jwt", "wit+jwt", "secevent+jwt", "dpop+jwt", ""]
    for expected in kinds:
        wanted = profile(jwks, typ=expected)
        for shown in kinds:
            token = sign(claims(), header(typ=shown or None))
            if shown == expected:
                assert verify(token, wanted).subject == SUBJECT
            else:
                assert refusal(token, wanted)[0] == INVALID


def test_issuers_do_not_vouch_for_each_other(jwks: Path, tmp_path: Path) -> None:
    """A key of one issuer proves nothing about a token that names another one."""
    other_keys = tmp_path / "other.json"
    other_keys.write_bytes(key_set(jwk("ES256", "other")))
    other = profile(other_keys, issuer="https://other.example")
    mine = profile(jwks)
    stolen = sign(claims(iss="https://other.example"))
    assert refusal(stolen, mine, other) == (INVALID, "token_key_unknown")
    forged = sign(claims(), header(kid="other"), name="other")
    assert refusal(forged, mine, other) == (INVALID, "token_key_unknown")
    assert verify(sign(claims(iss="https://other.example"), header(kid="other"), name="other"), mine, other)


def test_two_kinds_of_one_issuer_keep_apart(jwks: Path) -> None:
    """The same issuer may have two kinds; each is judged by its own rules only."""
    strict, other = profile(jwks), profile(jwks, typ="jwt", audience="elsewhere")
    assert verify(sign(), strict, other).subject == SUBJECT
    assert refusal(sign(claims(), header(typ="JWT")), strict, other) == (INVALID, "token_audience")
    with pytest.raises(ValueError, match="need different `typ`"):
        TokenVerifier([strict, strict])


def test_without_issuers_no_token_is_valid() -> None:
    """Nothing configured means nothing accepted."""
    assert refusal(sign()) == (INVALID, "token_issuer_or_typ_not_configured")


def test_a_remembered_token_still_expires(jwks: Path) -> None:
    """A token that was verified a moment ago is refused at its end, and its copy with one byte changed at once."""

    async def story() -> None:
        verifier = TokenVerifier([profile(jwks)])
        token = sign(claims(exp=int(NOW) + 5))
        first = await verifier.verify(token, NOW)
        assert await verifier.verify(token, NOW + 30) is first
        for wrong, at in ((token, NOW + 35), (token[:-8] + "AAAAAAAA", NOW), (token[:-8] + "AAAAAAAA", NOW + 1)):
            with pytest.raises(Refused):
                await verifier.verify(wrong, at)

    asyncio.run(story())


def test_a_remembered_token_dies_with_its_key(tmp_path: Path) -> None:
    """When the issuer takes a key away, what it signed is refused, remembered or not."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(jwk("ES256"), jwk("ES256", "k2")))

    async def story() -> None:
        verifier = TokenVerifier([profile(path)])
        token = sign()
        await verifier.verify(token, NOW)
        path.write_bytes(key_set(jwk("ES256", "k2")))
        with pytest.raises(Refused) as caught:
            await verifier.verify(token, NOW + 2)
        assert caught.value.refusal.reason == INVALID

    asyncio.run(story())


def test_the_keys_of_an_issuer_are_no_other_issuers(jwks: Path, tmp_path: Path) -> None:
    """What one of them takes away says nothing of what another has, and what another has keeps nothing alive."""
    other = tmp_path / "other.json"
    other.write_bytes(key_set(jwk("ES256"), jwk("ES256", "k2")))
    verifier = TokenVerifier([profile(jwks), profile(other, issuer="https://other")])
    for issuer in (ISSUER, "https://other"):
        for keys in verifier.keys_of(issuer):
            asyncio.run(keys.current(NOW))
    name = name_of(private_key("ES256", "k2").public_key())
    assert [keys.holds(name, NOW) for keys in verifier.keys_of(ISSUER)] == [False]
    assert [keys.holds(name, NOW) for keys in verifier.keys_of("https://other")] == [True]
    assert list(verifier.keys_of("https://third")) == []
    other.write_bytes(key_set(jwk("ES256", "k2")))
    asyncio.run(verifier.refresh(NOW + 60))
    assert (verifier.epoch_of(ISSUER), verifier.epoch_of("https://other")) == (0, 1)


def test_without_keys_nothing_is_verified(tmp_path: Path) -> None:
    """An issuer whose keys cannot be had is no reason to believe its tokens: 503, and try again."""
    with pytest.raises(Refused) as caught:
        verify(sign(), profile(tmp_path / "missing.json"))
    assert (caught.value.refusal.reason, caught.value.refusal.status) == ("identity_unavailable", 503)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_token_is_refused_and_nothing_else(jwks: Path, data: st.DataObject) -> None:
    """Whatever is changed in a good token, the answer is a refusal: no other exception, no acceptance."""
    token = sign()
    kind = data.draw(st.sampled_from(["replace", "delete", "insert", "swap"]))
    at = data.draw(st.integers(0, len(token) - 1))
    text = data.draw(st.text(st.sampled_from("AZaz09-_.=+/ \x00é\ud800"), min_size=1, max_size=3))
    if kind == "replace":
        mutated = token[:at] + text + token[at + len(text) :]
    elif kind == "delete":
        mutated = token[:at] + token[at + len(text) :]
    elif kind == "insert":
        mutated = token[:at] + text + token[at:]
    else:
        parts = token.split(".")
        mutated = ".".join(data.draw(st.permutations(parts)))
    if mutated != token:
        refusal(mutated, profile(jwks))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.dictionaries(st.sampled_from([*claims(), "nbf", "act"]), JSON, max_size=3),
    head=st.dictionaries(st.sampled_from([*header(), "crit"]), JSON, max_size=2),
)
def test_strange_claims_are_refused_and_nothing_else(jwks: Path, said: dict[str, Any], head: dict[str, Any]) -> None:
    """Any JSON in any claim or header of a really signed token gives a verified token or a refusal."""
    token = sign(claims() | said, header() | head)
    with suppress(Refused):
        assert verify(token, profile(jwks)).issuer == ISSUER


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: f"{b64(raw)}.{b64(raw)}.{b64(raw)}"))
def test_any_text_is_refused(jwks: Path, text: str) -> None:
    """Text that no issuer signed is refused, whatever it is."""
    refusal(text, profile(jwks))


def subject(token: str, *profiles: IssuerSettings) -> SubjectToken:
    """One verification of a token that stands for somebody."""
    return asyncio.run(TokenVerifier(profiles).verify_subject(token, NOW))


def test_a_subjects_token_may_say_who_acts_where_its_issuer_may(jwks: Path) -> None:
    """`may_act` always, `act` only where the configuration says of whom it may tell; neither makes it a credential."""
    act, may_act = {"act": {"sub": "a"}}, {"may_act": {"sub": "b"}}
    assert subject(sign(claims(**may_act)), profile(jwks)).endorses == frozenset()
    with pytest.raises(Refused, match="token_claim_refused"):
        subject(sign(claims(**act)), profile(jwks))
    told = subject(sign(claims(**act)), profile(jwks, endorses=(ISSUER,)))
    assert (told.claims["act"], told.endorses) == ({"sub": "a"}, {ISSUER})
    for claim in ({"auth_time": 1}, {"amr": ["pwd"]}):  # somebody signed in: a person, and never an agent
        assert subject(sign(claims(**claim)), profile(jwks)).verified.subject == SUBJECT
        assert refusal(sign(claims(**claim)), profile(jwks)) == (INVALID, "token_claim_refused")
    for claim in (act, may_act):
        token = sign(claims(**claim))
        assert refusal(token, profile(jwks, endorses=(ISSUER,))) == (INVALID, "token_claim_refused")


def test_a_subjects_token_is_not_remembered_as_a_credential(jwks: Path) -> None:
    """What was taken as a subject is judged anew when somebody shows it as their own."""
    token = sign(claims(act={"sub": "a"}))

    async def story() -> None:
        verifier = TokenVerifier([profile(jwks, endorses=(ISSUER,))])
        await verifier.verify_subject(token, NOW)
        with pytest.raises(Refused, match="token_claim_refused"):
            await verifier.verify(token, NOW)

    asyncio.run(story())
