"""Everything but the doors: put together once, alone with its state, and put right when it starts."""

import asyncio
import contextlib
import time

import pytest

from proxy.app import core as module
from proxy.app.core import open_core
from proxy.downstream.signer import ROTATE_AFTER
from proxy.errors import CountersignError
from proxy.stages import Evidence, LocalPeer, Released
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.interfaces import Revocation
from telemetry import reader
from telemetry.errors import AuditUnavailable
from telemetry.verify import verify
from tests.fakes.accounts import claims_of
from tests.fakes.authorities import OAuthServer
from tests.fakes.serving import configured
from tests.fakes.trust_domain import AGENT, DOMAIN, OURS, TrustDomain
from tests.fakes.waiting import until
from tests.fakes.world import INVENTORY, Clock, arrived, get, problem, refund, shown


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


def test_internal_services_are_told_of_calls_where_a_trust_domain_is_set(tmp_path):
    """Then there is a key that only we may read, the same after a restart; else there is none, and no token."""
    told = configured(tmp_path / "told", more="downstream: {trust_domain: prod.example, lifetime_seconds: 30}\n")
    silent = configured(tmp_path / "silent")

    async def main():
        ids = set()
        for _ in range(2):
            async with open_core(told) as core:
                released = await core.pipeline.admit_call(arrived(refund(100)), await evidence(core))
                (token,) = [value for name, value in released.upstream.headers if name == "txn-token"]
                claims = claims_of(token)
                assert (claims["aud"], claims["exp"] - claims["iat"]) == ("prod.example", 30)
                ids.add(core.signer.key_id)
        assert len(ids) == 1
        async with open_core(silent) as core:
            released = await core.pipeline.admit_call(arrived(refund(100)), await evidence(core))
            assert "txn-token" not in dict(released.upstream.headers)
            assert core.signer is None

    asyncio.run(main())
    assert (told.state / "downstream.keys").stat().st_mode & 0o777 == 0o600
    assert not (silent.state / "downstream.keys").exists()


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


def test_workloads_prove_themselves_as_the_settings_say(tmp_path, monkeypatch):
    """By a certificate, a token or a local process; an open connection ends with the bundle that vouched for it."""
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.01)
    home = TrustDomain(at=time.time())
    tmp_path.joinpath("bundle.json").write_bytes(home.bundle())
    subjects = f"[{{issuer: 'spiffe://{DOMAIN}', subject: '{AGENT}'}}, {{issuer: unix, subject: 'uid=7'}}]"
    settings = configured(
        tmp_path,
        more=f"identity:\n  peer_seconds: 60\n  trust_domains:\n"
        f"  - {{trust_domain: {DOMAIN}, audience: '{OURS}', bundle_file: bundle.json}}\n",
        inventory=INVENTORY.replace("{id: support-bot,", f"{{id: support-bot, identities: {subjects},"),
    )

    async def main():
        async with open_core(settings) as core:
            by_certificate = Evidence("p", certificates=tuple(home.svid()))
            shown = {
                "certificate": by_certificate,
                "token": Evidence("p", (("bearer", home.token()),)),
                "peer": Evidence("unix", local=LocalPeer(7, 7, 7)),
            }
            for name, given in shown.items():
                assert isinstance(await core.pipeline.admit_call(arrived(get(), connection=name), given), Released)
            proven = await core.resolver.prove(by_certificate, core.clock(), core.inventory())
            tmp_path.joinpath("bundle.json").write_bytes(b'{"keys": []}')
            await until(lambda: proven.keys[0][1] != core.resolver._epoch_of(proven.issuer))
            for name, given, reason in (
                ("certificate", None, "identity_expired"),
                ("token", None, "identity_expired"),
                ("another", by_certificate, "identity_invalid"),
            ):
                answer = await core.pipeline.admit_call(arrived(get(), connection=name), given)
                assert problem(answer)["reason"] == reason
            assert isinstance(await core.pipeline.admit_call(arrived(get(), connection="peer"), None), Released)

    asyncio.run(main())
