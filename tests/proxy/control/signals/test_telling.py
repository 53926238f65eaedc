"""What receivers are told of an end."""

import asyncio

import pytest

from proxy.control.signals.model import Receiver
from proxy.control.signals.subjects import read_subject
from proxy.control.signals.telling import Author
from proxy.control.signals.words import SESSION_REVOKED, VERIFICATION
from proxy.facts import Agent, Inventory, Person, Subject
from proxy.stages import Principal
from proxy.tasks.delegation import Proof
from proxy.tasks.interfaces import Revocation
from proxy.tasks.task import begin
from tests.fakes.control_house import FAR
from tests.fakes.issuer import ISSUER, NOW
from tests.fakes.tasks import new_task

OURS = "https://gov.example"
KINDS = frozenset({"global", "team", "owner", "class", "agent", "principal", "token", "task"})
INVENTORY = Inventory(
    version="1",
    people={
        "alice": Person(id="alice", name="A", identities=(Subject(issuer=ISSUER, subject="a"),)),
        "bob": Person(id="bob", name="B", email="bob@corp.example"),
        "eve": Person(id="eve", name="E"),
    },
    teams={},
    agents={
        "bot": Agent(
            id="bot", owner="alice", purpose="x", expires=FAR, review_due=FAR,
            identities=(Subject(issuer=ISSUER, subject="b1"), Subject(issuer="spiffe://td", subject="spiffe://td/b")),
        ),
        "new": Agent(id="new", owner="alice", purpose="x", expires=FAR, review_due=FAR),
    },
    services={},
    datasets={},
)  # fmt: skip
TASK = begin(
    new_task(
        agent="bot", tools=("crm/*",), datasets=(), deadline=NOW + 600, principal=Principal("human", "alice"),
        proof=Proof("personal_token", "verified", "sha256:aa"),
    ),
    "task_1", None, by="t", now=NOW,
)  # fmt: skip


async def find(task_id):
    return TASK if task_id == "task_1" else None


AUTHOR = Author(OURS, lambda: INVENTORY, find)


def tell(scope, *, by="operator:uid=0", kind="revoke", **more):
    receiver = Receiver("crm", "https://crm", **({"kinds": KINDS} | more))
    return asyncio.run(AUTHOR.telling(Revocation(scope, NOW - 0.5, by, "why", kind), receiver, NOW))


def subjects(scope, **more):
    return [one.claims["sub_id"] for one in tell(scope, **more).tokens]


def iss_sub(subject, issuer=ISSUER):
    return {"format": "iss_sub", "iss": issuer, "sub": subject}


def opaque(text):
    return {"format": "opaque", "id": text}


def test_an_end_is_a_session_revoked_of_ours():
    """With every claim that SSF wants, and none that it forbids."""
    telling = tell("agent:new")
    assert (telling.receiver, telling.scope, telling.at) == ("crm", "agent:new", NOW - 0.5)
    (token,) = telling.tokens
    claims = dict(token.claims)
    assert claims.pop("jti") == token.token_id
    assert claims.pop("txn").startswith("txn_")
    assert claims == {
        "iss": OURS,
        "iat": int(NOW),
        "aud": "https://crm",
        "sub_id": opaque("agent:new"),
        "events": {
            SESSION_REVOKED: {
                "event_timestamp": int(NOW - 0.5),
                "initiating_entity": "admin",
                "reason_admin": {"en": "why"},
            }
        },
    }


@pytest.mark.parametrize(
    ("scope", "about"),
    [
        ("agent:bot", [iss_sub("b1"), iss_sub("spiffe://td/b", "spiffe://td")]),
        ("principal:alice", [iss_sub("a")]),
        ("principal:bob", [{"format": "email", "email": "bob@corp.example"}]),
        ("principal:eve", [opaque("principal:eve")]),
        ("principal:nightly", [opaque("principal:nightly")]),
        (f"principal:{ISSUER}|x", [iss_sub("x")]),
        ("owner:alice", [opaque("owner:alice")]),
        ("global", [opaque("global")]),
        (f"token:{ISSUER}|j", [opaque(f"token:{ISSUER}|j")]),
        ("task:task_1", [{"format": "complex", "user": iss_sub("a"), "session": opaque("task:task_1")}]),
        ("task:unknown", [opaque("task:unknown")]),
    ],
)
def test_who_it_is_about_is_said_as_others_know_them(scope, about):
    """By identities, else by e-mail, else by our own name; a task is a session of its root. Each can be read."""
    assert subjects(scope) == about
    for one in about:
        read_subject(one)


def test_another_countersign_is_told_the_scope():
    """Whatever it is."""
    for scope in ("agent:bot", "principal:alice", "task:task_1", "global"):
        assert subjects(scope, by_scope=True) == [opaque(scope)]


def test_what_is_no_business_of_a_receiver_is_not_told():
    """Kinds that it is not told of, freezes, which others cannot honour, and what we only heard ourselves."""
    assert tell("agent:bot", kinds=frozenset({"task"})) is None
    assert tell("handle:hnd_1") is None
    assert tell("agent:bot", kind="freeze") is None
    assert tell("agent:bot", by=f"transmitter:{ISSUER}") is None


@pytest.mark.parametrize(
    ("by", "entity"),
    [("person:alice", "admin"), ("operator", "admin"), ("agent:bot", "policy"), ("countersign", "policy")],
)
def test_who_ended_it_is_said_by_kind(by, entity):
    """A person, or a rule; never a name."""
    (token,) = tell("agent:new", by=by).tokens
    assert token.claims["events"][SESSION_REVOKED]["initiating_entity"] == entity


def test_a_sign_of_life_is_about_the_stream():
    """A verification event, whose subject is opaque."""
    token = AUTHOR.verification(Receiver("crm", "https://crm"), NOW)
    assert token.claims["events"] == {VERIFICATION: {}}
    assert token.claims["sub_id"] == opaque("crm")
