"""Callers of every sort, for whom credentials are obtained."""

from datetime import date

from proxy.facts import Agent, Person
from proxy.stages import Chain, Hop, HopLevel, Identity, Principal, Proven

NOW = 1_800_000_000.0


def caller(
    agent: str = "refund-bot",
    principal: str | None = "alice",
    task: str = "task_1",
    *,
    level: HopLevel = "verified",
    not_after: float = NOW + 7200,
) -> Identity:
    """This agent at work for this person (None: for itself), under this task."""
    who = Principal("agent", agent)
    chain = Chain(who)
    if principal is not None:
        root = Principal("human", principal)
        chain = Chain(root, (Hop(root, who, level, "opaque_handle", "sha256:0"),))
    proven = Proven(agent, "opaque_handle", "hnd_1", NOW - 60, not_after, task, principal, scopes=(f"task:{task}",))
    known = Agent(id=agent, owner="olga", purpose="refunds", expires=date(2028, 1, 1), review_due=date(2028, 1, 1))
    return Identity(known, Person(id="olga", name="Olga"), chain, proven, (f"agent:{agent}", *proven.scopes))
