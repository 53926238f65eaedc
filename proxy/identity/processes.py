"""Business processes at the root of a chain: known, standing today, and acted for by none but their agents."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Protocol

from proxy.errors import refuse
from proxy.facts import Inventory, Person, Process
from proxy.identity.ends import ends_of_process
from proxy.stages import Chain, Principal, Restraint


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
    yield from process_ends(root, inventory, today, judge, restraints)
    first = chain.members[1] if len(chain.members) > 1 else root
    if first.kind != "agent" or first.id not in inventory.processes[root.id].agents:
        raise refuse(
            "process_agent_refused", 403, "The process that this agent acts for does not name it, or the one before it."
        )


def process_ends(
    party: Principal, inventory: Inventory, today: date, judge: JudgeProcess | None, restraints: dict[Restraint, None]
) -> Iterator[str]:
    """The same, whoever acts for it."""
    process = inventory.processes.get(party.id) if party.kind == "business_process" else None
    if process is None or judge is None:
        raise refuse("principal_unknown", 403, "The process that this agent acts for is not known.", internal=party.id)
    standing = judge(process, inventory, today)
    if standing.owner is None:
        raise refuse(
            "principal_inactive",
            403,
            "Nothing may be done today in the name of the process that this agent acts for.",
            internal=f"{standing.reason}: {standing.detail}",
        )
    restraints.update(dict.fromkeys(standing.restraints))
    yield from ends_of_process(process, standing.owner.id)
