"""SVIDs of configured trust domains: as tokens and as certificates."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.identity.compact import read
from proxy.identity.federation import BundleSource
from proxy.identity.lineage import name_of
from proxy.identity.svids import JwtSvidVerifier, X509SvidVerifier
from proxy.identity.token_cache import VerifiedToken
from proxy.identity.trust_domains import TrustDomainSettings
from tests.fakes.issuer import NOW, b64, jwk, private_key, public_pem
from tests.fakes.trust_domain import AGENT, DOMAIN, OURS, Plan, TrustDomain

HOME, OTHER = TrustDomain(), TrustDomain("partner.example")
ED, RSA, WIT, SIG = (
    jwk("EdDSA", "ed", use="jwt-svid"), jwk("RS256", "rsa", use="jwt-svid"), jwk("ES256", "wit", use="wit-svid"),
    jwk("ES256", "sig"),
)  # fmt: skip


class House:
    """Two trust domains, each with its bundle in a file."""

    def __init__(self, folder: Path) -> None:
        self.files = {home.name: folder / home.name for home in (HOME, OTHER)}
        self.files[DOMAIN].write_bytes(HOME.bundle(HOME.x509_key, HOME.jwt_key, ED, RSA, WIT, SIG))
        self.files[OTHER.name].write_bytes(OTHER.bundle())
        domains = [TrustDomainSettings(name, OURS, bundle_file=path) for name, path in self.files.items()]
        sources = [BundleSource(domain) for domain in domains]
        self.tokens, self.certificates = JwtSvidVerifier(sources), X509SvidVerifier(sources)

    def verify(self, token: str, now: float = NOW) -> VerifiedToken:
        """What this token proves."""
        return asyncio.run(self.tokens.verify(token, now))

    def show(self, chain: list[bytes], now: float = NOW) -> VerifiedToken:
        """What this chain proves."""
        return asyncio.run(self.certificates.verify(chain, now))


def refusal(made: Callable[[], object]) -> tuple[str, str]:
    """The reason and the internal code of a refusal."""
    with pytest.raises(Refused) as caught:
        made()
    assert caught.value.refusal.status == 407
    return caught.value.refusal.reason, caught.value.refusal.internal.partition(":")[0]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two trust domains."""
    return House(tmp_path)


# --- as tokens ---------------------------------------------------------------------------------------


def test_a_jwt_svid_proves_its_id(house: House) -> None:
    """Issuer is the trust domain, subject the whole ID, times allow for the clock."""
    token = HOME.token()
    assert house.tokens.recognises(read(token))
    digest = hashlib.sha256(token.encode()).hexdigest()
    assert house.verify(token) == VerifiedToken(
        issuer="spiffe://prod.example",
        subject=AGENT,
        token_id=f"sha256.{digest}",
        issued_at=NOW - 10 - 30,
        not_after=NOW + 300 + 30,
        digest=digest,
        method="jwt_svid",
        key=name_of(private_key("ES256", HOME.name).public_key()),
    )


GOOD = [
    pytest.param({}, {"typ": None}, {}, id="no type"),
    pytest.param({}, {"typ": "JOSE"}, {}, id="JOSE"),
    pytest.param({"aud": OURS}, {}, {}, id="a single audience"),
    pytest.param({"iat": None}, {}, {}, id="without iat"),
    pytest.param({"exp": int(NOW) + 3590}, {}, {}, id="the longest life"),
    pytest.param({"jti": "j-1", "iss": "https://spire.example", "x": {"y": [1]}}, {}, {}, id="other claims"),
    pytest.param({"nbf": int(NOW) + 30}, {}, {}, id="not before, within the tolerance"),
    pytest.param({"exp": int(NOW) - 29, "iat": int(NOW) - 60}, {}, {}, id="expired, within the tolerance"),
    pytest.param({}, {"alg": "RS256", "kid": "rsa"}, {"kind": "RS256", "name": "rsa"}, id="RSA"),
]


@pytest.mark.parametrize(("claims", "head", "signed"), GOOD)
def test_what_may_vary(house: House, claims: dict[str, Any], head: dict[str, Any], signed: dict[str, Any]) -> None:
    """The rules leave room for what the specification allows."""
    assert house.verify(HOME.token(claims, head, **signed)).subject == AGENT


def test_every_rsa_algorithm_of_the_list_is_taken(house: House) -> None:
    """RS and PS, by the one key that names none of them; EC keys by the one of their curve."""
    from tests.fakes.issuer import private_key

    for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
        claims = {"sub": AGENT, "aud": OURS, "exp": int(NOW) + 60}
        assert house.verify(jwt.encode(claims, private_key("RS256", "rsa"), algorithm, headers={"kid": "rsa"}))


def test_without_iat_it_is_as_old_as_it_can_be(house: House) -> None:
    """No revocation misses it: it may have been issued its longest life before its end."""
    assert house.verify(HOME.token({"iat": None})).issued_at == NOW + 300 - 3600 - 30


INVALID, EXPIRED = "identity_invalid", "identity_expired"

MISTAKES = [
    # header
    ({}, {"typ": "at+jwt"}, {}, INVALID, "token_type", "an access token"),
    ({}, {"typ": "wit+jwt"}, {}, INVALID, "token_type", "a WIT-SVID"),
    ({}, {"typ": "application/at+jwt"}, {}, INVALID, "token_type", "another type in full"),
    ({}, {"typ": ""}, {}, INVALID, "token_header_type", "an empty type"),
    ({}, {"jku": "https://evil.example/jwks"}, {}, INVALID, "token_header_refused", "jku"),
    ({}, {"jwk": jwk("ES256", "evil")}, {"name": "evil"}, INVALID, "token_header_refused", "jwk"),
    ({}, {"x5c": ["MII"]}, {}, INVALID, "token_header_refused", "x5c"),
    ({}, {"crit": ["exp"]}, {}, INVALID, "token_header_refused", "crit"),
    ({}, {"x5t": "abc"}, {}, INVALID, "token_header_refused", "any other member"),
    ({}, {"kid": None}, {}, INVALID, "token_key_id", "no kid"),
    ({}, {"kid": ""}, {}, INVALID, "token_key_id", "an empty kid"),
    ({}, {"kid": "nobody"}, {}, INVALID, "token_key_unknown", "an unknown kid"),
    ({}, {"alg": "none"}, {}, INVALID, "token_algorithm", "none"),
    ({}, {"alg": "HS256"}, {}, INVALID, "token_algorithm", "HMAC"),
    ({}, {"alg": "EdDSA", "kid": "ed"}, {"kind": "EdDSA", "name": "ed"}, INVALID, "token_algorithm", "EdDSA"),
    ({}, {"alg": "ES384"}, {}, INVALID, "token_key_unknown", "an algorithm that the key does not fit"),
    ({}, {"alg": "PS256", "kid": "rsa"}, {"kind": "RS256", "name": "rsa"}, INVALID, "token_signature", "mislabelled"),
    # keys
    ({}, {"kid": "wit"}, {"name": "wit"}, INVALID, "token_key_unknown", "a key for WIT-SVIDs"),
    ({}, {"kid": "sig"}, {"name": "sig"}, INVALID, "token_key_unknown", "a key for other tokens"),
    ({}, {"kid": DOMAIN}, {"name": "evil"}, INVALID, "token_signature", "signed by somebody else"),
    ({}, {"kid": OTHER.name}, {"name": OTHER.name}, INVALID, "token_key_unknown", "another trust domain's key"),
    ({"sub": "spiffe://partner.example/agent/refunds"}, {}, {}, INVALID, "token_key_unknown", "another's subject"),
    # subject
    ({"sub": "spiffe://stranger.example/a"}, {}, {}, INVALID, "token_trust_domain", "an unknown trust domain"),
    ({"sub": "spiffe://prod.example"}, {}, {}, INVALID, "token_subject", "the trust domain itself"),
    ({"sub": "spiffe://prod.example/a/../b"}, {}, {}, INVALID, "token_subject", "dots in the path"),
    ({"sub": "spiffe://prod.example/" + "x" * 2048}, {}, {}, INVALID, "token_subject", "too long"),
    ({"sub": "spiffe://PROD.example/a"}, {}, {}, INVALID, "token_subject", "upper case"),
    ({"sub": [AGENT]}, {}, {}, INVALID, "token_subject", "a list of subjects"),
    ({"sub": None}, {}, {}, INVALID, "token_subject", "no subject"),
    # audience
    ({"aud": None}, {}, {}, INVALID, "token_claim_missing", "no audience"),
    ({"aud": []}, {}, {}, INVALID, "token_audience", "an empty audience"),
    ({"aud": "https://other.example"}, {}, {}, INVALID, "token_audience", "for somebody else"),
    ({"aud": [OURS, "https://other.example"]}, {}, {}, INVALID, "token_audience", "for somebody else too"),
    ({"aud": OURS + "/"}, {}, {}, INVALID, "token_audience", "nearly for us"),
    # times
    ({"exp": None}, {}, {}, INVALID, "token_claim_missing", "no end"),
    ({"exp": str(int(NOW) + 60)}, {}, {}, INVALID, "token_claim_type", "an end that is text"),
    ({"exp": NOW + 60.5}, {}, {}, INVALID, "token_claim_type", "an end that is a fraction"),
    ({"exp": int(NOW) - 30, "iat": int(NOW) - 90}, {}, {}, EXPIRED, "token_expired", "expired"),
    ({"exp": int(NOW) + 365 * 86_400}, {}, {}, INVALID, "token_lifetime", "a life of a year"),
    ({"exp": int(NOW) + 365 * 86_400, "iat": None}, {}, {}, INVALID, "token_lifetime", "a year, without iat"),
    ({"exp": int(NOW) + 3591}, {}, {}, INVALID, "token_lifetime", "a life of a second too much"),
    ({"iat": int(NOW) + 31}, {}, {}, INVALID, "token_not_yet_valid", "issued tomorrow"),
    ({"nbf": int(NOW) + 31}, {}, {}, INVALID, "token_not_yet_valid", "not yet valid"),
    ({"iat": int(NOW) + 20, "exp": int(NOW) + 10}, {}, {}, INVALID, "token_lifetime", "ends before it begins"),
    ({"iat": int(NOW) + 10, "exp": int(NOW) + 10}, {}, {}, INVALID, "token_lifetime", "ends as it begins"),
    # kind
    ({"act": {"sub": "x"}}, {}, {}, INVALID, "token_claim_refused", "delegated"),
    ({"cnf": {"jkt": "x"}}, {}, {}, INVALID, "token_claim_refused", "bound to a key"),
    ({"events": {}}, {}, {}, INVALID, "token_claim_refused", "a security event"),
    ({"jti": 7}, {}, {}, INVALID, "token_claim_type", "an id that is a number"),
]  # fmt: skip


@pytest.mark.parametrize(("claims", "head", "signed", "reason", "code"), [row[:5] for row in MISTAKES],
                         ids=[row[5] for row in MISTAKES])  # fmt: skip
def test_every_mistake_is_refused(
    house: House, claims: dict[str, Any], head: dict[str, Any], signed: dict[str, Any], reason: str, code: str
) -> None:
    """Each with a stable code for the record."""
    token = HOME.token(claims, head, **signed)
    assert refusal(lambda: house.verify(token)) == (reason, code)
    assert refusal(lambda: house.verify(token)) == (reason, code), "nor the second time"


def test_a_public_key_is_no_shared_secret(house: House) -> None:
    """HMAC with the public key as secret, the oldest trick of all."""
    import hmac

    signed = HOME.token({}, {"alg": "HS256"}).rpartition(".")[0]
    forged = b64(hmac.digest(public_pem("ES256", DOMAIN), signed.encode(), "sha256"))
    assert refusal(lambda: house.verify(f"{signed}.{forged}")) == (INVALID, "token_algorithm")


def test_an_x509_key_verifies_no_token(house: House) -> None:
    """Even if an entry gives it a name, a root is for certificates."""
    entry = jwk("ES256", DOMAIN, use="x509-svid")
    house.files[DOMAIN].write_bytes(HOME.bundle(entry, HOME.x509_key))
    assert refusal(lambda: house.verify(HOME.token())) == (INVALID, "token_key_unknown")


def test_what_was_verified_counts_only_under_the_same_bundle(house: House) -> None:
    """A remembered token is gone with its key, within a second of the file's change."""
    token = HOME.token()
    first = house.verify(token)
    assert house.verify(token, NOW + 1) is first
    house.files[DOMAIN].write_bytes(b'{"keys": []}')
    assert refusal(lambda: house.verify(token, NOW + 2)) == (INVALID, "token_key_unknown")


def test_a_remembered_token_ends_with_its_time(house: House) -> None:
    """What is remembered is not longer valid for it."""
    token = HOME.token({"exp": int(NOW) + 1})
    assert house.verify(token)
    assert refusal(lambda: house.verify(token, NOW + 31)) == (EXPIRED, "token_expired")


def test_a_rotated_key_is_asked_for(house: House) -> None:
    """A key that is not known yet is looked for once before it is refused."""
    house.verify(HOME.token())
    house.files[DOMAIN].write_bytes(HOME.bundle(jwk("ES256", "next", use="jwt-svid")))
    assert house.verify(HOME.token({}, {"kid": "next"}, name="next"), NOW + 0.5).subject == AGENT


def test_other_tokens_are_not_recognised(house: House) -> None:
    """Only what says that it is an SVID of one of ours is judged as one; the rest is for other rules."""
    for claims, head in (({"sub": "x"}, {}), ({"sub": "spiffe://stranger.example/a"}, {}), ({}, {"typ": "at+jwt"})):
        assert not house.tokens.recognises(read(HOME.token(claims, head)))


def test_a_trust_domain_has_one_bundle(tmp_path: Path) -> None:
    """Two would leave open which of them decides."""
    source = BundleSource(TrustDomainSettings(DOMAIN, OURS, bundle_file=tmp_path / "x"))
    for verifier in (JwtSvidVerifier, X509SvidVerifier):
        with pytest.raises(ValueError, match="one bundle"):
            verifier([source, source])


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    claims=st.dictionaries(st.sampled_from(["sub", "aud", "exp", "iat", "nbf", "jti", "x"]), SOME_JSON, max_size=3),
    head=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "x"]), SOME_JSON, max_size=2),
)
def test_any_token_is_proven_or_refused(house: House, claims: dict[str, Any], head: dict[str, Any]) -> None:
    """Whatever the members are: our agent, or a refusal; never anything else."""
    try:
        assert house.verify(HOME.token(claims, head)).subject == AGENT
    except Refused:
        return


# --- as certificates ---------------------------------------------------------------------------------


def test_an_x509_svid_proves_its_id(house: House) -> None:
    """By the roots of its own trust domain, from its beginning to the first end in its chain."""
    chain = HOME.svid()
    shown = house.show(chain)
    assert (shown.issuer, shown.subject, shown.method) == ("spiffe://prod.example", AGENT, "x509_svid")
    assert shown.token_id == f"x509.{hashlib.sha256(chain[0]).hexdigest()}"
    assert (shown.issued_at, shown.not_after) == (NOW - 3600, NOW + 3600)


def test_each_trust_domain_vouches_for_its_own_alone(house: House) -> None:
    """A configured partner cannot name our agents, and an unknown trust domain nobody."""
    assert house.show(OTHER.svid(Plan(uris=("spiffe://partner.example/a",)))).issuer == "spiffe://partner.example"
    assert refusal(lambda: house.show(OTHER.svid(Plan(uris=(AGENT,))))) == (INVALID, "x509_path")
    assert refusal(lambda: house.show(HOME.svid(Plan(uris=("spiffe://stranger.example/a",))))) == (
        INVALID, "x509_trust_domain",
    )  # fmt: skip


def test_a_chain_is_remembered_as_a_whole_and_under_its_bundle(house: House) -> None:
    """The same bytes cost one validation; without its root it is nothing, and neither is a part of it."""
    chain = HOME.svid()
    assert house.show(chain) is house.show(chain, NOW + 1)
    assert refusal(lambda: house.show(chain[:1])) == (INVALID, "x509_path")
    house.files[DOMAIN].write_bytes(HOME.bundle(HOME.jwt_key))
    assert refusal(lambda: house.show(chain, NOW + 2)) == (INVALID, "x509_no_roots")


def test_without_a_bundle_nothing_can_be_said(house: House) -> None:
    """503, since it may be a good one."""
    house.files[DOMAIN].unlink()
    with pytest.raises(Refused) as caught:
        house.show(HOME.svid())
    assert (caught.value.refusal.status, caught.value.refusal.reason) == (503, "identity_unavailable")
