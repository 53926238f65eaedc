"""What the store holds, laid over what the files say. It takes away, or renews a date; it never adds anybody."""

import hashlib
from datetime import date

from proxy.facts import Held, Inventory, OwnershipRules
from proxy.inventory.orphans import stand_ins


def deactivated(inventory: Inventory, held: Held) -> frozenset[str]:
    """Whom the files call active, and the store does not."""
    return frozenset(name for name in held.deactivated if name in inventory.people and inventory.people[name].active)


def in_force(inventory: Inventory, held: Held, rules: OwnershipRules) -> Inventory:
    """A new snapshot: the files' inventory with what is held. Its version is another one if somebody is deactivated."""
    gone = deactivated(inventory, held)
    people, version = inventory.people, inventory.version
    if gone:
        inactive = {name: people[name].model_copy(update={"active": False}) for name in gone}
        people = {**people, **inactive}
        version = "sha256:" + hashlib.sha256("\0".join([version, *sorted(gone)]).encode()).hexdigest()
    return inventory.model_copy(
        update={
            "version": version,
            "people": people,
            "attestations": held.attestations,
            "left": gone,
            "rules": rules,
        }
    )


def handed_over(inventory: Inventory, today: date) -> Inventory:
    """The same, with who stands in today for owners who left; its version is another one if anybody does."""
    found = stand_ins(inventory, today)
    if not found:
        return inventory
    told = [f"{what} {deputy}" for what, deputy in sorted(found.items())]
    version = "sha256:" + hashlib.sha256("\0".join([inventory.version, "deputies", *told]).encode()).hexdigest()
    return inventory.model_copy(update={"version": version, "stand_ins": found})
