"""Tokens of one kind passed off as another: whoever may sign one kind can sign no other (RFC 8725 section 3.12)."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.facts import Agent, Inventory, Person, Subject
from proxy.identity.clusters import ClusterSettings
from proxy.identity.federation import BundleSource
from proxy.identity.handles import HandleService
from proxy.identity.issuers import IssuerSettings
from proxy.identity.resolver import Resolver
from proxy.identity.task_tokens import TaskTokenReader
from proxy.identity.tokens import TokenVerifier
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.workloads import Workloads
from proxy.inventory.ownership import standing
from proxy.stages import Chain, Evidence, Principal, TaskBasis
from tests.fakes.cluster import ACCOUNT, CLUSTER, US, account_claims
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, SUBJECT, claims, jwk, key_set, sign
from tests.fakes.stores import MemoryHandleStore
from tests.fakes.trust_domain import AGENT, OURS, TrustDomain

PROD, PARTNER = TrustDomain(), TrustDomain("partner.example")
GOVERNANCE = "https://gov.example"
THEIRS = "spiffe://partner.example/agent"

# Kind by kind: the key that may sign it (kind and name), the header, and the claims.
KINDS: dict[str, tuple[tuple[str, str], dict[str, Any], dict[str, Any]]] = {
    "access token": (("ES256", "k1"), {"alg": "ES256", "kid": "k1", "typ": "at+jwt"}, claims()),
    "plain token": (("ES256", "plain"), {"alg": "ES256", "kid": "plain", "typ": "JWT"}, claims()),
    "JWT-SVID": (
        ("ES256", PROD.name), {"alg": "ES256", "kid": PROD.name, "typ": "JWT"},
        {"sub": AGENT, "aud": OURS, "exp": int(NOW) + 300, "iat": int(NOW) - 10},
    ),
    "JWT-SVID of a partner": (
        ("ES256", PARTNER.name), {"alg": "ES256", "kid": PARTNER.name},
        {"sub": THEIRS, "aud": OURS, "exp": int(NOW) + 300, "iat": int(NOW) - 10},
    ),
    "service account": (("RS256", "cluster"), {"alg": "RS256", "kid": "cluster"}, account_claims()),
    "task token": (
        ("ES256", "own"), {"alg": "ES256", "kid": "own", "typ": "at+jwt"},
        {"iss": GOVERNANCE, "sub": "bot", "aud": f"{GOVERNANCE}/proxy", "exp": int(NOW) + 300, "iat": int(NOW) - 10,
         "jti": "tok_1", "client_id": "bot", "task": "task_1"},
    ),
}  # fmt: skip


def world() -> Inventory:
    """One agent that every kind of token may prove."""
    subjects = ((ISSUER, SUBJECT), ("spiffe://prod.example", AGENT), ("spiffe://partner.example", THEIRS),
                (CLUSTER, ACCOUNT))  # fmt: skip
    bot = Agent(
        id="bot", owner="olga", purpose="x", expires=date(2099, 1, 1), review_due=date(2099, 1, 1),
        identities=tuple(Subject(issuer=issuer, subject=subject) for issuer, subject in subjects),
    )  # fmt: skip
    people = {"olga": Person(id="olga", name="Olga")}
    return Inventory(version="1", people=people, teams={}, agents={"bot": bot}, services={}, datasets={})


async def _task(task: str) -> TaskBasis | None:
    chain = Chain(Principal("agent", "bot"))
    return TaskBasis("bot", chain, NOW - 60, NOW + 600, (f"task:{task}",)) if task == "task_1" else None


async def _revoke(scope: str, by: str, reason: str, now: float) -> None:
    """Nothing runs here."""


@pytest.fixture
def prove(tmp_path: Path) -> Callable[[str], str]:
    """How a token is proven, by a resolver that knows every kind."""
    files: Mapping[str, bytes] = {
        "access": key_set(jwk("ES256")), "plain": key_set(jwk("ES256", "plain")), "prod": PROD.bundle(),
        "partner": PARTNER.bundle(), "cluster": key_set(jwk("RS256", "cluster")),
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    issuers = [
        IssuerSettings(ISSUER, AUDIENCE, ("ES256",), jwks_file=tmp_path / "access"),
        IssuerSettings(ISSUER, AUDIENCE, ("ES256",), typ="jwt", jwks_file=tmp_path / "plain"),
    ]
    domains = [
        BundleSource(TrustDomainSettings(one.name, OURS, bundle_file=tmp_path / one.name.partition(".")[0]))
        for one in (PROD, PARTNER)
    ]
    clusters = [ClusterSettings(CLUSTER, US, ("RS256", "ES256"), jwks_file=tmp_path / "cluster")]
    own = TaskTokenReader(GOVERNANCE, f"{GOVERNANCE}/proxy", lambda _: {"keys": [jwk("ES256", "own")]})
    handles = HandleService(MemoryHandleStore(), _revoke)
    resolver = Resolver(handles, TokenVerifier(issuers), standing, _task, own, Workloads(domains, clusters))
    inventory = world()
    return lambda token: asyncio.run(resolver.prove(Evidence("p", (("bearer", token),)), NOW, inventory)).method


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_passes_by_its_own_key(prove: Callable[[str], str], kind: str) -> None:
    """So that the refusals below are for the right reason."""
    (algorithm, name), head, said = KINDS[kind]
    assert prove(sign(said, head, kind=algorithm, name=name))


@pytest.mark.parametrize(("signer", "kind"), [pair for pair in product(KINDS, KINDS) if pair[0] != pair[1]])
def test_no_key_signs_another_kind(prove: Callable[[str], str], signer: str, kind: str) -> None:
    """Word for word what the other kind says, under the other's key id and under the signer's own."""
    (algorithm, name), own_head, _ = KINDS[signer]
    _, head, said = KINDS[kind]
    for kid, alg in ((head["kid"], head["alg"]), (own_head["kid"], own_head["alg"]), (head["kid"], own_head["alg"])):
        with pytest.raises(Refused):
            prove(sign(said, head | {"kid": kid, "alg": alg}, kind=algorithm, name=name))


OTHER_TYPES = ("dpop+jwt", "wit+jwt", "txntoken+jwt", "secevent+jwt", "logout+jwt", "oauth-id-jag+jwt")


@pytest.mark.parametrize(("kind", "typ"), list(product(KINDS, OTHER_TYPES)))
def test_no_other_type_is_a_credential(prove: Callable[[str], str], kind: str, typ: str) -> None:
    """A proof, an event, a transaction token or a grant is not what it is signed like."""
    (algorithm, name), head, said = KINDS[kind]
    with pytest.raises(Refused):
        prove(sign(said, head | {"typ": typ}, kind=algorithm, name=name))
