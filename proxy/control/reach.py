"""What dies with a scope: counted from the inventory, the live handles and the open tasks of this moment. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from proxy.facts import Agent, Inventory
from proxy.identity.interfaces import HandleRow
from proxy.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Reach:
    """`agents`, `handles` and `tasks` are those that stop. Of a service or a tool it is the `calls` that do."""

    agents: tuple[Agent, ...] = ()
    handles: int = 0
    tasks: int = 0
    calls: str = ""


def reach_of(scope: str, inventory: Inventory, handles: Sequence[HandleRow], tasks: Sequence[Task]) -> Reach:
    """What this scope, which is well written, ends. `handles` are live, `tasks` are open."""
    kind, _, name = scope.partition(":")
    match kind:
        case "global":
            everybody = tuple(agent for _, agent in sorted(inventory.agents.items()))
            return Reach(everybody, len(handles), len(tasks))
        case "agent" | "class" | "team" | "owner" | "partner":
            agents = tuple(agent for _, agent in sorted(inventory.agents.items()) if _is_of(agent, kind, name))
            return _through({agent.id for agent in agents}, agents, handles, tasks)
        case "principal" | "process":
            party = ("human" if kind == "principal" else "business_process", name)
            below = [task for task in tasks if party in _members(task)]
            held = _under(below, handles)
            if kind == "principal":
                held |= {row.id for row in handles if row.on_behalf_of == name}
            return Reach(handles=len(held), tasks=len(below))
        case "task":
            below = [task for task in tasks if name == task.id or name in task.lineage]
            held = _under(below, handles) | {row.id for row in handles if row.task == name}
            return Reach(handles=len(held), tasks=len(below))
        case "handle":
            return Reach(handles=sum(row.id == name for row in handles))
        case "service" | "tool":
            return Reach(calls=name)
        case _:
            return Reach()


def _is_of(agent: Agent, kind: str, name: str) -> bool:
    return (
        name
        == {
            "agent": agent.id,
            "class": agent.agent_class,
            "team": agent.team,
            "owner": agent.owner,
            "partner": agent.partner,
        }[kind]
    )


def _through(
    ids: Collection[str], agents: tuple[Agent, ...], handles: Sequence[HandleRow], tasks: Sequence[Task]
) -> Reach:
    """With whatever acts for these agents too: a chain ends with each of its members."""
    below = [task for task in tasks if any(kind == "agent" and name in ids for kind, name in _members(task))]
    held = {row.id for row in handles if row.agent in ids} | _under(below, handles)
    return Reach(agents, len(held), len(below))


def _members(task: Task) -> set[tuple[str, str]]:
    return {(member.kind, member.id) for member in task.delegation.members}


def _under(tasks: Iterable[Task], handles: Iterable[HandleRow]) -> set[str]:
    ids = {task.id for task in tasks}
    return {row.id for row in handles if row.task in ids}
