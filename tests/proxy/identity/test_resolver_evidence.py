"""All evidence of a connection at once: handles, tokens, certificates, and the other end of a UNIX socket."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.facts import Agent, Instances, Inventory, Person, Subject
from proxy.identity import workloads as workloads_module
from proxy.identity.clusters import ClusterSettings
from proxy.identity.federation import BundleSource
from proxy.identity.handles import HandleService
from proxy.identity.issuers import IssuerSettings
from proxy.identity.resolver import Resolver
from proxy.identity.tokens import TokenVerifier
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.workloads import Workloads
from proxy.inventory.ownership import standing
from proxy.stages import Evidence, Identity, LocalPeer, Proven, TaskBasis
from proxy.tasks.epochs import Epochs
from proxy.tasks.interfaces import Revocation
from proxy.tasks.scopes import checked_scope
from tests.fakes.cluster import ACCOUNT, CLUSTER, POD, US, account_token, cluster_keys
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, SUBJECT, claims, jwk, key_set, sign
from tests.fakes.stores import MemoryHandleStore
from tests.fakes.trust_domain import AGENT, DOMAIN, OURS, Plan, TrustDomain

HOME, OTHER = TrustDomain(), TrustDomain("partner.example")
TD = f"spiffe://{DOMAIN}"
PEER, STRANGER = LocalPeer(1000, 1000, 7), LocalPeer(0, 0, 7)


def agent(name: str, *subjects: tuple[str, str], **changes: Any) -> Agent:
    """An agent in good standing with these subjects."""
    good = {
        "owner": "olga", "purpose": "refunds", "expires": date(2099, 1, 1), "review_due": date(2099, 1, 1),
        "identities": tuple(Subject(issuer=issuer, subject=subject) for issuer, subject in subjects),
    }  # fmt: skip
    return Agent(id=name, **(good | changes))


BOT = agent("refund-bot", (TD, AGENT), (ISSUER, SUBJECT), (CLUSTER, ACCOUNT), ("unix", "uid=1000"))
COPIES = agent("many-bot", (TD, f"{TD}/root"), instances=(
    Instances(issuer=TD, subject=f"{TD}/many/{{instance}}", owners={"7": "alice", "8": "gone", "9": "nobody"}),
))  # fmt: skip


def inventory(*agents: Agent) -> Inventory:
    """These agents, and people who can answer for them."""
    people = (
        Person(id="olga", name="Olga"), Person(id="alice", name="Alice"), Person(id="gone", name="Gone", active=False),
    )  # fmt: skip
    return Inventory(
        version="1", people={one.id: one for one in people}, teams={}, services={}, datasets={},
        agents={one.id: one for one in agents},
    )  # fmt: skip


WORLD = inventory(BOT, COPIES, agent("report-bot", (TD, f"{TD}/report"), ("unix", "uid=1001")))


class House:
    """A resolver with an issuer, a trust domain and a cluster."""

    def __init__(self, folder: Path) -> None:
        for name, content in (("jwks", key_set(jwk("ES256"))), ("bundle", HOME.bundle()),
                              ("cluster", key_set(cluster_keys()))):  # fmt: skip
            (folder / name).write_bytes(content)
        self.bundle = folder / "bundle"
        self.handles = HandleService(MemoryHandleStore(), self._revoke_scope)
        self.resolver = Resolver(
            self.handles,
            TokenVerifier([IssuerSettings(ISSUER, AUDIENCE, ("ES256",), jwks_file=folder / "jwks")]),
            standing,
            self._find_task,
            None,
            Workloads(
                [BundleSource(TrustDomainSettings(DOMAIN, OURS, bundle_file=self.bundle))],
                [ClusterSettings(CLUSTER, US, jwks_file=folder / "cluster")],
            ),
        )

    async def _find_task(self, task_id: str) -> TaskBasis | None:
        return None

    async def _revoke_scope(self, scope: str, by: str, reason: str, now: float) -> None:
        """Nothing runs here that would have to end."""

    def handle(self, name: str = "refund-bot") -> tuple[str, str]:
        """A fresh handle, as a credential."""
        made = self.handles.issue(agent=name, purpose="x", ttl=600.0, issued_by="operator:uid=1", now=NOW)
        return "basic", asyncio.run(made)[0]

    def prove(self, *credentials: tuple[str, str], world: Inventory = WORLD, **more: Any) -> Proven:
        """Who all of this proves."""
        return asyncio.run(self.resolver.prove(Evidence("peer", credentials, **more), NOW, world))

    def refusal(self, *credentials: tuple[str, str], world: Inventory = WORLD, **more: Any) -> tuple[int, str]:
        """What all of this is refused with."""
        with pytest.raises(Refused) as caught:
            self.prove(*credentials, world=world, **more)
        return caught.value.refusal.status, caught.value.refusal.reason

    def identity(self, proven: Proven, world: Inventory = WORLD) -> Identity:
        """Who that is, under this inventory."""
        return self.resolver.attribute(proven, world, NOW)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A resolver."""
    return House(tmp_path)


def chain(uri: str = AGENT, home: TrustDomain = HOME, **leaf: Any) -> tuple[bytes, ...]:
    """A chain with this name."""
    return tuple(home.svid(Plan(uris=(uri,), **leaf)))


def copy(number: str) -> tuple[bytes, ...]:
    """A chain of one running copy."""
    return chain(f"{TD}/many/{number}")


# --- each kind alone -----------------------------------------------------------------------------------


def test_each_kind_of_evidence_proves_its_agent(house: House) -> None:
    """By issuer and subject of the inventory, with the method by which it was proven, and keys that end it."""
    shown: list[tuple[Proven, str, str]] = [
        (house.prove(("bearer", sign())), "jwt", ISSUER),
        (house.prove(("bearer", HOME.token())), "jwt_svid", TD),
        (house.prove(("basic", HOME.token())), "jwt_svid", TD),
        (house.prove(("bearer", account_token())), "k8s_sa_token", CLUSTER),
        (house.prove(certificates=chain()), "x509_svid", TD),
        (house.prove(local=PEER), "peercred", "unix"),
    ]
    for proven, method, issuer in shown:
        assert (proven.agent, proven.method, proven.issuer) == ("refund-bot", method, issuer)
        copy_of = (f"instance:refund-bot/{proven.instance}",) if proven.instance else ()
        by_key = [one for one in proven.scopes if one.startswith(f"key:{issuer}|")]
        assert len(by_key) == (0 if method == "peercred" else 1)
        assert proven.scopes == (
            f"token:{issuer}|{proven.credential}", f"principal:{issuer}|{proven.subject}", f"task:{proven.task}",
            *copy_of, *by_key,
        )  # fmt: skip
        assert [checked_scope(scope) for scope in proven.scopes] == list(proven.scopes)
        assert proven.evidence.startswith("sha256:")
        assert house.identity(proven).owner.id == "olga"


def test_a_pod_is_the_instance(house: House) -> None:
    """As the cluster names it, where no template says which instance a subject is."""
    assert house.prove(("bearer", account_token())).instance == f"{POD['name']}/{POD['uid']}"


def test_a_fresh_certificate_keeps_the_task(house: House) -> None:
    """And a token of the same subject has the same one: getting another proof sheds nothing."""
    proven = [
        house.prove(certificates=chain()), house.prove(certificates=chain()), house.prove(("bearer", HOME.token())),
    ]  # fmt: skip
    assert len({one.task for one in proven}) == 1
    assert len({one.credential for one in proven}) == 3


def test_a_user_who_runs_no_agent_shows_nothing(house: House) -> None:
    """Alone, 403; beside other evidence it is a shim of the operator's, and does not count."""
    assert house.refusal(local=STRANGER) == (403, "agent_unknown")
    handle = house.handle()
    assert house.prove(handle, local=STRANGER) == house.prove(handle)
    shown = chain()
    assert house.prove(local=STRANGER, certificates=shown) == house.prove(certificates=shown)


def test_a_user_whom_two_agents_claim_is_refused_whatever_else_is_shown(house: House) -> None:
    """It would be open whose process this is."""
    world = inventory(BOT, agent("twin", ("unix", "uid=1000")))
    assert house.refusal(local=PEER, world=world) == (403, "agent_unknown")
    assert house.refusal(house.handle(), local=PEER, world=world) == (403, "agent_unknown")


# --- several at once -----------------------------------------------------------------------------------


def test_evidence_that_agrees_counts_together(house: House) -> None:
    """The handle's task, the earliest end, the oldest beginning, the scopes of all."""
    handle = house.handle()
    whole = house.prove(handle, ("bearer", HOME.token()), certificates=chain(ends=200), local=PEER)
    parts = [
        house.prove(handle), house.prove(("bearer", HOME.token())), house.prove(certificates=chain()),
        house.prove(local=PEER),
    ]  # fmt: skip
    assert (whole.method, whole.task) == ("opaque_handle", parts[0].task)
    assert (whole.issued_at, whole.not_after) == (0.0, NOW + 200)
    kinds = [scope.partition(":")[0] for scope in whole.scopes]
    assert (kinds.count("handle"), kinds.count("token"), kinds.count("principal")) == (1, 3, 2)
    assert (whole.issuer, whole.subject) == (TD, AGENT)


DISAGREEING: list[tuple[str, dict[str, Any]]] = [
    ("a certificate of another agent", {"certificates": chain(f"{TD}/report")}),
    ("a process of another agent", {"local": LocalPeer(1001, 1, 1)}),
]


@pytest.mark.parametrize("more", [row[1] for row in DISAGREEING], ids=[row[0] for row in DISAGREEING])
def test_evidence_that_disagrees_is_refused(house: House, more: dict[str, Any]) -> None:
    """Beside a handle, a token of an issuer, and an SVID."""
    for credential in (house.handle(), ("bearer", sign()), ("bearer", HOME.token()), ("bearer", account_token())):
        assert house.refusal(credential, **more) == (407, "identity_conflict")


def test_a_user_without_a_number_here_is_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container every user from outside has the same number: whoever was given it would be all of them."""
    monkeypatch.setattr(workloads_module, "UNMAPPED", frozenset({PEER.uid}))
    assert house.refusal(local=PEER) == (407, "identity_invalid")
    proven = house.prove(house.handle(), local=PEER)
    assert (proven.method, proven.issuer) == ("opaque_handle", "")


def test_two_instances_of_one_agent_disagree(house: House) -> None:
    """A certificate of one copy and a token of another are two callers."""
    token = HOME.token({"sub": f"{TD}/many/2"})
    assert house.refusal(("bearer", token), certificates=copy("1")) == (407, "identity_conflict")
    assert house.prove(("bearer", token), certificates=copy("2")).instance == "2"


BAD: list[tuple[str, dict[str, Any]]] = [
    ("of another's authority", {"certificates": chain(AGENT, OTHER)}),
    ("expired", {"certificates": chain(ends=-1)}),
    ("of nobody", {"certificates": chain(f"{TD}/nobody")}),
    ("of an unknown trust domain", {"certificates": chain("spiffe://partner.example/a", OTHER)}),
    ("rubbish", {"certificates": (b"rubbish",)}),
    ("unreadable", {"malformed": "two headers"}),
]


@pytest.mark.parametrize("more", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_piece_is_never_passed_over(house: House, more: dict[str, Any]) -> None:
    """However good the others are, nobody falls back to them."""
    assert house.refusal(**more)[0] in {403, 407}
    for credential in (house.handle(), ("bearer", HOME.token())):
        assert house.refusal(credential, **more, local=PEER)[0] in {403, 407}


@pytest.mark.parametrize("token", [HOME.token({"aud": "x"}), account_token(aud=["x"]), sign(claims(aud="x"))])
def test_a_bad_token_is_never_passed_over(house: House, token: str) -> None:
    """Nor beside a good certificate and a known process."""
    assert house.refusal(("bearer", token), certificates=chain(), local=PEER) == (407, "identity_invalid")


def test_without_the_bundle_a_certificate_is_503(house: House) -> None:
    """Also beside a handle: what cannot be judged is not left out."""
    house.bundle.unlink()
    assert house.refusal(house.handle(), certificates=chain()) == (503, "identity_unavailable")


# --- who answers, and what ends it ---------------------------------------------------------------------


def test_an_instance_has_its_own_accountable_owner(house: House) -> None:
    """Where the inventory names one; both owners' ends are its end. The other copies are the agent's owner's."""
    seventh = house.identity(house.prove(certificates=copy("7")))
    assert (seventh.owner.id, seventh.proven.instance, seventh.agent.id) == ("alice", "7", "many-bot")
    assert {"owner:alice", "owner:olga", "agent:many-bot"} <= set(seventh.scopes)
    first = house.identity(house.prove(certificates=copy("1")))
    assert (first.owner.id, first.proven.instance) == ("olga", "1")
    assert "owner:alice" not in first.scopes


@pytest.mark.parametrize(("number", "reason"), [("8", "agent_owner_inactive"), ("9", "agent_owner_unknown")])
def test_an_instance_without_a_living_owner_does_not_call(house: House, number: str, reason: str) -> None:
    """Its agent's owner does not answer for it instead."""
    proven = house.prove(certificates=copy(number))
    with pytest.raises(Refused, match=reason):
        house.identity(proven)
    assert not house.resolver.stands(proven, WORLD, NOW)
    assert house.resolver.stands(house.prove(certificates=copy("1")), WORLD, NOW)


def test_an_instance_does_not_outlive_its_agent(house: House) -> None:
    """An owner of its own does not help where the agent has none."""
    proven = house.prove(certificates=copy("7"))
    with pytest.raises(Refused, match="agent_owner_missing"):
        house.identity(proven, inventory(COPIES.model_copy(update={"owner": None})))


def test_the_owner_of_an_instance_is_known_beside_a_handle(house: House) -> None:
    """The handle gives the task, the certificate the instance and so its owner."""
    proven = house.prove(house.handle("many-bot"), certificates=copy("7"))
    assert (proven.method, proven.instance, house.identity(proven).owner.id) == ("opaque_handle", "7", "alice")


@pytest.mark.parametrize("scope", ["principal:unix|uid=1000", "agent:refund-bot", "owner:olga", "global"])
def test_a_process_that_connects_again_stays_revoked(house: House, scope: str) -> None:
    """Nothing is issued to it anew, so a revocation holds until it is lifted."""
    ended = Epochs([Revocation(scope, NOW - 86_400, "person:olga", "x")])
    identity = house.identity(house.prove(local=PEER))
    assert ended.dead(identity.scopes, identity.proven.issued_at) is not None
    assert Epochs().dead(identity.scopes, identity.proven.issued_at) is None


def test_one_certificate_can_be_ended(house: House) -> None:
    """By its own name; the next one of the same agent is another."""
    first, second = (house.identity(house.prove(certificates=chain())) for _ in range(2))
    ended = Epochs([Revocation(first.proven.scopes[0], NOW, "person:olga", "x")])
    assert ended.dead(first.scopes, first.proven.issued_at) is not None
    assert ended.dead(second.scopes, second.proven.issued_at) is None


@pytest.mark.parametrize("kind", ["certificate", "token", "handle and token"])
def test_what_a_withdrawn_key_proved_ends_with_it(house: House, kind: str) -> None:
    """On a connection that is open, too, though nobody presents anything: the bundle was emptied."""
    credentials = {"certificate": (), "token": (("bearer", HOME.token()),)}.get(
        kind, (house.handle(), ("bearer", HOME.token()))
    )
    more = {"certificates": chain()} if kind == "certificate" else {}
    proven = house.prove(*credentials, **more)
    assert house.identity(proven).proven is proven
    house.bundle.write_bytes(b'{"keys": []}')
    asyncio.run(house.resolver.refresh(NOW + 1))
    with pytest.raises(Refused) as caught:
        house.resolver.attribute(proven, WORLD, NOW + 1)
    assert (caught.value.refusal.status, caught.value.refusal.reason) == (403, "identity_expired")


@pytest.mark.parametrize("name", ["jwks", "cluster"])
def test_the_same_holds_for_issuers_and_clusters(house: House, name: str) -> None:
    """What an issuer's key proved ends with the key; keys that only came end nothing."""
    token = sign() if name == "jwks" else account_token()
    first = house.prove(("bearer", token))
    path = house.bundle.with_name(name)
    path.write_bytes(path.read_bytes().replace(b'"keys": [', b'"keys": [{}, '))
    asyncio.run(house.resolver.refresh(NOW + 1))
    assert house.identity(first)
    path.write_bytes(key_set())
    asyncio.run(house.resolver.refresh(NOW + 2))
    with pytest.raises(Refused, match="identity_expired"):
        house.identity(first)


def test_what_cannot_be_read_again_is_left_alone(house: House) -> None:
    """A file that is away for a while ends nothing yet, and nothing is read that nobody has used."""
    proven = house.prove(certificates=chain())
    house.bundle.unlink()
    for late in (1, 3700):
        asyncio.run(house.resolver.refresh(NOW + late))
    assert house.identity(proven)


def test_an_identity_ends_with_its_certificate(house: House) -> None:
    """A connection that has outlived it makes no more calls."""
    proven = house.prove(certificates=chain(ends=60))
    with pytest.raises(Refused, match="identity_expired"):
        house.resolver.attribute(proven, WORLD, NOW + 60)
