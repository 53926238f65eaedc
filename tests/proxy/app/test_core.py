"""Everything but the doors: put together once, alone with its state, and put right when it starts."""

import asyncio
import time

import pytest

from proxy.app import background as module
from proxy.app.core import open_core
from proxy.errors import CountersignError
from proxy.stages import Evidence, LocalPeer, Released
from telemetry import reader
from telemetry.verify import verify
from tests.fakes.accounts import claims_of
from tests.fakes.app_calls import approve, evidence, held
from tests.fakes.serving import configured
from tests.fakes.trust_domain import AGENT, DOMAIN, OURS, TrustDomain
from tests.fakes.waiting import until
from tests.fakes.world import INVENTORY, arrived, get, problem, refund


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


@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701])
def test_a_state_that_others_may_enter_is_refused(tmp_path, mode):
    """What others may enter holds no secrets of ours: it is named, with what to do, and nothing is put into it."""
    settings = configured(tmp_path)
    settings.state.mkdir()
    settings.state.chmod(mode)

    async def main():
        with pytest.raises(
            CountersignError,
            match=rf"state: the state directory cannot be used: others may enter it \(mode {mode:04o}\).*`chmod 700 ",
        ):
            async with open_core(settings):
                pass
        assert not list(settings.state.iterdir())
        settings.state.chmod(0o700)
        async with open_core(settings):
            pass

    asyncio.run(main())


def test_a_state_of_somebody_else_is_refused(tmp_path, monkeypatch):
    """A state directory that another user made is not used: they may change it."""
    settings = configured(tmp_path)
    settings.state.mkdir(mode=0o700)
    monkeypatch.setattr("os.getuid", lambda: settings.state.stat().st_uid + 1)

    async def main():
        with pytest.raises(CountersignError, match="run it as that user"):
            async with open_core(settings):
                pass

    asyncio.run(main())


def test_what_would_block_while_it_runs_is_not_another_countersign(tmp_path):
    """An error of the work done inside is told as it is, though the lock would fail in the same way."""
    settings = configured(tmp_path)

    async def main():
        with pytest.raises(BlockingIOError, match="some socket"):
            async with open_core(settings):
                raise BlockingIOError(11, "some socket")

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


def test_a_store_that_is_gone_is_no_new_one(tmp_path):
    """Else whom a person ended would call again after a restart. An empty file says that it is to begin anew."""
    settings = configured(tmp_path)
    path = settings.state / "countersign.db"

    async def main():
        async with open_core(settings) as core:
            await core.revocations.revoke("agent:support-bot", "operator", "x", core.clock())
        for file in settings.state.glob("countersign.db*"):
            file.unlink()
        with pytest.raises(CountersignError, match="the store is gone"):
            async with open_core(settings):
                pass
        assert not path.exists()
        path.touch(0o600)
        async with open_core(settings) as core:
            assert core.feed.epochs.rows == ()

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
                told = problem(await core.pipeline.admit_call(arrived(get(), connection=name), given))
                assert told["reason"] == reason
            assert isinstance(await core.pipeline.admit_call(arrived(get(), connection="peer"), None), Released)

    asyncio.run(main())
