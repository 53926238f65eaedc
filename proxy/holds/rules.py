"""Who may sign. Pure: roles are resolved to living people, and people are counted, not accounts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

from policies.model import Clause, Requirement
from proxy.facts import Inventory, accountable


@dataclass(frozen=True, slots=True)
class Parties:
    """What a hold is about, by inventory id. `root` is the person at the root of the chain, or empty.

    `instance` is the agent's running copy, if that has an owner of its own.
    """

    agent: str
    service: str
    datasets: tuple[str, ...] = ()
    root: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Who may sign now: each role's active people, and the clauses that they must fill together."""

    clauses: tuple[Clause, ...]
    by_role: Mapping[str, frozenset[str]]
    root: str = ""

    @property
    def people(self) -> frozenset[str]:
        return frozenset().union(*self.by_role.values())

    def roles_of(self, person: str) -> tuple[str, ...]:
        """The roles under which this person may sign; none means that they may not."""
        return tuple(role for role, people in self.by_role.items() if person in people)

    @property
    def possible(self) -> bool:
        """True if it could be signed at all: should everyone eligible approve, it would be enough."""
        return satisfied(self, {person: frozenset(self.roles_of(person)) for person in self.people})


def eligible(requirement: Requirement, parties: Parties, inventory: Inventory, today: date) -> Eligibility:
    """Who may sign this requirement today. An unknown role, agent or team is nobody."""
    roles = dict.fromkeys(role for clause in requirement.clauses for role in clause.roles)
    by_role = {role: _active(_people_of(role, parties, inventory, today), inventory) for role in roles}
    clauses = tuple(_whole(clause, parties, inventory, today) for clause in requirement.clauses)
    return Eligibility(clauses, by_role, parties.root)


def satisfied(eligibility: Eligibility, approvals: Mapping[str, frozenset[str]]) -> bool:
    """True if distinct people fill every clause, and not the root of the chain alone.

    `approvals` maps a person to the roles they signed under: a change of role after the vote does not
    take it back. No clauses, or a clause that asks for nobody, is never satisfied.
    """
    if not eligibility.clauses or any(clause.at_least < 1 for clause in eligibility.clauses):
        return False
    if not set(approvals) - {eligibility.root}:
        return False  # nobody but the person for whom the agent acts
    seats = [frozenset(clause.roles) for clause in eligibility.clauses for _ in range(clause.at_least)]
    if len(seats) > len(approvals):
        return False
    fits = [[person for person, roles in approvals.items() if roles & seat] for seat in seats]
    return _all_seated(fits)


def _all_seated(fits: list[list[str]]) -> bool:
    """Kuhn's bipartite matching: every seat gets a person of its own."""
    seat_of: dict[str, int] = {}

    def seat(number: int, tried: set[str]) -> bool:
        for person in fits[number]:
            if person not in tried:
                tried.add(person)
                if person not in seat_of or seat(seat_of[person], tried):
                    seat_of[person] = number
                    return True
        return False

    return all(seat(number, set()) for number in range(len(fits)))


def _whole(clause: Clause, parties: Parties, inventory: Inventory, today: date) -> Clause:
    """A clause for dataset owners alone means every one of them: one owner cannot give what is another's."""
    if set(clause.roles) != {"dataset_owner"}:
        return clause
    owners = _owners_of_datasets(parties, inventory, today)
    return Clause(clause.roles, max(clause.at_least, len(owners)))


def _people_of(role: str, parties: Parties, inventory: Inventory, today: date) -> Collection[str]:
    agent = inventory.agents.get(parties.agent)
    service = inventory.services.get(parties.service)
    kind, _, name = role.partition(":")
    match kind:
        case "owner" if not name and agent:
            owner = accountable(agent, inventory, today, parties.instance)
            return (owner.id,) if owner else ()
        case "technical_owner" if not name and agent and agent.technical_owner:
            return (agent.technical_owner,)
        case "deputy" if not name and agent:
            return [deputy.person for deputy in agent.deputies if deputy.start <= today <= deputy.end]
        case "service_owner" if not name and service:
            owner = accountable(service, inventory, today)
            return (owner.id,) if owner else ()
        case "dataset_owner" if not name:
            return _owners_of_datasets(parties, inventory, today)
        case "team" if name:
            return [person.id for person in inventory.people.values() if name in person.teams]
        case "person" if name:
            return (name,)
        case _:
            return ()


def _owners_of_datasets(parties: Parties, inventory: Inventory, today: date) -> frozenset[str]:
    """Who answers for each. One that nobody answers for, or that is gone, still counts: nobody can sign for it."""
    owners = set()
    for name in parties.datasets:
        dataset = inventory.datasets.get(name)
        owner = accountable(dataset, inventory, today) if dataset else None
        owners.add(owner.id if owner else dataset.owner if dataset else "")
    return frozenset(owners)


def _active(people: Collection[str], inventory: Inventory) -> frozenset[str]:
    found = (inventory.people.get(person) for person in people)
    return frozenset(person.id for person in found if person and person.active)
