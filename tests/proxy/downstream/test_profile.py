"""What both ends agree on."""

import pytest

from proxy.downstream.profile import MAX_HOPS, Rejected, digest, issuer_of, trust_domain


@pytest.mark.parametrize("text", ["prod.example", "a", "prod_1.example-x"])
def test_a_trust_domain_is_a_plain_name(text):
    """Lower case letters, digits and a little punctuation inside."""
    assert trust_domain(text) == text


@pytest.mark.parametrize("text", ["", "Prod", "a/b", "a b", ".a", "a-", "a" * 65, "é", "a\n"])
def test_what_names_no_trust_domain(text):
    """Anything that could be read as more than a name is refused."""
    with pytest.raises(ValueError, match="must be 1 to 64"):
        trust_domain(text)


def test_the_issuer_follows_from_the_trust_domain():
    """There is one issuer in a trust domain, so nobody has to configure it twice."""
    assert issuer_of("prod.example") == "spiffe://prod.example/countersign"


def test_a_digest_says_its_algorithm():
    """The digest of nothing is well known."""
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_rejection_has_a_code_and_a_sentence():
    """Both are there for whoever catches it."""
    rejected = Rejected("token_missing", "There is none.")
    assert (rejected.reason, rejected.detail, str(rejected)) == (
        "token_missing",
        "There is none.",
        "token_missing: There is none.",
    )
    assert MAX_HOPS == 8
