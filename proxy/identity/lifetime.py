"""How long an identity lasts: as long as its credential and its task, by the class that its agent has now."""

from proxy.facts import Inventory
from proxy.identity.methods import OURS, TASK_TOKEN
from proxy.stages import Proven


def end_of(proven: Proven, inventory: Inventory) -> float:
    """When this credential ends: for a privileged agent sooner, also if it was issued before it became one."""
    agent, end = inventory.agents.get(proven.agent), min(proven.not_after, task_end(proven, inventory))
    if agent is None or agent.agent_class != "privileged" or proven.method not in OURS:
        return end
    rules = inventory.rules
    most = rules.privileged_token_seconds if proven.method == TASK_TOKEN else rules.privileged_handle_seconds
    return min(end, (proven.made_at or proven.issued_at) + most)


def task_end(proven: Proven, inventory: Inventory) -> float:
    """When the task, or one above it, is over by the class that its agent has now."""
    return min((inventory.task_end(agent, begun_at) for agent, begun_at in proven.begun), default=float("inf"))
