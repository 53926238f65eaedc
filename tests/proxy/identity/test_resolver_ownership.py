"""What ownership means for who is calling: sooner ends, restraints, and deputies."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.facts import Attestation, Deputy, OwnershipRules
from proxy.identity.lifetime import end_of
from proxy.stages import Chain, Hop, Principal, TaskBasis
from tests.fakes.issuer import NOW
from tests.proxy.identity.test_resolver import House, agent, inventory


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A resolver with an issuer."""
    return House(tmp_path)


def attested(**changes: Any) -> dict[str, Attestation]:
    facts = {"id": "a1", "what": "agent:refund-bot", "owner": "olga", "agent_class": "privileged",
             "digest": "sha256:1", "person": "olga", "at": NOW}  # fmt: skip
    return {"agent:refund-bot": Attestation(**(facts | changes))}


def test_a_handle_of_an_agent_that_became_privileged_ends_sooner(house: House) -> None:
    """It was issued for eight hours; reclassified, it lives for fifteen minutes from its issue."""
    handle, _ = house.handle(ttl=8 * 3600.0, task="task_old", on_behalf_of=None)
    proven = house.prove(("basic", handle))
    later = NOW + 901
    assert house.attribute(proven, now=later).agent.id == "refund-bot"
    privileged = inventory(agent(agent_class="privileged")).model_copy(update={"attestations": attested()})
    assert house.attribute(proven, privileged, now=NOW + 899).agent.id == "refund-bot"
    with pytest.raises(Refused) as caught:
        house.attribute(proven, privileged, now=later)
    assert caught.value.refusal.reason == "identity_expired"


def test_an_old_task_does_not_end_a_new_handle_of_a_privileged_agent(house: House) -> None:
    """Its lifetime is counted from its own issue; what its issuer's tokens live is the issuer's to say."""
    chain = Chain(Principal("agent", "refund-bot"))
    house.tasks["task_old"] = TaskBasis("refund-bot", chain, NOW - 3000, NOW + 3000, ("task:task_old",))
    privileged = inventory(agent(agent_class="privileged")).model_copy(update={"attestations": attested()})
    handle, _ = house.handle(task="task_old", on_behalf_of=None)
    proven = house.prove(("basic", handle))
    assert (proven.issued_at, proven.made_at) == (NOW - 3000, NOW)
    assert house.attribute(proven, privileged, now=NOW + 500).agent.id == "refund-bot"


@pytest.mark.parametrize("whose", ["its own", "above"])
def test_a_task_of_an_agent_that_became_privileged_ends_sooner(house: House, whose: str) -> None:
    """Whatever its deadline, and whatever is shown under it; also where the agent of a task above is privileged."""
    chain = Chain(Principal("agent", "refund-bot"))
    above = ("boss", NOW - 3000)
    since = NOW - 3000 if whose == "its own" else NOW
    house.tasks["task_old"] = TaskBasis("refund-bot", chain, since, NOW + 9000, ("task:task_old",), (), (above,))
    agents = (agent(agent_class="privileged"),) if whose == "its own" else (
        agent(), agent("boss", identities=(), agent_class="privileged"),
    )  # fmt: skip
    privileged = inventory(*agents).model_copy(update={"attestations": attested()})
    proven = house.prove(("basic", house.handle(ttl=8 * 3600.0, task="task_old", on_behalf_of=None)[0]))
    assert house.attribute(proven, now=NOW + 900).agent.id == "refund-bot"
    assert house.attribute(proven, privileged, now=NOW + 599).agent.id == "refund-bot"
    assert (end_of(proven, privileged), end_of(proven, inventory())) == (NOW + 600, proven.not_after)
    with pytest.raises(Refused) as caught:
        house.attribute(proven, privileged, now=NOW + 600)
    assert (caught.value.refusal.status, caught.value.refusal.reason) == (403, "task_ended")


def test_who_was_never_attested_as_privileged_calls_nothing(house: House) -> None:
    """Reclassification alone refuses every call, in the middle of a connection."""
    proven = house.prove(("basic", house.handle(on_behalf_of=None)[0]))
    assert house.attribute(proven).restraints == ()
    for said in ({}, attested(agent_class="utility"), attested(owner="alice")):
        world = inventory(agent(agent_class="privileged")).model_copy(update={"attestations": said})
        with pytest.raises(Refused) as caught:
            house.attribute(proven, world)
        assert caught.value.refusal.reason == "agent_unattested"


def test_an_overdue_review_restrains_where_the_rules_say_so(house: House) -> None:
    """The identity stands, with the reason why each of its calls waits for a person."""
    rules = OwnershipRules(review_overdue="hold")
    late = agent(review_due=date(2020, 1, 1))
    world = inventory(late).model_copy(update={"rules": rules})
    proven = house.prove(("basic", house.handle(on_behalf_of=None)[0]), world=world)
    assert [one.reason for one in house.attribute(proven, world).restraints] == ["agent_review_overdue"]


def test_what_restrains_a_party_restrains_who_acts_for_it(house: House) -> None:
    """An agent in good standing that acts for an overdue one waits for a person too."""
    late = agent("late-bot", identities=(), review_due=date(2020, 1, 1))
    world = inventory(agent(), late).model_copy(update={"rules": OwnershipRules(review_overdue="hold")})
    root, caller = Principal("agent", "late-bot"), Principal("agent", "refund-bot")
    chain = Chain(root, (Hop(root, caller, "verified", "handle", "sha256:1"),))
    house.tasks["task_9"] = TaskBasis("refund-bot", chain, NOW, NOW + 600, ("task:task_9",))
    proven = house.prove(("basic", house.handle(task="task_9", on_behalf_of=None)[0]), world=world)
    assert [one.reason for one in house.attribute(proven, world).restraints] == ["agent_review_overdue"]


def test_a_deputy_answers_for_an_owner_who_left_under_both_their_names(house: House) -> None:
    """Whatever ends what the owner owned, or what the deputy owns, ends this too."""
    deputies = (Deputy(person="alice", start=date(2020, 1, 1), end=date(2099, 1, 1)),)
    world = inventory(agent(deputies=deputies))
    gone = {**world.people, "olga": world.people["olga"].model_copy(update={"active": False})}
    world = world.model_copy(update={"people": gone, "rules": OwnershipRules(when_owner_leaves="deputy")})
    proven = house.prove(("basic", house.handle(on_behalf_of=None)[0]), world=world)
    identity = house.attribute(proven, world)
    assert (identity.owner.id, identity.deputy_for) == ("alice", "olga")
    assert {"owner:alice", "owner:olga"} <= set(identity.scopes)
