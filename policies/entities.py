"""The catalogue as Cedar entities. Every attribute that the schema names is filled: a gap would be an error."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.cedar import Uid
from policies.context import entity
from policies.model import Catalogue, Json, ServiceFacts
from policies.schema import EFFECTS, Action, effect_group

# What a policy may test with `principal has ...` and `resource has ...`.
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "Person": frozenset({"active"}),
    "Agent": frozenset({"owner", "environment", "agent_class", "labels", "trust_zone", "partner"}),
    "Service": frozenset({"owner", "trust", "environment", "labels"}),
    "Api": frozenset({"owner", "trust", "environment", "labels"}),
    "Dataset": frozenset({"owner", "sensitivity", "labels"}),
}


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing with its attributes and the groups that it is in."""

    uid: Uid
    attributes: Mapping[str, Json]
    parents: tuple[Uid, ...] = ()

    def json(self) -> dict[str, Json]:
        """The entity in Cedar's JSON form."""
        return {
            "uid": _uid(self.uid),
            "attrs": dict(self.attributes),
            "parents": [_uid(parent) for parent in self.parents],
        }


def catalogue_entities(catalogue: Catalogue) -> list[Entity]:
    """Everything and everybody of the catalogue."""
    return [
        *(Entity(("Team", team), {}) for team in catalogue.teams),
        *_subjects(catalogue),
        *(each for service in catalogue.services for each in _service(service)),
        *(
            Entity(
                ("Dataset", dataset.id),
                {
                    "owner": entity("Person", dataset.owner),
                    "sensitivity": dataset.sensitivity,
                    "labels": list(dataset.labels),
                },
            )
            for dataset in catalogue.datasets
        ),
    ]


def _subjects(catalogue: Catalogue) -> Iterator[Entity]:
    for person in catalogue.people:
        yield Entity(("Person", person.id), {"active": person.active}, tuple(("Team", team) for team in person.teams))
    for agent in catalogue.agents:
        attributes: dict[str, Json] = {
            "owner": entity("Person", agent.owner),
            "environment": agent.environment,
            "agent_class": agent.agent_class,
            "labels": list(agent.labels),
            "trust_zone": agent.trust_zone,
            "partner": agent.partner,
        }
        yield Entity(("Agent", agent.id), attributes, (("Team", agent.team),) if agent.team else ())


def _service(service: ServiceFacts) -> Iterator[Entity]:
    attributes: dict[str, Json] = {
        "owner": entity("Person", service.owner),
        "trust": service.trust,
        "environment": service.environment,
        "labels": list(service.labels),
    }
    yield Entity(("Service", service.id), attributes)
    yield Entity(("Api", service.id), attributes, (("Service", service.id),))


def ancestors(entities: Sequence[Entity], actions: Mapping[str, Action]) -> Mapping[Uid, tuple[Uid, ...]]:
    """The groups that each entity and action is in. Groups are in no groups, so one step is all of them."""
    found = {each.uid: each.parents for each in entities}
    for effect in EFFECTS:
        found["Action", effect_group(effect)] = ()
    for action in actions.values():
        found["Action", action.name] = tuple(("Action", group) for group in action.groups)
    return found


def _uid(uid: Uid) -> dict[str, Json]:
    return {"type": uid[0], "id": uid[1]}
