"""Certificates, read or refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.identity.certificates import may_sign_others, read_certificate
from tests.fakes.trust_domain import Plan, TrustDomain, authority, certify, usage

HOME = TrustDomain()
LEAF = HOME.svid()[0]


@pytest.mark.parametrize("kind", ["P256", "RSA2048"])
def test_strong_keys_are_read(kind: str) -> None:
    """NIST curves, and RSA of 2048 bits and more."""
    one = certify(Plan(kind=kind), f"strong-{kind}", HOME.root)
    assert read_certificate(one.der) == one.certificate


@pytest.mark.parametrize("kind", ["RSA1024", "secp256k1", "Ed25519"])
def test_weak_and_unusual_keys_are_not(kind: str) -> None:
    """RSA of fewer bits, another curve, or a key of another type."""
    with pytest.raises(ValueError, match="key"):
        read_certificate(certify(Plan(kind=kind), f"weak-{kind}", HOME.root).der)


def test_who_may_sign_others() -> None:
    """An authority may, by both its constraints and its usage; nobody else."""
    assert may_sign_others(HOME.root.certificate)
    assert may_sign_others(certify(authority(use=None), "no-usage").certificate)
    assert not may_sign_others(certify(authority(use=usage("digital_signature")), "no-signing").certificate)
    unsaid = usage("digital_signature", "key_cert_sign")
    assert not may_sign_others(certify(Plan(ca=False, use=unsaid), "no-authority").certificate)
    assert not may_sign_others(certify(Plan(ca=None), "no-constraints", HOME.root).certificate)
    assert not may_sign_others(read_certificate(LEAF))


@given(
    st.binary(max_size=40)
    | st.tuples(st.integers(0, len(LEAF) - 1), st.integers(0, 255)).map(
        lambda change: LEAF[: change[0]] + bytes([change[1]]) + LEAF[change[0] + 1 :]
    )
    | st.integers(0, len(LEAF)).map(lambda end: LEAF[:end])
)
def test_any_bytes_are_a_certificate_or_a_value_error(data: bytes) -> None:
    """Cut short, changed in one byte, or made up: a certificate or `ValueError`, never anything else."""
    with contextlib.suppress(ValueError):
        may_sign_others(read_certificate(data))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_serial_number_is_positive() -> None:
    """One that is not is only warned of by the library; whether warnings are errors makes no difference to us."""
    with pytest.raises(ValueError, match="serial number"):
        read_certificate(LEAF[:15] + b"\x80" + LEAF[16:])


def test_too_much_is_not_read() -> None:
    """A certificate has a largest size."""
    with pytest.raises(ValueError, match="more than"):
        read_certificate(b"\x30" * 20_000)
