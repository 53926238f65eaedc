"""Who answers for an agent."""

from datetime import UTC, date, datetime

import pytest

from proxy.facts import (
    Agent,
    Attestation,
    Dataset,
    Deputy,
    Instances,
    Inventory,
    OwnershipRules,
    Partner,
    Person,
    Process,
    Service,
)
from proxy.inventory.ownership import (
    agent_review,
    answered_for,
    interval_days,
    overdue,
    partner_standing,
    process_review,
    process_standing,
    standing,
)

TODAY = date(2026, 12, 1)
ALICE = Person(id="alice", name="Alice")
BOB = Person(id="bob", name="Bob", active=False)


def inventory(*agents: Agent) -> Inventory:
    people = {"alice": ALICE, "bob": BOB}
    return Inventory(
        version="v", people=people, teams={}, agents={one.id: one for one in agents}, services={}, datasets={}
    )


def agent(**changed) -> Agent:
    facts = {"id": "bot", "owner": "alice", "purpose": "p", "expires": date(2027, 1, 1), "review_due": date(2027, 1, 1)}
    return Agent(**(facts | changed))


def test_an_agent_in_good_standing_has_its_accountable_owner():
    """Owned, active, unexpired, reviewed: the owner is known and there is no reason against it."""
    found = standing(agent(), inventory(), TODAY)
    assert found.ok
    assert found.owner == ALICE
    assert (found.reason, found.detail) == ("", "")


@pytest.mark.parametrize(
    ("changed", "reason", "detail"),
    [
        ({"enabled": False}, "agent_disabled", "The agent `bot` is disabled in the inventory."),
        ({"owner": None}, "agent_owner_missing",
         "The agent `bot` has no owner, and without one none of its calls pass."),
        ({"owner": "carol"}, "agent_owner_unknown",
         "The agent `bot` has an owner whom the inventory does not know."),
        ({"owner": "bob"}, "agent_owner_inactive",
         "The agent `bot` has an owner who is no longer active; it needs a new one."),
        ({"expires": TODAY}, "agent_expired", "The agent `bot` expired on 2026-12-01."),
        ({"expires": date(2025, 1, 1)}, "agent_expired", "The agent `bot` expired on 2025-01-01."),
        ({"review_due": date(2026, 11, 30)}, "agent_review_overdue",
         "The agent `bot` was due for review by its owner on 2026-11-30."),
        ({"enabled": False, "owner": None}, "agent_disabled", "The agent `bot` is disabled in the inventory."),
    ],
)  # fmt: skip
def test_without_standing_there_is_a_reason_and_no_owner(changed, reason, detail):
    """Each way to lose standing has its own code and sentence, and gives nobody as owner."""
    found = standing(agent(**changed), inventory(), TODAY)
    assert not found.ok
    assert (found.owner, found.reason, found.detail) == (None, reason, detail)


def test_the_last_good_days():
    """The day before `expires`, and the day of `review_due` itself, are still good."""
    assert standing(agent(expires=date(2026, 12, 2), review_due=TODAY), inventory(), TODAY).ok


def test_a_deputy_or_technical_owner_is_no_substitute():
    """Accountability is the owner's alone: without one, others named on the agent change nothing."""
    assert standing(agent(owner=None, technical_owner="alice"), inventory(), TODAY).reason == "agent_owner_missing"


# --- whose word a review is ------------------------------------------------------------------------

AT = datetime(2026, 11, 1, tzinfo=UTC).timestamp()


def said(what="agent:bot", **changed) -> Attestation:
    facts = {"id": "a1", "what": what, "owner": "alice", "agent_class": "utility", "digest": "sha256:1",
             "person": "alice", "at": AT}  # fmt: skip
    return Attestation(**(facts | changed))


def under(one: Agent, *said_of: Attestation, **rules) -> Inventory:
    held = {each.what: each for each in said_of}
    known = inventory(one)
    carol = Person(id="carol", name="Carol")
    return known.model_copy(
        update={"attestations": held, "rules": OwnershipRules(**rules), "people": {**known.people, "carol": carol}}
    )


@pytest.mark.parametrize(
    ("changed", "attested", "due"),
    [
        ({}, {}, date(2027, 1, 30)),
        ({"review_interval_days": 10}, {}, date(2026, 11, 11)),
        ({"review_interval_days": 10, "review_due": TODAY}, {}, TODAY),
        ({}, {"owner": "carol"}, date(2020, 1, 1)),
        ({}, {"agent_class": "privileged"}, date(2020, 1, 1)),
        ({"agent_class": "privileged"}, {}, None),
        ({"agent_class": "privileged", "review_due": date(2099, 1, 1)}, {}, None),
        ({"agent_class": "privileged"}, {"agent_class": "privileged"}, date(2026, 12, 1)),
        ({"agent_class": "privileged", "review_interval_days": 5}, {"agent_class": "privileged"}, date(2026, 11, 6)),
        ({"agent_class": "privileged"}, {"agent_class": "privileged", "owner": "carol"}, None),
    ],
)
def test_an_attestation_counts_for_its_owner_and_class_alone(changed, attested, due):
    """The later of the file's date and the attestation's; for a privileged agent only the attestation's."""
    one = agent(**({"review_due": date(2020, 1, 1)} | changed))
    assert agent_review(one, under(one, said(**attested))).due == due


def test_a_privileged_agent_that_nobody_attested_is_refused():
    """Whatever its file says, and also where overdue reviews only hold: reclassification takes effect at once."""
    one = agent(agent_class="privileged", review_due=date(2099, 1, 1))
    for rules in ({}, {"review_overdue": "hold"}):
        found = standing(one, under(one, said(), **rules), TODAY)
        assert (found.ok, found.reason, found.restraints) == (False, "agent_unattested", ())
    assert standing(one, under(one, said(agent_class="privileged")), TODAY).ok
    assert standing(one, under(one, said(agent_class="privileged")), date(2026, 12, 2)).reason == "agent_review_overdue"


def test_an_overdue_review_holds_where_the_rules_say_so():
    """The owner stays accountable and every call waits; an expired agent is refused all the same."""
    one = agent(review_due=date(2026, 11, 30))
    found = standing(one, under(one, review_overdue="hold"), TODAY)
    assert found.owner == ALICE
    assert [restraint.reason for restraint in found.restraints] == ["agent_review_overdue"]
    expired = agent(review_due=date(2026, 11, 30), expires=TODAY)
    assert standing(expired, under(expired, review_overdue="hold"), TODAY).reason == "agent_expired"


def deputy(person: str, start: date = date(2020, 1, 1), end: date = date(2099, 1, 1)) -> Deputy:
    return Deputy(person=person, start=start, end=end)


@pytest.mark.parametrize(
    ("deputies", "answers"),
    [
        ((), None),
        ((deputy("carol"),), "carol"),
        ((deputy("bob"), deputy("carol")), "carol"),
        ((deputy("alice"), deputy("carol")), "alice"),
        ((deputy("carol", TODAY, TODAY),), "carol"),
        ((deputy("carol", end=date(2026, 11, 30)),), None),
        ((deputy("carol", start=date(2026, 12, 2)),), None),
        ((deputy("stranger"),), None),
    ],
)
def test_the_first_deputy_within_dates_answers_for_an_owner_who_left(deputies, answers):
    """Only where the rules hand over; never one who is inactive, unknown or out of date."""
    one = agent(owner="bob", deputies=deputies)
    found = standing(one, under(one, when_owner_leaves="deputy"), TODAY)
    assert (found.owner.id if found.owner else None) == answers
    assert found.deputy_for == ("bob" if answers else "")
    assert standing(one, under(one), TODAY).reason == "agent_owner_inactive"


def test_an_owner_who_is_there_is_not_replaced():
    """Deputies answer for who left, and for nobody else; an agent without an owner gets none."""
    one = agent(deputies=(deputy("carol"),))
    assert standing(one, under(one, when_owner_leaves="deputy"), TODAY).deputy_for == ""
    none = agent(owner=None, deputies=(deputy("carol"),))
    assert standing(none, under(none, when_owner_leaves="deputy"), TODAY).reason == "agent_owner_missing"


def test_an_instance_has_the_owner_who_is_named_for_it():
    """Another copy has the agent's; one whose own owner left is refused alone; two names for one are nobody."""
    copies = Instances(issuer="i", subject="s:{instance}", owners={"x": "carol", "y": "bob", "z": "carol"})
    other = Instances(issuer="j", subject="s:{instance}", owners={"z": "alice"})
    one = agent(instances=(copies, other))
    known = under(one)
    found = {name: standing(one, known, TODAY, name) for name in ("", "other", "x", "y", "z")}
    assert {name: each.owner.id if each.owner else each.reason for name, each in found.items()} == {
        "": "alice", "other": "alice", "x": "carol", "y": "agent_owner_inactive", "z": "agent_owner_missing",
    }  # fmt: skip


# --- business processes and partners ----------------------------------------------------------------


def process(**changed) -> Process:
    facts = {"id": "night", "owner": "alice", "purpose": "p", "trigger": "schedule", "reference": "0 3 * * *",
             "agents": ("bot",), "expires": date(2027, 1, 1), "review_due": date(2027, 1, 1)}  # fmt: skip
    return Process(**(facts | changed))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"enabled": False}, "process_disabled"),
        ({"owner": "bob"}, "process_owner_inactive"),
        ({"owner": "stranger"}, "process_owner_inactive"),
        ({"expires": TODAY}, "process_expired"),
        ({"review_due": date(2026, 11, 30)}, "process_review_overdue"),
        ({"review_due": TODAY}, ""),
    ],
)
def test_a_process_stands_like_an_agent(changed, reason):
    """Without an owner, an end ahead and a review in date, no agent acts for it."""
    found = process_standing(process(**changed), inventory(), TODAY)
    assert (found.reason, found.ok) == (reason, not reason)


def test_a_process_is_attested_by_its_owner():
    """The owner's word carries it; another's does not; where the rules say so, overdue means held."""
    one = process(review_due=date(2020, 1, 1))
    known = inventory().model_copy(update={"attestations": {"process:night": said("process:night", agent_class="")}})
    assert process_standing(one, known, TODAY).ok
    assert not process_standing(process(review_due=date(2020, 1, 1), owner="carol"), known, TODAY).ok
    hold = inventory().model_copy(update={"rules": OwnershipRules(review_overdue="hold")})
    assert process_standing(one, hold, TODAY).restraints[0].reason == "process_review_overdue"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"ends": date(2026, 12, 2)}, ""),
        ({"ends": TODAY}, "partner_contract_ended"),
        ({"owner": "bob"}, "partner_owner_inactive"),
        ({"owner": "stranger"}, "partner_owner_inactive"),
    ],
)
def test_a_partners_agents_stand_while_the_contract_does(changed, reason):
    """Until the day before its end, and while one of us answers for it; an unknown partner never."""
    facts = {"id": "acme", "name": "Acme", "owner": "alice", "contract": "C-1", "ends": date(2027, 1, 1), "issuers": ()}
    partner = Partner(**(facts | changed))
    hosted = agent(partner="acme")
    known = inventory(hosted).model_copy(update={"partners": {"acme": partner}})
    assert partner_standing(partner, known, TODAY).reason == reason
    found = standing(hosted, known, TODAY)
    assert (found.reason, found.ok) == (reason, not reason)
    assert standing(hosted, inventory(hosted), TODAY).reason == "partner_unknown"


def test_what_is_overdue_is_counted():
    """Agents and processes; a privileged agent that nobody attested counts too."""
    late, never = agent(id="late", review_due=date(2020, 1, 1)), agent(id="never", agent_class="privileged")
    known = inventory(agent(), late, never).model_copy(
        update={"processes": {"night": process(review_due=date(2020, 1, 1))}}
    )
    assert overdue(known, TODAY) == ["agent:late", "agent:never", "process:night"]


def owned(kind: str, **more):
    """A thing of this kind, of bob, who has left."""
    dates = {"purpose": "p", "expires": date(2027, 1, 1), "review_due": date(2027, 1, 1)}
    facts = {
        "service": lambda: Service(id="it", owner="bob", url="https://it.test", **more),
        "dataset": lambda: Dataset(id="it", owner="bob", **more),
        "process": lambda: Process(id="it", owner="bob", trigger="queue", reference="q", agents=(), **dates, **more),
        "partner": lambda: Partner(id="it", name="It", owner="bob", contract="C", ends=date(2027, 1, 1), issuers=(),
                                   **more),
    }  # fmt: skip
    return facts[kind]()


JUDGES = {
    "service": answered_for, "dataset": answered_for, "process": process_standing, "partner": partner_standing,
}  # fmt: skip
DEPUTY = Deputy(person="alice", start=TODAY, end=TODAY)


@pytest.mark.parametrize("kind", JUDGES)
def test_whatever_has_an_owner_is_handed_to_its_deputy_or_refused(kind):
    """As configured, on the deputy's days only, and to somebody who is there; with the owner who left named."""
    judge, rules = JUDGES[kind], OwnershipRules(when_owner_leaves="deputy")
    strict = inventory()
    handed = strict.model_copy(update={"rules": rules})
    found = judge(owned(kind, deputies=(DEPUTY,)), handed, TODAY)
    assert (found.owner, found.deputy_for) == (ALICE, "bob")
    away = DEPUTY.model_copy(update={"person": "bob"})
    for facts, where, day in (
        ((DEPUTY,), strict, TODAY),
        ((), handed, TODAY),
        ((away,), handed, TODAY),
        ((DEPUTY,), handed, date(2026, 12, 2)),
        ((DEPUTY,), handed, date(2026, 11, 30)),
    ):
        assert judge(owned(kind, deputies=facts), where, day).reason == f"{kind}_owner_inactive"


def test_what_owners_attested_of_a_process_is_still_what_they_attested():
    """Without deputies, a process is written as before there were any: no attestation is of something else now."""
    assert "deputies" not in owned("process").model_dump(mode="json")
    assert "deputies" in owned("process", deputies=(DEPUTY,)).model_dump(mode="json")


def test_no_attestation_counts_for_longer_than_the_house_lets_it():
    """Whatever interval is written: of a utility agent, a privileged one, and a process."""
    at = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    rules = OwnershipRules(longest_review_days=20, privileged_review_days=30)
    near = {"review_due": date(2026, 11, 2)}
    for fact, what in (
        (agent(**near), "agent:bot"),
        (agent(**near, agent_class="privileged"), "agent:bot"),
        (owned("process").model_copy(update=near), "process:it"),
    ):
        assert interval_days(fact, OwnershipRules()) in {90, 30}
        assert interval_days(fact, rules) == 20
        said = Attestation(
            id="att_1", what=what, owner=fact.owner, agent_class=getattr(fact, "agent_class", ""), digest="",
            person=fact.owner, at=at,
        )  # fmt: skip
        house = inventory().model_copy(update={"rules": rules, "attestations": {what: said}})
        review = process_review(fact, house) if what.startswith("process") else agent_review(fact, house)
        assert review.due == date(2026, 11, 21)
