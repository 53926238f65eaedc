"""Kubernetes clusters whose service-account tokens we accept, as configured, and the rules for such a token."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from policies.model import Json
from proxy.identity.challenges import unproven
from proxy.identity.claims import check_claims
from proxy.identity.compact import Unverified
from proxy.identity.issuers import IssuerSettings, check_url

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TYPES = frozenset({"", "jwt"})
LEAST_BETWEEN_REVIEWS, MOST_UNANSWERED = 5, 3600

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*"
_SUBJECT = re.compile(rf"system:serviceaccount:({_LABEL}):({_NAME})")
_UID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """A cluster by its `issuer`, and how its tokens are judged: by its published keys, or by asking it.

    `review_url` is the TokenReview resource of its API server, `token_file` what we show there, read freshly each
    time. It is asked again about a token in use every `review_every_s`; once it has not said yes for `unanswered_s`,
    the token counts no more. Raises `ValueError` with a text for people.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...] = ("RS256",)
    jwks_file: Path | None = None
    jwks_url: str | None = None
    review_url: str | None = None
    ca_bundle: Path | None = None
    token_file: Path = SERVICE_ACCOUNT / "token"
    max_lifetime_s: int = 3600
    leeway_s: int = 10
    review_every_s: float = 30.0
    unanswered_s: float = 120.0

    def __post_init__(self) -> None:
        if [self.jwks_file, self.jwks_url, self.review_url].count(None) != 2:
            raise ValueError("give exactly one of `jwks_file`, `jwks_url` and `review_url`")
        if self.review_url is not None:
            check_url(self.review_url, "review_url")
        if not LEAST_BETWEEN_REVIEWS <= self.review_every_s <= self.unanswered_s <= MOST_UNANSWERED:
            raise ValueError(
                f"`review_seconds` is at least {LEAST_BETWEEN_REVIEWS}, and at most `unanswered_seconds`, "
                f"which is at most {MOST_UNANSWERED}"
            )
        self.profile()

    def profile(self) -> IssuerSettings:
        """The same as the profile of an issuer, which its tokens must meet in either case."""
        # INVARIANT: where the cluster is asked, no key is ever fetched
        reviewed = self.review_url is not None
        return IssuerSettings(
            self.issuer,
            self.audience,
            self.algorithms,
            typ="",
            jwks_file=self.jwks_file,
            jwks_url="https://127.0.0.1/" if reviewed else self.jwks_url,
            ca_bundle=self.ca_bundle,
            max_lifetime_s=self.max_lifetime_s,
            leeway_s=self.leeway_s,
        )


def check_account(unverified: Unverified, profile: IssuerSettings, now: float) -> str:
    """Refuses a token that no service account of this cluster can have; gives its pod as `name/uid`, or nothing."""
    if unverified.typ not in TYPES:
        raise unproven("identity_invalid", "token_type")
    if unverified.algorithm not in profile.algorithms:
        raise unproven("identity_invalid", "token_algorithm")
    claims = unverified.claims
    check_claims(claims, profile, now)
    bound = claims.get("kubernetes.io")
    match = _SUBJECT.fullmatch(str(claims["sub"]))
    if match is None or not isinstance(bound, dict):
        raise unproven("identity_invalid", "token_service_account")
    if bound.get("namespace") != match[1] or _member(bound, "serviceaccount", "name") != match[2]:
        raise unproven("identity_invalid", "token_service_account")
    return _pod(bound) if "pod" in bound else ""


def _pod(bound: Mapping[str, Json]) -> str:
    name, uid = _member(bound, "pod", "name"), _member(bound, "pod", "uid")
    if not isinstance(name, str) or not re.fullmatch(_NAME, name) or not isinstance(uid, str):
        raise unproven("identity_invalid", "token_pod")
    if not _UID.fullmatch(uid):
        raise unproven("identity_invalid", "token_pod")
    return f"{name}/{uid}"


def _member(bound: Mapping[str, Json], part: str, name: str) -> Json:
    found = bound.get(part)
    return found.get(name) if isinstance(found, dict) else None
