"""Everything but the doors: put together once, alone with its state, and put right when it starts."""

import asyncio
import contextlib
import time

import pytest

from proxy.app import core as module
from proxy.app.core import open_core
from proxy.errors import CountersignError
from proxy.stages import Released
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.interfaces import Revocation
from telemetry import reader
from telemetry.errors import AuditUnavailable
from telemetry.verify import verify
from tests.fakes.serving import configured
from tests.fakes.waiting import until
from tests.fakes.world import arrived, problem, refund, shown


async def evidence(core):
    handle, _ = await core.handles.issue(
        agent="support-bot", purpose="t", ttl=600, issued_by="t", now=core.clock(), on_behalf_of="alice", task="t-1"
    )
    return shown(handle)


async def held(core):
    """A held refund: its hold, and who asked."""
    given = await evidence(core)
    return str(problem(await core.pipeline.admit_call(arrived(refund()), given))["hold_id"]), given


async def approve(core, hold):
    await core.holds.vote(hold, "olivia", "approve", channel="t", assurance="session", now=core.clock())


def test_it_is_put_together_from_the_settings(tmp_path):
    """A call goes through it; what the settings say of holds is what counts; all is closed at the end."""
    settings = configured(tmp_path, more="audit: {origin: tests.example/audit}\n")
    holds = settings.holds.model_copy(update={"open_per_agent": 1, "longest_inline_wait_seconds": 7})
    settings = settings.model_copy(update={"holds": holds})

    async def main():
        async with open_core(settings) as core:
            hold, given = await held(core)
            other = problem(await core.pipeline.admit_call(arrived(refund(99_000)), given))
            assert other["reason"] == "hold_limit"
            options = core.holds._admission._options
            assert (options.inline_wait, options.inline_wait_cap, options.new_per_minute) == (0, 7, 6)
            assert (await core.holds.get(hold)).state == "pending"
            assert core.inventory() is core.keeper.world.inventory

    asyncio.run(main())
    assert {record["log"] for record in reader.records(settings.state / "audit")} == {"tests.example/audit"}
    assert verify(settings.state / "audit").ok
    assert settings.state.stat().st_mode & 0o777 == 0o700


def test_two_do_not_share_a_state(tmp_path):
    """While one runs, another is told so; afterwards it starts."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings):
            with pytest.raises(CountersignError, match="another Countersign runs on this state directory; stop it"):
                async with open_core(settings):
                    pass
        async with open_core(settings):
            pass

    asyncio.run(main())


def test_a_state_that_cannot_be_used_is_named(tmp_path):
    """A file where the directory should be: said with its path."""
    settings = configured(tmp_path)
    settings.state.write_text("not a directory")

    async def main():
        async with open_core(settings):
            pass

    with pytest.raises(CountersignError, match="state: the state directory cannot be used"):
        asyncio.run(main())


def test_a_damaged_audit_log_is_not_written_on(tmp_path):
    """Where the log was changed, we do not start: a person must look."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core:
            await core.recorder.append({"type": "proxy.started"})

    asyncio.run(main())
    (segment,) = (settings.state / "audit" / "entries").iterdir()
    segment.write_bytes(segment.read_bytes().replace(b"proxy.started", b"proxy.stopped"))
    with pytest.raises(CountersignError, match="audit"):
        asyncio.run(main())


def test_what_a_predecessor_left_is_settled_at_the_start(tmp_path):
    """A use that was reserved and not sent when the last one died is given back before anything is served."""
    settings = configured(tmp_path)

    async def die():
        async with open_core(settings) as core:
            hold, given = await held(core)
            await approve(core, hold)
            assert isinstance(await core.pipeline.admit_call(arrived(refund()), given), Released)
            return hold

    async def start(hold):
        async with open_core(settings) as core:
            return (await core.holds.get(hold)).state.value

    hold = asyncio.run(die())
    assert asyncio.run(start(hold)) == "outcome_unknown"


def test_a_failing_use_still_ends_in_order(tmp_path):
    """Whatever ends the use of a core, what was begun in the background is finished first."""
    settings = configured(tmp_path)
    finished = []

    async def main():
        async with open_core(settings) as core:

            async def outcome():
                await asyncio.to_thread(lambda: None)
                finished.append(True)

            core.pipeline._later(outcome())
            raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(main())
    assert finished == [True]


def test_held_calls_end_with_their_agent(tmp_path):
    """A revocation by another process ends the holds of what it ends, and no others."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core:
            hold, _ = await held(core)
            other = SqliteStore.open(settings.state / "countersign.db")
            try:
                await other.put_revocation(Revocation("agent:other-bot", time.time(), "person:olivia", "x"))
                await other.put_revocation(Revocation("agent:support-bot", time.time(), "person:olivia", "x"))
            finally:
                other.close()
            async with asyncio.timeout(10):
                while (await core.holds.get(hold)).state == "pending":  # noqa: ASYNC110 - another task ends it
                    await asyncio.sleep(0.01)
            view = await core.holds.get(hold)
            assert (view.state, view.closed_by) == ("cancelled", "person:olivia")

    asyncio.run(main())


def test_what_was_ended_while_nobody_was_here_is_ended_at_the_start(tmp_path):
    """A revocation made between two runs ends the holds from before it; those of a later identity live."""
    settings = configured(tmp_path)

    async def first():
        async with open_core(settings) as core:
            return (await held(core))[0]

    async def second(hold):
        async with open_core(settings) as core:
            async with asyncio.timeout(10):
                while (await core.holds.get(hold)).state == "pending":  # noqa: ASYNC110 - another task ends it
                    await asyncio.sleep(0.01)
            assert (await held(core))[0] == hold  # how the old one ended is told once
            again, _ = await held(core)
            assert again != hold
            return again

    async def third(hold):
        async with open_core(settings) as core:
            await core.holds.sweep(core.clock())
            await until(lambda: True)
            return (await core.holds.get(hold)).state

    async def revoke():
        store = SqliteStore.open(settings.state / "countersign.db")
        try:
            await store.put_revocation(Revocation("agent:support-bot", time.time(), "operator", "x"))
        finally:
            store.close()

    hold = asyncio.run(first())
    asyncio.run(revoke())
    again = asyncio.run(second(hold))
    assert asyncio.run(third(again)) == "pending"


def test_an_approval_wakes_a_call_that_waits(tmp_path):
    """A vote written by another process releases the call that waits on the line here."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core:
            given = await evidence(core)
            call = asyncio.create_task(
                core.pipeline.admit_call(arrived(refund(headers=(("prefer", "wait=20"),))), given)
            )
            await until(lambda: bool(core.holds._ledger.waiters))
            holds = await core.holds.list("open")
            await approve(core, holds[0].id)
            assert isinstance(await call, Released)

    asyncio.run(main())


@pytest.mark.parametrize(
    "error", [AuditUnavailable("full"), CountersignError("down"), RuntimeError("a bug")], ids=["full", "down", "bug"]
)
def test_what_goes_on_beside_the_calls_never_stops(error, monkeypatch, caplog):
    """A step that fails is told once, and tried again until it works; then another failure is told again."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.0)
    turns = []

    async def step():
        turns.append(len(turns))
        if len(turns) in {1, 2, 3, 5}:
            raise error
        await asyncio.sleep(0)

    async def main():
        task = asyncio.create_task(module._forever("sweeping", step))
        await until(lambda: len(turns) > 8)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert caplog.text.count("sweeping") == 2


def test_an_identity_that_has_ended_is_known_to_have(tmp_path):
    """Revoked, gone from the inventory, or without an owner: whatever was obtained for it may end."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core:
            given = await evidence(core)
            proven = await core.pipeline._parts.resolver.prove(given, core.clock(), core.inventory())
            identity = core.pipeline._parts.resolver.attribute(proven, core.inventory(), core.clock())
            assert not core.has_ended(identity)
            await core.revocations.revoke("task:t-1", "operator", "done", core.clock())
            assert core.has_ended(identity)

    asyncio.run(main())
