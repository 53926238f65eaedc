"""What dies with a scope: counted from the inventory, the live handles and the open tasks of this moment. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from proxy.facts import Agent, Inventory
from proxy.identity.ends import ends_of_agent, ends_of_process
from proxy.identity.interfaces import HandleRow
from proxy.inventory.ownership import process_standing, standing
from proxy.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Reach:
    """`agents`, `handles` and `tasks` are those that stop. Of a service, a tool or a credential it is the calls of
    every agent to these `calls` that do. None of it is known of what no list has, such as a token."""

    agents: tuple[Agent, ...] = ()
    handles: int = 0
    tasks: int = 0
    calls: tuple[str, ...] = ()


def reach_of(
    scope: str, inventory: Inventory, handles: Sequence[HandleRow], tasks: Sequence[Task], today: date
) -> Reach:
    """What this scope, which is well written, ends. `handles` are live, `tasks` are open."""
    kind, _, name = scope.partition(":")
    match kind:
        case "global":
            everybody = tuple(agent for _, agent in sorted(inventory.agents.items()))
            return Reach(everybody, len(handles), len(tasks))
        case "agent" | "class" | "team" | "owner" | "partner":
            agents = tuple(
                agent for _, agent in sorted(inventory.agents.items()) if scope in ends_today(agent, inventory, today)
            )
            return _through(agents, _processes(scope, inventory, today), handles, tasks)
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
            return Reach(calls=(name,))
        case "credential":
            services = inventory.services.values()
            return Reach(calls=tuple(one.id for one in services if name in {each.id for each in one.bindings}))
        case _:
            return Reach()


def ends_today(agent: Agent, inventory: Inventory, today: date) -> tuple[str, ...]:
    """Every scope whose end is the end of this agent today, the widest first."""
    found = standing(agent, inventory, today)
    answering = None if found.owner is None else found.owner.id
    return ("global", *reversed(ends_of_agent(agent, answering, found.deputy_for)))


def _processes(scope: str, inventory: Inventory, today: date) -> set[tuple[str, str]]:
    """The business processes that end with this scope, as members of a chain."""
    ended: set[tuple[str, str]] = set()
    for process in inventory.processes.values():
        owner = process_standing(process, inventory, today).owner
        if scope in ends_of_process(process, None if owner is None else owner.id):
            ended.add(("business_process", process.id))
    return ended


def _through(
    agents: tuple[Agent, ...], processes: set[tuple[str, str]], handles: Sequence[HandleRow], tasks: Sequence[Task]
) -> Reach:
    """With whatever acts for these too: a chain ends with each of its members."""
    ids = {agent.id for agent in agents}
    parties = {("agent", name) for name in ids} | processes
    below = [task for task in tasks if parties & _members(task)]
    held = {row.id for row in handles if row.agent in ids} | _under(below, handles)
    return Reach(agents, len(held), len(below))


def _members(task: Task) -> set[tuple[str, str]]:
    return {(member.kind, member.id) for member in task.delegation.members}


def _under(tasks: Iterable[Task], handles: Iterable[HandleRow]) -> set[str]:
    ids = {task.id for task in tasks}
    return {row.id for row in handles if row.task in ids}
