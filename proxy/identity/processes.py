"""Business processes at the root of a chain: known, standing today, and acted for by none but their agents."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Protocol

from proxy.errors import refuse
from proxy.facts import Inventory, Person, Process
from proxy.stages import Chain, Restraint


class ProcessStanding(Protocol):
    """Who answers for a process; without an owner, why nothing is done in its name."""

    @property
    def owner(self) -> Person | None: ...

    @property
    def reason(self) -> str: ...

    @property
    def detail(self) -> str: ...

    @property
    def restraints(self) -> tuple[Restraint, ...]: ...


type JudgeProcess = Callable[[Process, Inventory, date], ProcessStanding]


def process_scopes(
    chain: Chain, inventory: Inventory, today: date, judge: JudgeProcess | None, restraints: dict[Restraint, None]
) -> Iterator[str]:
    """What ends the process at the root of this chain; a refusal if nothing may be done in its name today.

    What restrains it restrains who acts for it: it is added to `restraints`.
    """
    root = chain.root
    process = inventory.processes.get(root.id) if root.kind == "business_process" else None
    if process is None or judge is None:
        raise refuse("principal_unknown", 403, "The process that this agent acts for is not known.", internal=root.id)
    standing = judge(process, inventory, today)
    if standing.owner is None:
        raise refuse(
            "principal_inactive",
            403,
            "Nothing may be done today in the name of the process that this agent acts for.",
            internal=f"{standing.reason}: {standing.detail}",
        )
    if len(chain.members) < 2 or chain.members[1].kind != "agent" or chain.members[1].id not in process.agents:
        raise refuse(
            "process_agent_refused", 403, "The process that this agent acts for does not name it, or the one before it."
        )
    restraints.update(dict.fromkeys(standing.restraints))
    yield f"process:{process.id}"
    yield f"owner:{standing.owner.id}"
    if process.owner != standing.owner.id:
        yield f"owner:{process.owner}"
