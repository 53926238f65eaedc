"""What people say of who answers for what, and who has left: made durable, and in force when a call returns."""

import asyncio

from proxy.control.people import PeopleService
from proxy.facts import Attestation, PersonState, Source
from proxy.inventory.interfaces import OwnershipStore
from proxy.inventory.overlay import Overlay


class Ownership:
    """Whoever calls this has written down before what they do, and holds `changing` from reading to writing."""

    def __init__(self, store: OwnershipStore, overlay: Overlay, people: PeopleService) -> None:
        self._store = store
        self._overlay = overlay
        self._people = people
        self.changing = asyncio.Lock()

    async def history(self, what: str) -> list[Attestation]:
        """What was attested of this, the newest first."""
        return await self._store.attestations(what)

    async def states(self, person: str) -> dict[Source, bool]:
        """What each source that ever spoke of this person says: are they active?"""
        return {state.source: state.active for state in await self._store.person_states(person)}

    async def attest(self, attestation: Attestation, after: str) -> bool:
        """In force when this returns. False, and nothing is stored, if `after` is no longer the newest."""
        added = await self._store.add_attestation(attestation, after)
        await self._overlay.hear()
        return added

    async def set_state(self, state: PersonState) -> None:
        """In force when this returns; the tokens and sessions of who was deactivated are dead for good."""
        if state.active:  # before they count again: what could not be ended when they left, or came about meanwhile
            await self._people.revoke_all(state.person, state.at)
        await self._store.put_person_state(state)
        await self._overlay.hear()
        if not state.active:
            await self._people.revoke_all(state.person, state.at)
