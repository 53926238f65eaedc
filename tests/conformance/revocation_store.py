"""What every RevocationStore does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.tasks.interfaces import Revocation, RevocationStore

ONE = Revocation("agent:refund-bot", 1000.25, "person:bob", "odd refunds")
TWO = Revocation("token:https://idp.example|j-1", 1100.0, "operator:uid=1000", "", "freeze")


class RevocationStoreConformance(ABC):
    """The suite. Each opening of the same `place` sees the same rows, as two processes would."""

    @abstractmethod
    def opened(self, place: Path) -> AbstractAsyncContextManager[RevocationStore]: ...

    def test_a_revocation_comes_back_as_it_went_in(self, tmp_path: Path) -> None:
        """What is put is read back in every field, also by whoever opens the store later."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert await store.all_revocations() == []
                await store.put_revocation(ONE)
                await store.put_revocation(TWO)
                assert set(await store.all_revocations()) == {ONE, TWO}
            async with self.opened(tmp_path) as again:
                assert set(await again.all_revocations()) == {ONE, TWO}

        asyncio.run(story())

    def test_a_scope_has_one_end(self, tmp_path: Path) -> None:
        """A later revocation of the same scope and kind replaces the earlier one."""

        async def story() -> None:
            later = Revocation(ONE.scope, 2000.0, "person:carol", "again")
            async with self.opened(tmp_path) as store:
                await store.put_revocation(ONE)
                await store.put_revocation(later)
                assert await store.all_revocations() == [later]

        asyncio.run(story())

    def test_an_end_and_a_freeze_stand_beside_each_other(self, tmp_path: Path) -> None:
        """Neither takes the other's place, whichever comes first, and either is lifted alone, or both at once."""

        async def story() -> None:
            frozen = Revocation(ONE.scope, 2000.0, "person:carol", "look", "freeze")
            ended = Revocation(ONE.scope, 3000.0, "person:bob", "bad")
            async with self.opened(tmp_path) as store:
                await store.put_revocation(ONE)
                await store.put_revocation(frozen)
                assert set(await store.all_revocations()) == {ONE, frozen}
                assert await store.lift_revocation(ONE.scope, ["revoke"]) is True
                assert await store.lift_revocation(ONE.scope, ["revoke"]) is False
                assert await store.all_revocations() == [frozen]
                await store.put_revocation(ended)
                assert set(await store.all_revocations()) == {ended, frozen}
                assert await store.lift_revocation(ONE.scope, ["freeze"]) is True
                assert await store.all_revocations() == [ended]
                await store.put_revocation(frozen)
                assert await store.lift_revocation(ONE.scope, []) is False
                assert await store.lift_revocation(ONE.scope) is True
                assert await store.all_revocations() == []

        asyncio.run(story())

    def test_a_clock_that_is_behind_moves_no_end_back(self, tmp_path: Path) -> None:
        """An earlier end of the same scope by another process keeps the later moment."""

        async def story() -> None:
            earlier = Revocation(ONE.scope, 10.0, "person:carol", "again")
            async with self.opened(tmp_path) as store:
                await store.put_revocation(ONE)
                await store.put_revocation(earlier)
                (row,) = await store.all_revocations()
                assert (row.at, row.by) == (ONE.at, "person:carol")

        asyncio.run(story())

    def test_a_lifted_scope_is_gone(self, tmp_path: Path) -> None:
        """Lifting removes the row and says True; a scope that is not there says False."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.put_revocation(ONE)
                assert await store.lift_revocation(ONE.scope) is True
                assert await store.lift_revocation(ONE.scope) is False
                assert await store.all_revocations() == []

        asyncio.run(story())

    def test_what_is_forgotten_is_what_was_read(self, tmp_path: Path) -> None:
        """All in one go; but not what was ended anew meanwhile, and every process hears of it."""

        async def story() -> None:
            async with self.opened(tmp_path) as mine, self.opened(tmp_path) as other:
                await mine.put_revocation(ONE)
                await mine.put_revocation(TWO)
                await other.put_revocation(Revocation(ONE.scope, ONE.at + 1, "person:carol", "again"))
                before = await other.counts()
                assert await mine.forget_revocations([ONE, TWO, Revocation("agent:x", 1.0, "x", "y")]) == 1
                assert [row.scope for row in await other.all_revocations()] == [ONE.scope]
                assert (await other.counts()).revocations != before.revocations

        asyncio.run(story())

    def test_the_change_token_moves_for_everyone(self, tmp_path: Path) -> None:
        """Every put and lift changes the token, for the one who did it and for any other; reading does not."""

        async def story() -> None:
            async with self.opened(tmp_path) as mine, self.opened(tmp_path) as other:
                seen = {(await mine.change_token(), await other.change_token())}
                for act in (mine.put_revocation(ONE), other.put_revocation(TWO), mine.lift_revocation(ONE.scope)):
                    before = await mine.change_token(), await other.change_token()
                    await act
                    after = await mine.change_token(), await other.change_token()
                    assert before[0] != after[0], "the token of the first store did not move"
                    assert before[1] != after[1], "the token of the second store did not move"
                    seen.add(after)
                    await mine.all_revocations()
                    assert (await mine.change_token(), await other.change_token()) == after
                assert len(seen) == 4

        asyncio.run(story())

    def test_revocations_are_counted_for_everyone(self, tmp_path: Path) -> None:
        """Every put and lift moves their count, for any process that has the store open; reading does not."""

        async def story() -> None:
            async with self.opened(tmp_path) as mine, self.opened(tmp_path) as other:
                for act in (mine.put_revocation(ONE), other.put_revocation(TWO), mine.lift_revocation(ONE.scope)):
                    before = await mine.counts(), await other.counts()
                    await act
                    after = await mine.counts(), await other.counts()
                    assert before[0].revocations != after[0].revocations
                    assert before[1].revocations != after[1].revocations
                    assert [one.standings for one in before] == [one.standings for one in after]
                    await mine.all_revocations()
                    assert (await mine.counts(), await other.counts()) == after

        asyncio.run(story())

    def test_what_was_put_between_two_counts_is_read_alone(self, tmp_path: Path) -> None:
        """By whomever: as many rows as the count moved by, unless something was lifted or put again."""

        async def story() -> None:
            async with self.opened(tmp_path) as mine, self.opened(tmp_path) as other:
                counts = [(await mine.counts()).revocations]
                again = Revocation(ONE.scope, 2000.0, "person:carol", "again")
                for act in (
                    mine.put_revocation(ONE), other.put_revocation(TWO),
                    mine.lift_revocation(TWO.scope), other.put_revocation(again),
                ):  # fmt: skip
                    await act
                    counts.append((await mine.counts()).revocations)
                    if len(counts) == 3:
                        assert set(await other.revocations_put(counts[0], counts[2])) == {ONE, TWO}
                        assert await other.revocations_put(counts[0], counts[1]) == [ONE]
                start, first, second, lifted, last = counts
                assert second - start == 2
                assert await mine.revocations_put(start, first) == []  # it was put again since
                assert await mine.revocations_put(second, lifted) == []
                assert await mine.revocations_put(lifted, last) == [again]
                assert await mine.revocations_put(last, last) == []

        asyncio.run(story())
