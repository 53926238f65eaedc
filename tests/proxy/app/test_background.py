"""What goes on beside the calls: it never stops, and what changes anywhere takes effect here."""

import asyncio
import contextlib
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from proxy.app import background as module
from proxy.app.core import open_core
from proxy.downstream.signer import ROTATE_AFTER
from proxy.errors import CountersignError, StoreUnavailable
from proxy.stages import Evidence, Released
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.interfaces import Revocation
from proxy.tasks.task import NewTask
from telemetry import reader
from telemetry.errors import AuditUnavailable
from tests.fakes.app_calls import approve, evidence, held
from tests.fakes.authorities import OAuthServer
from tests.fakes.serving import configured
from tests.fakes.waiting import PATIENCE, until
from tests.fakes.world import INVENTORY, Clock, arrived, get, problem, refund


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
            async with asyncio.timeout(PATIENCE):
                while (await core.holds.get(hold)).state == "pending":  # noqa: ASYNC110 - another task ends it
                    await asyncio.sleep(0.01)
            view = await core.holds.get(hold)
            assert (view.state, view.closed_by) == ("cancelled", "person:olivia")

    asyncio.run(main())


def test_one_end_that_cannot_be_acted_on_keeps_no_other_waiting(tmp_path):
    """A task whose row cannot be read is tried again; the holds of every other end are ended meanwhile."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core:
            hold, _ = await held(core)
            ended_by = core.tasks.ended_by

            async def fails(revocation):
                if revocation.scope != "agent:support-bot":
                    raise StoreUnavailable("this task cannot be read back")
                await ended_by(revocation)

            core.tasks.ended_by = fails
            for n in range(8):  # whatever order they are acted on in
                await core.revocations.revoke(f"task:broken-{n}", "operator", "x", core.clock())
            await core.revocations.revoke("agent:support-bot", "operator", "x", core.clock())
            async with asyncio.timeout(PATIENCE):
                while (await core.holds.get(hold)).state == "pending":  # noqa: ASYNC110 - another task ends it
                    await asyncio.sleep(0.01)
            await until(lambda: core.failures["waking held calls"] > 0)

    asyncio.run(main())


def test_of_many_ends_only_those_are_acted_on_that_end_anything(tmp_path):
    """A house has thousands at its start, most of sign-ins: what waits under others is ended at once all the same."""
    settings = configured(tmp_path)

    async def main():
        async with open_core(settings) as core:
            hold, _ = await held(core)
            acted, ended_by = [], core.tasks.ended_by

            async def noted(revocation):
                acted.append(revocation.scope)
                await ended_by(revocation)

            core.tasks.ended_by = noted
            for n in range(20):
                await core.revocations.revoke(f"principal:https://idp|{n}", "operator", "x", core.clock())
            await core.revocations.revoke("agent:support-bot", "operator", "x", core.clock())
            await until(lambda: acted)
            assert acted == ["agent:support-bot"]
            async with asyncio.timeout(10):
                while (await core.holds.get(hold)).state == "pending":  # noqa: ASYNC110 - another task ends it
                    await asyncio.sleep(0.01)

    asyncio.run(main())


def test_what_was_ended_while_nobody_was_here_is_ended_at_the_start(tmp_path):
    """A revocation made between two runs ends the holds from before it; once it is lifted, one may ask again."""
    settings = configured(tmp_path)

    async def first():
        async with open_core(settings) as core:
            return (await held(core))[0]

    async def second(hold):
        async with open_core(settings) as core:
            async with asyncio.timeout(PATIENCE):
                while (await core.holds.get(hold)).state == "pending":  # noqa: ASYNC110 - another task ends it
                    await asyncio.sleep(0.01)
            document = problem(await core.pipeline.admit_call(arrived(refund()), await evidence(core)))
            assert document["reason"] == "agent_revoked"
            assert await core.revocations.lift("agent:support-bot")
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
    """A step that fails is told once, and tried again until it works; then another failure is told. All are counted."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.0)
    turns, failures = [], Counter()

    async def step():
        turns.append(len(turns))
        if len(turns) in {1, 2, 3, 5}:
            raise error
        await asyncio.sleep(0)

    async def main():
        task = asyncio.create_task(module._forever(failures, "sweeping", step))
        await until(lambda: len(turns) > 8)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert caplog.text.count("sweeping") == 2
    assert failures == {"sweeping": 4}


def told_of_a_step_that_never_ends(errors, monkeypatch, caplog):
    """How often a step that works for a moment and then fails with the next of these was told of."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.0)
    waiting, failures = iter(errors), Counter()

    async def step():
        await asyncio.sleep(0)
        for error in waiting:
            raise error
        await asyncio.Event().wait()

    async def main():
        task = asyncio.create_task(module._forever(failures, "watching", step))
        await until(lambda: failures["watching"] == len(errors))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    return caplog.text.count("watching")


def test_a_second_cause_is_told_too(monkeypatch, caplog):
    """A step that never ends of itself, and fails for another reason than before, is told of again."""
    errors = [OSError("one"), OSError("one"), OSError("two"), CountersignError("two"), CountersignError("two")]
    assert told_of_a_step_that_never_ends(errors, monkeypatch, caplog) == 3


def test_what_had_worked_for_long_is_told_again(monkeypatch, caplog):
    """A step that never ends of itself, and had worked for minutes, is told of again though the cause is the same."""
    monkeypatch.setattr(module, "WORKED_SECONDS", 0.0)
    assert told_of_a_step_that_never_ends([OSError("one")] * 3, monkeypatch, caplog) == 3


def test_the_signing_key_changes_while_we_run(tmp_path, monkeypatch):
    """A server that runs for months does not sign with one key for months."""
    monkeypatch.setattr(module, "KEY_SECONDS", 0.01)
    settings = configured(tmp_path, more="downstream: {trust_domain: prod.example}\n")
    clock = Clock(time.time())

    async def main():
        async with open_core(settings, clock) as core:
            first = core.signer.key_id
            clock.now += ROTATE_AFTER
            await until(lambda: core.signer.key_id != first)
            assert first in {key["kid"] for key in core.signer.jwks(clock())["keys"]}

    asyncio.run(main())


@pytest.mark.parametrize("asks", [False, True])
def test_a_task_that_nobody_uses_is_completed(tmp_path, monkeypatch, asks):
    """Looks go on beside the calls; a call under the task, and one that is under way, keep it."""
    looked, waiting = [], asyncio.Event()

    async def once_for_each_look(_core, idle):
        await waiting.wait()
        waiting.clear()
        await idle.look(time.time())
        looked.append(1)

    monkeypatch.setattr(module, "_look_for_idle", once_for_each_look)
    settings = configured(tmp_path, more="limits: {task_idle_seconds: 60}\n")

    async def main():
        async with open_core(settings) as core:
            now, data = core.clock(), ("read:customers",)
            asked = NewTask("support-bot", "refunds", now + 600, ("crm/get_customer",), data)
            task = await core.tasks.create(asked, by="operator:uid=0", now=now)
            handle, _ = await core.handles.issue(
                agent="support-bot", purpose="x", ttl=600.0, issued_by="x", now=now, task=task.id
            )
            for number in range(4):
                if asks and number == 0:
                    given = Evidence("", (("basic", handle),))
                    assert isinstance(await core.pipeline.admit_call(arrived(get()), given), Released)
                waiting.set()
                await until(lambda number=number: len(looked) > number)
            assert (await core.tasks.find(task.id)).state == ("active" if asks else "completed")

    asyncio.run(main())


@pytest.mark.parametrize("ended_by", ["revocation", "close"])
def test_what_was_obtained_for_an_agent_ends_with_it(tmp_path, monkeypatch, ended_by):
    """The token of a call comes from its own server; a revocation ends it there, and so does the end of ours."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.01)
    with OAuthServer() as server:
        monkeypatch.setenv("OAUTH_SECRET", server.secret)
        bound = (
            "{id: crm-token, kind: oauth_client_credentials, secret: env:OAUTH_SECRET, client_id: countersign, "
            f"token_url: '{server.url}/token', revocation_url: '{server.url}/revoke', unsafe_http_loopback: true,"
        )
        inventory = INVENTORY.replace('{id: crm-key, secret: "file:SECRET_FILE",', bound)
        settings = configured(tmp_path, inventory=inventory)

        async def main():
            async with open_core(settings) as core:
                released = await core.pipeline.admit_call(arrived(get()), await evidence(core))
                assert isinstance(released, Released)
                (token,) = server.live
                assert dict(released.upstream.headers)["authorization"] == f"Bearer {token}"
                assert [secret.value for secret in released.injection.secrets] == [token]
                if ended_by == "revocation":
                    await core.revocations.revoke("agent:support-bot", "operator", "x", core.clock())
                    await until(lambda: server.live == {})

        asyncio.run(main())
        assert server.live == {}
    recorded = [record for record in reader.records(settings.state / "audit") if record["type"] == "call.decided"]
    assert [record["credential"] for record in recorded] == [{"id": "crm-token", "reference": "env:OAUTH_SECRET"}]


def test_a_server_that_hangs_does_not_stop_the_ending_of_credentials(monkeypatch):
    """Another sweep begins beside the one that waits for it; a failure is told, and none outlives the background."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.001)
    begun, cancelled = [], []

    class Broker:
        async def sweep(self, now, ended):
            begun.append(now)
            if len(begun) == 3:
                raise RuntimeError("broken on purpose")
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(now)

    class Nobody:
        def now(self):
            return lambda *_: False

    async def main():
        ending = module._EndingCredentials(SimpleNamespace(broker=Broker(), clock=lambda: len(begun)), Nobody())
        await ending.follow()
        await ending.follow()
        with pytest.raises(RuntimeError, match="broken on purpose"):
            await ending.follow()
        under_way = asyncio.ensure_future(ending.follow())
        await until(lambda: len(begun) == 4)
        under_way.cancel()
        await asyncio.wait([under_way])
        assert begun == [0, 1, 2, 3]
        assert sorted(cancelled) == [0, 1, 3]

    asyncio.run(main())
