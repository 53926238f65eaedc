"""What ended long ago is forgotten, and never so that anything lives again."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from proxy.identity import handles, task_tokens
from proxy.identity.issuers import IssuerSettings
from proxy.tasks import forgetting as module
from proxy.tasks import task
from proxy.tasks.forgetting import JUMP_SECONDS, LONGEST_LIFE, MAX_TOKEN_LIFE, STEADY_SECONDS, Forgetting, SteadyClock
from proxy.tasks.interfaces import RevocationKind
from telemetry.errors import AuditUnavailable
from tests.fakes.tasks import NOW, new_task
from tests.proxy.tasks.house import TaskHouse

BY = "operator:uid=0"
OWN = "token:https://gov|"
TWO_DAYS = 2 * 86_400.0


class House(TaskHouse):
    """`ticks` is the monotonic clock; `sweep` is one sweep on a clock that is steady."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ticks = 0.0
        self.forgetting = self.anew()

    def anew(self) -> Forgetting:
        clock = SteadyClock(lambda: self.ticks)
        return Forgetting(self.store, self.store.forget_revocations, self.append, clock, own_tokens=OWN)

    async def sweep(self, now: float) -> set[str]:
        """What is left after it."""
        forgetting = self.anew()
        await forgetting.sweep(self.revocations.in_force(), now - LONGEST_LIFE)
        self.ticks += LONGEST_LIFE
        await forgetting.sweep(self.revocations.in_force(), now)
        await self.feed.poll(now)
        return {row.scope for row in self.feed.epochs.rows}


def run(folder: Path, story: Callable[[House], Awaitable[None]]) -> None:
    house = House(folder)

    async def main() -> None:
        await story(house)

    try:
        asyncio.run(main())
    finally:
        house.close()


def test_nothing_lives_longer_than_is_said_here() -> None:
    """Handles, tasks, tokens of issuers and our own: each within the life after which its end is forgotten."""
    assert max(handles.MAX_TTL, task.MAX_LIFE, task_tokens.MAX_LIFE) <= LONGEST_LIFE
    assert task_tokens.MAX_LIFE <= MAX_TOKEN_LIFE < STEADY_SECONDS

    def issuer(life: float) -> IssuerSettings:
        url = "https://idp.example"
        return IssuerSettings(url, "x", ("RS256",), jwks_url=f"{url}/jwks", max_lifetime_s=int(life))

    assert issuer(LONGEST_LIFE).max_lifetime_s == LONGEST_LIFE
    with pytest.raises(ValueError, match="max_lifetime_s"):
        issuer(LONGEST_LIFE + 1)


@pytest.mark.parametrize(
    ("scope", "kind", "after", "left"),
    [
        ("principal:https://idp.example|user-1", "revoke", TWO_DAYS, True),
        ("principal:https://idp.example|user-1", "revoke", TWO_DAYS + 1, False),
        ("principal:alice", "revoke", TWO_DAYS + 1, False),
        ("principal:alice", "freeze", 9 * TWO_DAYS, True),  # holds whatever was issued when
        ("principal:unix|uid=1000", "revoke", 9 * TWO_DAYS, True),  # as old as can be: its end would be over
        ("principal:spiffe://prod.example|spiffe://prod.example/a", "revoke", 9 * TWO_DAYS, True),
        ("handle:hnd_1", "revoke", TWO_DAYS, True),
        ("handle:hnd_1", "revoke", TWO_DAYS + 1, False),
        ("handle:hnd_1", "freeze", 9 * TWO_DAYS, True),
        ("token:https://idp.example|j", "revoke", TWO_DAYS, True),
        ("token:https://idp.example|j", "revoke", TWO_DAYS + 1, False),
        ("token:spiffe://prod.example|x509.1", "revoke", 9 * TWO_DAYS, True),
        ("token:unix|uid=1000", "revoke", 9 * TWO_DAYS, True),
        (f"{OWN}tok_1", "revoke", 1200, True),
        (f"{OWN}tok_1", "revoke", 1201, False),
        (f"{OWN}tok_1", "freeze", 1201, False),
        ("task:made-up", "revoke", 9 * TWO_DAYS, True),
        *((scope, "revoke", 9 * TWO_DAYS, True) for scope in (
            "global", "agent:a", "owner:a", "team:a", "class:utility", "process:a", "partner:a", "instance:a/b",
            "service:a", "tool:a/b", "credential:a", "connection:a",
        )),
    ],
)  # fmt: skip
def test_an_end_is_kept_while_anything_can_need_it(
    tmp_path: Path, scope: str, kind: RevocationKind, after: float, *, left: bool
) -> None:
    """Its longest life and a day more; and for ever where there is no such life."""

    async def story(house: House) -> None:
        await house.revocations.revoke(scope, BY, "x", NOW, kind=kind)
        assert (scope in await house.sweep(NOW + after)) is left
        assert [record["type"] for record in house.records] == ([] if left else ["revocation.forgotten"])

    run(tmp_path, story)


def test_a_task_s_end_goes_with_the_task(tmp_path: Path) -> None:
    """Once its deadline is long past; while the task is not over, its end stays."""

    async def story(house: House) -> None:
        ended = await house.tasks.create(new_task(), by=BY, now=NOW)
        await house.tasks.end(ended.id, "completed", by=BY, reason="done", now=NOW + 1)
        half = await house.tasks.create(new_task(), by=BY, now=NOW)
        await house.revocations.revoke(f"task:{half.id}", BY, "x", NOW)
        both = {f"task:{ended.id}", f"task:{half.id}"}
        assert await house.sweep(NOW + 800) == both
        assert await house.sweep(NOW + 1000) == {f"task:{half.id}"}

    run(tmp_path, story)


def test_the_end_of_a_token_is_kept_while_a_task_lives_that_was_begun_with_it(tmp_path: Path) -> None:
    """Else the task would come back to life with the next sweep; once it is over the end is forgotten too."""

    async def story(house: House) -> None:
        scope = f"{OWN}tok_1"
        task = await house.tasks.create(new_task(via=(scope,), deadline=NOW + 7200), by=BY, now=NOW)
        await house.revocations.revoke(scope, BY, "x", NOW + 1)
        assert await house.sweep(NOW + 3600) == {scope}
        await house.tasks.end(task.id, "completed", by=BY, reason="done", now=NOW + 3600)
        assert scope not in await house.sweep(NOW + 3601)

    run(tmp_path, story)


def test_one_record_says_what_a_sweep_forgot(tmp_path: Path) -> None:
    """However much that was; and what cannot be recorded is not forgotten."""

    async def story(house: House) -> None:
        for n in range(60):
            await house.revocations.revoke(f"principal:https://idp.example|{n:02}", BY, "x", NOW)
        house.broken = True
        with pytest.raises(AuditUnavailable):
            await house.sweep(NOW + TWO_DAYS + 1)
        assert len(await house.store.all_revocations()) == 60
        house.broken = False
        assert await house.sweep(NOW + TWO_DAYS + 1) == set()
        (record,) = house.records
        assert (record["type"], record["change"]["by"]) == ("revocation.forgotten", "countersign")
        details = record["change"]["details"]
        assert (details[0], details[-1]) == ("count=60", "and=20")

    run(tmp_path, story)


def test_a_sweep_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is more than one transaction takes is for the next sweep."""
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)

    async def story(house: House) -> None:
        for n in range(3):
            await house.revocations.revoke(f"handle:hnd_{n}", BY, "x", NOW)
        assert len(await house.sweep(NOW + TWO_DAYS + 1)) == 1
        assert await house.sweep(NOW + TWO_DAYS + 1) == set()

    run(tmp_path, story)


def test_a_clock_that_jumps_forgets_nothing(tmp_path: Path) -> None:
    """Neither at the start, nor within an hour of a jump: it may be put right again, and what was ended would live."""

    async def story(house: House) -> None:
        await house.revocations.revoke("handle:hnd_1", BY, "x", NOW)
        for now, ticks in (
            (NOW + 9 * TWO_DAYS, 0.0),  # the clock at the start may be wrong
            (NOW + 60, 60.0),  # and was
            (NOW + 60 + STEADY_SECONDS, 60.0 + STEADY_SECONDS),
            (NOW + 9 * TWO_DAYS, 120.0 + STEADY_SECONDS),  # a jump of days
            (NOW + 9 * TWO_DAYS + 60, 180.0 + STEADY_SECONDS),
            (NOW + 240 + STEADY_SECONDS, 240.0 + STEADY_SECONDS),  # and back
        ):
            house.ticks = ticks
            await house.forgetting.sweep(house.revocations.in_force(), now)
        assert house.records == []
        assert len(await house.store.all_revocations()) == 1

    run(tmp_path, story)


def test_a_clock_that_is_days_ahead_forgets_nothing_that_may_live(tmp_path: Path) -> None:
    """However steadily it goes: what was issued before the start may live for a day, whatever the clock says."""

    async def story(house: House) -> None:
        ahead = NOW + 9 * TWO_DAYS
        await house.revocations.revoke("principal:https://idp.example|user-1", BY, "x", NOW)
        await house.revocations.revoke(f"{OWN}tok_1", BY, "x", NOW)
        for hours, left in ((0, 2), (1, 1), (23, 1), (24, 0)):
            house.ticks = hours * 3600.0
            await house.forgetting.sweep(house.revocations.in_force(), ahead + house.ticks)
            await house.feed.poll(ahead)
            assert len(house.feed.epochs.rows) == left

    run(tmp_path, story)


def test_a_clock_is_steady_after_an_hour_without_a_jump() -> None:
    """Small corrections are none; what is no number is one."""
    ticks = [0.0]
    clock = SteadyClock(lambda: ticks[0])
    assert not clock.is_steady(NOW)
    ticks[0] = STEADY_SECONDS
    assert clock.is_steady(NOW + STEADY_SECONDS + JUMP_SECONDS)
    assert not clock.is_steady(float("nan"))
    assert not clock.is_steady(NOW + STEADY_SECONDS)
