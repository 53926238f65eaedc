"""What has lost its owner."""

from datetime import date

from proxy.facts import Agent, Dataset, Deputy, Instances, Inventory, OwnershipRules, Partner, Person, Process, Service
from proxy.inventory.orphans import Orphan, orphans, stand_ins

TODAY = date(2026, 12, 1)
FAR = date(2099, 1, 1)


def agent(name: str, owner: str | None, **more) -> Agent:
    return Agent(id=name, owner=owner, purpose="p", expires=FAR, review_due=FAR, **more)


def inventory(*agents: Agent, **more) -> Inventory:
    people = [Person(id="olivia", name="O"), Person(id="left", name="L", active=False), Person(id="eve", name="E")]
    return Inventory(**{"version": "v", "people": {one.id: one for one in people}, "teams": {}, "services": {},
                        "datasets": {}, "agents": {one.id: one for one in agents}} | more)  # fmt: skip


def test_what_belongs_to_whom_left_or_is_unknown_is_orphaned():
    """Inactive and gone are the same; what has an owner, or never had one, is not orphaned."""
    found = orphans(inventory(agent("a", "left"), agent("b", "gone"), agent("c", "olivia"), agent("d", None)), TODAY)
    assert found == (Orphan("agent:a", "left"), Orphan("agent:b", "gone"))
    assert (found[0].kind, found[0].name, found[0].follows) == ("agent", "a", "all its calls are refused")


def test_every_kind_of_thing_is_told_with_what_follows():
    """Services and datasets too: no call reaches them."""
    process = Process(id="night", owner="left", purpose="p", trigger="schedule", reference="0 3 * * *", agents=(),
                      expires=FAR, review_due=FAR)  # fmt: skip
    partner = Partner(id="acme", name="Acme", owner="left", contract="C-1", ends=FAR, issuers=())
    found = orphans(
        inventory(
            services={"crm": Service(id="crm", owner="left", url="https://crm.test")},
            datasets={"orders": Dataset(id="orders", owner="left")},
            processes={"night": process},
            partners={"acme": partner},
        ),
        TODAY,
    )
    assert {one.what: one.follows for one in found} == {
        "process:night": "agents may not act for it",
        "partner:acme": "the agents that it hosts are refused",
        "service:crm": "all calls to it are refused",
        "dataset:orders": "all calls that touch it are refused",
    }


def test_deputies_answer_for_every_kind_of_thing():
    """Process, partner, service and dataset, where the rules hand over; and policies are told who stands in."""
    deputies = (Deputy(person="eve", start=TODAY, end=TODAY),)
    more = {
        "processes": {"night": Process(id="night", owner="left", purpose="p", trigger="queue", reference="q", agents=(),
                                       expires=FAR, review_due=FAR, deputies=deputies)},
        "partners": {"acme": Partner(id="acme", name="Acme", owner="left", contract="C-1", ends=FAR, issuers=(),
                                     deputies=deputies)},
        "services": {"crm": Service(id="crm", owner="left", url="https://crm.test", deputies=deputies)},
        "datasets": {"orders": Dataset(id="orders", owner="left", deputies=deputies)},
    }  # fmt: skip
    one = agent("a", "left", deputies=deputies)
    handed = inventory(one, **more, rules=OwnershipRules(when_owner_leaves="deputy"))
    names = ["agent:a", "process:night", "partner:acme", "service:crm", "dataset:orders"]
    assert [(each.what, each.deputy) for each in orphans(handed, TODAY)] == [(name, "eve") for name in names]
    assert stand_ins(handed, TODAY) == dict.fromkeys(names, "eve")
    assert {each.deputy for each in orphans(inventory(one, **more), TODAY)} == {""}
    assert stand_ins(handed, TODAY.replace(day=2)) == {}


def test_a_deputy_within_dates_is_named_where_the_rules_hand_over():
    """Not where they refuse; not one out of date; the first of several."""
    deputies = (
        Deputy(person="olivia", start=date(2020, 1, 1), end=date(2020, 2, 1)),
        Deputy(person="eve", start=TODAY, end=TODAY),
    )
    one = agent("a", "left", deputies=deputies)
    assert [each.deputy for each in orphans(inventory(one), TODAY)] == [""]
    handed = orphans(inventory(one, rules=OwnershipRules(when_owner_leaves="deputy")), TODAY)
    assert [(each.deputy, each.follows) for each in handed] == [("eve", "`eve` answers for it meanwhile")]


def test_owners_of_instances_count_too():
    """An agent with an owner is told too if the owner of one of its copies has left; nobody is told twice."""
    copies = Instances(issuer="i", subject="s:{instance}", owners={"x": "left"})
    (found,) = orphans(inventory(agent("a", "olivia", instances=(copies,))), TODAY)
    assert found == Orphan("agent:a", "left", copies=True)
    assert found.follows == "calls of those of its instances that are theirs are refused"
    same = orphans(inventory(agent("a", "left", instances=(copies,))), TODAY)
    assert same == (Orphan("agent:a", "left"),)
