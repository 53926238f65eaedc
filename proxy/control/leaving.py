"""People who leave, and who come back: said by the operator, or by the identity provider over SCIM."""

from dataclasses import dataclass

from policies.model import Json
from proxy.control.callers import Caller
from proxy.control.journal import required_reason
from proxy.control.needs import ControlDeps
from proxy.errors import Declined
from proxy.facts import Inventory, Person, PersonState, Source


@dataclass(frozen=True, slots=True)
class Said:
    """Who said it, how that was proven, and why: for the record."""

    by: str
    reason: str
    details: tuple[str, ...] = ()


class Leavers:
    """Deactivates and reactivates people of the inventory.

    Whoever deactivated somebody may take that back; the operator may also take back what SCIM said. Nobody here
    activates whom the files call inactive.
    """

    def __init__(self, deps: ControlDeps) -> None:
        self._deps = deps

    def inventory(self) -> Inventory:
        """The inventory in force."""
        return self._deps.inventory()

    async def set_active(self, person: str, source: Source, said: Said, *, active: bool) -> Person:
        """On record, then in force; the person as they stand then. What changes nothing is not written down."""
        deps = self._deps
        async with deps.ownership.changing:
            known = deps.inventory().people.get(person)
            if known is None:
                raise Declined(404, "person_unknown", f"there is no person `{person}` in the inventory")
            states = await deps.ownership.states(person)
            sources: tuple[Source, ...] = ("operator", "scim") if active and source == "operator" else (source,)
            for one in sources:
                if states.get(one, True) is not active:
                    await self._change(PersonState(person=person, source=one, active=active, at=deps.clock(),
                                                   by=said.by, reason=said.reason), said)  # fmt: skip
        return deps.inventory().people.get(person) or known

    async def _change(self, state: PersonState, said: Said) -> None:
        details: list[Json] = [*said.details, f"source={state.source}"]
        await self._deps.record(
            {
                "type": "person.activated" if state.active else "person.deactivated",
                "change": {
                    "what": f"person:{state.person}",
                    "by": said.by,
                    "kind": "activate" if state.active else "deactivate",
                    "reason": said.reason,
                    "details": details,
                },
            }
        )
        await self._deps.ownership.set_state(state)


class LeavingDesk:
    """The operator's levers."""

    def __init__(self, caller: Caller, deps: ControlDeps) -> None:
        self._caller = caller
        self._leavers = Leavers(deps)

    async def set_active(self, person: str, *, active: bool, reason: str) -> Person:
        """This person, deactivated, or as active as the files let them be."""
        caller = self._caller
        if not caller.is_operator:
            raise Declined(403, "operator_required", "only the operator does this, over the local socket")
        proof = (f"channel={caller.channel}", f"assurance={caller.assurance}", f"proof={caller.proof}")
        said = Said(caller.name, required_reason(reason), proof)
        return await self._leavers.set_active(person, "operator", said, active=active)
