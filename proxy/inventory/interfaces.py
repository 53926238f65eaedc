"""What the inventory needs from a store: attestations, and who was deactivated."""

from typing import Protocol

from proxy.facts import Attestation, Held, PersonState


class OwnershipStore(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot answer."""

    async def add_attestation(self, attestation: Attestation, after: str) -> bool:
        """Store it as the newest of its thing, if the newest so far is still `after` (empty: there is none).

        False, and nothing is stored, if somebody was faster.
        """
        ...

    async def attestations(self, what: str, limit: int = 20) -> list[Attestation]:
        """All of one thing, the newest first."""
        ...

    async def put_person_state(self, state: PersonState) -> None:
        """One row for a person and a source: the newest replaces the one before."""
        ...

    async def person_states(self, person: str) -> list[PersonState]: ...

    async def held(self) -> tuple[int, Held]:
        """The newest attestation of each thing, and whom any source deactivated, at one moment; `held_token` then."""
        ...

    async def held_token(self) -> int:
        """A number that differs after any change of these; cheap enough for every change of the store."""
        ...
