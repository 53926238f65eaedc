"""A task for a business process, begun by whoever answers for the process: nobody else speaks in its name."""

from datetime import UTC, datetime

from proxy.control.callers import Caller, speaks_for
from proxy.errors import Declined
from proxy.facts import Inventory
from proxy.inventory.ownership import process_standing
from proxy.stages import Principal


def process_root(process_id: str, agent: str, caller: Caller, inventory: Inventory, now: float) -> Principal:
    """The process as the root of a task of this agent; `Declined` if it does not stand, or the caller is not its."""
    process = inventory.processes.get(process_id)
    owns = process is not None and caller.person is not None and speaks_for(caller.person, process, now)
    if process is None or not (owns or caller.is_operator):
        raise Declined(404, "process_unknown", "there is no such business process, or it is not yours to speak for")
    standing = process_standing(process, inventory, datetime.fromtimestamp(now, UTC).date())
    if not standing.ok:
        raise Declined(409, standing.reason, standing.detail)
    if agent not in process.agents:
        raise Declined(403, "process_agent_refused", f"`{process.id}` does not name `{agent}` among its `agents`")
    return Principal("business_process", process.id)
