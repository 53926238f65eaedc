"""All facts together."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from proxy.facts.agents import Agent, Partner, Process
from proxy.facts.ownership import Attestation, OwnershipRules
from proxy.facts.people import Person, Team
from proxy.facts.services import Dataset, Service


class Inventory(BaseModel):
    """One consistent snapshot, looked up by id. `version` is the SHA-256 of what was read from files.

    `attestations`, by `agent:ID` or `process:ID`, and the activity of people also say what the store holds; `left` are
    those whom the files call active, and the store does not.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    people: Mapping[str, Person]
    teams: Mapping[str, Team]
    agents: Mapping[str, Agent]
    services: Mapping[str, Service]
    datasets: Mapping[str, Dataset]
    processes: Mapping[str, Process] = Field(default_factory=dict)
    partners: Mapping[str, Partner] = Field(default_factory=dict)
    attestations: Mapping[str, Attestation] = Field(default_factory=dict)
    left: frozenset[str] = frozenset()
    rules: OwnershipRules = Field(default_factory=OwnershipRules)

    def task_end(self, agent: str, begun_at: float) -> float:
        """When a task of this agent is over at the latest, whatever its deadline; infinite unless it is privileged.

        By its class now: a task that began before its agent became privileged ends sooner too.
        """
        known = self.agents.get(agent)
        if known is None or known.agent_class != "privileged":
            return float("inf")
        return begun_at + self.rules.privileged_task_seconds
