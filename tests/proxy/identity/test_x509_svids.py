"""X.509-SVIDs: the good chain passes, everything else is refused."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.identity.x509_svids import read_leaf, verify_chain
from tests.fakes.issuer import NOW
from tests.fakes.trust_domain import AGENT, Plan, TrustDomain, authority, certify, usage

HOME, OTHER = TrustDomain(), TrustDomain("partner.example")
ROOTS = (HOME.root.certificate,)


def verify(chain: list[bytes], roots: tuple[x509.Certificate, ...] = ROOTS, now: float = NOW) -> tuple[str, float]:
    """Who the chain proves, and until when."""
    leaf = read_leaf(chain)
    return str(leaf.id), verify_chain(leaf, roots, now)[0]


def refusal(chain: list[bytes], roots: tuple[x509.Certificate, ...] = ROOTS, now: float = NOW) -> tuple[str, str]:
    """The reason and the internal code that a chain is refused with."""
    with pytest.raises(Refused) as caught:
        verify(chain, roots, now)
    found = caught.value.refusal
    assert found.status == 407
    assert "x509" not in found.detail, "the agent is not told which check failed"
    return found.reason, found.internal.partition(":")[0]


def test_a_good_chain_proves_its_id_until_the_first_of_it_expires() -> None:
    """By an intermediate or by the root itself; the life is that of whichever certificate ends first."""
    assert verify(HOME.svid()) == (AGENT, NOW + 3600)
    assert verify(HOME.svid(issuer=HOME.root)) == (AGENT, NOW + 3600)
    short = certify(authority(name="short", ends=60), "short", HOME.root)
    assert verify([HOME.svid(issuer=short)[0], short.der])[1] == NOW + 60


GOOD = [
    pytest.param(Plan(name="a name"), id="with a subject"),
    pytest.param(Plan(dns=("refunds.internal",)), id="with a DNS name beside"),
    pytest.param(Plan(extended=None), id="without extended usage"),
    pytest.param(Plan(extended=(ExtendedKeyUsageOID.CLIENT_AUTH,)), id="for clients only"),
    pytest.param(Plan(ca=None), id="without basic constraints"),
    pytest.param(Plan(use=usage("digital_signature", "key_agreement")), id="with another usage"),
    pytest.param(Plan(kind="RSA2048"), id="RSA"),
]


@pytest.mark.parametrize("plan", GOOD)
def test_what_may_vary(plan: Plan) -> None:
    """The rules leave room for what the specification allows."""
    assert verify(HOME.svid(plan))[0] == AGENT


def of_leaf(**changes: Any) -> Callable[[], list[bytes]]:
    """A chain of our trust domain whose leaf says this."""
    return lambda: HOME.svid(Plan(**changes))


def below(plan: Plan) -> list[bytes]:
    """A leaf below an intermediate that says this."""
    middle = certify(plan, "odd-middle", HOME.root)
    return [HOME.svid(issuer=middle)[0], middle.der]


def constrained() -> list[bytes]:
    """Below an authority that may only name some URIs."""
    limits = x509.NameConstraints([x509.UniformResourceIdentifier("prod.example")], None)
    return below(authority(more=[(limits, True)]))


MISTAKES = [
    (of_leaf(uris=(AGENT, "spiffe://prod.example/agent/admin")), "x509_uri_san_count", "two URIs"),
    (of_leaf(uris=(AGENT, AGENT)), "x509_uri_san_count", "the same URI twice"),
    (of_leaf(uris=(AGENT, "https://x.example")), "x509_uri_san_count", "another URI beside"),
    (of_leaf(uris=(), dns=("x.example",)), "x509_uri_san_count", "no URI"),
    (of_leaf(uris=(), name="x"), "x509_extension_missing", "no alternative name"),
    (of_leaf(uris=("https://prod.example/agent",)), "x509_spiffe_id", "another scheme"),
    (of_leaf(uris=("spiffe://prod.example",)), "x509_spiffe_id", "the trust domain itself"),
    (of_leaf(uris=("spiffe://prod.example/a/../b",)), "x509_spiffe_id", "dots in the path"),
    (of_leaf(uris=("spiffe://PROD.example/a",)), "x509_spiffe_id", "upper case"),
    (of_leaf(uris=("spiffe://prod.example/" + "x" * 2048,)), "x509_spiffe_id", "too long"),
    (of_leaf(ca=True, use=usage("digital_signature", "key_cert_sign")), "x509_leaf_is_authority", "an authority"),
    (of_leaf(ca=True), "x509_leaf_is_authority", "an authority by its constraints"),
    (of_leaf(use=usage("digital_signature", "key_cert_sign")), "x509_leaf_is_authority", "may sign certificates"),
    (of_leaf(use=usage("digital_signature", "crl_sign")), "x509_leaf_is_authority", "may sign lists"),
    (of_leaf(use=usage("key_agreement")), "x509_key_usage", "no digital signature"),
    (of_leaf(use=usage("digital_signature", critical=False)), "x509_key_usage", "usage that is not critical"),
    (of_leaf(use=None), "x509_extension_missing", "no usage"),
    (of_leaf(extended=(ExtendedKeyUsageOID.SERVER_AUTH,)), "x509_extended_key_usage", "for servers only"),
    (of_leaf(extended=(ExtendedKeyUsageOID.CODE_SIGNING,)), "x509_extended_key_usage", "for code"),
    (of_leaf(kind="RSA1024"), "x509_unreadable", "RSA of 1024 bits"),
    (of_leaf(kind="Ed25519"), "x509_unreadable", "Ed25519"),
    (of_leaf(kind="secp256k1"), "x509_unreadable", "another curve"),
    (of_leaf(begins=60), "x509_path", "not yet valid"),
    (lambda: HOME.svid()[:1], "x509_path", "without its intermediate"),
    (lambda: [HOME.svid()[0], OTHER.intermediate.der], "x509_path", "with another's intermediate"),
    (lambda: OTHER.svid(Plan()), "x509_path", "our name, another's authority"),
    (lambda: [HOME.svid(issuer=certify(authority(), "self-made"))[0]], "x509_path", "an authority of its own"),
    (lambda: [certify(Plan(), "alone").der], "x509_path", "signed by itself"),
    (lambda: below(Plan(uris=("spiffe://prod.example/agent/a",), name="leaf")), "x509_path", "below another leaf"),
    (lambda: below(authority(ends=-60)), "x509_path", "below an expired authority"),
    (lambda: below(authority(use=usage("crl_sign"))), "x509_path", "below one that may not sign"),
    (lambda: below(authority(kind="RSA1024")), "x509_unreadable", "below a weak authority"),
    (constrained, "x509_path", "below name constraints on URIs, which are not supported"),
    (list, "x509_chain_length", "nothing"),
    (lambda: HOME.svid() + [HOME.intermediate.der] * 4, "x509_chain_length", "too many"),
    (lambda: [b"", HOME.intermediate.der], "x509_unreadable", "no bytes"),
    (lambda: [HOME.svid()[0], b"\x30\x00"], "x509_unreadable", "an unreadable intermediate"),
    (lambda: [HOME.svid()[0] + b"\x00", HOME.intermediate.der], "x509_unreadable", "bytes behind"),
    (lambda: list(reversed(HOME.svid())), "x509_extension_missing", "the wrong way round"),
]  # fmt: skip


@pytest.mark.parametrize(("chain", "code"), [row[:2] for row in MISTAKES], ids=[row[2] for row in MISTAKES])
def test_every_mistake_is_refused(chain: Callable[[], list[bytes]], code: str) -> None:
    """Each with a stable code for the record."""
    assert refusal(chain()) == ("identity_invalid", code)


def test_an_expired_leaf_says_so() -> None:
    """So that the agent gets a new one, at the very second of its end and after."""
    assert refusal(HOME.svid(), now=NOW + 3601) == ("identity_expired", "x509_expired")
    assert verify(HOME.svid(), now=NOW + 3599)


def test_only_the_given_roots_count() -> None:
    """Another trust domain's roots, or none at all, prove nothing."""
    assert refusal(HOME.svid(), (OTHER.root.certificate,)) == ("identity_invalid", "x509_path")
    assert refusal(HOME.svid(), ()) == ("identity_invalid", "x509_no_roots")


def test_an_expired_root_proves_nothing() -> None:
    """The end of a root is the end of what it vouches for."""
    old = certify(authority(name="old", ends=60), "old-root")
    chain = HOME.svid(replace(Plan(), ends=7200), issuer=old)
    assert verify(chain, (old.certificate,))[1] == NOW + 60
    assert refusal(chain, (old.certificate,), NOW + 61) == ("identity_invalid", "x509_path")


WHOLE = HOME.svid()


@settings(max_examples=200, deadline=None)
@given(
    which=st.integers(0, 1), at=st.integers(0, 2000), byte=st.integers(0, 255), more=st.lists(st.binary(max_size=20))
)
def test_any_chain_is_proven_or_refused(which: int, at: int, byte: int, more: list[bytes]) -> None:
    """One byte changed anywhere, or rubbish behind: the same identity, or a refusal; never anything else."""
    chain = list(WHOLE)
    chain[which] = bytes([*chain[which][:at], byte, *chain[which][at + 1 :]])
    with contextlib.suppress(Refused):
        assert verify([*chain, *more])[0] == AGENT
