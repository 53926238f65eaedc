"""Who may sign."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import Clause, Requirement
from proxy.facts import Deputy, Instances, OwnershipRules
from proxy.holds.rules import Eligibility, Parties, eligible, satisfied
from tests.fakes.held_calls import inventory

TODAY = date(2026, 9, 21)
PARTIES = Parties("refunds", "crm", ("customers", "orders"))


def needs(*clauses: Clause) -> Requirement:
    return Requirement(clauses, 900, 600)


@pytest.mark.parametrize(
    ("role", "people"),
    [
        ("owner", {"olga"}),
        ("technical_owner", {"nora"}),
        ("deputy", {"dan"}),
        ("service_owner", {"nora"}),
        ("dataset_owner", {"dora", "nora"}),
        ("team:security", {"sara", "sven"}),
        ("person:rita", {"rita"}),
        ("team:", set()),
        ("team:nobody", set()),
        ("person:", set()),
        ("person:ghost", set()),
        ("owner:olga", set()),
        ("admin", set()),
        ("", set()),
    ],
)
def test_a_role_is_resolved_to_people(role: str, people: set[str]) -> None:
    """Each role names its people of today; an unknown or malformed one names nobody."""
    assert eligible(needs(Clause((role,))), PARTIES, inventory(), TODAY).people == people


@pytest.mark.parametrize("day", [date(2025, 12, 31), date(2027, 1, 1)])
def test_a_deputy_signs_only_within_the_dates(day: date) -> None:
    """Before its first day and after its last, a deputy is nobody."""
    assert not eligible(needs(Clause(("deputy",))), PARTIES, inventory(), day).people


def test_an_inactive_person_cannot_sign() -> None:
    """A person who has left fills no role, also not as the owner."""
    world = inventory(inactive=("olga", "sara"))
    assert not eligible(needs(Clause(("owner",))), PARTIES, world, TODAY).possible
    assert eligible(needs(Clause(("team:security",))), PARTIES, world, TODAY).people == {"sven"}


@pytest.mark.parametrize(("instance", "signs"), [("", "olga"), ("green", "olga"), ("blue", "dora")])
def test_the_owner_of_one_copy_signs_for_that_copy_alone(instance: str, signs: str) -> None:
    """Whoever is accountable for a copy is its owner; the agent's owner is that of the others."""
    world = inventory()
    copies = Instances(issuer="https://id.example", subject="refunds/{instance}", owners={"blue": "dora"})
    agent = world.agents["refunds"].model_copy(update={"instances": (copies,)})
    world = world.model_copy(update={"agents": {"refunds": agent}})
    asked = Parties("refunds", "crm", instance=instance)
    assert eligible(needs(Clause(("owner",))), asked, world, TODAY).people == {signs}


def test_an_agent_without_an_owner_has_nobody_to_sign() -> None:
    """No owner in the inventory: the owner's clause cannot be filled."""
    assert not eligible(needs(Clause(("owner",))), PARTIES, inventory(owner=None), TODAY).possible


def test_an_unknown_agent_or_service_has_nobody_to_sign() -> None:
    """What the inventory does not know has no owner."""
    clause = Clause(("owner", "technical_owner", "deputy", "service_owner"))
    assert not eligible(needs(clause), Parties("ghost", "ghost"), inventory(), TODAY).people


def test_every_dataset_owner_must_sign_for_their_own() -> None:
    """With two owners of datasets in one call, one of them is not enough."""
    who = eligible(needs(Clause(("dataset_owner",))), PARTIES, inventory(), TODAY)
    assert not satisfied(who, signed(who, "dora"))
    assert satisfied(who, signed(who, "dora", "nora"))


def test_a_dataset_that_is_gone_cannot_be_signed_for() -> None:
    """A dataset that the inventory no longer has still needs an owner's signature, which nobody can give."""
    who = eligible(needs(Clause(("dataset_owner",))), Parties("refunds", "crm", ("orders", "gone")), inventory(), TODAY)
    assert not who.possible


def test_no_clauses_are_never_satisfied() -> None:
    """Empty means no, and so does a clause that asks for nobody."""
    everyone = {"olga": frozenset({"owner"})}
    assert not satisfied(Eligibility((), {}), everyone)
    assert not satisfied(Eligibility((Clause(("owner",), 0),), {}), everyone)
    assert not satisfied(Eligibility((Clause(()),), {}), everyone)


def test_one_person_counts_for_one_clause_only() -> None:
    """An owner who is also in the second team is one person, and two are needed."""
    both = Eligibility(
        (Clause(("owner",)), Clause(("team:x",))), {"owner": frozenset({"a"}), "team:x": frozenset("ab")}
    )
    assert not satisfied(both, signed(both, "a"))
    assert satisfied(both, signed(both, "a", "b"))


def test_people_are_seated_where_they_are_needed() -> None:
    """Who can fill two clauses leaves the one to whoever can fill only that."""
    who = Eligibility((Clause(("p", "q")), Clause(("p",))), {"p": frozenset({"a", "b"}), "q": frozenset({"c"})})
    assert satisfied(who, signed(who, "a", "b"))
    assert satisfied(who, signed(who, "a", "c"))
    only_q = Eligibility((Clause(("p",)), Clause(("q",))), {"p": frozenset("ab"), "q": frozenset("a")})
    assert satisfied(only_q, signed(only_q, "a", "b"))


def test_the_root_of_the_chain_is_never_the_sole_approver() -> None:
    """The person for whom the agent acts may sign only together with another."""
    parties = Parties("refunds", "crm", (), root="olga")
    who = eligible(needs(Clause(("owner", "deputy"))), parties, inventory(), TODAY)
    assert not satisfied(who, signed(who, "olga"))
    assert satisfied(who, signed(who, "olga", "dan"))
    assert satisfied(who, signed(who, "dan"))
    alone = eligible(needs(Clause(("owner",))), parties, inventory(), TODAY)
    assert not alone.possible


def test_the_owner_may_approve_for_an_agent_that_acts_for_itself() -> None:
    """Being accountable is no bar to approving."""
    who = eligible(needs(Clause(("owner",))), PARTIES, inventory(), TODAY)
    assert satisfied(who, signed(who, "olga"))


PEOPLE = st.sampled_from("abcdef")
ROLES = st.dictionaries(st.sampled_from("pqr"), st.frozensets(PEOPLE), min_size=1)
CLAUSES = st.lists(
    st.builds(Clause, st.lists(st.sampled_from("pqr"), min_size=1, max_size=2).map(tuple), st.integers(1, 3)),
    min_size=1,
    max_size=3,
).map(tuple)


@given(CLAUSES, ROLES, st.frozensets(PEOPLE), PEOPLE)
def test_more_signatures_never_make_it_less(
    clauses: tuple[Clause, ...], by_role: dict[str, frozenset[str]], people: frozenset[str], root: str
) -> None:
    """What a set of people satisfies, a larger set does; and there are never fewer people than seats."""
    who = Eligibility(clauses, by_role, root)
    if satisfied(who, signed(who, *people)):
        assert satisfied(who, signed(who, *people, *who.people))
        assert len(people) >= sum(clause.at_least for clause in clauses)
        assert people - {root}
    if not who.possible:
        assert not satisfied(who, signed(who, *people))


def signed(who: Eligibility, *people: str) -> dict[str, frozenset[str]]:
    return {person: frozenset(who.roles_of(person)) for person in people if who.roles_of(person)}


def test_the_deputy_of_an_owner_who_left_signs_as_the_owner() -> None:
    """Where the rules hand over; where they refuse, nobody does."""
    left = inventory(inactive=("olga",))
    handed = left.model_copy(update={"rules": OwnershipRules(when_owner_leaves="deputy")})
    owner = needs(Clause(("owner",)))
    assert eligible(owner, PARTIES, handed, TODAY).people == {"dan"}
    assert eligible(owner, PARTIES, left, TODAY).people == set()
    assert eligible(owner, PARTIES, handed, date(2027, 1, 1)).people == set()


@pytest.mark.parametrize("role", ["service_owner", "dataset_owner"])
def test_the_deputy_of_a_service_or_dataset_signs_as_its_owner(role: str) -> None:
    """Where the rules hand over; without one nobody signs for it, and the owner who left is still asked for."""
    deputies = (Deputy(person="dan", start=date(2026, 1, 1), end=date(2026, 12, 31)),)
    left = inventory(inactive=("nora",))
    changed = {
        "services": {"crm": left.services["crm"].model_copy(update={"deputies": deputies})},
        "datasets": {
            name: one.model_copy(update={"deputies": deputies} if one.owner == "nora" else {})
            for name, one in left.datasets.items()
        },
    }
    ruled = left.model_copy(update={"rules": OwnershipRules(when_owner_leaves="deputy"), **changed})
    asked = needs(Clause((role,)))
    with_dora = {"dora"} if role == "dataset_owner" else set()
    assert eligible(asked, PARTIES, ruled, TODAY).people == {"dan"} | with_dora
    assert eligible(asked, PARTIES, ruled, TODAY).possible
    for nobody, day in ((left, TODAY), (ruled, date(2027, 1, 1))):
        found = eligible(asked, PARTIES, nobody, day)
        assert found.people == with_dora
        assert not found.possible
