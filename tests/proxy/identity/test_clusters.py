"""Which clusters may be configured, and what a token of theirs must say."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.identity.clusters import ClusterSettings, check_account
from proxy.identity.compact import read
from tests.fakes.cluster import CLUSTER, POD, US, account_token, bound
from tests.fakes.issuer import NOW

FILE = Path("/jwks.json")
REVIEW = "https://kubernetes.default.svc/apis/authentication.k8s.io/v1/tokenreviews"


def settings(**said: Any) -> ClusterSettings:
    """A cluster of which this is said."""
    return ClusterSettings(**({"issuer": CLUSTER, "audience": US} | said))


@pytest.mark.parametrize("said", [{"jwks_file": FILE}, {"jwks_url": "https://x/jwks"}, {"review_url": REVIEW}])
def test_one_way_to_judge_is_enough(said: dict[str, Any]) -> None:
    """Keys from a file or a URL, or the API server's own word; the claims are judged by the same profile."""
    assert settings(**said).profile().audience == US


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "exactly one of"),
        ({"jwks_file": FILE, "review_url": REVIEW}, "exactly one of"),
        ({"review_url": "http://10.0.0.1/review"}, "review_url must be https"),
        ({"jwks_url": "http://10.0.0.1/jwks"}, "jwks_url must be https"),
        ({"jwks_file": FILE, "audience": ""}, "an issuer needs"),
        ({"jwks_file": FILE, "issuer": "a|b"}, "visible ASCII"),
        ({"jwks_file": FILE, "algorithms": ("HS256",)}, "is not accepted"),
        ({"jwks_file": FILE, "max_lifetime_s": 90_000}, "between 1 and"),
        ({"review_url": REVIEW, "review_every_s": 4}, "`review_seconds` is at least 5"),
        ({"review_url": REVIEW, "review_every_s": 60, "unanswered_s": 59}, "at most `unanswered_seconds`"),
        ({"review_url": REVIEW, "unanswered_s": 3601}, "at most 3600"),
    ],
)
def test_anything_else_is_a_mistake(said: dict[str, Any], words: str) -> None:
    """Told in words."""
    with pytest.raises(ValueError, match=words):
        settings(**said)


def judge(token: str) -> str:
    """What the rules say of this token."""
    return check_account(read(token), settings(jwks_file=FILE).profile(), NOW)


def test_a_token_names_its_pod() -> None:
    """By name and uid, where it is bound to one."""
    assert judge(account_token()) == f"{POD['name']}/{POD['uid']}"
    assert judge(account_token(**bound(pod=None))) == ""
    assert judge(account_token({"typ": "JWT"}))


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "uid", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    members=st.dictionaries(st.sampled_from(["namespace", "serviceaccount", "pod", "x"]), SOME_JSON, max_size=3),
    changes=st.dictionaries(
        st.sampled_from(["sub", "aud", "exp", "iat", "nbf", "kubernetes.io"]), SOME_JSON, max_size=1
    ),
)
def test_any_claims_are_an_account_or_a_refusal(members: dict[str, Any], changes: dict[str, Any]) -> None:
    """A pod or none, or a refusal; never anything else."""
    try:
        assert isinstance(judge(account_token(**(bound(**members) | changes))), str)
    except Refused:
        return


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda: account_token({"typ": "at+jwt"}), "token_type"),
        (lambda: account_token({"alg": "ES256"}), "token_algorithm"),
        (lambda: account_token(sub="system:serviceaccount:crm:admin"), "token_service_account"),
        (lambda: account_token(sub="system:serviceaccount:other:refunds"), "token_service_account"),
        (lambda: account_token(sub="system:serviceaccount:crm"), "token_service_account"),
        (lambda: account_token(sub="system:serviceaccount:crm:a:b"), "token_service_account"),
        (lambda: account_token(sub="system:serviceaccount:CRM:refunds"), "token_service_account"),
        (lambda: account_token(sub="system:node:n1"), "token_service_account"),
        (lambda: account_token(**{"kubernetes.io": None}), "token_service_account"),
        (lambda: account_token(**{"kubernetes.io": []}), "token_service_account"),
        (lambda: account_token(**bound(namespace="other")), "token_service_account"),
        (lambda: account_token(**bound(serviceaccount={"name": "admin"})), "token_service_account"),
        (lambda: account_token(**bound(serviceaccount="refunds")), "token_service_account"),
        (lambda: account_token(**bound(pod="x")), "token_pod"),
        (lambda: account_token(**bound(pod={"name": "x"})), "token_pod"),
        (lambda: account_token(**bound(pod={"name": "../x", "uid": "1"})), "token_pod"),
        (lambda: account_token(**bound(pod={"name": "x", "uid": "a/b"})), "token_pod"),
        (lambda: account_token(iss="https://other"), "token_issuer"),
        (lambda: account_token(aud=["https://kubernetes.default.svc"]), "token_audience"),
        (lambda: account_token(aud=[US, "other"]), "token_audience"),
        (lambda: account_token(exp=None), "token_claim_missing: exp"),
        (lambda: account_token(exp=int(NOW) + 365 * 86_400), "token_lifetime"),
        (lambda: account_token(exp=int(NOW) - 60, iat=int(NOW) - 900), "token_expired"),
        (lambda: account_token(act={"sub": "x"}), "token_claim_refused"),
    ],
)  # fmt: skip
def test_every_mistake_is_refused(token: Any, code: str) -> None:
    """Names that do not agree, tokens for others, tokens without an end, and those of another kind."""
    with pytest.raises(Refused) as caught:
        judge(token())
    assert caught.value.refusal.internal == code
