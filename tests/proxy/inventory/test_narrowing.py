"""What newer files take away from the inventory in force, before they are in force themselves."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.facts import Agent, Dataset, Deputy, Inventory, OwnershipRules, Partner, Person, Process, Service, Subject
from proxy.inventory.narrowing import narrowed
from proxy.inventory.ownership import answered_for, partner_standing, process_standing, standing

TODAY = date(2026, 12, 1)
FAR = date(2099, 1, 1)
PAST = date(2026, 11, 1)
RULES = [OwnershipRules(), OwnershipRules(when_owner_leaves="deputy", review_overdue="hold")]


def agent(name: str = "bot", **facts: object) -> Agent:
    told = {"owner": "olivia", "expires": FAR, "review_due": FAR, "purpose": "p"} | facts
    return Agent(id=name, **told)  # type: ignore[arg-type]  # as many as given


def process(**facts: object) -> Process:
    told = {"owner": "olivia", "expires": FAR, "review_due": FAR, "purpose": "p", "trigger": "queue",
            "reference": "q", "agents": ("bot",)} | facts  # fmt: skip
    return Process(id="payroll", **told)  # type: ignore[arg-type]  # as many as given


def partner(**facts: object) -> Partner:
    told = {"id": "acme", "name": "Acme", "owner": "bob", "contract": "C", "ends": FAR, "issuers": ("x",)} | facts
    return Partner(**told)  # type: ignore[arg-type]  # as many as given


def inventory(*agents: Agent, gone: str = "", without: str = "", **more: object) -> Inventory:
    people = [Person(id=name, name=name, active=name != gone) for name in ("olivia", "bob", "dan") if name != without]
    told = {"version": "v", "people": {one.id: one for one in people}, "teams": {}, "services": {}, "datasets": {},
            "agents": {one.id: one for one in agents or (agent(),)}} | more  # fmt: skip
    return Inventory(**told)  # type: ignore[arg-type]  # as many as given


NONE: frozenset[str] = frozenset()


def test_files_that_take_nothing_away_leave_the_very_same_inventory():
    """The same, a new agent, a longer life, another owner who is there: all that waits for the whole."""
    now = inventory()
    for files in (
        inventory(),
        inventory(agent(), agent("second")),
        inventory(agent(owner="bob", expires=date(2199, 1, 1), purpose="all")),
    ):
        found = narrowed(now, files, NONE, TODAY)
        assert found.inventory is now
        assert found.lost == ()


@pytest.mark.parametrize("files", [inventory(gone="olivia"), inventory(without="olivia")], ids=["inactive", "gone"])
def test_who_has_left_is_inactive_and_answers_for_nothing(files):
    """Said to be inactive or no longer there; policies know them as somebody who has left, in another version."""
    now = inventory()
    found = narrowed(now, files, NONE, TODAY)
    assert found.lost == ("person:olivia",)
    assert not found.inventory.people["olivia"].active
    assert found.inventory.left == {"olivia"}
    assert found.inventory.version != now.version
    assert standing(found.inventory.agents["bot"], found.inventory, TODAY).reason == "agent_owner_inactive"
    assert now.people["olivia"].active


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (agent(expires=PAST), "agent_expired"),
        (agent(review_due=PAST), "agent_review_overdue"),
        (agent(owner=None), "agent_owner_missing"),
        (agent(owner="nobody"), "agent_owner_unknown"),
        (agent(enabled=False), "agent_disabled"),
        (agent(agent_class="privileged"), "agent_unattested"),
        (agent("another"), "agent_disabled"),
    ],
)
def test_an_agent_that_no_longer_stands_is_refused_for_its_reason(said, reason):
    """Expired, overdue, without an owner, disabled, of another class; gone from the files is as disabled."""
    found = narrowed(inventory(), inventory(said), NONE, TODAY)
    assert found.lost == ("agent:bot",)
    assert standing(found.inventory.agents["bot"], found.inventory, TODAY).reason == reason


def test_an_agent_gets_nothing_else_of_what_newer_files_say_of_it():
    """Only what it no longer stands on: labels, identities and the rest are those that policies were compiled for."""
    said = agent(expires=PAST, labels=("trusted",), purpose="all", environment="test")
    (found,) = narrowed(inventory(), inventory(said), NONE, TODAY).inventory.agents.values()
    assert (found.labels, found.purpose, found.environment, found.expires) == ((), "p", "production", PAST)


def test_an_overdue_review_that_holds_restrains_at_once():
    """Where the rules hold instead of refuse, the next call waits for a person."""
    rules = OwnershipRules(review_overdue="hold")
    now, files = inventory(rules=rules), inventory(agent(review_due=PAST), rules=rules)
    found = narrowed(now, files, NONE, TODAY)
    assert found.lost == ("agent:bot",)
    assert standing(found.inventory.agents["bot"], found.inventory, TODAY).restraints


def test_a_deputy_answers_where_that_is_the_rule():
    """The owner is lost, and the agent is not."""
    rules = OwnershipRules(when_owner_leaves="deputy")
    bot = agent(deputies=(Deputy(person="dan", start=PAST, end=FAR),))
    found = narrowed(inventory(bot, rules=rules), inventory(bot, gone="olivia", rules=rules), NONE, TODAY)
    assert found.lost == ("person:olivia",)
    owner = standing(bot, found.inventory, TODAY).owner
    assert owner is not None
    assert owner.id == "dan"


def test_what_changes_hands_with_who_leaves_goes_on():
    """The edit that says who has left names the next owner: nothing of it is cut."""
    now = inventory(agent(), processes={"payroll": process()})
    files = inventory(agent(owner="bob", purpose="all"), gone="olivia", processes={"payroll": process(owner="bob")})
    found = narrowed(now, files, NONE, TODAY, handing=True)
    assert found.lost == ("person:olivia",)
    (bot,) = found.inventory.agents.values()
    assert (bot.owner, bot.purpose, found.inventory.processes["payroll"].owner) == ("bob", "p", "bob")
    assert standing(bot, found.inventory, TODAY).ok


def test_what_is_handed_to_somebody_new_goes_on_and_they_are_there_by_name_alone():
    """Until the whole is in force they answer, and can show themselves by nothing; nobody else is new before that."""
    now = inventory()
    zoe = Person(
        id="zoe", name="Zoe", email="zoe@x.test", teams=("soc",), identities=(Subject(issuer="i", subject="z"),)
    )
    files = inventory(agent(owner="zoe"), gone="olivia")
    people = {**files.people, "zoe": zoe, "yan": Person(id="yan", name="Yan")}
    files = files.model_copy(update={"people": people})
    refused = narrowed(now, files, NONE, TODAY).inventory
    assert not standing(refused.agents["bot"], refused, TODAY).ok, "they are not to be in force"
    assert "zoe" not in refused.people
    found = narrowed(now, files, NONE, TODAY, handing=True).inventory
    assert standing(found.agents["bot"], found, TODAY).owner == Person(id="zoe", name="Zoe")
    assert "yan" not in found.people
    left_too = files.model_copy(update={"people": {**people, "zoe": zoe.model_copy(update={"active": False})}})
    refused = narrowed(now, left_too, NONE, TODAY, handing=True).inventory
    assert not standing(refused.agents["bot"], refused, TODAY).ok
    assert "zoe" not in refused.people


def test_what_a_partner_hosts_goes_on_when_its_contract_changes_hands():
    """Whoever answers for the contract leaves, and the next one is named in the same edit."""
    hosted = agent(partner="acme")
    now = inventory(hosted, partners={"acme": partner()})
    for owner, stands in (("olivia", True), ("bob", False)):
        files = inventory(hosted, gone="bob", partners={"acme": partner(owner=owner)})
        found = narrowed(now, files, NONE, TODAY, handing=True)
        assert standing(hosted, found.inventory, TODAY).ok is stands
        assert not standing(hosted, narrowed(now, files, NONE, TODAY).inventory, TODAY).ok
        assert found.lost[0] == "person:bob"


def test_processes_and_partners_end_as_agents_do():
    """An expired process; a contract that ended, and with it the agents under it."""
    hosted = agent(partner="acme")
    now = inventory(hosted, processes={"payroll": process()}, partners={"acme": partner()})
    files = inventory(hosted, processes={"payroll": process(expires=PAST)}, partners={"acme": partner(ends=PAST)})
    found = narrowed(now, files, NONE, TODAY)
    assert found.lost == ("partner:acme", "process:payroll")
    assert standing(hosted, found.inventory, TODAY).reason == "partner_contract_ended"
    assert found.inventory.processes["payroll"].expires == PAST


@pytest.mark.parametrize("taken", ["owner", "deputies"])
def test_services_and_datasets_lose_who_answers_for_them_at_once(taken):
    """An edit gives them to somebody who is not active, or takes the deputy who answers; no word takes nothing."""
    rules = OwnershipRules(when_owner_leaves="deputy")
    deputies = (Deputy(person="dan", start=PAST, end=FAR),)
    named = {"owner": "gone" if taken == "deputies" else "olivia", "deputies": deputies}
    said = named | ({"deputies": ()} if taken == "deputies" else {"owner": "gone", "deputies": ()})

    def with_(**owned: object) -> Inventory:
        return inventory(
            services={"crm": Service(id="crm", url="https://crm.test", **owned)},  # type: ignore[arg-type]  # as above
            datasets={"orders": Dataset(id="orders", **owned)},  # type: ignore[arg-type]  # as above
            processes={"payroll": process(**owned)},
            partners={"acme": partner(**owned)},
            rules=rules,
        )

    now = with_(**named)
    found = narrowed(now, with_(**said), NONE, TODAY)
    assert found.lost == ("partner:acme", "process:payroll", "service:crm", "dataset:orders")
    after = found.inventory
    assert not answered_for(after.services["crm"], after, TODAY).ok
    assert not answered_for(after.datasets["orders"], after, TODAY).ok
    assert not process_standing(after.processes["payroll"], after, TODAY).ok
    assert not partner_standing(after.partners["acme"], after, TODAY).ok
    left_out = with_(**named).model_copy(update={"services": {}, "datasets": {}})
    assert narrowed(now, left_out, NONE, TODAY).lost == ()


def test_what_is_said_to_be_over_is_over_whatever_the_newest_whole_files_say():
    """People, agents and processes by name; nobody else is touched."""
    now = inventory(agent(), agent("other", owner="bob"), processes={"payroll": process(owner="bob")})
    ended = frozenset({"person:olivia", "agent:other", "process:payroll", "person:stranger", "agent:none"})
    found = narrowed(now, now, ended, TODAY)
    assert found.lost == ("person:olivia", "agent:other", "process:payroll")
    assert [one.active for one in found.inventory.people.values()] == [False, True, True]
    assert not found.inventory.agents["other"].enabled
    assert not found.inventory.processes["payroll"].enabled


def test_what_is_refused_already_is_not_lost_anew():
    """An agent that has expired, and whose owner leaves, is no news."""
    now = inventory(agent(expires=PAST))
    assert narrowed(now, inventory(agent(expires=PAST, enabled=False)), NONE, TODAY).lost == ()


_DAYS = st.sampled_from([PAST, TODAY, TODAY + timedelta(days=1), FAR])
_AGENTS = st.builds(
    agent,
    owner=st.sampled_from([None, "olivia", "bob", "nobody"]),
    expires=_DAYS,
    review_due=_DAYS,
    enabled=st.booleans(),
    agent_class=st.sampled_from(["utility", "privileged"]),
    partner=st.sampled_from([None, "acme"]),
    deputies=st.sampled_from([(), (Deputy(person="dan", start=PAST, end=FAR),)]),
)
_INVENTORIES = st.builds(
    lambda one, gone, without, ends, rules: inventory(
        *one, gone=gone, without=without, partners={"acme": partner(ends=ends)}, rules=rules
    ),
    st.lists(_AGENTS, min_size=1, max_size=1),
    st.sampled_from(["", "olivia", "bob", "dan"]),
    st.sampled_from(["", "olivia", "bob", "dan"]),
    _DAYS,
    st.sampled_from(RULES),
)


@given(_INVENTORIES, _INVENTORIES, st.booleans())
def test_nothing_stands_that_either_of_the_two_refuses(now, files, handing):
    """Whatever the two say: no agent passes that did not before, and none that the newer files refuse."""
    files = files.model_copy(update={"rules": now.rules})
    found = narrowed(now, files, NONE, TODAY, handing=handing)
    (bot,) = found.inventory.agents.values()
    stands = standing(bot, found.inventory, TODAY)
    before, after = (standing(one.agents["bot"], one, TODAY) for one in (now, files))
    assert not stands.ok or (before.ok and after.ok)
    if stands.ok and not stands.restraints:
        assert not before.restraints
        assert not after.restraints
    new = {name for name in found.inventory.people if name not in now.people}
    assert new <= (files.people.keys() if handing else set())
    assert not any(found.inventory.people[name].identities for name in new)
    assert {name for name, one in found.inventory.people.items() if one.active} - new <= {
        name for name, one in now.people.items() if one.active and name in files.people and files.people[name].active
    }
