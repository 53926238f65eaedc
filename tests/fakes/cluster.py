"""A Kubernetes cluster: service-account tokens as it signs them, and an API server that reviews them over HTTP."""

import json
from typing import Any

import pytest

from proxy.identity import token_review
from tests.fakes.authorities import Answer, Authority, Seen, as_json
from tests.fakes.issuer import NOW, jwk, sign
from tests.fakes.waiting import PATIENCE

CLUSTER = "https://kubernetes.default.svc.cluster.local"
US = "countersign"
ACCOUNT = "system:serviceaccount:crm:refunds"
POD = {"name": "refunds-7f9c", "uid": "0b1e-77"}


def account_claims(**changes: Any) -> dict[str, Any]:
    """What the API server writes into a projected token; None leaves a claim out."""
    bound = {"namespace": "crm", "serviceaccount": {"name": "refunds", "uid": "s-1"}, "pod": POD,
             "node": {"name": "n1", "uid": "n-1"}}  # fmt: skip
    good = {
        "iss": CLUSTER, "sub": ACCOUNT, "aud": [US], "exp": int(NOW) + 3000, "iat": int(NOW) - 10,
        "nbf": int(NOW) - 10, "jti": "t-1", "kubernetes.io": bound,
    }  # fmt: skip
    return {name: value for name, value in (good | changes).items() if value is not None}


def bound(**changes: Any) -> dict[str, Any]:
    """The same with its `kubernetes.io` changed; None leaves a member out."""
    members = account_claims()["kubernetes.io"] | changes
    return {"kubernetes.io": {name: value for name, value in members.items() if value is not None}}


def account_token(head: dict[str, Any] | None = None, *, name: str = "cluster", **changes: Any) -> str:
    """A token without `typ`, as clusters sign them."""
    header = {"alg": "RS256", "kid": "cluster"} | (head or {})
    return sign(account_claims(**changes), header, kind="RS256", name=name)


def cluster_keys() -> dict[str, Any]:
    return jwk("RS256", "cluster")


def wait_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """API servers are waited for as long as this machine may need, where a test is not about being slow."""
    for name in ("_WITHIN", "_PATIENCE"):
        monkeypatch.setattr(token_review, name, PATIENCE)


class ApiServer(Authority):
    """Answers TokenReviews for callers with the right token of their own. `gone` are pods that were deleted."""

    def __init__(self, ours: str = "our-own-token") -> None:
        super().__init__()
        self.ours = ours
        self.good: set[str] = set()
        self.username = ACCOUNT
        self.audiences: list[str] | None = None
        self.status: Any = None

    @property
    def url(self) -> str:
        return f"{super().url}/apis/authentication.k8s.io/v1/tokenreviews"

    def respond(self, seen: Seen) -> Answer:
        if seen.headers.get("authorization") != f"Bearer {self.ours}":
            return as_json(401, {"kind": "Status", "code": 401})
        review = json.loads(seen.body)
        if (seen.method, review["kind"], review["apiVersion"]) != (
            "POST", "TokenReview", "authentication.k8s.io/v1",
        ):  # fmt: skip
            return as_json(400, {"kind": "Status", "code": 400})
        return as_json(201, review | {"status": self.status or self._status(review["spec"])})

    def _status(self, spec: dict[str, Any]) -> dict[str, Any]:
        if spec["token"] not in self.good:
            return {"user": {}, "authenticated": False, "error": "invalid bearer token"}
        audiences = spec["audiences"] if self.audiences is None else self.audiences
        return {"authenticated": True, "user": {"username": self.username, "uid": "s-1"}, "audiences": audiences}
