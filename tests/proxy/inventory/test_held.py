"""What the store holds on top of the files."""

from datetime import date

from proxy.facts import Agent, Deputy, Held, Inventory, OwnershipRules, Person
from proxy.inventory.held import deactivated, handed_over, in_force
from tests.conformance.ownership_store import attestation

FAR = date(2099, 1, 1)


def inventory() -> Inventory:
    people = [Person(id="olivia", name="O"), Person(id="bob", name="B", active=False)]
    agent = Agent(id="bot", owner="olivia", purpose="p", expires=FAR, review_due=FAR)
    return Inventory(
        version="sha256:1", people={one.id: one for one in people}, teams={}, agents={"bot": agent}, services={},
        datasets={},
    )  # fmt: skip


def test_nothing_held_changes_nothing():
    """The same facts under the same version; but always a new snapshot, which ends what was remembered of the last."""
    files = inventory()
    laid = in_force(files, Held(), OwnershipRules())
    assert laid == files
    assert laid is not files


def test_whom_the_store_deactivated_is_inactive():
    """Whoever the files call active; nobody becomes active, and nobody is added, by what is held."""
    files = inventory()
    held = Held(deactivated=frozenset({"olivia", "bob", "stranger"}))
    laid = in_force(files, held, OwnershipRules())
    assert {name: person.active for name, person in laid.people.items()} == {"olivia": False, "bob": False}
    assert laid.version != files.version
    assert files.people["olivia"].active
    assert deactivated(files, held) == {"olivia"}


def test_attestations_and_rules_travel_with_the_inventory():
    """One value is judged, so nobody judges by other rules than those in force."""
    rules = OwnershipRules(review_overdue="hold")
    laid = in_force(inventory(), Held(attestations={"agent:bot": attestation("a1")}), rules)
    assert (laid.rules, laid.attestations["agent:bot"].id, laid.version) == (rules, "a1", "sha256:1")


def test_who_stands_in_today_is_another_version():
    """So that policies are compiled anew for it; where nobody stands in, it is the very same snapshot."""
    files, today = inventory(), date(2026, 12, 1)
    deputies = (Deputy(person="olivia", start=today, end=today),)
    bot = files.agents["bot"].model_copy(update={"owner": "bob", "deputies": deputies})
    handed = files.model_copy(update={"agents": {"bot": bot}, "rules": OwnershipRules(when_owner_leaves="deputy")})
    found = handed_over(handed, today)
    assert found.stand_ins == {"agent:bot": "olivia"}
    assert found.version != handed.version
    assert handed_over(handed, date(2026, 12, 2)) is handed
    assert handed_over(files, today) is files
