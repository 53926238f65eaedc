"""The boundaries that a call crosses, and who must be permitted to cross them."""

from collections.abc import Mapping
from dataclasses import dataclass

from policies.cedar import Uid
from policies.model import Access, Catalogue, DatasetUse, Inquiry
from policies.schema import CONNECT, METHODS, Action, tool_action

_ACCESSES: tuple[Access, ...] = ("read", "write")


class Missing(Exception):
    """The inquiry is about somebody or something that policies do not know. The text is the reason's code."""


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """One boundary that a call crosses: what is asked there, whoever asks."""

    action: Action
    resource: Uid
    label: str


class Known:
    """The catalogue, looked up by id, with every boundary that a call can cross in it."""

    def __init__(self, catalogue: Catalogue, asked: Mapping[str, Action]) -> None:
        self.people = {person.id: person for person in catalogue.people}
        self.agents = {agent.id: agent for agent in catalogue.agents}
        self.services = {service.id: service for service in catalogue.services}
        self.tools = {(service.id, tool.name): tool for service in catalogue.services for tool in service.tools}
        self.connections: dict[str, Boundary] = {}
        self.apis: dict[tuple[str, str], Boundary] = {}
        for service in self.services:
            here = ("Service", service)
            self.connections[service] = Boundary(asked[CONNECT], here, f"{CONNECT} {service}")
            for method in METHODS:
                self.apis[service, method] = Boundary(asked[method], ("Api", service), f"{method} {service}")
        self.calls = {
            (service, tool): Boundary(
                asked[tool_action(service, tool)], ("Service", service), tool_action(service, tool)
            )
            for service, tool in self.tools
        }
        self.data = {
            DatasetUse(dataset.id, access): Boundary(asked[access], ("Dataset", dataset.id), f"{access} {dataset.id}")
            for dataset in catalogue.datasets
            for access in _ACCESSES
        }

    def boundaries(self, inquiry: Inquiry) -> list[Boundary]:
        """The boundaries that the call crosses; raises `Missing` for anything that policies do not know."""
        service = inquiry.service
        if service not in self.services:
            raise Missing("service_unknown")
        if inquiry.lifecycle:
            first = self.connections.get(service)
        elif inquiry.tool is not None:
            first = self.calls.get((service, inquiry.tool))
        else:
            first = self.apis.get((service, inquiry.method))
        if first is None:
            raise Missing("method_unknown" if inquiry.tool is None else "tool_unknown")
        found = [first]
        for use in dict.fromkeys(inquiry.datasets):
            data = self.data.get(use)
            if data is None:
                raise Missing("dataset_unknown")
            found.append(data)
        return found

    def principals(self, inquiry: Inquiry) -> list[Uid]:
        """Who must be permitted: the agent, and the person it acts for; raises `Missing`."""
        agent = self.agents.get(inquiry.agent)
        if agent is None or not agent.owner:
            raise Missing("agent_unknown" if agent is None else "owner_missing")
        if inquiry.on_behalf_of is None:
            return [("Agent", inquiry.agent)]
        person = self.people.get(inquiry.on_behalf_of)
        if person is None or not person.active:
            raise Missing("person_unknown" if person is None else "person_inactive")
        return [("Agent", inquiry.agent), ("Person", inquiry.on_behalf_of)]


def subject(inquiry: Inquiry) -> str:
    """What the call is about, in the words of a question, whether or not we know it."""
    if inquiry.lifecycle:
        return f"{CONNECT} {inquiry.service}"
    if inquiry.tool is None:
        return f"{inquiry.method} {inquiry.service}"
    return tool_action(inquiry.service, inquiry.tool)
