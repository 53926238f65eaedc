"""The inventory in force, with where each entry comes from; and documents that the operator brings from elsewhere."""

from typing import Any

from proxy.control.callers import Caller
from proxy.control.journal import Journal
from proxy.control.needs import ControlDeps
from proxy.errors import Declined
from proxy.inventory.documents import Kept


class InventoryDesk:
    """Auditors and the operator see all of it; only the operator brings a document."""

    def __init__(self, caller: Caller, deps: ControlDeps, journal: Journal) -> None:
        self._caller = caller
        self._deps = deps
        self._journal = journal

    def show(self) -> dict[str, Any]:
        """What is in force, entry by entry."""
        person, deps = self._caller.person, self._deps
        if not self._caller.is_operator and (person is None or deps.auditors.isdisjoint(person.teams)):
            raise Declined(403, "not_yours", "the whole inventory is for auditors and the operator")
        inventory = deps.inventory()
        return {
            "version": inventory.version,
            "sources": [kept_json(one) for one in deps.inventories.kept()],
            "entries": [
                {"section": one.section, "id": one.id, "place": one.place, "source": one.source}
                for one in deps.inventories.entries()
            ],
            "inactive": sorted(person.id for person in inventory.people.values() if not person.active),
        }

    async def bring(self, source: str, raw: bytes) -> Kept:
        """Kept, and in force within a second; or not, and every mistake is said, with who has left all the same."""
        inventories = self._deps.inventories
        if all(one.source != source for one in inventories.kept()):
            raise Declined(
                404, "source_unknown", f"`{source}` is none of the `inventory_sources` in the settings; add it there"
            )

        async def before_kept(source: str, digest: str) -> None:
            what, details = f"inventory:{source}", [f"document={digest}"]
            await self._journal.write("inventory.received", what, kind="put", details=details)

        mistakes = await inventories.accept(source, raw, before_kept)
        if mistakes:
            raise Declined(422, "inventory_invalid", "; ".join(str(one) for one in mistakes[:20]))
        return next(one for one in inventories.kept() if one.source == source)


def kept_json(kept: Kept) -> dict[str, Any]:
    """What is kept of a source, without the document."""
    return {"source": kept.source, "digest": kept.digest, "bytes": kept.bytes}
