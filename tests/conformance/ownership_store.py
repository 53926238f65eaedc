"""What every OwnershipStore does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.facts import Attestation, PersonState, Source
from proxy.inventory.interfaces import OwnershipStore


def attestation(name: str, what: str = "agent:bot", at: float = 1.0) -> Attestation:
    return Attestation(
        id=name, what=what, owner="olivia", agent_class="utility", digest="sha256:1", person="olivia", at=at, note="n"
    )


def state(person: str, source: Source = "scim", *, active: bool = False) -> PersonState:
    return PersonState(person=person, source=source, active=active, at=1.5, by="scim", reason="left")


class OwnershipStoreConformance(ABC):
    """The suite. Each opening of the same `place` sees the same rows, as two processes would."""

    @abstractmethod
    def opened(self, place: Path) -> AbstractAsyncContextManager[OwnershipStore]: ...

    def test_the_newest_attestation_of_each_thing_is_held(self, tmp_path: Path) -> None:
        """By the order in which they came, whatever a clock said; all of one thing can be read, newest first."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert await store.add_attestation(attestation("a1", at=9.0), "")
                assert await store.add_attestation(attestation("a2", at=3.0), "a1")
                assert await store.add_attestation(attestation("b1", "process:night"), "")
            async with self.opened(tmp_path) as again:
                held = (await again.held())[1].attestations
                assert held == {
                    "agent:bot": attestation("a2", at=3.0),
                    "process:night": attestation("b1", "process:night"),
                }
                assert [one.id for one in await again.attestations("agent:bot")] == ["a2", "a1"]
                assert await again.attestations("agent:bot", limit=1) == [attestation("a2", at=3.0)]
                assert await again.attestations("agent:none") == []

        asyncio.run(story())

    def test_of_many_who_attest_at_once_one_does(self, tmp_path: Path) -> None:
        """From two openings, twenty attest what nobody attested before: one is stored."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                answers = await asyncio.gather(
                    *((store, other)[n % 2].add_attestation(attestation(f"a{n}"), "") for n in range(20))
                )
                assert answers.count(True) == 1
                (won,) = await store.attestations("agent:bot")
                assert won.id == f"a{answers.index(True)}"

        asyncio.run(story())

    def test_what_follows_an_older_one_is_not_stored(self, tmp_path: Path) -> None:
        """Neither after one that is not the newest, nor after one that never was, nor as the first of a thing."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert await store.add_attestation(attestation("a1"), "")
                assert await store.add_attestation(attestation("a2"), "a1")
                token = await store.held_token()
                for after in ("", "a1", "a3"):
                    assert not await store.add_attestation(attestation("x"), after)
                assert await store.held_token() == token
                assert [one.id for one in await store.attestations("agent:bot")] == ["a2", "a1"]

        asyncio.run(story())

    def test_whom_any_source_deactivated_is_deactivated(self, tmp_path: Path) -> None:
        """Each source has one word, its last; another source's word does not overrule it."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert (await store.held())[1].deactivated == frozenset()
                await store.put_person_state(state("olivia", "scim"))
                await store.put_person_state(state("olivia", "operator", active=True))
                await store.put_person_state(state("bob", "operator"))
                assert (await store.held())[1].deactivated == {"olivia", "bob"}
                assert await store.person_states("olivia") == [
                    state("olivia", "operator", active=True), state("olivia", "scim"),
                ]  # fmt: skip
                await store.put_person_state(state("olivia", "scim", active=True))
                assert (await store.held())[1].deactivated == {"bob"}
                assert await store.person_states("nobody") == []

        asyncio.run(story())

    def test_the_token_tells_of_every_change(self, tmp_path: Path) -> None:
        """Also of another process's; it is the one that was read together with what is held."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                before = await store.held_token()
                await other.put_person_state(state("olivia"))
                middle = await store.held_token()
                await other.add_attestation(attestation("a1"), "")
                after = await store.held_token()
                assert len({before, middle, after}) == 3
                assert (await store.held())[0] == after == await store.held_token()

        asyncio.run(story())
