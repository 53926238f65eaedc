"""What a task declares must be there: what is misspelt would permit nothing, and a limit of it would limit nothing.

Policy is not asked here. What is declared is how far a task may be handed on, also to agents that are allowed more than
its own; what nobody is allowed gives nothing to anybody, since every call is asked; and to refuse the whole for a part
of it would stop what is allowed.
"""

from collections.abc import Iterable

from proxy.facts import Inventory
from proxy.tasks.budget import Budget
from proxy.tasks.mistakes import TaskMistake


def require_known(tools: Iterable[str], datasets: Iterable[str], budget: Budget, inventory: Inventory) -> None:
    """Raises for a service, tool or dataset that the inventory does not have, among what is declared or limited."""
    for tool in (*tools, *(one.tool for one in budget.spend)):
        service, _, name = tool.partition("/")
        known = inventory.services.get(service)
        if known is None:
            raise TaskMistake("service_unknown", f"there is no service `{service}` in the inventory")
        if name != "*" and not known.may_have(name):
            raise TaskMistake("tool_unknown", f"the service `{service}` has no tool `{name}`")
    for dataset in datasets:
        name = dataset.partition(":")[2]
        if name not in inventory.datasets:
            raise TaskMistake("dataset_unknown", f"there is no dataset `{name}` in the inventory")
