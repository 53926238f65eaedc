"""What ends a party: the scopes of agents and business processes. Said here, and nowhere else."""

from proxy.facts import Agent, Process


def ends_of_agent(agent: Agent, answering: str | None, deputy_for: str = "") -> tuple[str, ...]:
    """Every scope but `global` whose end is the end of this agent, the narrowest first.

    `answering` is who is accountable for it today, who may be a deputy; None if nobody is.
    """
    owners = dict.fromkeys(name for name in (answering, agent.owner, deputy_for) if name)
    team = () if agent.team is None else (f"team:{agent.team}",)
    partner = () if agent.partner is None else (f"partner:{agent.partner}",)
    return (f"agent:{agent.id}", f"class:{agent.agent_class}", *(f"owner:{name}" for name in owners), *team, *partner)


def ends_of_process(process: Process, answering: str | None) -> tuple[str, ...]:
    """The same of a business process."""
    owners = dict.fromkeys(name for name in (answering, process.owner) if name)
    return (f"process:{process.id}", *(f"owner:{name}" for name in owners))
