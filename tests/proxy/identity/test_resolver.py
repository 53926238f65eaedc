"""From evidence to one agent, and from there to the person who answers for it."""

import asyncio
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.facts import Agent, Inventory, Partner, Person, Subject
from proxy.identity.handles import HandleService
from proxy.identity.interfaces import HandleRow
from proxy.identity.issuers import IssuerSettings
from proxy.identity.lineage import name_of
from proxy.identity.resolver import Resolver
from proxy.identity.tokens import TokenVerifier
from proxy.inventory.ownership import standing
from proxy.stages import Chain, Evidence, Hop, Identity, Principal, Proven, TaskBasis
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, SUBJECT, claims, header, jwk, key_set, private_key, sign
from tests.fakes.stores import MemoryHandleStore


def agent(name: str = "refund-bot", **changes: Any) -> Agent:
    """An agent in good standing."""
    good = {
        "id": name, "owner": "olga", "team": "crm", "purpose": "refunds", "expires": date(2099, 1, 1),
        "review_due": date(2099, 1, 1),
    }  # fmt: skip
    return Agent(**(good | changes))


def inventory(*agents: Agent) -> Inventory:
    """These agents, their owner, and two people whom they may act for."""
    people = (
        Person(id="olga", name="Olga"), Person(id="alice", name="Alice"), Person(id="gone", name="Gone", active=False),
    )  # fmt: skip
    return Inventory(
        version="1",
        people={person.id: person for person in people},
        teams={},
        agents={one.id: one for one in agents},
        services={},
        datasets={},
    )


MINE = Subject(issuer=ISSUER, subject=SUBJECT)
WORLD = inventory(agent(identities=(MINE,)), agent("report-bot"))


class House:
    """A resolver over real handles and real tokens."""

    def __init__(self, folder: Path) -> None:
        keys = folder / "jwks.json"
        keys.write_bytes(key_set(jwk("ES256")))
        self.handles = HandleService(MemoryHandleStore(), self._revoke_scope)
        self.tasks: dict[str, TaskBasis] = {}
        profile = IssuerSettings(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_file=keys)
        self.resolver = Resolver(self.handles, TokenVerifier([profile]), standing, self._find_task)

    async def _find_task(self, task_id: str) -> TaskBasis | None:
        return self.tasks.get(task_id)

    async def _revoke_scope(self, scope: str, by: str, reason: str, now: float) -> None:
        """Nothing runs here that would have to end."""

    def handle(self, **changes: Any) -> tuple[str, HandleRow]:
        """A fresh handle for the refund bot."""
        good = {"agent": "refund-bot", "purpose": "x", "ttl": 600.0, "issued_by": "operator:uid=1", "now": NOW}
        return asyncio.run(self.handles.issue(**(good | changes)))

    def prove(self, *credentials: tuple[str, str], world: Inventory = WORLD, now: float = NOW) -> Proven:
        """Who these credentials prove."""
        return asyncio.run(self.resolver.prove(Evidence("127.0.0.1:1", credentials), now, world))

    def refusal(self, *credentials: tuple[str, str], world: Inventory = WORLD, now: float = NOW) -> tuple[int, str]:
        """What these credentials are refused with."""
        with pytest.raises(Refused) as caught:
            self.prove(*credentials, world=world, now=now)
        refusal = caught.value.refusal
        assert bool(refusal.headers) == (refusal.status == 407)
        assert not any(value in repr(refusal) for _, value in credentials if len(value) > 8)
        return refusal.status, refusal.reason

    def attribute(self, proven: Proven, world: Inventory = WORLD, now: float = NOW) -> Identity:
        """Who that is, under this inventory."""
        return self.resolver.attribute(proven, world, now)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A resolver with an issuer."""
    return House(tmp_path)


# --- who is it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_handle_proves_its_agent(house: House, scheme: str) -> None:
    """By either scheme, with the task and the person that it was issued for."""
    handle, row = house.handle(task="task_7", on_behalf_of="alice")
    assert house.prove((scheme, handle)) == Proven(
        agent="refund-bot",
        method="opaque_handle",
        credential=row.id,
        issued_at=NOW,
        not_after=NOW + 600,
        task="task_7",
        on_behalf_of="alice",
        scopes=(f"handle:{row.id}", "task:task_7"),
        evidence=f"sha256:{row.digest}",
        made_at=NOW,
    )


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_token_proves_the_agent_of_its_subject(house: House, scheme: str) -> None:
    """By exact issuer and subject; with keys that end the token, its subject and its task."""
    proven = house.prove((scheme, sign()))
    assert (proven.agent, proven.method, proven.credential, proven.on_behalf_of) == ("refund-bot", "jwt", "j-1", None)
    assert (proven.issuer, proven.subject) == (ISSUER, SUBJECT)
    key = f"key:{ISSUER}|{name_of(private_key('ES256', 'k1').public_key())}"
    assert proven.scopes == (f"token:{ISSUER}|j-1", f"principal:{ISSUER}|{SUBJECT}", f"task:{proven.task}", key)
    assert proven.not_after == NOW + 630


def test_a_fresh_token_keeps_the_task(house: House) -> None:
    """Getting a new token does not shed what is held against the task; another subject has another one."""
    other = Subject(issuer=ISSUER, subject="other")
    world = inventory(agent(identities=(MINE, other)))
    tasks = [
        house.prove(("bearer", sign(claims(**changes))), world=world).task
        for changes in ({}, {"jti": "j-2"}, {"sub": "other"})
    ]
    assert tasks[0] == tasks[1] != tasks[2]


def test_nothing_presented_is_asked_for(house: House) -> None:
    """No evidence: 407, please show some. Unreadable evidence is not the same as none."""
    assert house.refusal() == (407, "identity_missing")
    good, _ = house.handle()
    with pytest.raises(Refused) as caught:
        asyncio.run(house.resolver.prove(Evidence("p", (("basic", good),), malformed="two headers"), NOW, WORLD))
    assert (caught.value.refusal.reason, caught.value.refusal.internal) == ("identity_malformed", "two headers")


@pytest.mark.parametrize(
    ("scheme", "value", "reason"),
    [
        ("basic", "", "identity_invalid"),
        ("basic", "password", "identity_invalid"),
        ("bearer", "a.b", "identity_invalid"),
        ("bearer", "a.b.c.d", "identity_invalid"),
        ("bearer", "..", "identity_invalid"),
        ("basic", "csh_" + "A" * 43, "identity_invalid"),
        ("basic", "csh_a.b.c", "identity_invalid"),
        ("basic", "CSH_" + "A" * 43, "identity_invalid"),
        ("negotiate", "whatever", "identity_malformed"),
        ("", "whatever", "identity_malformed"),
    ],
)
def test_anything_else_proves_nothing(house: House, scheme: str, value: str, reason: str) -> None:
    """What is neither a live handle nor a verified token is refused, with a chance to show better."""
    assert house.refusal((scheme, value)) == (407, reason)


def test_dead_credentials_prove_nothing(house: House) -> None:
    """Expired and revoked ones are refused with that reason, so that the agent gets a new one."""
    handle, row = house.handle()
    assert house.refusal(("basic", handle), now=NOW + 600) == (407, "identity_expired")
    asyncio.run(house.handles.revoke(row.id, by="person:bob", reason="x", now=NOW))
    assert house.refusal(("basic", handle)) == (407, "identity_revoked")
    assert house.refusal(("bearer", sign(claims(iat=int(NOW) - 90, exp=int(NOW) - 60)))) == (407, "identity_expired")
    assert house.refusal(("bearer", sign(name="another"))) == (407, "identity_invalid")


def test_a_subject_that_nobody_claims_is_known_but_not_allowed(house: House) -> None:
    """A good token of an unknown subject is 403, as soon as the inventory no longer has it."""
    assert house.refusal(("bearer", sign(claims(sub="stranger")))) == (403, "agent_unknown")
    assert house.prove(("bearer", sign()))
    assert house.refusal(("bearer", sign()), world=inventory(agent())) == (403, "agent_unknown")
    elsewhere = Subject(issuer="https://other.example", subject=SUBJECT)
    assert house.refusal(("bearer", sign()), world=inventory(agent(identities=(elsewhere,)))) == (403, "agent_unknown")


def test_a_subject_that_two_agents_claim_is_nobody(house: House) -> None:
    """An identity that could be either of two agents is neither."""
    world = inventory(agent(identities=(MINE,)), agent("report-bot", identities=(MINE,)))
    assert house.refusal(("bearer", sign()), world=world) == (403, "agent_unknown")


def test_all_evidence_is_verified(house: House) -> None:
    """A good credential does not make up for a bad one, in either order."""
    handle, _ = house.handle()
    for bad in (("bearer", sign(name="another")), ("basic", "x"), ("bearer", sign(claims(sub="stranger")))):
        assert house.refusal(("basic", handle), bad)[0] in {403, 407}
        assert house.refusal(bad, ("basic", handle))[0] in {403, 407}


def test_evidence_that_disagrees_is_refused(house: House) -> None:
    """Two agents, two tasks, two people, or two subjects at once: none of it counts."""
    mine, _ = house.handle(task="t1", on_behalf_of="alice")
    conflicts = [
        house.handle(agent="report-bot", task="t1", on_behalf_of="alice")[0],
        house.handle(task="t2", on_behalf_of="alice")[0],
        house.handle(task="t1")[0],
    ]
    for other in conflicts:
        assert house.refusal(("basic", mine), ("bearer", other)) == (407, "identity_conflict")
    others, _ = house.handle(agent="report-bot")
    assert house.refusal(("basic", others), ("bearer", sign())) == (407, "identity_conflict")
    both = inventory(agent(identities=(MINE, Subject(issuer=ISSUER, subject="twin"))))
    twins = (("bearer", sign()), ("bearer", sign(claims(sub="twin"))))
    assert house.refusal(*twins, world=both) == (407, "identity_conflict")


def test_evidence_that_agrees_counts_together(house: House) -> None:
    """A handle and a token of one agent: the handle's task, the shorter life, the scopes of both."""
    handle, row = house.handle(ttl=700.0, on_behalf_of="alice")
    token = sign()
    for credentials in ((("basic", handle), ("bearer", token)), (("bearer", token), ("basic", handle))):
        proven = house.prove(*credentials)
        assert (proven.credential, proven.task, proven.on_behalf_of) == (row.id, row.task, "alice")
        assert (proven.issued_at, proven.not_after) == (NOW - 40, NOW + 630)
        assert {f"handle:{row.id}", f"token:{ISSUER}|j-1"} <= set(proven.scopes)
        assert (proven.issuer, proven.subject) == (ISSUER, SUBJECT)


def test_a_delegated_token_is_not_taken_for_the_agents_own(house: House) -> None:
    """`act` is never dropped in silence: such a token is refused (RFC 8693 section 4.1)."""
    assert house.refusal(("bearer", sign(claims(act={"sub": "x"}), header()))) == (407, "identity_invalid")


# --- what that means now ---------------------------------------------------------------------------


def test_an_identity_names_everyone_involved(house: House) -> None:
    """Agent, owner, the chain from the person to the agent, and every key that ends it."""
    handle, row = house.handle(task="t1", on_behalf_of="alice")
    identity = house.attribute(house.prove(("basic", handle)))
    alice, bot = Principal("human", "alice"), Principal("agent", "refund-bot")
    assert (identity.agent.id, identity.owner.id) == ("refund-bot", "olga")
    assert identity.chain == Chain(alice, (Hop(alice, bot, "endorsed", "opaque_handle", f"sha256:{row.digest}"),))
    assert identity.scopes == (
        "global", "agent:refund-bot", "class:utility", "owner:olga", "team:crm", "principal:alice",
        f"handle:{row.id}", "task:t1",
    )  # fmt: skip


def test_an_agent_may_act_for_itself(house: House) -> None:
    """Without a person behind it, the agent is the root, and no principal is in the scopes."""
    identity = house.attribute(house.prove(("basic", house.handle()[0])), inventory(agent(team=None)))
    assert identity.chain == Chain(Principal("agent", "refund-bot"))
    assert not any(scope.startswith(("principal:", "team:")) for scope in identity.scopes)


REFUSED = [
    (inventory(), {}, NOW, "agent_unknown"),
    (inventory(agent(owner=None)), {}, NOW, "agent_owner_missing"),
    (inventory(agent(owner="nobody")), {}, NOW, "agent_owner_unknown"),
    (inventory(agent(owner="gone")), {}, NOW, "agent_owner_inactive"),
    (inventory(agent(enabled=False)), {}, NOW, "agent_disabled"),
    (inventory(agent(expires=date(2020, 1, 1))), {}, NOW, "agent_expired"),
    (inventory(agent(review_due=date(2020, 1, 1))), {}, NOW, "agent_review_overdue"),
    (WORLD, {"on_behalf_of": "nobody"}, NOW, "principal_unknown"),
    (WORLD, {"on_behalf_of": "gone"}, NOW, "principal_inactive"),
    (WORLD, {}, NOW + 600, "identity_expired"),
    (WORLD, {}, float("nan"), "identity_expired"),
]


@pytest.mark.parametrize(("world", "changes", "now", "reason"), REFUSED, ids=[row[3] for row in REFUSED])
def test_a_proven_agent_may_still_not_call(
    house: House, world: Inventory, changes: dict[str, Any], now: float, reason: str
) -> None:
    """Known but not allowed: 403, with the reason that its people can act on."""
    proven = house.prove(("basic", house.handle(**changes)[0]))
    with pytest.raises(Refused) as caught:
        house.attribute(proven, world, now)
    assert (caught.value.refusal.status, caught.value.refusal.reason) == (403, reason)


def test_no_owner_is_a_refusal_whatever_else_is_said(house: House) -> None:
    """An answer without an owner and without a reason is no permission either."""

    class Empty:
        owner = None
        reason = ""
        detail = ""

    resolver = Resolver(house.handles, TokenVerifier([]), lambda *_: Empty(), house._find_task)
    with pytest.raises(Refused, match="agent_refused"):
        resolver.attribute(house.prove(("basic", house.handle()[0])), WORLD, NOW)


def test_what_was_known_yesterday_is_judged_anew(house: House) -> None:
    """An identity is judged again under another inventory, on another day, and for another credential."""
    world = inventory(agent(expires=date(2027, 1, 16)))
    proven = replace(house.prove(("basic", house.handle()[0])), not_after=NOW + 90_000)
    today = house.attribute(proven, world)
    assert house.attribute(proven, world, NOW + 1) is today
    with pytest.raises(Refused, match="agent_expired"):
        house.attribute(proven, world, NOW + 86_400)
    with pytest.raises(Refused, match="agent_owner_missing"):
        house.attribute(proven, inventory(agent(owner=None)))
    assert house.attribute(replace(proven, task="t2"), world).scopes[-1] == proven.scopes[-1]
    again = house.attribute(replace(proven, on_behalf_of="alice"), world)
    assert again.chain.root == Principal("human", "alice")


def test_connections_of_one_credential_are_judged_once(house: House) -> None:
    """Two connections that prove the same share one judgement, instead of ousting each other's at every call."""
    handle = house.handle()[0]
    first, second = house.prove(("basic", handle)), replace(house.prove(("basic", handle)))
    assert first is not second
    identity = house.attribute(first)
    assert house.attribute(second) is identity
    assert house.attribute(first) is identity


# --- under a task -----------------------------------------------------------------------------------

ALICE, REFUND_BOT, REPORT_BOT = (
    Principal("human", "alice"),
    Principal("agent", "refund-bot"),
    Principal("agent", "report-bot"),
)
CHAIN = Chain(
    ALICE,
    (
        Hop(ALICE, REPORT_BOT, "verified", "personal_token", "sha256:aa"),
        Hop(REPORT_BOT, REFUND_BOT, "verified", "handle", "sha256:bb"),
    ),
)
BASIS = TaskBasis("refund-bot", CHAIN, NOW - 100, NOW + 60, ("task:task_7", "task:task_1"))


def test_a_task_says_for_whom_and_until_when(house: House) -> None:
    """Its chain, its root, its age and its end take the place of what the credential alone would mean."""
    house.tasks["task_7"] = BASIS
    handle, row = house.handle(task="task_7")
    proven = house.prove(("basic", handle))
    assert (proven.chain, proven.on_behalf_of) == (CHAIN, "alice")
    assert (proven.issued_at, proven.not_after) == (NOW - 100, NOW + 60)
    assert proven.scopes == (f"handle:{row.id}", "task:task_7", "task:task_1")
    identity = house.attribute(proven)
    assert identity.chain == CHAIN
    assert {"principal:alice", "agent:report-bot", "agent:refund-bot", "owner:olga", "team:crm"} <= set(identity.scopes)


@pytest.mark.parametrize("more", [{"agent": "report-bot"}, {"on_behalf_of": "olga"}])
def test_a_credential_that_contradicts_its_task_is_refused(house: House, more: dict[str, Any]) -> None:
    """Another agent, or another person, than the task is of."""
    house.tasks["task_7"] = BASIS
    handle, _ = house.handle(task="task_7", **more)
    assert house.refusal(("basic", handle)) == (407, "identity_conflict")


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (inventory(agent()), "delegator_refused"),
        (inventory(agent(), agent("report-bot", owner=None)), "delegator_refused"),
        (inventory(agent(), agent("report-bot", expires=date(2020, 1, 1))), "delegator_refused"),
        (inventory(agent(), agent("report-bot", enabled=False)), "delegator_refused"),
    ],
)
def test_a_party_that_does_not_stand_ends_the_chain(house: House, world: Inventory, reason: str) -> None:
    """An agent in the middle that is unknown, without an owner, expired or disabled hands nothing on."""
    house.tasks["task_7"] = BASIS
    proven = house.prove(("basic", house.handle(task="task_7")[0]))
    with pytest.raises(Refused) as caught:
        house.attribute(proven, world)
    assert (caught.value.refusal.status, caught.value.refusal.reason) == (403, reason)


@pytest.mark.parametrize(
    ("root", "reason"),
    [
        (Principal("human", "gone"), "principal_inactive"),
        (Principal("human", "nobody"), "principal_unknown"),
        (Principal("human", "https://idp.example|x"), "principal_unknown"),
        (Principal("business_process", "nightly"), "principal_unknown"),
        (Principal("service", "crm"), "principal_unknown"),
    ],
)
def test_a_root_that_nobody_answers_for_is_no_root(house: House, root: Principal, reason: str) -> None:
    """People must be active in the inventory; processes and services that it does not know are nobody."""
    chain = Chain(root, (Hop(root, REFUND_BOT, "verified", "x", "sha256:aa"),))
    house.tasks["task_7"] = replace(BASIS, chain=chain)
    proven = house.prove(("basic", house.handle(task="task_7")[0]))
    with pytest.raises(Refused) as caught:
        house.attribute(proven)
    assert caught.value.refusal.reason == reason


def test_a_running_copy_and_a_partner_can_be_ended(house: House) -> None:
    """An agent's scopes name its instance, where one was shown, and the partner who hosts it."""
    handle, _ = house.handle()
    proven = house.prove(("bearer", handle))
    agents = WORLD.agents | {"refund-bot": WORLD.agents["refund-bot"].model_copy(update={"partner": "acme"})}
    acme = Partner(id="acme", name="Acme", owner="olga", contract="K-1", ends=date(2099, 1, 1), issuers=())
    hosted = WORLD.model_copy(update={"agents": agents, "partners": {"acme": acme}})
    scopes = house.attribute(replace(proven, instance="pod-7"), hosted).scopes
    assert {"instance:refund-bot/pod-7", "partner:acme"} <= set(scopes)
    assert not any(one.startswith(("instance:", "partner:")) for one in house.attribute(proven).scopes)


@pytest.mark.parametrize(
    ("demanded", "changes", "passes"),
    [
        ("refunds", {}, True),
        ("refunds", {"client_id": "workbench"}, False),
        (SUBJECT, {}, False),
        (SUBJECT, {"client_id": SUBJECT}, True),
        ("refunds", {"azp": "workbench"}, False),
        (None, {"client_id": "workbench"}, True),
    ],
)
def test_an_account_of_the_same_name_is_not_the_agent(
    house: House, demanded: str | None, changes: dict[str, Any], passes: bool
) -> None:
    """Where the inventory says which client an agent's tokens are issued to, one of another client is nobody's: a
    person who calls their account as the agent is called signs in elsewhere."""
    world = inventory(agent(identities=(MINE.model_copy(update={"client_id": demanded}),)))
    shown = ("bearer", sign(claims(**changes)))
    if passes:
        assert house.prove(shown, world=world).agent == "refund-bot"
    else:
        with pytest.raises(Refused, match="agent_unknown"):
            house.prove(shown, world=world)
