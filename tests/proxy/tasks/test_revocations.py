"""The kill switch."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from policies.model import Json
from proxy.errors import CountersignError, StoreUnavailable
from proxy.tasks import revocations
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.interfaces import KINDS, Revocation, RevocationKind
from proxy.tasks.revocations import RevocationService, Stopped
from proxy.tasks.unstored import NAME, UnstoredFile
from telemetry.errors import AuditUnavailable
from tests.fakes.stores import MemoryRevocationStore

SCOPES = ("global", "agent:a")


def parts() -> tuple[MemoryRevocationStore, RevocationFeed, RevocationService]:
    store = MemoryRevocationStore()
    feed = RevocationFeed(store)
    return store, feed, RevocationService(store, feed)


def test_revoking_is_durable_and_at_once() -> None:
    """When it returns, the row is stored and the scope is dead here, without waiting for a poll."""
    store, feed, service = parts()
    revoked = asyncio.run(service.revoke("agent:a", "person:bob", "odd", 100.0))
    assert revoked == Revocation("agent:a", 100.0, "person:bob", "odd")
    assert store.rows == {"agent:a": revoked}
    assert feed.epochs.dead(SCOPES, 100.0) == revoked
    assert service.in_force() == [revoked]


def test_a_failing_store_is_told() -> None:
    """A revocation that could not be made durable raises, so that nobody believes in it."""
    store, feed, service = parts()
    store.failing = True
    with pytest.raises(StoreUnavailable):
        asyncio.run(service.revoke("agent:a", "person:bob", "odd", 100.0))
    assert feed.epochs.dead(SCOPES, 50.0) is None


@pytest.mark.parametrize(("scope", "by"), [("agents:a", "person:bob"), ("agent:a", "")])
def test_a_mistake_revokes_nothing(scope: str, by: str) -> None:
    """A misspelt scope, or nobody asking, is a mistake that is told before anything is written."""
    store, _, service = parts()
    with pytest.raises(CountersignError):
        asyncio.run(service.revoke(scope, by, "odd", 100.0))
    assert store.rows == {}


@pytest.mark.parametrize("unaware", [False, True])
@pytest.mark.parametrize("freeze_first", [False, True])
def test_an_end_and_a_freeze_leave_each_other_alone(unaware: bool, freeze_first: bool) -> None:
    """Both stand, in whatever order they are made, and whether whoever makes one has heard of the other or not."""
    store, feed, service = parts()
    second = RevocationService(store, RevocationFeed(store)) if unaware else service
    order: tuple[RevocationKind, ...] = ("freeze", "revoke") if freeze_first else ("revoke", "freeze")
    for at, (kind, one) in enumerate(zip(order, (service, second), strict=True)):
        asyncio.run(one.revoke("principal:alice", "person:bob", "odd", 100.0 + at, kind=kind))
    asyncio.run(feed.poll(102.0))
    assert sorted(row.kind for row in service.in_force()) == ["freeze", "revoke"]
    assert feed.epochs.dead(("principal:alice",), 99.0) is not None
    assert feed.epochs.dead(("principal:alice",), 103.0) is None
    assert len(feed.epochs.frozen(("principal:alice",))) == 1


@pytest.mark.parametrize(("lifted", "left"), [(("revoke",), ["freeze"]), (("freeze",), ["revoke"]), (KINDS, [])])
def test_either_is_lifted_alone_or_both(lifted: tuple[RevocationKind, ...], left: list[str]) -> None:
    """What is not named stays, here and in the store."""
    store, _, service = parts()
    for kind in KINDS:
        asyncio.run(service.revoke("agent:a", "person:bob", "odd", 100.0, kind=kind))
    assert asyncio.run(service.lift("agent:a", lifted)) is True
    assert [row.kind for row in service.in_force()] == left
    assert [row.kind for row in asyncio.run(store.all_revocations())] == left
    assert asyncio.run(service.lift("agent:a", lifted)) is False


def test_what_the_store_could_not_take_is_told_of_each(tmp_path: Path) -> None:
    """A freeze that is not stored yet is not taken for the end that is; both outlast a restart and are stored later."""

    async def story() -> None:
        room = Room(tmp_path)
        _, service = room.enter()
        await stop(service)
        room.store.failing = True
        await stop(service, kind="freeze")
        assert [row.kind for row in service.unstored()] == ["freeze"]
        feed, again = room.enter()
        room.store.failing = False
        await feed.poll(101.0)
        assert sorted(row.kind for row in again.in_force()) == ["freeze", "revoke"]
        await again.settle()
        assert sorted(row.kind for row in await room.store.all_revocations()) == ["freeze", "revoke"]

    asyncio.run(story())


# --- whatever is broken -------------------------------------------------------------------------


class Log:
    """Takes records, unless it is broken."""

    def __init__(self) -> None:
        self.entries: list[Mapping[str, Json]] = []
        self.broken = False

    async def append(self, entry: Mapping[str, Json]) -> int:
        if self.broken:
            raise AuditUnavailable("the disk is full")
        self.entries.append(entry)
        return len(self.entries)


ENTRY: Mapping[str, Json] = {"type": "revocation.put", "change": {"what": "agent:a", "by": "person:bob"}}


@dataclass
class Room:
    """A service over one folder, as one process after the other has it."""

    folder: Path
    store: MemoryRevocationStore = field(default_factory=MemoryRevocationStore)
    log: Log = field(default_factory=Log)

    def enter(self) -> tuple[RevocationFeed, RevocationService]:
        feed = RevocationFeed(self.store)
        service = RevocationService(self.store, feed, record=self.log.append, unstored=UnstoredFile(self.folder))
        service.recall()
        return feed, service


async def stop(service: RevocationService, scope: str = "agent:a", kind: RevocationKind = "revoke") -> Stopped:
    return await service.stop(scope, "person:bob", "odd", 100.0, kind=kind, entry=ENTRY)


@pytest.mark.parametrize("store_down", [False, True])
@pytest.mark.parametrize("log_down", [False, True])
@pytest.mark.parametrize("file_down", [False, True])
def test_what_is_stopped_is_in_force_whatever_is_broken(
    tmp_path: Path, store_down: bool, log_down: bool, file_down: bool
) -> None:
    """It is told what does not know of it, outlasts polls, and is stored and on record when both can be again."""

    async def story() -> None:
        room = Room(tmp_path / "gone" if file_down else tmp_path)
        feed, service = room.enter()
        await feed.poll(99.0)
        room.store.failing, room.log.broken = store_down, log_down
        stopped = await stop(service)
        assert feed.epochs.dead(SCOPES, 50.0) == stopped.revocation
        assert (stopped.stored, stopped.recorded) == (not store_down, not log_down)
        assert stopped.kept == ((store_down or log_down) and not file_down)
        assert {row.scope for row in service.unstored()} == ({"agent:a"} if store_down else set())
        room.store.failing = room.log.broken = False
        await room.store.put_revocation(Revocation("agent:other", 1.0, "x", "a change that makes the feed read again"))
        await feed.poll(101.0)
        assert feed.epochs.dead(SCOPES, 50.0) == stopped.revocation
        room.folder.mkdir(exist_ok=True)
        await service.settle()
        await feed.poll(102.0)
        assert (room.store.rows["agent:a"], room.log.entries) == (stopped.revocation, [ENTRY])
        assert feed.epochs.dead(SCOPES, 50.0) == stopped.revocation
        assert await service.lift("agent:a") is True
        await feed.poll(103.0)
        assert feed.epochs.dead(SCOPES, 50.0) is None
        assert not any(room.folder.iterdir())

    asyncio.run(story())


def test_the_next_process_puts_it_in_force_before_anything_else(tmp_path: Path) -> None:
    """What the store could not take is known at the next start, before the store answers, and stored when it does."""

    async def story() -> None:
        room = Room(tmp_path)
        room.store.failing = room.log.broken = True
        _, first = room.enter()
        await stop(first)
        await stop(first, "global", "freeze")
        feed, second = room.enter()
        assert feed.epochs.dead(SCOPES, 50.0) is not None
        assert [row.scope for row in feed.epochs.frozen(SCOPES)] == ["global"]
        with pytest.raises(StoreUnavailable):
            await second.settle()
        room.store.failing = room.log.broken = False
        await second.settle()
        assert set(room.store.rows) == {"agent:a", "global"}
        assert room.log.entries == [ENTRY, ENTRY]
        _, third = room.enter()
        assert third.unstored() == frozenset()

    asyncio.run(story())


def test_what_was_broken_off_is_not_added_to(tmp_path: Path) -> None:
    """The process died while it wrote a line: the next one keeps what it ends all the same, and a third can read it."""

    async def story() -> None:
        (tmp_path / NAME).write_text('{"revocation": {"sc')
        room = Room(tmp_path)
        _, service = room.enter()
        room.store.failing = True
        assert (await stop(service)).kept
        feed, _ = room.enter()
        assert feed.epochs.dead(SCOPES, 50.0) is not None

    asyncio.run(story())


def test_nothing_is_lifted_past_the_store(tmp_path: Path) -> None:
    """While the store is down, what is in force only here stays so; what the store has stays there."""

    async def story() -> None:
        room = Room(tmp_path)
        feed, service = room.enter()
        await stop(service, "agent:b")
        room.store.failing = True
        await stop(service)
        for scope in ("agent:a", "agent:b"):
            with pytest.raises(StoreUnavailable):
                await service.lift(scope)
            assert feed.epochs.dead((scope,), 50.0) is not None

    asyncio.run(story())


def test_nothing_is_lifted_while_its_file_would_bring_it_back(tmp_path: Path) -> None:
    """A lift whose revocation cannot be taken out of the file is refused: the next start would undo it."""

    async def story() -> None:
        room = Room(tmp_path)
        feed, service = room.enter()
        room.store.failing = True
        await stop(service)
        room.store.failing = False
        (tmp_path / NAME).unlink()
        (tmp_path / NAME).mkdir()
        with pytest.raises(StoreUnavailable, match="cannot be changed"):
            await service.lift("agent:a")
        assert feed.epochs.dead(SCOPES, 50.0) is not None

    asyncio.run(story())


def test_a_store_that_hangs_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In force before the store answers; kept in the file when it takes too long; its late answer does no harm."""
    monkeypatch.setattr(revocations, "STORE_WITHIN", 0.0)

    class Slow(MemoryRevocationStore):
        async def put_revocation(self, revocation: Revocation) -> None:
            assert feed.epochs.dead(SCOPES, 50.0) == revocation
            await go.wait()
            await super().put_revocation(revocation)

    async def story() -> None:
        nonlocal feed, go
        go = asyncio.Event()
        room = Room(tmp_path, Slow())
        feed, service = room.enter()
        stopped = await stop(service)
        assert (stopped.stored, stopped.kept) == (False, True)
        go.set()
        await service.settle()
        assert set(room.store.rows) == {"agent:a"}
        assert service.unstored() == frozenset()

    feed, go = RevocationFeed(MemoryRevocationStore()), asyncio.Event()
    asyncio.run(story())


def test_a_log_that_hangs_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In force and stored while the disk of the audit log does not answer; its late answer does no harm."""
    monkeypatch.setattr(revocations, "RECORD_WITHIN", 0.0)

    class Hanging(Log):
        async def append(self, entry: Mapping[str, Json]) -> int:
            await go.wait()
            return await super().append(entry)

    async def story() -> None:
        nonlocal go
        go = asyncio.Event()
        room = Room(tmp_path, log=Hanging())
        feed, service = room.enter()
        stopped = await stop(service)
        assert (stopped.stored, stopped.recorded) == (True, False)
        assert feed.epochs.dead(SCOPES, 50.0) is not None
        assert set(room.store.rows) == {"agent:a"}
        go.set()
        monkeypatch.setattr(revocations, "RECORD_WITHIN", 10.0)
        await service.settle()
        assert room.log.entries == [ENTRY, ENTRY]

    go = asyncio.Event()
    asyncio.run(story())


def test_a_second_end_does_not_wait_for_the_first_to_be_stored(tmp_path: Path) -> None:
    """While what was ended before is being stored, and the store hangs, the next end is kept at once; none is lost."""

    class Hanging(MemoryRevocationStore):
        async def put_revocation(self, revocation: Revocation) -> None:
            self._check()
            started.set()
            await go.wait()
            await super().put_revocation(revocation)

    async def story() -> None:
        nonlocal started, go
        started, go = asyncio.Event(), asyncio.Event()
        room = Room(tmp_path, Hanging())
        _, service = room.enter()
        room.store.failing = True
        await stop(service)
        room.store.failing = False
        settling = asyncio.create_task(service.settle())
        await started.wait()
        room.store.failing = True
        assert (await stop(service, "agent:b")).kept
        assert len(UnstoredFile(tmp_path).read()) == 2
        room.store.failing = False
        go.set()
        await settling
        assert {row.scope for row in service.unstored()} == {"agent:b"}
        assert [row.revocation.scope for row in UnstoredFile(tmp_path).read()] == ["agent:b"]
        await service.settle()
        assert set(room.store.rows) == {"agent:a", "agent:b"}

    started, go = asyncio.Event(), asyncio.Event()
    asyncio.run(story())


def test_a_bug_of_a_store_is_not_taken_for_its_absence(tmp_path: Path) -> None:
    """What is in force stays in force, and the fault is not hidden."""

    class Buggy(MemoryRevocationStore):
        async def put_revocation(self, revocation: Revocation) -> None:
            raise RuntimeError("nonsense")

    async def story() -> None:
        feed, service = Room(tmp_path, Buggy()).enter()
        with pytest.raises(RuntimeError):
            await stop(service)
        assert feed.epochs.dead(SCOPES, 50.0) is not None

    asyncio.run(story())


def test_a_clock_that_went_back_revives_nothing() -> None:
    """A second revocation with an earlier clock does not move the end of the scope back."""
    _, feed, service = parts()
    asyncio.run(service.revoke("agent:a", "person:bob", "odd", 100.0))
    again = asyncio.run(service.revoke("agent:a", "person:bob", "odd", 90.0))
    assert again.at == 100.0
    assert feed.epochs.dead(SCOPES, 95.0) == again


def test_lifting() -> None:
    """A lifted scope lives again, at once; lifting what is not revoked says False."""
    store, feed, service = parts()
    asyncio.run(service.revoke("agent:a", "person:bob", "odd", 100.0))
    assert asyncio.run(service.lift("agent:a")) is True
    assert (feed.epochs.dead(SCOPES, 50.0), store.rows) == (None, {})
    assert asyncio.run(service.lift("agent:a")) is False
    with pytest.raises(CountersignError):
        asyncio.run(service.lift("agents:a"))


@pytest.mark.parametrize("how", ["stop", "revoke"])
@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("kinds", [KINDS, ("revoke",)])
def test_what_is_ended_while_it_is_lifted_stays_ended(
    tmp_path: Path, how: str, heard: bool, kinds: tuple[RevocationKind, ...]
) -> None:
    """The lift is of what stood before: whoever ended it anew meanwhile was told that it is ended, and it is."""

    class Meanwhile(MemoryRevocationStore):
        async def lift_revocation(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> bool:
            if how == "stop":
                await service.stop(scope, "operator:uid=0", "worse", 200.0, kind="revoke", entry=ENTRY)
            else:
                await service.revoke(scope, "operator:uid=0", "worse", 200.0)
            lifted = await super().lift_revocation(scope, kinds)
            if heard:
                await feed.poll(201.0)
            return lifted

    async def story() -> None:
        await stop(service)
        with pytest.raises(CountersignError, match="meanwhile"):
            await service.lift("agent:a", kinds)
        newer = Revocation("agent:a", 200.0, "operator:uid=0", "worse")
        assert feed.epochs.dead(SCOPES, 50.0) == newer
        await feed.poll(202.0)
        assert feed.epochs.dead(SCOPES, 50.0) == newer
        assert room.store.rows == {"agent:a": newer}
        assert service.unstored() == frozenset()

    room = Room(tmp_path, Meanwhile())
    feed, service = room.enter()
    asyncio.run(story())


def test_a_freeze_that_is_lifted_leaves_an_end_that_came_meanwhile(tmp_path: Path) -> None:
    """Only what stood when it was looked at is lifted: the end was not there, and stays, in the store too."""

    class Meanwhile(MemoryRevocationStore):
        async def lift_revocation(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> bool:
            await service.revoke(scope, "operator:uid=0", "worse", 200.0)
            return await super().lift_revocation(scope, kinds)

    async def story() -> None:
        await stop(service, kind="freeze")
        assert await service.lift("agent:a") is True
        assert service.in_force() == [Revocation("agent:a", 200.0, "operator:uid=0", "worse")]
        assert await room.store.all_revocations() == service.in_force()

    room = Room(tmp_path, Meanwhile())
    _, service = room.enter()
    asyncio.run(story())


# --- against a model ----------------------------------------------------------------------------

SOME = ("global", "agent:a", "agent:b", "principal:alice", "task:t-1", "service:crm", "handle:h-1")
ISSUED_ANEW = ("principal:alice",)


class KillSwitch(RuleBasedStateMachine):
    """Anything in any order, with the store failing now and then, on two processes; the model is a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.store, self.log, self.now = MemoryRevocationStore(), Log(), 100.0
        self.feed, self.other_feed = RevocationFeed(self.store), RevocationFeed(self.store)
        self.service = RevocationService(self.store, self.feed, record=self.log.append)
        self.model: dict[tuple[str, RevocationKind], float] = {}
        self.issued: list[tuple[tuple[str, ...], float]] = []

    def do[T](self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work)

    @rule(by=st.sampled_from([0.0, 0.5, 3.0, -2.0]))
    def time_goes_by(self, by: float) -> None:
        self.now += by

    @rule(scopes=st.sets(st.sampled_from(SOME), min_size=1))
    def issue(self, scopes: set[str]) -> None:
        self.issued.append((tuple(sorted(scopes)), self.now))

    @rule(scope=st.sampled_from(SOME), kind=st.sampled_from(KINDS))
    def stop(self, scope: str, kind: RevocationKind) -> None:
        now = self.now + self.feed.behind  # by the latest clock that was heard
        stopped = self.do(self.service.stop(scope, "person:bob", "x", self.now, kind=kind, entry=ENTRY))
        self.model[scope, kind] = max(now, self.model.get((scope, kind), now))
        assert stopped.stored is not self.store.failing

    @rule(scope=st.sampled_from(SOME), kind=st.sampled_from(KINDS))
    def another_process(self, scope: str, kind: RevocationKind) -> None:
        if self.store.failing:
            return
        self.do(self.other_feed.poll(self.now))
        self.do(RevocationService(self.store, self.other_feed).revoke(scope, "person:eve", "y", self.now, kind=kind))
        self.do(self.feed.poll(self.now))
        self.model[scope, kind] = self.feed.epochs.of(scope, kind).at  # type: ignore[union-attr]  # fails if it is not there
        assert self.model[scope, kind] >= self.now

    @rule(scope=st.sampled_from(SOME), kinds=st.sampled_from([KINDS, ("revoke",), ("freeze",)]))
    def lift(self, scope: str, kinds: tuple[RevocationKind, ...]) -> None:
        try:
            self.do(self.service.lift(scope, kinds))
        except StoreUnavailable:
            assert self.store.failing
        else:
            assert not self.store.failing
            for kind in kinds:
                self.model.pop((scope, kind), None)

    @rule(down=st.booleans())
    def the_store(self, down: bool) -> None:
        self.store.failing = down

    @rule()
    def settle_and_poll(self) -> None:
        if not self.store.failing:
            self.do(self.service.settle())
            self.do(self.other_feed.poll(self.now))
            assert set(self.other_feed.epochs.rows) == set(self.feed.epochs.rows)
            self.do(self.feed.poll(self.now))

    @rule()
    def poll(self) -> None:
        self.do(self.feed.poll_once(self.now))

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert {(row.scope, row.kind): row.at for row in self.feed.epochs.rows} == self.model
        for scopes, issued_at in self.issued:
            ends = {scope: self.model[scope, "revoke"] for scope in scopes if (scope, "revoke") in self.model}
            dead = any(issued_at <= at or scope not in ISSUED_ANEW for scope, at in ends.items())
            assert (self.feed.epochs.dead(scopes, issued_at) is not None) == dead
            frozen = {row.scope for row in self.feed.epochs.frozen(scopes)}
            assert frozen == {scope for scope in scopes if (scope, "freeze") in self.model}


KillSwitch.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestKillSwitch = KillSwitch.TestCase
